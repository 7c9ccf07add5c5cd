/** Encoded AMQP messages before the client's decoder: hostile ones do not reach it, typed properties come out plain. */
import fc from 'fast-check';
import { createRequire } from 'node:module';
import { guardDecoding, unreadableBody } from '../../ingest/amqp/guard-decoding.ts';
import { plainValue } from '../../ingest/amqp/plain.ts';
import { quickDecode } from '../../ingest/amqp/quick-decode.ts';

interface Rhea {
  readonly message: {
    decode(bytes: Buffer): Record<string, unknown>;
    encode(message: object): Buffer;
  };
  readonly types: Record<string, (...args: unknown[]) => unknown>;
}
const require = createRequire(import.meta.url);
const rhea = createRequire(createRequire(require.resolve('@azure/event-hubs')).resolve('rhea-promise'))('rhea') as Rhea;
const clientDecode = rhea.message.decode.bind(rhea.message);
expect(guardDecoding()).toBe(true);
const { message, types } = rhea;

const ANNOTATIONS = message.encode({
  message_annotations: { 'x-opt-sequence-number': 17, 'x-opt-offset': '1700', 'x-opt-enqueued-time': new Date(5) },
});
const section = (code: number, content: Buffer): Buffer => Buffer.concat([Buffer.from([0x00, 0x53, code]), content]);
const u32 = (n: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(n);
  return bytes;
};
const list32 = (count: number, items: Buffer): Buffer =>
  Buffer.concat([Buffer.from([0xd0]), u32(items.length + 4), u32(count), items]);
const array32 = (count: number, code: number, items: Buffer): Buffer =>
  Buffer.concat([Buffer.from([0xf0]), u32(items.length + 5), u32(count), Buffer.from([code]), items]);
function nestedList(depth: number): Buffer {
  // Sizes from the inside out, written in one pass.
  const heads: Buffer[] = [];
  for (let i = 0, size = 0; i < depth; i++, size += 9)
    heads.push(Buffer.concat([Buffer.from([0xd0]), u32(size + 4), u32(i === 0 ? 0 : 1)]));
  return Buffer.concat(heads.toReversed());
}

test.each([
  ['a value nested 100,000 deep', section(0x77, nestedList(100_000))],
  ['descriptors of descriptors', section(0x77, Buffer.concat([Buffer.alloc(50_000), Buffer.from([0x40])]))],
  ['an array of four billion nulls', section(0x77, array32(0xffffffff, 0x40, Buffer.alloc(0)))],
  ['a list that says it has four billion items', section(0x77, list32(0xffffffff, Buffer.from([0x40])))],
  ['a million nulls', section(0x77, list32(1_000_000, Buffer.alloc(1_000_000, 0x40)))],
  ['a list that is shorter than it says', section(0x77, list32(1, Buffer.from([0x40, 0x40])))],
  ['bytes that end too early', section(0x75, Buffer.from([0xb0, 0, 0, 1, 0, 1, 2]))],
  ['a type that there is not', section(0x77, Buffer.from([0x3f, 0]))],
  ['a type that the client does not know', section(0x77, Buffer.from([0x4f]))],
  ['no section at all', Buffer.from([0x40, 0x41])],
])('%s is handed on without content, at its place', (_, rest) => {
  const bytes = Buffer.concat([ANNOTATIONS, rest]);
  const decoded = message.decode(bytes);
  expect(decoded.message_annotations).toMatchObject({ 'x-opt-sequence-number': 17, 'x-opt-offset': '1700' });
  if (decoded.body !== undefined) {
    expect(unreadableBody(decoded.body)).toMatch(/./);
    expect((decoded.body as Buffer).equals(bytes)).toBe(true);
  }
});

test('annotations of a sender that cannot be decoded do not hide the place that the service gave', () => {
  const map = (pairs: readonly Buffer[]): Buffer => {
    const content = Buffer.concat(pairs);
    return section(0x72, Buffer.concat([Buffer.from([0xd1]), u32(content.length + 4), u32(pairs.length), content]));
  };
  const symbol = (name: string): Buffer => Buffer.concat([Buffer.from([0xa3, name.length]), Buffer.from(name)]);
  const bytes = map([
    symbol('x-evil'),
    nestedList(50_000),
    symbol('x-opt-sequence-number'),
    Buffer.from([0x55, 7]),
    symbol('x-opt-offset'),
    Buffer.concat([Buffer.from([0xa1, 1]), Buffer.from('9')]),
  ]);
  const decoded = message.decode(bytes);
  expect(decoded.message_annotations).toEqual({ 'x-opt-sequence-number': 7, 'x-opt-offset': '9' });
  expect(unreadableBody(decoded.body)).toContain('nested more than 64 deep');
});

test('whatever bytes come, decoding neither throws nor hangs', () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc
      .array(
        fc.constantFrom(0x00, 0x40, 0x53, 0x70, 0x72, 0x75, 0x77, 0xa1, 0xc0, 0xc1, 0xd0, 0xd1, 0xe0, 0xf0, 1, 2, 255),
        { maxLength: 60 },
      )
      .map((codes) => Uint8Array.from(codes)),
  );
  fc.assert(
    fc.property(noise, (bytes) => expect(message.decode(Buffer.concat([ANNOTATIONS, bytes]))).toBeDefined()),
    { numRuns: 2_000 },
  );
});

test('messages of clients come through as they are', () => {
  const sent = { body: message.encode({ body: 'x' }), application_properties: { site: 'a', n: 5, f: 0.5, yes: true } };
  const decoded = message.decode(message.encode(sent));
  expect(decoded.application_properties).toEqual(sent.application_properties);
  expect(unreadableBody(decoded.body)).toBeUndefined();
});

test('typed properties are plain values: numbers exact, UUIDs and decimals as text, dates and bytes as such', () => {
  const bytes64 = (value: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(value);
    return bytes;
  };
  const described = (name: string, value: unknown): unknown => types.described!(types.wrap_symbol!(name), value);
  // .NET: 1.5m, -12345.6789m, decimal.MaxValue
  const decimal = (hex: string): unknown => types.Decimal128!(Buffer.from(hex, 'hex'));
  const properties = {
    ticks: types.Long!(bytes64(639_000_000_123_456_789n)),
    least: types.Long!(bytes64(-(2n ** 63n))),
    most: types.Ulong!(Buffer.alloc(8, 0xff)),
    uid: types.Uuid!(Buffer.from('00112233445566778899aabbccddeeff', 'hex')),
    bytes: types.wrap_binary!(Buffer.from('ab')),
    at: new Date(1_700_000_000_123),
    letter: types.CharUTF32!(0x1f600),
    price: decimal('303e000000000000000000000000000f'),
    debt: decimal('b03800000000000000000000075bcd15'),
    max: decimal('3040000000000000ffffffffffffffff'),
    small: types.Decimal32!(Buffer.from('32800001', 'hex')),
    endless: types.Decimal64!(Buffer.from('7800000000000000', 'hex')),
    offset: described(
      'com.microsoft:datetime-offset',
      types.Long!(bytes64(621_355_968_000_000_000n + 1_700_000_000_123n * 10_000n)),
    ),
    span: described('com.microsoft:timespan', types.Long!(bytes64(-937_845_000_000n))),
    uri: described('com.microsoft:uri', types.wrap_string!('http://localhost/')),
    list: types.wrap_list!([1, 'a']),
    none: null,
  };
  const decoded = message.decode(
    message.encode({ application_properties: properties, message_id: types.Uuid!(Buffer.alloc(16, 1)) }),
  );
  expect(decoded.application_properties).toEqual({
    ticks: 639_000_000_123_456_789n,
    least: -(2n ** 63n),
    most: 2n ** 64n - 1n,
    uid: '00112233-4455-6677-8899-aabbccddeeff',
    bytes: Buffer.from('ab'),
    at: new Date(1_700_000_000_123),
    letter: '\u{1f600}',
    price: '1.5',
    debt: '-12345.6789',
    max: '18446744073709551615',
    small: '1',
    endless: 'Infinity',
    offset: new Date(1_700_000_000_123),
    span: '-1.02:03:04.5000000',
    uri: 'http://localhost/',
    list: '[1,"a"]',
    none: null,
  });
  expect(decoded.message_id).toBe('01010101-0101-0101-0101-010101010101');
});

test('a value without type information is itself', () => {
  expect(plainValue({ type: { name: 'Boolean' }, value: true })).toBe(true);
});

test('decimals, 64-bit numbers, UUIDs and times in a value or a sequence are what JSON would hold of them', () => {
  const decimal = Buffer.concat([Buffer.from([0x94]), Buffer.from('303e00000000000000000000000000d7', 'hex')]);
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([0xa1, value.length]), Buffer.from(value)]);
  const map = (...items: Buffer[]): Buffer => {
    const content = Buffer.concat(items);
    return Buffer.concat([Buffer.from([0xd1]), u32(content.length + 4), u32(items.length), content]);
  };
  const time = Buffer.concat([Buffer.from([0x83]), Buffer.from('0000018bcfe56800', 'hex')]);
  const reading = map(
    text('ts'),
    time,
    text('device'),
    text('p'),
    text('sensor'),
    text('s'),
    text('value'),
    decimal,
    text('n'),
    Buffer.concat([Buffer.from([0x81]), Buffer.from('7fffffffffffffff', 'hex')]),
    text('id'),
    Buffer.concat([Buffer.from([0x98]), Buffer.alloc(16, 1)]),
  );
  const value = {
    ts: new Date(1_700_000_000_000),
    device: 'p',
    sensor: 's',
    value: 21.5,
    n: 2n ** 63n - 1n,
    id: '01010101-0101-0101-0101-010101010101',
  };
  expect(message.decode(section(0x77, reading)).body).toEqual(value);
  expect(message.decode(section(0x76, list32(1, reading))).body).toMatchObject({ content: [value] });
});

/** Fields of all sections of a message, by their names in the client. */
const FIELDS = (
  'durable priority ttl first_acquirer delivery_count delivery_annotations footer message_annotations ' +
  'application_properties body message_id user_id to subject reply_to correlation_id content_type content_encoding ' +
  'absolute_expiry_time creation_time group_id group_sequence reply_to_group_id'
).split(' ');
/** As the client looks at a message: field by field. */
const asRead = (one: Record<string, unknown>) => Object.fromEntries(FIELDS.map((name) => [name, one[name]]));

test('usual events come out as the decoder of the client makes them, whatever is in them', () => {
  const data = (bytes: Buffer): object =>
    (message as unknown as { data_section(bytes: Buffer): object }).data_section(bytes);
  const wrapped = (type: string) => (value: unknown) => types[`wrap_${type}`]!(value);
  const text = fc.string({ unit: 'grapheme', maxLength: 20 });
  // The decoder of the client would make a time of this name the prototype of all properties.
  const name = text.filter((one) => one !== '__proto__');
  const time = fc.date({ noInvalidDate: true });
  const place = {
    'x-opt-sequence-number': fc.maxSafeInteger().map(wrapped('long')),
    'x-opt-offset': text,
    'x-opt-enqueued-time': time,
  };
  const ofService = {
    ...place,
    'x-opt-partition-key': text,
    'iothub-connection-device-id': text,
    'iothub-enqueuedtime': time,
    'iothub-message-source': fc.constant('Telemetry'),
    'dt-subject': text,
  };
  const needed = Object.keys(place) as (keyof typeof place)[];
  const simple = fc.oneof(
    text,
    fc.boolean(),
    fc.double().map(wrapped('double')),
    fc.integer().map(wrapped('int')),
    fc.nat().map(wrapped('uint')),
    fc.nat().map(wrapped('ulong')),
    fc.integer({ min: -(2 ** 52), max: 2 ** 52 }).map(wrapped('long')),
  );
  const usual = {
    message_annotations: fc.record(ofService, { requiredKeys: needed }),
    message_id: text,
    correlation_id: text,
    to: text,
    subject: text,
    content_type: fc.constantFrom('application/json', ''),
    content_encoding: fc.constant('gzip'),
    creation_time: time,
    application_properties: fc.dictionary(name, simple, { maxKeys: 4 }),
    body: fc.uint8Array({ maxLength: 300 }).map((bytes) => data(Buffer.from(bytes))),
  };
  const odd = {
    ...usual,
    message_annotations: fc.record({ ...ofService, 'x-opt-other': fc.oneof(text, fc.constant(null)) }),
    message_id: fc.nat().map(wrapped('ulong')),
    group_sequence: fc.nat(),
    application_properties: fc.dictionary(name, fc.oneof(text, time, fc.nat(255).map(wrapped('ubyte'))), {
      maxKeys: 4,
    }),
  };
  const always = { requiredKeys: ['message_annotations', 'body'] as ('body' | 'message_annotations')[] };
  const event = fc.oneof(fc.record(usual, always), fc.record(odd, always));
  const expectSame = (bytes: Buffer): void =>
    expect(asRead(message.decode(bytes))).toEqual(asRead(clientDecode(bytes)));
  let quick = 0;
  fc.assert(
    fc.property(event, fc.array(fc.nat()), (one, cuts) => {
      const whole = message.encode(one);
      const bytes = whole.subarray(whole.indexOf(section(0x72, Buffer.alloc(0))));
      if (quickDecode(bytes)) quick += 1;
      expectSame(bytes);
      // Broken anywhere it is either refused, or what the decoder makes of it.
      for (const cut of cuts.slice(0, 3)) {
        const broken = Buffer.from(bytes);
        broken[cut % broken.length]! ^= 1 + (cut % 255);
        if (quickDecode(broken)) expectSame(broken);
        expect(quickDecode(bytes.subarray(0, cut % bytes.length))).toBeUndefined();
      }
    }),
    { numRuns: 500 },
  );
  expect(quick).toBeGreaterThan(150);
});
