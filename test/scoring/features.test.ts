import fc from 'fast-check';
import {
  DEFAULT_FEATURES,
  type Feature,
  maxLag,
  MAX_LAG,
  parseFeatures,
  type RowRange,
  rowRanges,
  sensorFeatures as featuresOf,
  STATISTICS,
} from '../../scoring/features.ts';
import type { Period } from '../../domain/time.ts';
import type { SeriesBlock } from '../../storage/store.ts';
import { INTERVAL_MS, seriesOf } from './fleet.ts';

const features = (...names: string[]): readonly Feature[] => {
  const parsed = parseFeatures(JSON.stringify(names));
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
};
const sensorFeatures = (
  series: SeriesBlock,
  ...rest: [range: RowRange, period: Period, hopMs: number, features: readonly Feature[]]
): Pick<ReturnType<typeof featuresOf>, 'rows' | 'values' | 'windows'> => {
  const rowNumbers = Int32Array.from({ length: series.length }, (_, row) => row);
  const { rows, values, from, count, windows } = featuresOf(series, rowNumbers, ...rest);
  const width = rest[3].length;
  return {
    rows: rows.subarray(from, from + count),
    values: values.subarray(from * width, (from + count) * width),
    windows,
  };
};
const period = (from: number, to: number): { fromMs: number; toMs: number } => ({
  fromMs: from * INTERVAL_MS,
  toMs: to * INTERVAL_MS,
});

test('a model that declares nothing takes the mean', () => {
  expect(parseFeatures(undefined)).toBe(DEFAULT_FEATURES);
  expect(features('mean')).toEqual(DEFAULT_FEATURES);
});

test('aggregates and their lags are features, in the order declared', () => {
  expect(features('max', 'mean[-1]', 'last[-60]')).toEqual([
    { name: 'max', statistic: 'max', lag: 0 },
    { name: 'mean[-1]', statistic: 'mean', lag: 1 },
    { name: 'last[-60]', statistic: 'last', lag: 60 },
  ]);
  expect(maxLag(features('max', 'mean[-1]', 'last[-60]'))).toBe(60);
});

test.each([
  '{',
  '{}',
  '[]',
  '"mean"',
  '["median"]',
  '["mean[1]"]',
  '["mean[-0]"]',
  '["mean[-61]"]',
  '["mean[-1.5]"]',
  '[7]',
  '["mean "]',
])('the declaration %s is refused in words', (json) =>
  expect(parseFeatures(json)).toEqual(expect.stringContaining('fleetscore.features')),
);

test('windows before the period serve lags and are not predicted', () => {
  const series = seriesOf({ 4: [1, 2, 3, 4, 5] });
  const { rows, values, windows } = sensorFeatures(
    series,
    { from: 0, to: 5 },
    period(2, 4),
    INTERVAL_MS,
    features('mean', 'mean[-2]'),
  );
  expect([...rows]).toEqual([2, 3]);
  expect([...values]).toEqual([3, 1, 4, 2]);
  expect(windows).toBe(2);
});

test('a window whose lag falls into a gap is left out, and counted', () => {
  const series = seriesOf({ 4: [1, undefined, 3, 4] });
  const { rows, windows } = sensorFeatures(
    series,
    { from: 0, to: 3 },
    period(0, 4),
    INTERVAL_MS,
    features('mean', 'mean[-1]'),
  );
  expect([...rows]).toEqual([2]);
  expect(windows).toBe(3);
});

test('lags never reach into the series of another sensor', () => {
  const series = seriesOf({ 1: [1, 2], 2: [undefined, undefined, 9] });
  const range = rowRanges(series).get(2)!;
  expect(sensorFeatures(series, range, period(0, 9), INTERVAL_MS, features('mean[-1]')).rows).toHaveLength(0);
});

test('features equal those looked up by time, for any series and any features', () => {
  const series = fc.array(fc.option(fc.integer({ min: -50, max: 50 }), { nil: undefined, freq: 3 }), { maxLength: 40 });
  const feature = fc
    .record({ statistic: fc.constantFrom(...STATISTICS), lag: fc.integer({ min: 0, max: 6 }) })
    .map(({ statistic, lag }): Feature => ({ name: lag === 0 ? statistic : `${statistic}[-${lag}]`, statistic, lag }));
  fc.assert(
    fc.property(
      series,
      fc.array(feature, { minLength: 1, maxLength: 4 }),
      fc.nat(20),
      fc.nat(40),
      (means, wanted, from, length) => {
        const block = seriesOf({ 1: [5, 6], 3: means, 8: [7] });
        const range = rowRanges(block).get(3) ?? { from: 0, to: 0 };
        const span = period(from, from + length);
        const found = sensorFeatures(block, range, span, INTERVAL_MS, wanted);
        const byTime = new Map(
          Array.from({ length: range.to - range.from }, (_, i) => [block.startMs[range.from + i]!, range.from + i]),
        );
        const rows = [...byTime].filter(([startMs]) => startMs >= span.fromMs && startMs < span.toMs);
        const complete = rows.filter(([startMs]) => wanted.every(({ lag }) => byTime.has(startMs - lag * INTERVAL_MS)));
        expect([...found.rows]).toEqual(complete.map(([, row]) => row));
        expect([...found.values]).toEqual(
          complete.flatMap(([startMs]) =>
            wanted.map(({ statistic, lag }) => block[statistic][byTime.get(startMs - lag * INTERVAL_MS)!]!),
          ),
        );
        expect(found.windows).toBe(rows.length);
      },
    ),
  );
});

test('the furthest lag is bounded', () => expect(typeof parseFeatures(`["mean[-${MAX_LAG + 1}]"]`)).toBe('string'));
