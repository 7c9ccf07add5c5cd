import fc from 'fast-check';
import { gzipSync } from 'node:zlib';
import { createEventParser, eventTime, PARSE_DEFAULTS } from '../../ingest/parse-event.ts';

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
  ['not_json', Buffer.from([0xff, 0x00])],
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

test('numbers below 1e11 are seconds, others milliseconds, as text too', () => {
  expect(eventTime(1_700_000_000)).toBe(1_700_000_000_000);
  expect(eventTime(1_700_000_000.5)).toBe(1_700_000_000_500);
  expect(eventTime(1_700_000_000_123)).toBe(1_700_000_000_123);
  expect(eventTime('1700000000')).toBe(1_700_000_000_000);
  expect(eventTime('2026-11-23 14:00')).toBe(ENQUEUED);
  expect(eventTime('2026-11-23T15:00:00+01:00')).toBe(ENQUEUED);
  expect(eventTime('')).toBeUndefined();
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
      const { readings, problems } = parse(event(value));
      for (const r of readings) {
        expect(Number.isFinite(r.value)).toBe(true);
        expect(Number.isInteger(r.tsMs) && r.tsMs >= 0 && r.tsMs <= ENQUEUED + PARSE_DEFAULTS.clockSkewMs).toBe(true);
      }
      expect(readings.length + problems.length).toBe(
        Array.isArray(value) ? value.length : readings.length + problems.length,
      );
    }),
  );
});
