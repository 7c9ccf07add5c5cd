/**
 * Columns of a block of windows that grow as rows come, of either engine. In shared memory, so that the threads that
 * score and write files read them where they are.
 */
import type { SeriesBlock } from './store.ts';

type Row = readonly number[];

/** Rows that there is room for at first: of one sensor, and at most. */
const FIRST_OF_SENSOR = 64;
const FIRST_AT_MOST = 4_096;
/** So much larger at once at most: a range may have ids that nobody has. */
const GROWS_AT_MOST = 16;

const empty = (rows: number): Float64Array => new Float64Array(new SharedArrayBuffer(rows * 8));

export interface SeriesColumns {
  /** @param parts that may come, this one included, as large as this one */
  addAll(rows: readonly Row[], parts: number): void;
  /** @param share of all rows that has come, this one included, as far as can be told: above 0 to 1 */
  add(row: Row, share: number): void;
  block(changeId: number): SeriesBlock;
}

/** @param width of a row: the columns of a block in their order, or the first of them */
export function seriesColumns(width: number): SeriesColumns {
  let columns = Array.from({ length: width }, () => empty(0));
  let room = 0;
  let length = 0;
  const grow = (rows: number): void => {
    columns = columns.map((old) => {
      const grown = empty(rows);
      grown.set(old.subarray(0, length));
      return grown;
    });
    room = rows;
  };
  const column = (at: number): Float64Array => columns[at]?.subarray(0, length) ?? new Float64Array(0);
  return {
    addAll(rows, parts) {
      if (length + rows.length > room) grow(length + Math.ceil(rows.length * Math.max(1, parts)));
      for (const [at, column] of columns.entries())
        for (let row = 0; row < rows.length; row++) column[length + row] = rows[row]![at]!;
      length += rows.length;
    },
    add(row, share) {
      if (length === room) grow(roomFor(length, share));
      for (let at = 0; at < width; at++) columns[at]![length] = row[at]!;
      length++;
    },
    block: (changeId) => ({
      length,
      sensorId: column(0),
      startMs: column(1),
      mean: column(2),
      count: column(3),
      min: column(4),
      max: column(5),
      last: column(6),
      changeId,
    }),
  };
}

function roomFor(length: number, share: number): number {
  if (length === 0) return Math.min(FIRST_AT_MOST, Math.ceil(FIRST_OF_SENSOR / share));
  return Math.min(GROWS_AT_MOST * length, Math.ceil((1.05 * (length + FIRST_OF_SENSOR)) / share));
}
