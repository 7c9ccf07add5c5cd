import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  chooseSizes,
  chunkOfPool,
  MAX_CHILDREN,
  MAX_CHUNKS_PER_CHILD,
  MAX_SENSORS_PER_ACTIVITY,
  ONE_CHILD_PER_SENSOR_UP_TO,
  pageOfSensors,
} from '../../domain/sizing.ts';

test('up to ten million sensors no batch has more than 500 children and no child more than 500 chunks', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 10_000_000 }),
      fc.constantFrom(undefined, 1, 15, 180, 17_280),
      (planned, windows) => {
        const { sensorsPerChild, sensorsPerActivity } = chooseSizes(planned, windows === undefined ? {} : { windows });
        expect(Math.ceil(planned / sensorsPerChild)).toBeLessThanOrEqual(MAX_CHILDREN);
        expect(Math.ceil(sensorsPerChild / sensorsPerActivity)).toBeLessThanOrEqual(MAX_CHUNKS_PER_CHILD);
        expect(sensorsPerActivity).toBeLessThanOrEqual(MAX_SENSORS_PER_ACTIVITY);
      },
    ),
    {
      examples: [
        [0, 15],
        [1, 15],
        [500, 15],
        [501, 15],
        [10_000_000, 15],
      ],
    },
  );
});

test('the limit holds with any number of pools, each with a group that may not be full', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3_000_000 }), { minLength: 1, maxLength: 12 }), (pools) => {
      const planned = pools.reduce((sum, n) => sum + n, 0);
      const sizes = chooseSizes(planned, { pools: pools.length, windows: 15 });
      expect(pools.reduce((sum, n) => sum + Math.ceil(n / sizes.sensorsPerChild), 0)).toBeLessThanOrEqual(MAX_CHILDREN);
      for (const n of pools) {
        const chunk = chunkOfPool(n, sizes);
        expect(Math.ceil(Math.min(n, sizes.sensorsPerChild) / chunk)).toBeLessThanOrEqual(MAX_CHUNKS_PER_CHILD);
        expect(chunk).toBeLessThanOrEqual(sizes.sensorsPerActivity);
      }
    }),
  );
});

test('small fleets get a child per sensor', () => {
  expect(chooseSizes(ONE_CHILD_PER_SENSOR_UP_TO)).toEqual({ sensorsPerChild: 1, sensorsPerActivity: 1 });
  expect(chooseSizes(ONE_CHILD_PER_SENSOR_UP_TO + 1).sensorsPerChild).toBeGreaterThan(1);
});

test('sizes asked for are taken, or refused with the least that fits', () => {
  expect(chooseSizes(10_000, { sensorsPerChild: 100, sensorsPerActivity: 10 })).toEqual({
    sensorsPerChild: 100,
    sensorsPerActivity: 10,
  });
  expect(chooseSizes(5, { sensorsPerChild: 999_999_999_999 })).toEqual({ sensorsPerChild: 5, sensorsPerActivity: 5 });
  expect(() => chooseSizes(20_000_000, { sensorsPerChild: 20_000_000 })).toThrow(
    'sensorsPerChild 20000000 is more than a child workflow may have. Use 40000 to 10000000, or leave it out.',
  );
  expect(() => chooseSizes(100_000, { sensorsPerChild: 1 })).toThrow(
    /100000 child workflows for 100000 sensors.*at least 200/,
  );
  expect(() => chooseSizes(1_000_000, { sensorsPerChild: 1_000_000, sensorsPerActivity: 10 })).toThrow(
    /use 2000 to 20000/,
  );
});

test('chunks grow with the fleet, and shrink where a sensor has many windows', () => {
  expect(chooseSizes(10_000, { windows: 15 })).toEqual({ sensorsPerChild: 10_000, sensorsPerActivity: 2_500 });
  expect(chooseSizes(1_000, { windows: 15 }).sensorsPerActivity).toBe(1_000);
  expect(chooseSizes(75_000, { windows: 15 }).sensorsPerActivity).toBe(3_000);
  expect(chooseSizes(100_000, { windows: 15 })).toEqual({ sensorsPerChild: 100_000, sensorsPerActivity: 4_000 });
  expect(chooseSizes(1_000_000, { windows: 15 })).toEqual({ sensorsPerChild: 160_000, sensorsPerActivity: 4_000 });
  expect(chooseSizes(100_000, { windows: 180 }).sensorsPerActivity).toBe(333);
  expect(chooseSizes(1_000, { windows: 1_000_000 })).toEqual({ sensorsPerChild: 40, sensorsPerActivity: 1 });
});

test('no history nears 4,096 events at any size up to ten million sensors', () => {
  // Measured by the benchmark: 5.7 events for each child in a batch, 6.3 for each chunk in a child; 8 when every one
  // comes alone.
  const eventsOf = (items: number): number => 60 + 8 * items;
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000_000 }), fc.constantFrom(1, 15, 180), (planned, windows) => {
      const { sensorsPerChild, sensorsPerActivity } = chooseSizes(planned, { windows });
      expect(eventsOf(Math.ceil(planned / sensorsPerChild))).toBeLessThan(4_096);
      expect(eventsOf(Math.ceil(sensorsPerChild / sensorsPerActivity))).toBeLessThan(4_096);
    }),
  );
});

test('a page holds as many sensors as asked for, fewer of long periods, and one at the least', () => {
  expect([1, 720, 2_000, 4_000, 518_400, 1e9].map((windows) => pageOfSensors(1_000, windows))).toEqual([
    1_000, 1_000, 1_000, 500, 3, 1,
  ]);
});
