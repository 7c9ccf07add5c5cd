import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import rhea from 'rhea';
import {
  deliveryBound,
  MalformedMessage,
  readBatch,
  runtimeMetrics,
  writeDelivery,
} from '../../../local/event-hubs/sections.ts';

const { message } = rhea;
const PLACEMENT = { sequence: 2 ** 33 + 7, offset: 123_456_789_012, timeMs: Date.UTC(2026, 10, 23, 14) };

function deliver(event: Buffer, key?: Buffer): Buffer {
  const out = Buffer.alloc(deliveryBound(event, key));
  return out.subarray(0, writeDelivery(out, 0, event, PLACEMENT, key));
}

const key = fc.string({ minLength: 1, maxLength: 300 });
const scalar = fc.oneof(
  fc.string(),
  fc.boolean(),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.integer({ min: 0, max: 2 ** 31 }),
);
const properties = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), scalar, { maxKeys: 4, noNullPrototype: true });
const anyEvent = fc.record({
  body: fc.uint8Array({ maxLength: 400 }).map((bytes) => message.data_section(Buffer.from(bytes)) as unknown),
  application_properties: properties,
  message_annotations: properties,
  message_id: fc.string({ minLength: 1 }),
  durable: fc.boolean(),
});

test('an event arrives as it was sent, with the annotations of the broker', () => {
  fc.assert(
    fc.property(
      fc.array(anyEvent, { minLength: 1, maxLength: 5 }),
      fc.option(key, { nil: undefined }),
      (events, partitionKey) => {
        const encoded = events.map((event) => message.encode(event));
        const annotations = partitionKey === undefined ? {} : { 'x-opt-partition-key': partitionKey };
        const batch = readBatch(
          message.encode({ body: message.data_sections(encoded), message_annotations: annotations }),
        );
        expect(batch.partitionKey).toBe(partitionKey);
        expect(batch.events).toEqual(encoded);
        batch.events.forEach((bytes, i) => {
          const sent = message.decode(encoded[i] ?? Buffer.alloc(0));
          const received = message.decode(deliver(bytes, batch.partitionKeyPair));
          expect(received.message_annotations).toEqual({
            ...sent.message_annotations,
            ...annotations,
            'x-opt-sequence-number': PLACEMENT.sequence,
            'x-opt-offset': String(PLACEMENT.offset),
            'x-opt-enqueued-time': new Date(PLACEMENT.timeMs),
          });
          expect(received.body).toEqual(sent.body);
          expect(received.application_properties).toEqual(sent.application_properties);
          expect(received.message_id).toBe(sent.message_id);
        });
      },
    ),
    { numRuns: 60 },
  );
});

test('a producer cannot set what the broker owns, and its own partition key goes before that of the batch', () => {
  const forged = message.encode({
    body: 'x',
    message_annotations: {
      'x-opt-sequence-number': 1,
      'x-opt-offset': '2',
      'x-opt-enqueued-time': 3,
      'x-opt-partition-key': 'mine',
    },
  });
  const { partitionKeyPair } = readBatch(
    message.encode({ body: message.data_sections([]), message_annotations: { 'x-opt-partition-key': 'batch' } }),
  );
  expect(message.decode(deliver(forged, partitionKeyPair)).message_annotations).toEqual({
    'x-opt-sequence-number': PLACEMENT.sequence,
    'x-opt-offset': String(PLACEMENT.offset),
    'x-opt-enqueued-time': new Date(PLACEMENT.timeMs),
    'x-opt-partition-key': 'mine',
  });
});

test('bytes that are not a message are refused, whatever they are', () => {
  const whole = message.encode({ body: message.data_section(Buffer.from('abc')), message_annotations: { a: 1 } });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
        fc.integer({ min: 1, max: whole.length - 1 }).map((cut) => whole.subarray(0, cut)),
      ),
      (bytes) => {
        for (const read of [readBatch, deliver]) {
          try {
            read(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedMessage);
          }
        }
      },
    ),
  );
  expect(() => deliver(whole.subarray(0, -1))).toThrow(MalformedMessage);
  expect(() => readBatch(Buffer.from('hello'))).toThrow(MalformedMessage);
});

test('runtime metrics are delivery annotations in front of the event', () => {
  const event = deliver(message.encode({ body: 'x' }));
  const decoded = message.decode(Buffer.concat([runtimeMetrics(PLACEMENT, 1000), event]));
  expect(decoded.delivery_annotations).toEqual({
    last_enqueued_sequence_number: PLACEMENT.sequence,
    last_enqueued_offset: String(PLACEMENT.offset),
    last_enqueued_time_utc: new Date(PLACEMENT.timeMs),
    runtime_info_retrieval_time_utc: new Date(1000),
  });
  expect(decoded.body).toBe('x');
});
