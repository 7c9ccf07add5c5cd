import fc from 'fast-check';
import { faultsIn } from '../../samples/faults.ts';
import { envelope, SAMPLE_FLEET, sampleSensor } from '../../samples/fleet.ts';
import { READING_INTERVAL_MS, sampleFeed, sampleReadings } from '../../samples/readings.ts';
import { keyOf, nameProblem } from '../../domain/sensor.ts';

const HOUR_MS = 3_600_000;
const time = fc.integer({ min: Date.parse('2020-01-01T00:00:00Z'), max: Date.parse('2060-01-01T00:00:00Z') });
const seed = fc.integer({ min: 0, max: 0xffffffff });
const sensor = fc.constantFrom(...SAMPLE_FLEET);

test('12 devices with 5 sensors each, named so that a file name tells device from sensor', () => {
  expect(SAMPLE_FLEET).toHaveLength(60);
  expect(new Set(SAMPLE_FLEET.map((s) => s.device)).size).toBe(12);
  expect(new Set(SAMPLE_FLEET.map(keyOf)).size).toBe(60);
  for (const [at, s] of SAMPLE_FLEET.entries()) {
    expect(nameProblem('device', s.device) ?? nameProblem('sensor', s.sensor)).toBeUndefined();
    expect(`${s.device}${s.sensor}`).toMatch(/^[a-z0-9-]+$/);
    expect(s.index).toBe(at);
    expect(sampleSensor({ device: s.device, sensor: s.sensor })).toBe(s);
    // Room for faults on both sides inside the instrument's range.
    expect(s.normal - s.min).toBeGreaterThan(4 * envelope(s));
    expect(s.max - s.normal).toBeGreaterThan(4 * envelope(s));
  }
  expect(() => sampleSensor({ device: 'pump-9', sensor: 'flow' })).toThrow('no sensor pump-9 flow');
  expect(() => sampleSensor(60)).toThrow('no sensor index 60');
});

test('any span cut in two gives the same readings: the feed can go on for ever', () => {
  fc.assert(
    fc.property(
      sensor,
      time,
      fc.integer({ min: 0, max: 600_000 }),
      fc.integer({ min: 0, max: 600_000 }),
      seed,
      ({ index }, from, a, b, seed) => {
        const parts = [
          ...sampleReadings(index, from, from + a, { seed }),
          ...sampleReadings(index, from + a, from + a + b, { seed }),
        ];
        expect(parts).toEqual(sampleReadings(index, from, from + a + b, { seed }));
      },
    ),
    { numRuns: 60 },
  );
});

test("one reading in every 5 seconds of the epoch, inside the instrument's range", () => {
  fc.assert(
    fc.property(sensor, time, seed, (s, time, seed) => {
      const from = time - (time % READING_INTERVAL_MS);
      const readings = sampleReadings(s.index, from, from + 200 * READING_INTERVAL_MS, { seed });
      expect(readings.map(({ tsMs }) => Math.floor((tsMs - from) / READING_INTERVAL_MS))).toEqual([
        ...Array(200).keys(),
      ]);
      for (const { value } of readings) {
        expect(value).toBeGreaterThanOrEqual(s.min);
        expect(value).toBeLessThanOrEqual(s.max);
      }
    }),
    { numRuns: 40 },
  );
});

test('without faults no reading leaves the envelope, at any time and with any seed', () => {
  fc.assert(
    fc.property(sensor, time, seed, (s, from, seed) => {
      for (const { value } of sampleReadings(s.index, from, from + 600_000, { seed, faults: false }))
        expect(Math.abs(value - s.normal)).toBeLessThanOrEqual(envelope(s) + 10 ** -s.decimals);
    }),
    { numRuns: 60 },
  );
});

test('readings differ between seeds, and faults only change the readings they cover', () => {
  const from = Date.parse('2026-11-23T10:00:00Z');
  expect(sampleReadings(0, from, from + HOUR_MS, { seed: 1 })).not.toEqual(
    sampleReadings(0, from, from + HOUR_MS, { seed: 2 }),
  );
  for (const fault of faultsIn(from, from + HOUR_MS)) {
    const faulty = sampleReadings(fault.sensor, from, from + HOUR_MS);
    const normal = sampleReadings(fault.sensor, from, from + HOUR_MS, { faults: false });
    const changed = faulty.filter((reading, at) => reading.value !== normal[at]!.value);
    expect(changed.length).toBeGreaterThan(0);
    expect(changed.every(({ tsMs }) => tsMs >= fault.fromMs && tsMs < fault.toMs)).toBe(true);
  }
});

test('every hour has ten faults in ten sensors, apart from each other and inside the hour', () => {
  fc.assert(
    fc.property(time, seed, (time, seed) => {
      const from = time - (time % HOUR_MS);
      const faults = faultsIn(from, from + HOUR_MS, seed);
      expect(faults).toHaveLength(10);
      expect(new Set(faults.map((fault) => fault.sensor.index)).size).toBe(10);
      expect(faults.filter((fault) => fault.findable)).toHaveLength(8);
      faults.forEach((fault, at) => {
        expect(fault.fromMs).toBeGreaterThanOrEqual(faults[at - 1]?.toMs ?? from);
        expect(fault.toMs).toBeGreaterThan(fault.fromMs);
        expect(fault.toMs).toBeLessThanOrEqual(from + HOUR_MS);
      });
    }),
  );
});

test('the faults of a span are those that touch it', () => {
  fc.assert(
    fc.property(time, fc.integer({ min: 1, max: 3 * HOUR_MS }), seed, (from, length, seed) => {
      const wide = faultsIn(from - 2 * HOUR_MS, from + length + 2 * HOUR_MS, seed);
      expect(faultsIn(from, from + length, seed)).toEqual(
        wide.filter((f) => f.fromMs < from + length && f.toMs > from),
      );
    }),
  );
});

test("the feed holds every sensor's readings, by time", () => {
  const from = Date.parse('2026-11-23T10:00:00Z');
  const feed = sampleFeed(from, from + 60_000);
  expect(feed).toHaveLength(60 * 12);
  expect(feed.map((r) => r.tsMs)).toEqual(feed.map((r) => r.tsMs).sort((a, b) => a - b));
  const flow = sampleSensor({ device: 'pump-2', sensor: 'flow' });
  expect(feed.filter((r) => keyOf(r) === keyOf(flow))).toEqual(sampleReadings(flow, from, from + 60_000));
});
