import { density, sparkline } from '../../report/charts/density.ts';
import { formatCount, formatMs, formatNumberOf, formatPeriod, formatShare, formatValue } from '../../report/format.ts';

test.each([
  [0, '0 ms'],
  [834, '834 ms'],
  [999.6, '1 s'],
  [4_230, '4.2 s'],
  [9_960, '10 s'],
  [59_600, '1 min'],
  [65_000, '1 min 5 s'],
  [3_599_700, '1 h'],
  [7_380_000, '2 h 3 min'],
  [86_400_000, '1 d'],
  [273_600_000, '3 d 4 h'],
  [-1, ''],
  [Number.NaN, ''],
])('%d ms reads %s', (ms, text) => expect(formatMs(ms)).toBe(text));

test('a measured value is shown without what floating point added', () => {
  expect([9.098500000000001, -0.25, 0, 3, 1_234_567.5, 5.0e-7].map(formatValue)).toEqual([
    '9.0985',
    '-0.25',
    '0',
    '3',
    '1234567.5',
    '5e-7',
  ]);
});

test('counts have thousands separators and nouns their number', () => {
  expect(formatCount(1_234_567)).toBe('1,234,567');
  expect(formatNumberOf(1, 'sensor')).toBe('1 sensor');
  expect(formatNumberOf(2_000, 'anomaly', 'anomalies')).toBe('2,000 anomalies');
});

test('a share is never rounded to none or all', () => {
  expect([
    formatShare(0, 5),
    formatShare(1, 9_999),
    formatShare(13, 1_000),
    formatShare(42, 100),
    formatShare(9_999, 10_000),
    formatShare(5, 5),
    formatShare(0, 0),
  ]).toEqual(['0%', '<0.1%', '1.3%', '42%', '>99%', '100%', '']);
});

test('a period names its date once, unless it crosses midnight', () => {
  const at = (text: string): number => Date.parse(text);
  expect(formatPeriod({ fromMs: at('2026-11-23T14:00Z'), toMs: at('2026-11-23T14:15Z') })).toBe(
    '2026-11-23 14:00 – 14:15 UTC',
  );
  expect(formatPeriod({ fromMs: at('2026-11-23T23:45Z'), toMs: at('2026-11-24T00:00Z') })).toBe(
    '2026-11-23 23:45 – 2026-11-24 00:00 UTC',
  );
});

test('a sparkline shows silence, normal time and how dense anomalies are', () => {
  const tsMs = Float64Array.from([0, 1, 10, 11, 20, 21, 22, 23, 40]);
  const prediction = Uint8Array.from([0, 0, 1, 1, 1, 0, 0, 0, 1]);
  const series = { tsMs, prediction, value: tsMs, score: tsMs };
  expect(sparkline(density([series], { fromMs: 0, toMs: 40 }, 4))).toBe('·█▂ ');
});
