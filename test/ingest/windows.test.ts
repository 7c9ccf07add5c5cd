import fc from 'fast-check';
import { mergeReadings } from '../../domain/window.ts';
import { buildWindows, type SensorReading } from '../../ingest/windows.ts';

const SETTINGS = { windowMs: 5_000, hopMs: 5_000, outOfOrderMs: 30_000 };
const at = (tsMs: number, sensorId = 1, value = 0, arrivedMs = tsMs): SensorReading => ({
  sensorId,
  tsMs,
  value,
  arrivedMs,
});

function build(
  readings: readonly SensorReading[],
  settings = SETTINGS as Parameters<typeof buildWindows>[0],
  watermarkMs = -1,
): ReturnType<typeof buildWindows>['result'] {
  const windows = buildWindows(settings, watermarkMs);
  for (const reading of readings) windows.add(reading);
  return windows.result;
}

test('readings go to tumbling windows aligned to the epoch, by sensor', () => {
  expect(build([at(4_999), at(5_000), at(5_001, 2, 7), at(9_999, 1, 3)]).updates).toEqual([
    { sensorId: 1, startMs: 0, tsMs: [4_999], values: [0] },
    { sensorId: 1, startMs: 5_000, tsMs: [5_000, 9_999], values: [0, 3] },
    { sensorId: 2, startMs: 5_000, tsMs: [5_001], values: [7] },
  ]);
});

test('where windows overlap a reading is in every one that holds it, and there are none before the epoch', () => {
  const hopping = { ...SETTINGS, hopMs: 2_500 };
  expect(build([at(5_000), at(7_499)], hopping)).toMatchObject({
    readings: 2,
    updates: [
      { sensorId: 1, startMs: 2_500, tsMs: [5_000, 7_499], values: [0, 0] },
      { sensorId: 1, startMs: 5_000, tsMs: [5_000, 7_499], values: [0, 0] },
    ],
  });
  expect(build([at(0)], hopping).updates.map((update) => update.startMs)).toEqual([0]);
});

test('the watermark follows the newest event time and never goes back', () => {
  expect(build([at(100_000), at(60_000)]).watermarkMs).toBe(70_000);
  expect(build([at(100_000)], SETTINGS, 90_000).watermarkMs).toBe(90_000);
  expect(build([at(10_000)]).watermarkMs).toBe(0);
  expect(build([]).watermarkMs).toBe(-1);
});

test('a clock that runs ahead moves the watermark no further than its event had come', () => {
  const result = build([at(3_600_000, 1, 0, 100_000), at(99_000, 2)]);
  expect(result).toMatchObject({ watermarkMs: 70_000, late: 0, readings: 2 });
  expect(result.updates.map((update) => update.startMs)).toEqual([3_600_000, 95_000]);
});

test('a reading is late when its window ended before the watermark; it still counts', () => {
  // The watermark is 70 s: the window from 65 s to 70 s is just closed, the next one is not.
  const result = build([at(100_000), at(69_999), at(70_000)]);
  expect(result).toMatchObject({ late: 1, tooLate: 0, readings: 3 });
});

test('beyond the late limit a reading stays out of windows and is counted', () => {
  const result = build([at(100_000), at(69_999), at(59_999)], { ...SETTINGS, lateLimitMs: 5_000 });
  expect(result).toMatchObject({ late: 2, tooLate: 1, readings: 2 });
  expect(result.updates.map((update) => update.startMs)).toEqual([100_000, 65_000]);
});

test('where windows overlap a reading is late once, and the limit is that of each window', () => {
  const hopping = { ...SETTINGS, hopMs: 1_000 };
  // The watermark is 70 s. Of the windows of 67.5 s, those that end at 68, 69 and 70 s have ended.
  expect(build([at(100_000), at(67_500)], hopping)).toMatchObject({ late: 1, tooLate: 0, readings: 2 });
  const limited = build([at(100_000), at(67_500), at(60_000)], { ...hopping, lateLimitMs: 1_000 });
  expect(limited).toMatchObject({ late: 2, tooLate: 1, readings: 2 });
  expect(limited.updates.filter((update) => update.tsMs[0] === 67_500).map((update) => update.startMs)).toEqual([
    64_000, 65_000, 66_000, 67_000,
  ]);
});

test('only windows that start in the period asked for are made', () => {
  const { updates, readings } = build([at(9_000), at(20_000)], {
    ...SETTINGS,
    hopMs: 1_000,
    starts: { fromMs: 7_000, toMs: 9_000 },
  });
  expect(updates.map((update) => update.startMs)).toEqual([7_000, 8_000]);
  expect(readings).toBe(1);
});

test('each window holds the readings from its start to its end, whatever its length and hop', () => {
  const shapes = fc.record({ hopMs: fc.integer({ min: 300, max: 3_000 }), times: fc.integer({ min: 1, max: 6 }) });
  fc.assert(
    fc.property(fc.array(fc.nat(40_000), { maxLength: 30 }), shapes, (times, { hopMs, times: overlap }) => {
      const windowMs = hopMs * overlap;
      const { updates, readings } = build(
        times.map((ts) => at(ts)),
        { ...SETTINGS, windowMs, hopMs },
      );
      const held = (startMs: number): number[] => times.filter((ts) => ts >= startMs && ts < startMs + windowMs);
      const starts = Array.from({ length: Math.ceil(40_001 / hopMs) }, (_, i) => i * hopMs);
      const found = updates.map(({ startMs, tsMs }) => [startMs, tsMs] as const).sort(([a], [b]) => a - b);
      expect(found).toEqual(
        starts.map((startMs) => [startMs, held(startMs)] as const).filter(([, ts]) => ts.length > 0),
      );
      expect(readings).toBe(times.length);
    }),
  );
});

test('however readings are cut into commits, windows hold the same and the watermark is the same', () => {
  const reading = fc.record({
    sensorId: fc.integer({ min: 1, max: 3 }),
    tsMs: fc.integer({ min: 0, max: 200_000 }),
    value: fc.integer(),
    arrivedMs: fc.integer({ min: 50_000, max: 150_000 }),
  });
  fc.assert(
    fc.property(
      fc.array(reading),
      fc.array(fc.nat(20)),
      fc.constantFrom(5_000, 2_500, 1_000),
      (readings, cuts, hopMs) => {
        const settings = { ...SETTINGS, hopMs };
        const whole = build(readings, settings);
        const merged = new Map<string, ReturnType<typeof mergeReadings>>();
        let watermark = -1;
        let late = 0;
        let from = 0;
        for (const size of [...cuts, readings.length]) {
          const part = build(readings.slice(from, from + size), settings, watermark);
          from += size;
          watermark = part.watermarkMs;
          late += part.late;
          for (const update of part.updates)
            merged.set(
              `${update.sensorId}/${update.startMs}`,
              mergeReadings(merged.get(`${update.sensorId}/${update.startMs}`), update),
            );
        }
        expect({ watermark, late }).toEqual({ watermark: whole.watermarkMs, late: whole.late });
        expect(Object.fromEntries(merged)).toEqual(
          Object.fromEntries(
            whole.updates.map((update) => [`${update.sensorId}/${update.startMs}`, mergeReadings(undefined, update)]),
          ),
        );
      },
    ),
  );
});

test('readings in whatever order, some twice, are merged as a map by time would merge them', () => {
  const set = fc.array(fc.tuple(fc.nat(12), fc.nat()), { maxLength: 6 });
  const inOrder = set.map((pairs) => pairs.toSorted(([a], [b]) => a - b));
  const ofPairs = (pairs: readonly (readonly [number, number])[]) => ({
    tsMs: pairs.map(([ts]) => ts),
    values: pairs.map(([, value]) => value),
  });
  fc.assert(
    fc.property(fc.option(set), fc.oneof(set, inOrder), fc.nat(14), (before, added, later) => {
      const base = before && ofPairs([...new Map(before)].toSorted(([a], [b]) => a - b));
      const more = added.map(([ts, value]) => [ts + later, value] as const);
      const expected = [...new Map([...(before ?? []), ...more])].toSorted(([a], [b]) => a - b);
      expect(mergeReadings(base ?? undefined, ofPairs(more))).toEqual(ofPairs(expected));
    }),
    { numRuns: 1_000 },
  );
});
