import fc from 'fast-check';
import { blockValues, fromBlock, packBlocks } from '../../scoring/packs/pack-blocks.ts';
import { largestSize, paddedSize } from '../../scoring/packs/sizes.ts';

/** Models with so many rows each. */
const indexOf = (counts: readonly number[]): Int32Array =>
  Int32Array.from(counts.flatMap((count, model) => Array.from({ length: count }, () => model * 7)));

test('every row is in one block, with its model and its values, in blocks of whole multiples', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 40 }),
      fc.constantFrom(16, 32, 48, 256),
      fc.integer({ min: 1, max: 3 }),
      (counts, mostRows, width) => {
        const index = indexOf(counts);
        const values = Float64Array.from({ length: index.length * width }, (_, i) => i);
        const seen = new Float64Array(index.length);
        const anomaly = new Uint8Array(index.length);
        for (const block of packBlocks(index, mostRows, 16)) {
          const { models, rows, from, count } = block;
          expect((models.length * rows) % 16).toBe(0);
          expect(models.length * rows).toBeLessThanOrEqual(Math.max(48, mostRows));
          const filled = blockValues(block, values, width);
          expect(filled).toHaveLength(models.length * rows * width);
          for (let i = 0; i < models.length; i++)
            for (let row = 0; row < rows; row++) {
              const run = Math.min(i, from.length - 1);
              const own = from[run]! + Math.min(row, count[run]! - 1);
              expect(models[i]).toBe(index[own]);
              const at = (i * rows + row) * width;
              expect(filled.subarray(at, at + width)).toEqual(values.subarray(own * width, (own + 1) * width));
            }
          // Back to where they came from: the first value of each row, one higher.
          const found = Float64Array.from({ length: models.length * rows }, (_, i) => filled[i * width]! + 1);
          const before = Float64Array.from(seen);
          const flags = Uint8Array.from(found, (value) => value % 251);
          fromBlock(block, { anomaly: flags, score: found }, { anomaly, score: seen });
          for (const [row, value] of seen.entries())
            if (value !== before[row]) expect([before[row], value]).toEqual([0, row * width + 1]);
        }
        expect(seen).toEqual(Float64Array.from(index, (_, row) => row * width + 1));
        expect(anomaly).toEqual(Uint8Array.from(seen, (value) => value % 251));
      },
    ),
  );
});

test('sizes are at most half larger than what they hold', () => {
  for (let count = 1; count < 5_000; count++) {
    expect(paddedSize(count)).toBeGreaterThanOrEqual(count);
    expect(paddedSize(count)).toBeLessThanOrEqual(Math.max(count, count * 1.5));
    expect(paddedSize(largestSize(count))).toBe(largestSize(count));
    expect(largestSize(count)).toBeLessThanOrEqual(count);
  }
});
