import fc from 'fast-check';
import {
  describeWindows,
  firstWindowStart,
  isDue,
  lastWindowEnd,
  ownWindowProblem,
  startsIn,
  windowsOfSensor,
} from '../../domain/windowing.ts';

const MINUTE = 60_000;

test('windows of a period are complete when the last one that starts in it has ended', () => {
  const period = { fromMs: 0, toMs: 15 * MINUTE };
  expect(lastWindowEnd(period, { windowMs: MINUTE, hopMs: MINUTE })).toBe(15 * MINUTE);
  expect(lastWindowEnd(period, { windowMs: MINUTE, hopMs: 10_000 })).toBe(15 * MINUTE + 50_000);
  // A period that ends within a window waits for its end.
  expect(lastWindowEnd({ fromMs: 0, toMs: 90_000 }, { windowMs: MINUTE, hopMs: MINUTE })).toBe(2 * MINUTE);
  // None starts in it.
  expect(lastWindowEnd({ fromMs: 10_000, toMs: 20_000 }, { windowMs: MINUTE, hopMs: MINUTE })).toBe(20_000);
});

test('a window is in one of the periods that follow each other, and complete at its end', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 500 }),
      (hopMs, overlap, lengthMs) => {
        const shape = { windowMs: hopMs * overlap, hopMs };
        const starts = Array.from({ length: Math.ceil(1_000 / hopMs) }, (_, i) => i * hopMs);
        const early = starts.filter((startMs) => {
          const fromMs = Math.floor(startMs / lengthMs) * lengthMs;
          return lastWindowEnd({ fromMs, toMs: fromMs + lengthMs }, shape) < startMs + shape.windowMs;
        });
        expect(early).toEqual([]);
      },
    ),
  );
});

test('the oldest window of a time still holds it, the one before does not', () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 8 }), (ms, hopMs, overlap) => {
      const shape = { windowMs: hopMs * overlap, hopMs };
      const first = firstWindowStart(ms, shape);
      expect(first).toBeLessThanOrEqual(ms);
      expect(first + shape.windowMs).toBeGreaterThan(ms);
      expect(first === 0 || first - hopMs + shape.windowMs <= ms).toBe(true);
    }),
  );
});

test('windows are told by length, and by hop when they overlap', () => {
  expect(describeWindows({ windowMs: 5_000, hopMs: 5_000 })).toBe('5s');
  expect(describeWindows({ windowMs: MINUTE, hopMs: 10_000 })).toBe('1m every 10s');
});

const fleets = fc
  .record({ hopMs: fc.integer({ min: 1, max: 50 }), overlap: fc.integer({ min: 1, max: 4 }) })
  .map(({ hopMs, overlap }) => ({ hopMs, windowMs: hopMs * overlap }));

test('a longer window is in one of the periods that follow each other, and complete when the fleet is', () => {
  fc.assert(
    fc.property(fleets, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 700 }), (fleet, times, lengthMs) => {
      const shape = windowsOfSensor(fleet, fleet.windowMs * times);
      const periods = Array.from({ length: 40 }, (_, i) => ({ fromMs: i * lengthMs, toMs: (i + 1) * lengthMs }));
      const owners = new Map<number, number>();
      for (const period of periods) {
        const { fromMs, toMs } = startsIn(period, shape);
        const first = Math.max(0, Math.ceil(fromMs / shape.hopMs)) * shape.hopMs;
        if (isDue(period, shape) !== first < toMs) throw new Error('due is not told by the starts');
        for (let start = first; start < toMs; start += shape.hopMs) {
          owners.set(start, (owners.get(start) ?? 0) + 1);
          if (lastWindowEnd(period, fleet) < start + shape.windowMs) throw new Error('scored before it is complete');
        }
      }
      const count = Math.max(0, Math.floor((40 * lengthMs - (shape.leadMs ?? 0) - 1) / shape.hopMs) + 1);
      const starts =
        40 * lengthMs > (shape.leadMs ?? 0) ? Array.from({ length: count }, (_, i) => i * shape.hopMs) : [];
      expect([...owners].sort(([x], [y]) => x - y)).toEqual(starts.map((start) => [start, 1]));
    }),
    { numRuns: 40 },
  );
});

test('a sensor without windows of its own has those of the fleet, in the same periods', () => {
  fc.assert(
    fc.property(fleets, fc.nat(1e6), fc.nat(1e6), (fleet, fromMs, lengthMs) => {
      const period = { fromMs, toMs: fromMs + lengthMs };
      expect(windowsOfSensor(fleet, undefined)).toBe(fleet);
      expect(startsIn(period, windowsOfSensor(fleet, undefined))).toEqual(period);
      // One as long as the fleet's, of a fleet whose windows follow each other.
      const same = windowsOfSensor({ windowMs: fleet.hopMs, hopMs: fleet.hopMs }, fleet.hopMs);
      expect(startsIn(period, same)).toEqual(period);
    }),
  );
});

test.each<[number, string | undefined]>([
  [3_600_000, undefined],
  [7 * 86_400_000, undefined],
  [8 * 86_400_000, "a window of a sensor's own is a whole number of the fleet's windows of 5s, at most 1w"],
  [7_000, "a window of a sensor's own is a whole number of the fleet's windows of 5s, at most 1w"],
  [1_000, "a window of a sensor's own is a whole number of the fleet's windows of 5s, at most 1w"],
])('a window of %d ms beside a fleet of 5 s: %s', (ownMs, problem) => {
  expect(ownWindowProblem(ownMs, { windowMs: 5_000, hopMs: 5_000 })).toBe(problem);
});
