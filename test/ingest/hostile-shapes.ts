/** Bodies that are made to break what reads them: deep, wide, long, repeated, and of every type that AMQP has. */
import { gzipSync } from 'node:zlib';

export interface Shape {
  readonly name: string;
  readonly body: unknown;
  readonly encoding?: string;
}

const READING = { ts: Date.UTC(2026, 9, 1), device: 'd', sensor: 's', value: 1 };

/** `[[[...]]]` as an object of its own, made without recursion. */
function nested(depth: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = wrap(value);
  return value;
}

const deepText = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;

/** JSON as text, at most some 900 KB as it is sent. */
export const TEXT_SHAPES: readonly Shape[] = [
  ...[100, 5_000, 400_000].flatMap((depth) => [
    { name: `an item nested ${depth} deep`, body: Buffer.from(deepText(depth)) },
    {
      name: `objects nested ${depth / 2} deep`,
      body: Buffer.from('{"a":'.repeat(depth / 5) + '1' + '}'.repeat(depth / 5)),
    },
    ...(['ts', 'device', 'sensor', 'value', 'quality'] as const).map((field) => ({
      name: `${field} nested ${depth} deep`,
      body: Buffer.from(JSON.stringify({ ...READING, [field]: '@' }).replace('"@"', deepText(depth))),
    })),
  ]),
  { name: 'brackets that never close', body: Buffer.from('['.repeat(900_000)) },
  { name: 'many items that are none', body: Buffer.from(`[${'0,'.repeat(440_000)}0]`) },
  { name: 'many empty objects', body: Buffer.from(`[${'{},'.repeat(290_000)}{}]`) },
  { name: 'many items under the limit', body: Buffer.from(`[${'{},'.repeat(40_000)}{}]`) },
  { name: 'many fields', body: Buffer.from(`{${Array.from({ length: 60_000 }, (_, i) => `"f${i}":0`).join(',')}}`) },
  { name: 'one key again and again', body: Buffer.from(`{${'"ts":1,'.repeat(120_000)}"ts":1}`) },
  { name: 'a long name', body: Buffer.from(JSON.stringify({ ...READING, device: 'x'.repeat(900_000) })) },
  {
    name: 'a long name in escapes',
    body: Buffer.from(`{"device":"${'\\u4e2d'.repeat(140_000)}","sensor":1,"ts":1,"value":1}`),
  },
  { name: 'a long time', body: Buffer.from(JSON.stringify({ ...READING, ts: '9'.repeat(900_000) })) },
  {
    name: 'a long number',
    body: Buffer.from(JSON.stringify({ ...READING, value: '@' }).replace('"@"', '9'.repeat(900_000))),
  },
  { name: 'NaN after NaN', body: Buffer.from(`[${'NaN,'.repeat(220_000)}NaN]`) },
  {
    name: 'a new sensor a reading',
    body: Buffer.from(JSON.stringify(Array.from({ length: 12_000 }, (_, i) => ({ ...READING, sensor: `new-${i}` })))),
  },
  { name: 'NULs', body: Buffer.alloc(900_000) },
  { name: 'bytes that are not UTF-8', body: Buffer.alloc(900_000, 0xff) },
  { name: 'nothing', body: Buffer.alloc(0) },
  ...[2_000, 8_000, 15_000, 60_000].flatMap((length) => [
    { name: `gzip of ${length} KiB of small items`, body: gzipSync(`[${'0,'.repeat(length * 512)}0]`) },
    { name: `gzip of ${length} KiB of brackets`, body: gzipSync('['.repeat(length * 1024)) },
  ]),
  { name: 'gzip in gzip', body: gzipSync(gzipSync(Buffer.alloc(50_000_000))) },
  { name: 'gzip that ends', body: gzipSync(Buffer.from(JSON.stringify(READING))).subarray(0, 20) },
  { name: 'no gzip', body: Buffer.from('{}'), encoding: 'gzip' },
];

/** What a client has made of an AMQP value or sequence: any of its types, in the places of a reading. */
export const VALUE_SHAPES: readonly Shape[] = [
  null,
  true,
  0,
  -1,
  1e300,
  Number.NaN,
  2n ** 63n,
  'text',
  new Date(Date.UTC(2026, 9, 1)),
  new Date(Number.NaN),
  Buffer.from('bytes'),
  [1, 2n, Buffer.alloc(3)],
  { of: 'a map' },
  nested(50_000, (inner) => [inner]),
  nested(50_000, (inner) => ({ inner })),
  Symbol('s'),
  () => 1,
].flatMap((value, i) => [
  { name: `value ${i} as the body`, body: value },
  { name: `value ${i} as an item`, body: [value, value] },
  ...(['ts', 'device', 'sensor', 'value', 'quality'] as const).map((field) => ({
    name: `value ${i} as ${field}`,
    body: { ...READING, [field]: value },
  })),
]);
