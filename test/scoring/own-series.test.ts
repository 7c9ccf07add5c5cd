/**
 * Sensors in windows of their own see what they would in a fleet whose windows have that length, from the same readings
 * and however time is cut into periods: the same counts, extremes, last values and features.
 */
import fc from 'fast-check';
import { aggregate } from '../../domain/window.ts';
import type { Window } from '../../domain/reading.ts';
import { startsIn, windowsOfSensor } from '../../domain/windowing.ts';
import { DEFAULT_FEATURES, maxLag, parseFeatures, rowRanges, sensorFeatures } from '../../scoring/features.ts';
import { readOwnSeries } from '../../scoring/own-series.ts';
import { rollUp } from '../../scoring/roll-up.ts';
import type { SeriesBlock, WindowStore } from '../../storage/store.ts';

interface Reading {
  readonly ts: number;
  readonly value: number;
}

const HOP = 5;
const readings = (value: fc.Arbitrary<number>): fc.Arbitrary<Reading[]> =>
  fc
    .array(fc.record({ ts: fc.nat(600), value }), { minLength: 1, maxLength: 150 })
    .map((some) => [...new Map(some.map((one) => [one.ts, one])).values()].sort((a, b) => a.ts - b.ts));
const numbers = fc.double({ min: -1e9, max: 1e9, noNaN: true });

/** The windows of a fleet over readings. */
function windowsOver(all: readonly Reading[], windowMs: number, hopMs: number): Window[] {
  const windows: Window[] = [];
  for (let start = 0; start <= 600; start += hopMs) {
    const own = all.filter(({ ts }) => ts >= start && ts < start + windowMs);
    if (own.length > 0)
      windows.push(aggregate(start, { tsMs: own.map(({ ts }) => ts), values: own.map(({ value }) => value) }));
  }
  return windows;
}

const blockOf = (bySensor: readonly (readonly [number, readonly Window[]])[]): SeriesBlock => {
  const rows = bySensor.flatMap(([id, windows]) => windows.map((window) => ({ id, ...window })));
  const column = (of: (row: (typeof rows)[number]) => number): Float64Array => Float64Array.from(rows, of);
  return {
    length: rows.length,
    sensorId: column(({ id }) => id),
    startMs: column(({ startMs }) => startMs),
    count: column(({ count }) => count),
    mean: column(({ mean }) => mean),
    min: column(({ min }) => min),
    max: column(({ max }) => max),
    last: column(({ last }) => last),
    changeId: 7,
  };
};

/** Reads of a store that holds these windows. */
const storeOf = (bySensor: readonly (readonly [number, readonly Window[]])[]): Pick<WindowStore, 'readSeries'> => ({
  readSeries: async ({ from, to }, { fromMs, toMs }) =>
    blockOf(
      bySensor
        .filter(([id]) => id >= from && id < to)
        .map(([id, windows]) => [id, windows.filter(({ startMs }) => startMs >= fromMs && startMs < toMs)]),
    ),
});

/** Of n values of at most `most`, added in another order: each addition rounds once. */
const tolerance = (most: number, n: number): number => 4 * n * Number.EPSILON * most;

test('a rolled-up window is that of a fleet with windows of that length', () => {
  fc.assert(
    fc.property(readings(numbers), fc.integer({ min: 1, max: 40 }), fc.constantFrom(1, 2), (all, times, overlap) => {
      const fleetMs = HOP * overlap;
      const ownMs = fleetMs * times;
      const rolled = rollUp(blockOf([[1, windowsOver(all, fleetMs, HOP)]]), ownMs, fleetMs);
      const wanted = windowsOver(all, ownMs, ownMs);
      expect([...rolled.startMs]).toEqual(wanted.map(({ startMs }) => startMs));
      for (const name of ['count', 'min', 'max', 'last'] as const)
        expect([...rolled[name]]).toEqual(wanted.map((window) => window[name]));
      for (const [row, { mean, count, min, max }] of wanted.entries())
        expect(Math.abs(rolled.mean[row]! - mean)).toBeLessThanOrEqual(
          tolerance(Math.max(Math.abs(min), Math.abs(max)), count),
        );
    }),
  );
});

test('with one reading a window the means are the same to the last bit', () => {
  fc.assert(
    fc.property(fc.array(numbers, { minLength: 1, maxLength: 100 }), fc.integer({ min: 1, max: 40 }), (some, times) => {
      const all = some.map((value, i) => ({ ts: i * HOP, value }));
      const rolled = rollUp(blockOf([[1, windowsOver(all, HOP, HOP)]]), HOP * times, HOP);
      expect([...rolled.mean]).toEqual(windowsOver(all, HOP * times, HOP * times).map(({ mean }) => mean));
    }),
  );
});

const FEATURES = parseFeatures(JSON.stringify(['max', 'count', 'last[-1]', 'min[-2]'])) as typeof DEFAULT_FEATURES;

/** By window start: its features. */
function featuresOf(
  series: SeriesBlock,
  id: number,
  period: { fromMs: number; toMs: number },
  hopMs: number,
): [number, number[]][] {
  const rows = Int32Array.from({ length: series.length }, (_, row) => row);
  const range = rowRanges(series).get(id) ?? { from: 0, to: 0 };
  const found = sensorFeatures(series, rows, range, period, hopMs, FEATURES);
  const width = FEATURES.length;
  return [...found.rows.subarray(found.from, found.from + found.count)].map((row, i) => [
    series.startMs[row]!,
    [...found.values.subarray((found.from + i) * width, (found.from + i + 1) * width)],
  ]);
}

test('however time is cut, every sensor is scored over the features of its own windows, each once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ all: readings(numbers), times: fc.nat(12) }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 30 }),
      fc.boolean(),
      async (fleet, hops, isBatch) => {
        const shape = { windowMs: HOP, hopMs: HOP };
        const sensors = fleet.map(({ times }, i) => ({ id: i + 1, ...(times > 1 ? { windowMs: HOP * times } : {}) }));
        const store = storeOf(fleet.map(({ all }, i) => [i + 1, windowsOver(all, HOP, HOP)]));
        const models = new Map(sensors.map(({ id }) => [id, { model: 'm', features: FEATURES }]));
        const needs = [{ lookback: maxLag(FEATURES), columns: 'all' as const, models }];
        const got = new Map<number, [number, number[]][]>(sensors.map(({ id }) => [id, []]));
        for (let fromMs = 0; fromMs < 1_400; fromMs += hops * HOP) {
          const period = { fromMs, toMs: fromMs + hops * HOP };
          const series = await readOwnSeries(store, {
            sensors,
            range: { from: 1, to: sensors.length + 1 },
            period,
            shape,
            needs,
            ...(isBatch ? { batchId: 'batch' } : {}),
          });
          expect(series.changeId).toBe(7);
          for (const { id, windowMs } of sensors) {
            const own = windowsOfSensor(shape, windowMs);
            got.get(id)!.push(...featuresOf(series, id, startsIn(period, own), own.hopMs));
          }
        }
        for (const { id, windowMs = HOP } of sensors) {
          const whole = blockOf([[id, windowsOver(fleet[id - 1]!.all, windowMs, windowMs)]]);
          expect(got.get(id)).toEqual(featuresOf(whole, id, { fromMs: 0, toMs: 1_400 }, windowMs));
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('what longer windows are made of is read in pieces of bounded size', async () => {
  const reads: number[] = [];
  const windows = Array.from({ length: 250_000 }, (_, i) => aggregate(i * HOP, { tsMs: [i * HOP], values: [i % 7] }));
  const store: Pick<WindowStore, 'readSeries'> = {
    async readSeries(range, { fromMs, toMs }) {
      const held = windows.slice(Math.max(0, fromMs / HOP), toMs / HOP);
      const block = blockOf(range.to > range.from ? [[range.from, held]] : []);
      reads.push(block.length);
      return block;
    },
  };
  const series = await readOwnSeries(store, {
    sensors: [{ id: 1, windowMs: 10_000 * HOP }],
    range: { from: 1, to: 2 },
    period: { fromMs: 0, toMs: 250_000 * HOP },
    shape: { windowMs: HOP, hopMs: HOP },
    needs: [],
  });
  expect(series.length).toBe(25);
  expect([...series.startMs]).toEqual(Array.from({ length: 25 }, (_, i) => i * 10_000 * HOP));
  expect(Math.max(...reads)).toBe(60_000);
});
