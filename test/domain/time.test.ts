import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  compactTime,
  formatDuration,
  isoTime,
  MAX_TIME_MS,
  parseDuration,
  parseDurationOrZero,
  parseTime,
  plainTime,
  tryParseTime,
  windowStart,
} from '../../domain/time.ts';

test.each([
  ['2018-08-28 23:00:05.000', '2018-08-28T23:00:05.000Z'],
  ['2018-08-28T23:00:05', '2018-08-28T23:00:05.000Z'],
  ['2018-08-28T23:00:05.123456Z', '2018-08-28T23:00:05.123Z'],
  ['2018-08-28T23:00+02:00', '2018-08-28T21:00:00.000Z'],
  ['2018-08-28T23:00:05 +0530', '2018-08-28T17:30:05.000Z'],
  ['2018-08-28', '2018-08-28T00:00:00.000Z'],
])('%s is %s', (text, iso) => {
  expect(isoTime(parseTime(text))).toBe(iso);
});

test.each([
  '',
  '23:00',
  '2018-13-01',
  '2018-02-29',
  '2018-08-28T25:00',
  '28.08.2018',
  '1969-12-31',
  '1535497205',
  'now',
])('%j is not a time', (text) => {
  expect(tryParseTime(text)).toBeUndefined();
});

test('what is a time or a duration out of range is told so', () => {
  expect(() => parseTime('0001-01-01')).toThrow('is before 1970');
  expect(() => parseTime('1969-12-31T23:59:59Z')).toThrow('is before 1970');
  expect(() => parseTime('1969-13-01')).toThrow('is not a time');
  expect(() => parseDuration('0s')).toThrow('is no time at all');
  // A time that it is added to could not be written.
  expect(() => parseDuration('99999999999w')).toThrow('is longer than time is taken for');
});

test('every time reads back from its text', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: MAX_TIME_MS }), (ms) => {
      expect(parseTime(isoTime(ms))).toBe(ms);
      expect(parseTime(plainTime(ms))).toBe(ms);
    }),
  );
});

test('compact times sort as the times do', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: Math.floor(MAX_TIME_MS / 1000) }),
      fc.integer({ min: 0, max: Math.floor(MAX_TIME_MS / 1000) }),
      (a, b) => {
        expect(Math.sign(a - b)).toBe(
          compactTime(a * 1000) < compactTime(b * 1000) ? -1 : compactTime(a * 1000) > compactTime(b * 1000) ? 1 : 0,
        );
      },
    ),
  );
});

test('durations read back from their text', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1e12 }), (ms) => expect(parseDuration(formatDuration(ms))).toBe(ms)));
});

test.each(['', '-5m', '15', 'm', '1.5ms', '5 minutes', '1h30m'])('%j is not a duration', (text) => {
  expect(() => parseDuration(text)).toThrow(/is not a duration. Use a number and a unit/);
});

test('no time at all is 0, with a unit or without, and nothing else that begins with 0', () => {
  expect(['0', '0s', '0m', '0ms', '0w', '5m'].map((text) => parseDurationOrZero(text))).toEqual([
    0, 0, 0, 0, 0, 300_000,
  ]);
  expect(() => parseDurationOrZero('0banana', 'delay')).toThrow('delay "0banana" is not a duration');
});

test('a window starts at the multiple of the interval at or before a time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: MAX_TIME_MS }), fc.integer({ min: 1, max: 86_400_000 }), (ms, interval) => {
      const start = windowStart(ms, interval);
      expect(start % interval).toBe(0);
      expect(ms - start).toBeGreaterThanOrEqual(0);
      expect(ms - start).toBeLessThan(interval);
    }),
  );
});
