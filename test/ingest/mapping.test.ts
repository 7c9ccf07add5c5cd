/** Mappings from a file: what is wrong is told by place and value, references find what they say, all is bounded. */
import fc from 'fast-check';
import { parseMapping } from '../../ingest/mapping/named.ts';
import { createEventParser, deadIn, PARSE_DEFAULTS } from '../../ingest/parse-event.ts';
import { outcome } from './payloads/table.ts';

const ENQUEUED = Date.UTC(2026, 10, 29, 12);
const TS = '2026-11-29T11:59:58Z';

function faultsOf(json: unknown): string[] {
  try {
    parseMapping(typeof json === 'string' ? json : JSON.stringify(json), 'plant.json');
  } catch (error) {
    const [first = '', ...lines] = (error as Error).message.split('\n');
    expect(first).toContain('the mapping plant.json');
    return lines.length === 0 ? [first] : lines.map((line) => line.trim());
  }
  return [];
}

const parserOf = (mapping: object, settings = {}) =>
  createEventParser({ ...PARSE_DEFAULTS, ...settings, mapping: parseMapping(JSON.stringify(mapping), 'plant.json') });

const take = (mapping: object, body: unknown, more = {}) =>
  parserOf(mapping)({ body: Buffer.from(JSON.stringify(body)), enqueuedMs: ENQUEUED, ...more });

test.each([
  ['no JSON', '{', [/is not JSON/]],
  ['no object', [1], [/^it is an array of 1: /]],
  ['an unknown setting', { extends: 'wide', itms: 'x' }, [/^itms is not a setting of a mapping; it takes .*items/]],
  ['an unknown name', { extends: 'azure' }, [/^extends is "azure": it takes iot-hub, .*senml/]],
  ['a reference that is no text', { extends: 'wide', device: ['x', 5] }, [/^device\[1\] is 5: takes a reference/]],
  ['a path that does not end', { extends: 'wide', time: 'a[' }, [/^time is "a\[": it cannot be read from "\[" on/]],
  [
    'a list where one is meant',
    { extends: 'wide', time: 'a[]' },
    [/^time is "a\[\]": \[\], \{\} and \| stand in "items"/],
  ],
  ['a word that there is not', { extends: 'wide', time: '$now' }, [/^time is "\$now": there is no such word/]],
  [
    'braces that do not match',
    { extends: 'wide', device: '{a}-{b' },
    [/^device is "\{a\}-\{b": its braces do not match/],
  ],
  ['members in the middle', { extends: 'wide', items: 'a{}.b' }, [/^items is "a\{\}\.b": \{\} is the last step/]],
  ['a unit that there is not', { extends: 'wide', timeUnit: 'min' }, [/^timeUnit is "min": takes s, ms, us or ns/]],
  ['patterns that are no list', { extends: 'wide', except: 'x' }, [/^except is "x": takes a list of patterns/]],
  [
    'both is and isNot',
    { extends: 'wide', ignore: { of: 'a', is: 1, isNot: 2 } },
    [/^ignore is an object: takes "is" or "isNot"/],
  ],
  [
    'a condition with another word',
    { extends: 'wide', ignore: [{ of: 'a', was: 1 }] },
    [/^ignore\[0\]\.was is not a setting/],
  ],
  ['nothing but a time', { time: 'ts' }, [/^device is missing/, /^sensor is missing/, /^value is missing/]],
  [
    'several at once, in forms',
    {
      forms: [
        { items: '{}', time: 'ts', device: 'd' },
        { others: 'no', when: '', texts: 1 },
      ],
    },
    [
      /^forms\[1\]\.when is "": it is empty/,
      /^forms\[1\]\.texts is 1: takes true or false/,
      /^forms\[1\]\.others is "no": takes skip/,
    ],
  ],
] as const)('%s is told with its place', (_, json, expected) => {
  const faults = faultsOf(json);
  expect(faults).toHaveLength(expected.length);
  for (const pattern of expected) expect(faults.some((fault) => pattern.test(fault))).toBe(true);
});

test('a file that has nothing wrong is taken, with what it says about itself', () => {
  expect(faultsOf({ $schema: 'x', format: 1, about: 'the plant', extends: 'iot-hub', except: ['rssi'] })).toEqual([]);
});

const LONG = { time: 'ts', device: 'd', sensor: 's', value: 'v' };
const one = { ts: TS, d: 'p', s: 't', v: 1 };

test.each<[string, object, unknown, string[], object?]>([
  ['a path', { ...LONG, device: 'a.b[1].c' }, { ...one, a: { b: [0, { c: 'x' }] } }, ['x/t 1']],
  ['a name with a point in it', { ...LONG, device: "['a.b']" }, { ...one, 'a.b': 'x' }, ['x/t 1']],
  ['the first that is there', { ...LONG, device: ['no', 'null', 'd'] }, { ...one, null: null }, ['p/t 1']],
  ['a constant', { ...LONG, device: ['no', '=gateway 1'] }, one, ['gateway 1/t 1']],
  ['a default device', { ...LONG, device: 'no', defaultDevice: 'gw' }, one, ['gw/t 1']],
  ['names put together', { ...LONG, sensor: '{d}.{s}' }, one, ['p/p.t 1']],
  ['names put together, one absent', { ...LONG, sensor: ['{no}.{s}', 's'] }, one, ['p/t 1']],
  ['a part of a text', { ...LONG, device: 'd|part / 2' }, { ...one, d: 'a/b/c' }, ['b/t 1']],
  [
    'the last part of a text',
    { ...LONG, device: '#topic|part / -1' },
    one,
    ['c/t 1'],
    { properties: { topic: 'a/b/c' } },
  ],
  ['the partition key', { ...LONG, device: '$partitionKey' }, one, ['k/t 1'], { partitionKey: 'k' }],
  [
    'a property of AMQP by either name',
    { ...LONG, device: '@message-id' },
    one,
    ['m/t 1'],
    { systemProperties: { messageId: 'm' } },
  ],
  ['names in any case', { ...LONG, anyCase: true }, { TS, D: 'p', S: 't', V: 1 }, ['p/t 1']],
  ['names in their own case only', LONG, { TS, D: 'p', S: 't', V: 1 }, ['missing_field']],
  ['a unit behind a reference', { ...LONG, time: 'ts|s' }, { ...one, ts: 1_700_000_000 }, ['p/t 1']],
  [
    'what is around an item',
    { ...LONG, items: 'a[].b[]', device: '^d', time: '/ts' },
    { ts: TS, d: 'far', a: [{ d: 'near', b: [{ s: 't', v: 1 }] }] },
    ['near/t 1'],
  ],
  [
    'only some members',
    { items: '{}', time: '^ts', device: '^d', only: ['a*'] },
    { ts: TS, d: 'p', a1: 1, b: 2 },
    ['p/a1 1'],
  ],
  [
    'a member that is named and is no number',
    { items: '{}', time: '^ts', device: '^d', only: ['a'] },
    { ts: TS, d: 'p', a: 'x' },
    ['bad_value'],
  ],
  [
    'members of members',
    { items: 'm{**}', time: '/ts', device: '/d' },
    { ts: TS, d: 'p', m: { a: { b: 1 }, c: [2] } },
    ['p/a.b 1'],
  ],
  [
    'an own __proto__',
    { items: '{}', time: '^ts', device: '^d' },
    JSON.parse(`{"ts":"${TS}","d":"p","__proto__":1}`),
    ['p/__proto__ 1'],
  ],
  ['what is inherited by every object', { ...LONG, device: 'constructor.name' }, one, ['missing_field']],
  [
    'the form whose conditions hold',
    {
      forms: [
        { when: { of: 'k', is: 'a' }, ...LONG, sensor: '=a' },
        { when: { of: 'k', isNot: 'c' }, ...LONG, sensor: '=b' },
      ],
    },
    [
      { ...one, k: 'a' },
      { ...one, k: 'b' },
      { ...one, k: 'c' },
    ],
    ['p/a 1', 'p/b 1', 'missing_field'],
  ],
  ['what is to be ignored', { ...LONG, ignore: { of: 'k', is: [1, true] } }, [{ k: 1 }, { k: true }, one], ['p/t 1']],
])('%s', (_, mapping, body, expected, more = {}) => {
  expect(outcome(take(mapping, body, more))).toEqual(expected);
});

test('a refusal names the place, the settings and the mapping', () => {
  const { problems } = take({ extends: 'opc-ua-pubsub', device: ['^Asset'] }, [
    {},
    { Messages: [{ Timestamp: TS, Payload: { a: 1 } }] },
  ]);
  expect(problems).toMatchObject([
    {
      index: 0,
      message: expect.stringMatching(/none of the forms of the mapping plant\.json, which need Messages; or/),
    },
    {
      index: 1,
      message: expect.stringMatching(
        /^Messages\[0\]\.Payload\.a: no device \(looked for \^Asset\); it is 1\. "forms\[0\]\.device".*plant.*DEVICE/,
      ),
    },
  ]);
});

test('an event that holds more measurements than are taken is refused as a whole', () => {
  const parse = parserOf({ extends: 'wide' }, { maxItems: 100 });
  const body = (count: number) => ({
    body: Buffer.from(
      JSON.stringify({
        ts: TS,
        device: 'p',
        ...Object.fromEntries(Array.from({ length: count }, (_, i) => [`s${i}`, i])),
      }),
    ),
    enqueuedMs: ENQUEUED,
  });
  expect(parse(body(100)).readings).toHaveLength(100);
  expect(parse(body(101))).toMatchObject({ readings: [], problems: [{ reason: 'too_large' }] });
});

test('whatever an event holds, a mapping throws nothing and tells a bounded number of bounded problems', () => {
  const parsers = ['wide', 'iot-hub', 'opc-ua-pubsub', 'iot-operations', 'sparkplug-json', 'senml', 'cloudevents'].map(
    (name) => parserOf({ extends: name }),
  );
  const key = fc.constantFrom(
    'Messages',
    'Payload',
    'metrics',
    'data',
    'body',
    'systemProperties',
    'specversion',
    'value',
    'n',
    'v',
    'bn',
    'x',
  );
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, 'text', '{"a":1}', 1, -1e300, 'NaN', TS),
      fc.array(tie('json'), { maxLength: 4 }),
      fc.dictionary(key, tie('json'), { maxKeys: 5 }),
    ),
  }));
  fc.assert(
    fc.property(json, (body) => {
      for (const parse of parsers) {
        const parsed = parse({ body: Buffer.from(JSON.stringify(body)), enqueuedMs: ENQUEUED });
        expect(parsed.problems.length).toBeLessThanOrEqual(20);
        expect(parsed.problems.every(({ message, reason }) => message.length < 2_000 && reason !== 'unreadable')).toBe(
          true,
        );
        expect(deadIn(parsed)).toBeGreaterThanOrEqual(parsed.problems.length);
        expect(parsed.readings.every(({ value }) => Number.isFinite(value))).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
  const deep = Buffer.from(`{"ts":"${TS}","device":"p",${'"a":{'.repeat(5_000)}"b":1${'}'.repeat(5_001)}`);
  for (const parse of parsers) expect(parse({ body: deep, enqueuedMs: ENQUEUED }).readings).toEqual([]);
});
