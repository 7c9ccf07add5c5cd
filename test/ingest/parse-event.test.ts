import fc from 'fast-check';
import { gzipSync } from 'node:zlib';
import { tryParseTime } from '../../domain/time.ts';
import { createEventParser, PARSE_DEFAULTS } from '../../ingest/parse-event.ts';
import { countOf } from '../../ingest/parse/problems.ts';
import { isoMs, wireTime } from '../../ingest/parse/time.ts';

const ENQUEUED = Date.UTC(2026, 10, 23, 14);
const parse = createEventParser();
const good = { ts: '2026-11-23T13:59:58.250Z', device: 'pump-1', sensor: 'temperature', value: 21.5 };
const reading = { tsMs: Date.UTC(2026, 10, 23, 13, 59, 58, 250), device: 'pump-1', sensor: 'temperature', value: 21.5 };
const event = (body: unknown, contentEncoding?: string) => ({
  body,
  enqueuedMs: ENQUEUED,
  ...(contentEncoding ? { contentEncoding } : {}),
});
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

test.each([
  ['bytes', bytes(good)],
  ['text', JSON.stringify(good)],
  ['an object that the client has parsed', good],
  ['bytes with a byte order mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes(good)])],
  ['gzip, recognised by its first bytes', gzipSync(bytes(good))],
  ['an array of one', bytes([good])],
  ['capitalised names', bytes({ TS: good.ts, Device: good.device, Sensor: good.sensor, Value: good.value })],
])('takes a reading as %s', (_, body) => {
  expect(parse(event(body))).toEqual({ readings: [reading], problems: [] });
});

test('takes configured field names, and a quality flag', () => {
  const fields = { ts: ['when'], device: ['machine'], sensor: ['tag'], value: ['v'], quality: ['q'] };
  const parsed = createEventParser({ ...PARSE_DEFAULTS, fields })(
    event({ when: good.ts, machine: 'pump-1', tag: 'temperature', v: 21.5, q: 192 }),
  );
  expect(parsed).toEqual({ readings: [{ ...reading, quality: 192 }], problems: [] });
});

test.each([
  ['not_json', Buffer.from('{"ts":')],
  ['bad_encoding', Buffer.from([0xff, 0x00])],
  ['bad_encoding', Buffer.from(JSON.stringify({ ...good, device: 'caf\u00e9' }), 'latin1')],
  ['bad_encoding', Buffer.from(JSON.stringify(good), 'utf16le')],
  ['not_json', ''],
  ['bad_encoding', Buffer.from([0x1f, 0x8b, 1, 2, 3])],
  ['not_a_reading', bytes('a string')],
  ['not_a_reading', bytes(null)],
  ['missing_field', bytes({ ...good, sensor: undefined })],
  ['missing_field', bytes({ ...good, value: null })],
  ['bad_time', bytes({ ...good, ts: 'yesterday' })],
  ['bad_time', bytes({ ...good, ts: '2026-02-30T00:00:00Z' })],
  ['bad_time', bytes({ ...good, ts: true })],
  ['time_out_of_range', bytes({ ...good, ts: -1 })],
  ['time_out_of_range', bytes({ ...good, ts: ENQUEUED + 3_600_001 })],
  ['time_out_of_range', bytes({ ...good, ts: 1e300 })],
  ['bad_value', bytes({ ...good, value: '21.5' })],
  ['bad_value', bytes({ ...good, value: true })],
  ['bad_value', Buffer.from(JSON.stringify(good).replace('21.5', '1e999'))],
  ['bad_name', bytes({ ...good, device: ' pump' })],
  ['bad_name', bytes({ ...good, device: 7 })],
  ['bad_name', bytes({ ...good, sensor: 'a\nb' })],
  ['bad_name', bytes({ ...good, sensor: 'x'.repeat(129) })],
  ['too_large', Buffer.alloc(PARSE_DEFAULTS.maxBodyBytes + 1, 0x20)],
  ['too_large', gzipSync(Buffer.alloc(PARSE_DEFAULTS.maxInflatedBytes + 1, 0x20))],
])('refuses an event with the reason %s', (reason, body) => {
  const { readings, problems } = parse(event(body));
  expect(readings).toEqual([]);
  expect(problems).toEqual([{ reason, message: expect.stringMatching(/.{10}/) }]);
});

test('a body that claims to be gzip and is not is refused', () => {
  expect(parse(event(bytes(good), 'gzip')).problems).toEqual([expect.objectContaining({ reason: 'bad_encoding' })]);
});

test('in an array, bad readings are refused one by one and the good ones go', () => {
  const { readings, problems } = parse(event(bytes([good, { ...good, value: 'x' }, good, 3])));
  expect(readings).toEqual([reading, reading]);
  expect(problems.map(({ index, reason }) => [index, reason])).toEqual([
    [1, 'bad_value'],
    [3, 'not_a_reading'],
  ]);
});

test('numbers count in the unit that is set; without one they are milliseconds, or refused where that is doubtful', () => {
  expect(wireTime(1_700_000_000, 's')).toBe(1_700_000_000_000);
  expect(wireTime(1_700_000_000.5, 's')).toBe(1_700_000_000_500);
  expect(wireTime('1700000000', 's')).toBe(1_700_000_000_000);
  expect(wireTime(1_700_000_000_123, undefined)).toBe(1_700_000_000_123);
  expect(wireTime('1700000000123', undefined)).toBe(1_700_000_000_123);
  expect(wireTime(1_000_000, 'ms')).toBe(1_000_000);
  expect(wireTime(1_700_000_000_123_456, 'us')).toBe(1_700_000_000_123);
  expect(wireTime(1_700_000_000_123_456_789n, 'ns')).toBe(1_700_000_000_123);
  expect(wireTime(new Date(ENQUEUED), undefined)).toBe(ENQUEUED);
  expect(wireTime('2026-11-23 14:00', undefined)).toBe(ENQUEUED);
  expect(wireTime('2026-11-23T15:00:00+01:00', 's')).toBe(ENQUEUED);
  expect(wireTime('1972-06-01T00:00:00Z', undefined)).toBe(Date.UTC(1972, 5, 1));
  expect(wireTime('1970-01-01T00:00:00.000Z', undefined)).toBe(0);
  expect(wireTime('', undefined)).toContain('neither ISO 8601');
  for (const [number, hint] of [
    [1_700_000_000, 'seconds? then 2023-11-14T22:13:20.000Z: set FLEETSCORE_FIELD_TS_UNIT=s'],
    [20_200_601, 'write 2020-06-01T00:00:00Z'],
    [202_006_011_200, 'write 2020-06-01T12:00:00Z'],
    [43_983.5, '2020-06-01T12:00:00Z'],
  ] as const)
    expect(wireTime(number, undefined)).toContain(hint);
});

test('a time that programs write is read as the general rule reads it', () => {
  const time = fc
    .date({ min: new Date(0), max: new Date(253_402_300_799_999), noInvalidDate: true })
    .chain((at) => fc.constantFrom(at.toISOString(), `${at.toISOString().slice(0, 19)}Z`));
  const broken = fc
    .tuple(time, fc.nat(23), fc.constantFrom('0', '3', '9', 'x', ':', '-'))
    .map(([text, at, letter]) => text.slice(0, at) + letter + text.slice(at + 1));
  fc.assert(fc.property(fc.oneof(time, broken), (text) => expect(isoMs(text)).toBe(tryParseTime(text))));
});

test('NaN and Infinity cost the readings they stand in, not the event', () => {
  const text =
    `[${JSON.stringify(good)},{"ts":"${good.ts}","device":"NaN","sensor":"say ` +
    `\\"NaN","value":NaN},{"ts":"${good.ts}","device":"d","sensor":"s","value":-Infinity},` +
    `${JSON.stringify(good)}]`;
  const { readings, problems, reasons } = parse(event(Buffer.from(text)));
  expect(readings).toEqual([reading, reading]);
  expect(reasons).toEqual({ bad_value: 2 });
  expect(problems.map(({ message }) => message)).toEqual([
    'the value must be a finite number, got "NaN"',
    'the value must be a finite number, got "-Infinity"',
  ]);
  expect(parse(event(Buffer.from('[NaN'))).problems).toEqual([
    { reason: 'not_json', message: expect.stringContaining('not JSON') },
  ]);
});

test('however many items are bad, a few problems are kept and all are counted', () => {
  const { problems, reasons } = parse(event(Buffer.from(`[${'0,'.repeat(30_000)}0]`)));
  expect(problems).toHaveLength(20);
  expect(reasons).toEqual({ not_a_reading: 30_001 });
  const items = Buffer.from(`[${'0,'.repeat(PARSE_DEFAULTS.maxItems)}0]`);
  expect(parse(event(items)).problems).toEqual([
    { reason: 'too_large', message: expect.stringContaining('at most 50000 are taken') },
  ]);
});

test('a body is refused by its shape before it is parsed, and text is no shape', () => {
  const refused = (body: string): string => parse(event(Buffer.from(body))).problems[0]!.message;
  expect(refused(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)).toContain('nested more than 128 values deep');
  // None of it is JSON in the end, which nobody finds out.
  expect(refused(`{"a":${'['.repeat(100_000)}`)).toContain('nested more than 128 values deep');
  expect(refused(`[${'0,'.repeat(60_000)}`)).toContain('the event holds 60001 items');
  const note = '[{,"\\'.repeat(20_000);
  expect(parse(event(bytes({ ...good, note }))).readings).toEqual([reading]);
  expect(parse(event(bytes([{ ...good, note }, good]))).readings).toEqual([reading, reading]);
});

test('any bytes and any JSON give readings or problems, never an exception, and only finite values', () => {
  const body = fc.oneof(
    fc.uint8Array(),
    fc.json(),
    fc.jsonValue(),
    fc.array(
      fc.record(
        {
          ts: fc.oneof(fc.integer(), fc.double(), fc.string()),
          device: fc.oneof(fc.string(), fc.integer()),
          sensor: fc.string(),
          value: fc.oneof(fc.double(), fc.string()),
        },
        { requiredKeys: [] },
      ),
    ),
  );
  fc.assert(
    fc.property(body, (value) => {
      const { readings, problems, reasons } = parse(event(value));
      for (const r of readings) {
        expect(Number.isFinite(r.value)).toBe(true);
        expect(Number.isInteger(r.tsMs) && r.tsMs >= 0 && r.tsMs <= ENQUEUED + PARSE_DEFAULTS.clockSkewMs).toBe(true);
      }
      if (Array.isArray(value)) expect(readings.length + countOf(reasons ? { reasons } : {})).toBe(value.length);
      expect(problems.length > 0).toBe(reasons !== undefined);
    }),
  );
});
