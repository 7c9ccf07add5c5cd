import fc from 'fast-check';
import { describeWindows, firstWindowStart, lastWindowEnd } from '../../domain/windowing.ts';

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
