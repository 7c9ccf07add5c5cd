import fc from 'fast-check';
import { createFilter } from '../../ingest/filter.ts';
import { globMatches } from '../../domain/glob.ts';

const reading = { tsMs: 0, device: 'line-7/pump', sensor: 'temp', value: 20 };

test('without conditions there is no filter', () => {
  expect(createFilter()).toBeUndefined();
  expect(createFilter({})).toBeUndefined();
});

test.each([
  [{ devices: ['line-7/*'] }, true],
  [{ devices: ['line-8/*', '*pump'] }, true],
  [{ devices: ['line-7'] }, false],
  [{ exceptDevices: ['*/pump'] }, false],
  [{ sensors: ['t??p'], exceptSensors: ['temp?'] }, true],
  [{ minValue: 20, maxValue: 20 }, true],
  [{ minValue: 20.1 }, false],
  [{ maxValue: 19.9 }, false],
  [{ goodQuality: ['good'] }, true],
  [{ devices: [] }, false],
])('%j lets the reading pass: %s', (settings, passes) => {
  expect(createFilter(settings)!(reading)).toBe(passes);
});

test('quality flags are compared as text without case; none is good', () => {
  const filter = createFilter({ goodQuality: ['GOOD', '192'] })!;
  expect(
    [undefined, 'good', 192, 'bad', false].map((quality) =>
      filter(quality === undefined ? reading : { ...reading, quality }),
    ),
  ).toEqual([true, true, true, false, false]);
});

test('a pattern matches as the regular expression that says the same', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', '.') });
  fc.assert(
    fc.property(text, text, (pattern, name) => {
      const expression = pattern.replace(/[.*?]/g, (c) => (c === '*' ? '.*' : c === '?' ? '.' : '\\.'));
      expect(globMatches(pattern, name)).toBe(new RegExp(`^${expression}$`, 's').test(name));
    }),
    { numRuns: 2_000 },
  );
});

test('a pattern that would stall a regular expression does not', () => {
  expect(globMatches(`${'*a'.repeat(64)}b`, 'a'.repeat(100_000))).toBe(false);
});
