/** Frames of events come out as the client's own reader makes them; one that is built differently keeps its reader. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { framesOfClient, quickFrame, readFramesQuickly, type Frame } from '../../ingest/amqp/quick-frame.ts';

const frames = framesOfClient()!;
const ownReader = frames.read_frame;
/** Another client, with its reader. */
const clientWith = (reader: (bytes: Buffer) => Frame | null): typeof frames => ({ ...frames, read_frame: reader });

const FIELDS = [
  'handle',
  'delivery_id',
  'delivery_tag',
  'message_format',
  'settled',
  'more',
  'rcv_settle_mode',
  'state',
  'resume',
  'aborted',
  'batchable',
];
/** A frame with its fields as values: the client has them behind functions. */
const plain = (frame: Frame | null) =>
  frame && {
    ...frame,
    performative: FIELDS.map((name): unknown => frame.performative && Reflect.get(frame.performative, name)),
  };

const uint = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const fields = fc.record(
  {
    handle: uint,
    delivery_id: uint,
    delivery_tag: fc.uint8Array({ maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
    message_format: uint,
    settled: fc.boolean(),
    more: fc.boolean(),
    resume: fc.boolean(),
    batchable: fc.boolean(),
  },
  { requiredKeys: ['handle'] },
);
/** Now and then with a field that is not read quickly. */
const sent = fc.tuple(fields, fc.nat(9)).map(([some, n]) => (n === 0 ? { ...some, rcv_settle_mode: 1 } : some));
const payload = fc.option(fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)));

test('frames of events are what the reader of the client makes of them, and broken ones are left to it', () => {
  let quick = 0;
  fc.assert(
    fc.property(fc.nat(65_535), sent, payload, fc.array(fc.nat()), (channel, one, rest, cuts) => {
      const bytes = frames.write_frame(frames.amqp_frame(channel, frames.transfer(one), rest ?? undefined));
      const found = quickFrame(bytes);
      if (found) {
        quick += 1;
        expect(plain(found)).toEqual(plain(ownReader(bytes)));
      }
      for (const cut of cuts.slice(0, 4)) {
        const broken = Buffer.from(bytes);
        broken[cut % broken.length]! ^= 1 + (cut % 255);
        const read = quickFrame(broken);
        if (read) expect(plain(read)).toEqual(plain(ownReader(broken)));
        expect(quickFrame(bytes.subarray(0, cut % bytes.length))).toBeUndefined();
      }
    }),
    { numRuns: 500 },
  );
  expect(quick).toBeGreaterThan(200);
});

test('no other frame is read, nor what is no frame', () => {
  const { amqp_frame, write_frame } = frames;
  const others = frames as unknown as Record<'begin' | 'disposition', (fields: object) => object>;
  const begin = others.begin({ next_outgoing_id: 1, incoming_window: 2, outgoing_window: 3 });
  expect(quickFrame(write_frame(amqp_frame(0, begin)))).toBeUndefined();
  expect(quickFrame(write_frame(amqp_frame(0, others.disposition({ role: true, first: 1 }))))).toBeUndefined();
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => quickFrame(Buffer.from(bytes)) === undefined));
});

test('a client whose reader gives something else, or has another field, keeps it', () => {
  const event = frames.transfer({ handle: 1 });
  const readers: readonly ((bytes: Buffer) => Frame | null)[] = [
    (bytes) => ({ ...ownReader(bytes)!, channel: 9 }),
    (bytes) => ({ ...ownReader(bytes)!, performative: { ...event, handle: 1, priority: 4 } }),
    (bytes) => ({ ...ownReader(bytes)!, extra: true }) as Frame,
    () => null,
    () => {
      throw new Error('frames are written in another form');
    },
  ];
  for (const reader of readers) {
    const client = clientWith(reader);
    expect(readFramesQuickly(client)).toBe(false);
    expect(client.read_frame).toBe(reader);
  }
  expect(readFramesQuickly(undefined)).toBe(true);
  expect(frames.read_frame).not.toBe(ownReader);
  const bytes = frames.write_frame(frames.amqp_frame(3, event));
  expect(plain(frames.read_frame(bytes))).toEqual(plain(ownReader(bytes)));
});
