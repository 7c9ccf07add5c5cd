/**
 * Longer windows from shorter ones: rows of the fleet's windows to rows of a sensor's own. Every aggregate of a window
 * follows from those of the windows that lie in it side by side, so a longer window is a function of the set of
 * readings as they are, and late or repeated readings need no other care. Rows are taken in order of time: the same
 * rows give the same bits. Pure.
 */
import { windowStart } from '../domain/time.ts';
import type { SeriesBlock } from '../storage/store.ts';

/** Columns of a block, as they grow. */
type Column = Exclude<keyof SeriesBlock, 'length' | 'changeId'>;
export const SERIES_FIELDS = [
  'sensorId',
  'startMs',
  'count',
  'mean',
  'min',
  'max',
  'last',
] as const satisfies readonly Column[];

/**
 * The windows of `ownMs` over a block that was read with all columns. Of fleet windows that overlap only those are
 * taken that follow each other, so that no reading counts twice.
 * @param fleetMs length of the fleet's windows, of which `ownMs` is a whole multiple
 */
export function rollUp(block: SeriesBlock, ownMs: number, fleetMs: number): SeriesBlock {
  const { length, sensorId, startMs, count, mean, min, max, last, changeId } = block;
  const grown: Record<Column, number[]> = {
    sensorId: [],
    startMs: [],
    count: [],
    mean: [],
    min: [],
    max: [],
    last: [],
  };
  for (let row = 0; row < length;) {
    const id = sensorId[row]!;
    const start = windowStart(startMs[row]!, ownMs);
    const rows: number[] = [];
    for (; row < length && sensorId[row] === id && startMs[row]! < start + ownMs; row++)
      if (startMs[row]! % fleetMs === 0) rows.push(row);
    if (rows.length === 0) continue;
    const low = rows.reduce((least, at) => Math.min(least, min[at]!), Number.POSITIVE_INFINITY);
    const high = rows.reduce((most, at) => Math.max(most, max[at]!), Number.NEGATIVE_INFINITY);
    grown.sensorId.push(id);
    grown.startMs.push(start);
    grown.count.push(rows.reduce((sum, at) => sum + count[at]!, 0));
    grown.mean.push(Math.min(high, Math.max(low, meanOf(rows, count, mean))));
    grown.min.push(low);
    grown.max.push(high);
    grown.last.push(last[rows.at(-1)!]!);
  }
  return columnsOf(grown, changeId);
}

/** Weighted by their readings, added in order of time as the readings of a window are (domain/window.ts). */
function meanOf(rows: readonly number[], count: Float64Array, mean: Float64Array): number {
  if (rows.length === 1) return mean[rows[0]!]!;
  const readings = rows.reduce((sum, at) => sum + count[at]!, 0);
  const sum = rows.reduce((total, at) => total + mean[at]! * count[at]!, 0);
  // A sum of huge values can overflow though the mean does not.
  return Number.isFinite(sum)
    ? sum / readings
    : rows.reduce((total, at) => total + mean[at]! * (count[at]! / readings), 0);
}

function columnsOf(grown: Readonly<Record<Column, readonly number[]>>, changeId: number): SeriesBlock {
  const columns = Object.fromEntries(SERIES_FIELDS.map((name) => [name, Float64Array.from(grown[name])]));
  return { ...(columns as Record<Column, Float64Array>), length: grown.sensorId.length, changeId };
}
