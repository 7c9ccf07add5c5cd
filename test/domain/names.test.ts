import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { predictionsFolder, chunkName, predictionsBlob } from '../../domain/blob-names.ts';
import { encodeName, nameProblem, parseSensorName, sensorName } from '../../domain/sensor.ts';

const name = fc
  .string({ minLength: 1, maxLength: 40, unit: 'binary' })
  .filter((text) => nameProblem('device', text) === undefined);

test('hostile names never leave their folder and never meet', () => {
  fc.assert(
    fc.property(name, name, name, name, (d1, s1, d2, s2) => {
      const blob = (device: string, sensor: string): string =>
        predictionsBlob(predictionsFolder(0, 'b'), chunkName({ from: 1, to: 2 }, { device, sensor }), 'csv');
      expect(blob(d1, s1)).toMatch(
        /^from=1970-01-01T00-00-00Z\/batch=b\/[A-Za-z0-9%-][A-Za-z0-9_%-]*\.[A-Za-z0-9_%-]+(~[0-9a-f]{24})?\.csv$/,
      );
      expect(blob(d1, s1) === blob(d2, s2)).toBe(d1 === d2 && s1 === s2);
    }),
    {
      examples: [
        ['..', '..', '.', '.'],
        ['a/b', 'c', 'a', 'b/c'],
        ['a.b', 'c', 'a', 'b.c'],
        ['_a', 'b', '%5Fa', 'b'],
      ],
    },
  );
});

test('a sensor in one word names that sensor again, whatever is in its names', () => {
  const slashed = fc.string({ minLength: 1, maxLength: 9, unit: fc.constantFrom('a', '/', '%', '2', 'F') });
  const either = fc.oneof(name, slashed);
  fc.assert(
    fc.property(either, either, (device, sensor) => {
      expect(parseSensorName(sensorName({ device, sensor }))).toEqual({ device, sensor });
    }),
  );
  expect(sensorName({ device: 'press-7', sensor: 'oil-temp' })).toBe('press-7/oil-temp');
  expect(sensorName({ device: 'hall/1', sensor: 'a/b' })).toBe('hall%2F1/a/b');
});

test('an encoded name reads back', () => {
  fc.assert(fc.property(name, (text) => expect(decodeURIComponent(encodeName(text))).toBe(text)));
});

test.each<[unknown, RegExp]>([
  ['', /is empty/],
  [' a', /starts or ends with a space/],
  ['a\nb', /control character/],
  ['x'.repeat(129), /129 characters, at most 128/],
  [7, /must be a string, got 7/],
  ['\ud800', /broken Unicode/],
])('%j is no device name', (text, message) => {
  expect(nameProblem('device', text as string)).toMatch(message);
});
