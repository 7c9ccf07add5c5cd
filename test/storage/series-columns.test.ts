/** Columns hold every row that was added, in its order, whatever was said of the rows that are still to come. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { seriesColumns } from '../../storage/series-columns.ts';

const rowsOf = (count: number): number[][] => Array.from({ length: count }, (_, i) => [i >> 4, i, i / 3]);

test('rows that come one by one, or many at once, are those of the block', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5_000 }),
      fc.array(fc.double({ min: 1e-9, max: 1, noNaN: true }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 700 }),
      (count, shares, atOnce) => {
        const rows = rowsOf(count);
        const [single, many] = [seriesColumns(3), seriesColumns(3)];
        for (const [i, row] of rows.entries()) single.add(row, shares[i % shares.length]!);
        for (let at = 0; at < count; at += atOnce) many.addAll(rows.slice(at, at + atOnce), 1 + 9 * shares[0]!);
        for (const block of [single.block(7), many.block(7)]) {
          expect(block).toMatchObject({ length: count, changeId: 7 });
          expect(rows).toEqual(
            Array.from({ length: count }, (_, i) => [block.sensorId[i], block.startMs[i], block.mean[i]]),
          );
          expect(block.last).toHaveLength(0);
        }
      },
    ),
    { numRuns: 10 },
  );
});

test('room is taken once for a range whose ids are dense, and little for one whose ids are not', () => {
  const grown = (rows: readonly number[][], shareOf: (row: number) => number): Set<number> => {
    const columns = seriesColumns(3);
    const rooms = new Set<number>();
    for (const [i, row] of rows.entries()) {
      columns.add(row, shareOf(i));
      rooms.add(columns.block(0).mean.buffer.byteLength / 8);
    }
    return rooms;
  };
  const dense = grown(rowsOf(30_000), (i) => (i + 1) / 30_000);
  expect(dense.size).toBeLessThanOrEqual(2);
  expect(Math.max(...dense)).toBeLessThan(1.2 * 30_000);
  expect(Math.max(...grown(rowsOf(100), () => 1e-9))).toBeLessThanOrEqual(4_096);
  expect([...grown(rowsOf(15), () => 1)]).toEqual([64]);
});

test('a block is in shared memory, which threads do not copy', () => {
  const columns = seriesColumns(7);
  columns.add([1, 2, 3, 4, 5, 6, 7], 1);
  const { sensorId, startMs, mean, count, min, max, last } = columns.block(0);
  for (const column of [sensorId, startMs, mean, count, min, max, last])
    expect(Object.prototype.toString.call(column.buffer)).toBe('[object SharedArrayBuffer]');
  expect([sensorId, startMs, mean, count, min, max, last].map(([value]) => value)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});
