/** Records of capture files are the bytes that the Avro library writes of the same values, whatever an event holds. */
import { expect, test } from '@jest/globals';
import avro from 'avsc';
import fc from 'fast-check';
import { createCaptureBlocks } from '../../ingest/capture-blocks.ts';
import { readCapture, writeCapture } from '../../ingest/capture-file.ts';
import { writeRecord } from '../../ingest/capture-record.ts';
import type { IngestEvent } from '../../ingest/event.ts';
import { AZURE_SCHEMA, exactLong } from './azure-capture.ts';
import { T0, toEvents } from './pipeline-stage.ts';

const TYPE = avro.Type.forSchema(AZURE_SCHEMA as Parameters<typeof avro.Type.forSchema>[0], {
  wrapUnions: true,
  registry: { long: exactLong },
});

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.constant('a text of which each letter is one byte, and of more letters than a short one has'),
);
const value = fc.oneof(
  text,
  fc.maxSafeInteger(),
  fc.double(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(null, 0, -1, 63, 64, -64, -65, 2 ** 27, 2 ** 28, -(2 ** 28), 2 ** 52 - 1, -(2 ** 52), 2 ** 52),
);
/** Objects of JavaScript have names that are numbers before all others, whatever the order of the map. */
const name = text.map((end) => `n${end}`);
const event: fc.Arbitrary<IngestEvent> = fc.record(
  {
    seq: fc.maxSafeNat(),
    offset: text,
    enqueuedMs: fc.integer({ min: 0, max: 4_102_444_800_000 }),
    body: fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.constant(null),
    ),
    partitionKey: text,
    properties: fc.dictionary(name, value, { maxKeys: 4 }),
    systemProperties: fc.dictionary(name, value, { maxKeys: 4 }),
  },
  { requiredKeys: ['seq', 'offset', 'enqueuedMs', 'body'] },
);

test('a record is read by the library to its last byte, and written by it as the same bytes', () => {
  fc.assert(
    fc.property(event, (one) => {
      const out = { bytes: Buffer.alloc(1), at: 0 };
      writeRecord(out, one);
      const bytes = out.bytes.subarray(0, out.at);
      const record: unknown = TYPE.fromBuffer(bytes);
      expect(record).toMatchObject({ SequenceNumber: BigInt(one.seq), Offset: Buffer.from(one.offset).toString() });
      expect(TYPE.toBuffer(record).equals(bytes)).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test('an event comes back from its file with every value', async () => {
  const event = {
    ...toEvents([{ a: 1 }])[0]!,
    enqueuedMs: T0 + 999,
    partitionKey: 'pümp',
    properties: { a: 2 ** 53 - 1, b: -(2 ** 53 - 1), c: 1.5, d: 'ü'.repeat(200), e: null, f: 2n ** 62n, g: -129 },
    systemProperties: { contentType: 'application/json' },
  };
  expect(readCapture(await writeCapture([event]))).toEqual([event]);
});

test('events up to one of them are forgotten, also from within a block, and the file holds the others', async () => {
  const events = toEvents(Array.from({ length: 2_000 }, (_, i) => ({ i, filling: 'x'.repeat(i % 700) })));
  const blocks = createCaptureBlocks();
  for (const one of events) blocks.add(one);
  const { bytes } = blocks;
  expect(bytes).toBeGreaterThan(3 * 256 * 1024);
  for (const through of [-1, 0, 700, 1_234]) {
    blocks.forget(through);
    const rest = events.slice(through + 1);
    expect(blocks).toMatchObject({ events: rest.length, first: { seq: through + 1 }, last: { seq: 1_999 } });
    expect(blocks.offsetOf(1_500)).toBe(events[1_500]!.offset);
    expect(blocks.offsetOf(through)).toBeUndefined();
    const read = readCapture(await blocks.file());
    expect(read.map(({ seq }) => seq)).toEqual(rest.map(({ seq }) => seq));
    expect([read[0], read.at(-1)]).toEqual([rest[0], rest.at(-1)]);
  }
  expect(blocks.bytes).toBeLessThan(bytes / 2);
  const before = blocks.file();
  blocks.add({ ...events[0]!, seq: 2_000 });
  expect(readCapture(await before)).toHaveLength(765);
  blocks.forget(2_000);
  expect(blocks).toMatchObject({ events: 0, bytes: 0, first: undefined, last: undefined });
});
