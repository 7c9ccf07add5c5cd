/**
 * Encoded AMQP values of every type and every encoding of it, and messages made of them, for properties over the type
 * system. Written from OASIS AMQP 1.0, part 1.6 (types) and 3.2 (sections), without an AMQP library: one would only
 * make the encodings that it prefers.
 */
import { Buffer } from 'node:buffer';
import fc from 'fast-check';

const sized = (bytes: Buffer, width: 1 | 4): Buffer => {
  const size = Buffer.alloc(width);
  if (width === 1) size.writeUInt8(bytes.length);
  else size.writeUInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
};

const count = (items: number, width: 1 | 4): Buffer => {
  const size = Buffer.alloc(width);
  if (width === 1) size.writeUInt8(items);
  else size.writeUInt32BE(items);
  return size;
};

const octets = (code: number, length: number): fc.Arbitrary<Buffer> =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((bytes) => Buffer.concat([Buffer.from([code]), Buffer.from(bytes)]));

/** Types of a fixed width: their codes and their octets. */
const FIXED: readonly (readonly [code: number, octets: number])[] = [
  [0x40, 0], // null
  [0x41, 0], // true
  [0x42, 0], // false
  [0x43, 0], // uint 0
  [0x44, 0], // ulong 0
  [0x45, 0], // the empty list
  [0x50, 1], // ubyte
  [0x51, 1], // byte
  [0x52, 1], // small uint
  [0x53, 1], // small ulong
  [0x54, 1], // small int
  [0x55, 1], // small long
  [0x60, 2], // ushort
  [0x61, 2], // short
  [0x70, 4], // uint
  [0x71, 4], // int
  [0x72, 4], // float
  [0x73, 4], // char
  [0x74, 4], // decimal32
  [0x80, 8], // ulong
  [0x81, 8], // long
  [0x82, 8], // double
  [0x83, 8], // timestamp
  [0x84, 8], // decimal64
  [0x94, 16], // decimal128
  [0x98, 16], // uuid
];

const fixed = fc.oneof(
  ...FIXED.map(([code, length]) => octets(code, length)),
  fc.boolean().map((value) => Buffer.from([0x56, value ? 1 : 0])),
);
const binary = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map((value) => Buffer.from(value));
const ascii = fc.stringMatching(/^[ -~]{1,20}$/).map((value) => Buffer.from(value, 'ascii'));
const variable = (narrow: number, wide: number, content: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(content, fc.boolean())
    .map(([bytes, short]) => Buffer.concat([Buffer.from([short ? narrow : wide]), sized(bytes, short ? 1 : 4)]));
const string = variable(0xa1, 0xb1, text);
const symbol = variable(0xa3, 0xb3, ascii);

function compound(narrow: number, wide: number, items: readonly Buffer[]): Buffer {
  const content = Buffer.concat(items);
  const width = content.length < 250 ? 1 : 4;
  return Buffer.concat([
    Buffer.from([width === 1 ? narrow : wide]),
    sized(Buffer.concat([count(items.length, width), content]), width),
  ]);
}

/** An array of longs, of symbols or of described doubles: one constructor, then the bare values. */
const array = fc
  .oneof(
    fc.tuple(
      fc.constant(Buffer.from([0x81])),
      fc.array(fc.uint8Array({ minLength: 8, maxLength: 8 }), { maxLength: 4 }),
    ),
    fc.tuple(
      fc.constant(Buffer.from([0xa3])),
      fc.array(
        ascii.map((bytes) => new Uint8Array(sized(bytes, 1))),
        { maxLength: 4 },
      ),
    ),
    fc.tuple(
      fc.constant(Buffer.from([0x00, 0x53, 0x07, 0x82])),
      fc.array(fc.uint8Array({ minLength: 8, maxLength: 8 }), { maxLength: 4 }),
    ),
  )
  .chain(([constructor, items]) =>
    fc
      .constantFrom(1 as const, 4 as const)
      .map((width) =>
        Buffer.concat([
          Buffer.from([width === 1 ? 0xe0 : 0xf0]),
          sized(Buffer.concat([count(items.length, width), constructor, ...items]), width),
        ]),
      ),
  );

/** A value of any type in any of its encodings. */
const anyValue: fc.Arbitrary<Buffer> = fc.letrec<{ value: Buffer }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fixed,
    variable(0xa0, 0xb0, binary),
    string,
    symbol,
    array,
    fc.array(tie('value'), { maxLength: 4 }).map((items) => compound(0xc0, 0xd0, items)),
    fc.array(fc.tuple(string, tie('value')), { maxLength: 3 }).map((pairs) => compound(0xc1, 0xd1, pairs.flat())),
    fc.tuple(symbol, tie('value')).map(([descriptor, value]) => Buffer.concat([Buffer.from([0]), descriptor, value])),
  ),
})).value;

/** A section whose content is a map of these pairs. */
export const withSection = (code: number, pairs: readonly (readonly Buffer[])[]): Buffer =>
  Buffer.concat([Buffer.from([0x00, 0x53, code]), compound(0xc1, 0xd1, pairs.flat())]);

const section = (code: number, value: Buffer): Buffer => Buffer.concat([Buffer.from([0x00, 0x53, code]), value]);

const body = fc.oneof(
  anyValue.map((value) => section(0x77, value)),
  fc
    .array(variable(0xa0, 0xb0, binary), { minLength: 1, maxLength: 3 })
    .map((parts) => Buffer.concat(parts.map((part) => section(0x75, part)))),
  fc
    .array(fc.array(anyValue, { maxLength: 3 }), { minLength: 1, maxLength: 2 })
    .map((lists) => Buffer.concat(lists.map((list) => section(0x76, compound(0xc0, 0xd0, list))))),
);

/** The annotations of a sender, as encoded pairs, and the bare message behind them with its footer. */
export const anySections = fc
  .record({
    annotations: fc.array(fc.tuple(symbol, anyValue), { maxLength: 3 }),
    messageId: fc.oneof(string, octets(0x80, 8), octets(0x98, 16), variable(0xa0, 0xb0, binary)),
    userId: variable(0xa0, 0xb0, binary),
    properties: fc.array(fc.tuple(string, anyValue), { maxLength: 5 }),
    body,
    footer: fc.option(fc.array(fc.tuple(symbol, anyValue), { maxLength: 2 })),
  })
  .map(({ annotations, messageId, userId, properties, body: content, footer }) => ({
    annotations,
    bare: Buffer.concat([
      section(0x73, compound(0xc0, 0xd0, [messageId, userId])),
      withSection(0x74, properties),
      content,
      ...(footer === null ? [] : [withSection(0x78, footer)]),
    ]),
  }));
