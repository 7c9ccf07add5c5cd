import fc from 'fast-check';
import { mergeReadings } from '../../domain/window.ts';
import { buildWindows, type SensorReading } from '../../ingest/windows.ts';

const SETTINGS = { intervalMs: 5_000, outOfOrderMs: 30_000 };
const at = (tsMs: number, sensorId = 1, value = 0): SensorReading => ({ sensorId, tsMs, value });

function build(readings: readonly SensorReading[], settings = SETTINGS as Parameters<typeof buildWindows>[0], watermarkMs = -1): ReturnType<typeof buildWindows>['result'] {
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

test('the watermark follows the newest event time and never goes back', () => {
  expect(build([at(100_000), at(60_000)]).watermarkMs).toBe(70_000);
  expect(build([at(100_000)], SETTINGS, 90_000).watermarkMs).toBe(90_000);
  expect(build([at(10_000)]).watermarkMs).toBe(0);
  expect(build([]).watermarkMs).toBe(-1);
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

test('however readings are cut into commits, windows hold the same and the watermark is the same', () => {
  const reading = fc.record({ sensorId: fc.integer({ min: 1, max: 3 }), tsMs: fc.integer({ min: 0, max: 200_000 }), value: fc.integer() });
  fc.assert(fc.property(fc.array(reading), fc.array(fc.nat(20)), (readings, cuts) => {
    const whole = build(readings);
    const merged = new Map<string, ReturnType<typeof mergeReadings>>();
    let watermark = -1;
    let late = 0;
    let from = 0;
    for (const size of [...cuts, readings.length]) {
      const part = build(readings.slice(from, from + size), SETTINGS, watermark);
      from += size;
      watermark = part.watermarkMs;
      late += part.late;
      for (const update of part.updates) merged.set(`${update.sensorId}/${update.startMs}`, mergeReadings(merged.get(`${update.sensorId}/${update.startMs}`), update));
    }
    expect({ watermark, late }).toEqual({ watermark: whole.watermarkMs, late: whole.late });
    expect(Object.fromEntries(merged)).toEqual(Object.fromEntries(whole.updates.map((update) => [`${update.sensorId}/${update.startMs}`, mergeReadings(undefined, update)])));
  }));
});
