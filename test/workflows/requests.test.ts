import { expect, test } from '@jest/globals';
import { isoTime } from '../../domain/time.ts';
import { batchIdOf } from '../../domain/batch-id.ts';
import { parseRequest } from '../../workflows/requests.ts';

const AT = Date.parse('2026-11-23T14:15:00.000Z');
const periodOf = (request: object, at = AT): string[] => {
  const { fromMs, toMs } = parseRequest(request, at);
  return [isoTime(fromMs), isoTime(toMs)];
};

test('an empty request scores the 15 minutes before the scheduled time', () => {
  expect(periodOf({})).toEqual(['2026-11-23T14:00:00.000Z', '2026-11-23T14:15:00.000Z']);
});

test('period and delay count back from the scheduled time, milliseconds of a start by hand are cut', () => {
  expect(periodOf({ period: '1h', delay: '5m' }, AT + 789)).toEqual([
    '2026-11-23T13:10:00.000Z',
    '2026-11-23T14:10:00.000Z',
  ]);
});

test.each([
  ['2026-03-31T02:00:00Z', '1mo', '2026-02-28T02:00:00.000Z'],
  ['2024-03-31T02:00:00Z', '1mo', '2024-02-29T02:00:00.000Z'],
  ['2026-12-01T00:00:00Z', '1mo', '2026-11-01T00:00:00.000Z'],
  ['2026-01-15T00:00:00Z', '3mo', '2025-10-15T00:00:00.000Z'],
])('at %s a period of %s starts at %s', (at, period, from) => {
  expect(periodOf({ period }, Date.parse(at))[0]).toBe(from);
});

test('from and to are taken as they are, UTC when no zone is given', () => {
  expect(periodOf({ from: '2018-08-28', to: '2018-08-29 12:30' })).toEqual([
    '2018-08-28T00:00:00.000Z',
    '2018-08-29T12:30:00.000Z',
  ]);
});

test.each<[object, RegExp]>([
  [{ sensors: ['a/b'] }, /sensors go with redrive/],
  [{ sensors: [], redrive: 'x', from: '2026-01-01', to: '2026-01-02' }, /sensors must be a list of 1 to 500 names/],
  [
    { sensors: ['pump-1'], redrive: 'x', from: '2026-01-01', to: '2026-01-02' },
    /a sensor is named DEVICE\/SENSOR.*got "pump-1"/,
  ],
  [{ rescoreLate: 'a day' }, /rescoreLate "a day" is not a duration/],
  [{ periode: '15m' }, /unknown field "periode".*Known: from, to, period/],
  [{ from: '2026-01-01' }, /from and to go together/],
  [{ from: '2026-01-02', to: '2026-01-01' }, /ends \(2026-01-01.*before it starts/],
  [{ from: '2026-01-01', to: '2026-01-02', period: '1d' }, /either from and to, or period/],
  [{ from: '2026-02-30', to: '2026-03-02' }, /from "2026-02-30" is not a time/],
  [{ period: '15 minutes' }, /period "15 minutes" is not a duration/],
  [{ period: 15 }, /period must be a text, got 15/],
  [{ sensorsPerChild: 0 }, /sensorsPerChild must be a whole number of at least 1, got 0/],
  [{ toleratedFailurePercentage: 101 }, /from 0 to 100, got 101/],
  [[] as object, /must be a JSON object/],
])('%j is refused by name', (request, message) => {
  expect(() => parseRequest(request, AT)).toThrow(message);
});

test('readings are waited for from the end of the period on', () => {
  expect(parseRequest({}, AT).waitUntilMs).toBe(AT + 120_000);
  expect(parseRequest({ waitForReadings: '0s' }, AT).waitUntilMs).toBe(AT);
});

test('the id of a batch tells the end of its period and its run', () => {
  expect(batchIdOf(parseRequest({}, AT), '01a20646-7e55-71cf-a61b-4c39f4088e81')).toBe('20261123T141500Z-f4088e81');
});
