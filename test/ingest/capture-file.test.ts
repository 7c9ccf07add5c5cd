/** Files of Azure Event Hubs Capture, written here by the Avro library with the schema that Azure documents. */
import { afterAll, beforeAll } from '@jest/globals';
import avro from 'avsc';
import { readCapture, writeCapture } from '../../ingest/capture-file.ts';
import { captureName } from '../../ingest/capture.ts';
import { rebuildWindows } from '../../ingest/rebuild.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { tempDir } from '../support/temp.ts';
import { allWindows, expectedWindows, openStage, T0, toEvents, type SentReading } from './pipeline-stage.ts';

// learn.microsoft.com/azure/event-hubs/explore-captured-avro-files
const AZURE_SCHEMA = {
  type: 'record',
  name: 'EventData',
  namespace: 'Microsoft.ServiceBus.Messaging',
  fields: [
    { name: 'SequenceNumber', type: 'long' },
    { name: 'Offset', type: 'string' },
    { name: 'EnqueuedTimeUtc', type: 'string' },
    { name: 'SystemProperties', type: { type: 'map', values: ['long', 'double', 'string', 'bytes'] } },
    { name: 'Properties', type: { type: 'map', values: ['long', 'double', 'string', 'bytes', 'null'] } },
    { name: 'Body', type: ['null', 'bytes'] },
  ],
};

interface AzureEvent {
  readonly seq: number;
  readonly enqueued: string;
  readonly body: unknown;
  readonly system?: object;
  readonly properties?: object;
}

async function azureFile(events: readonly AzureEvent[], codec: 'null' | 'deflate'): Promise<Buffer> {
  const type = avro.Type.forSchema(AZURE_SCHEMA as Parameters<typeof avro.Type.forSchema>[0], { wrapUnions: true });
  const encoder = new avro.streams.BlockEncoder(type, { codec, writeHeader: true } as object);
  const chunks: Buffer[] = [];
  encoder.on('data', (chunk: Buffer) => chunks.push(chunk));
  const done = new Promise((resolve) => encoder.on('end', resolve));
  for (const { seq, enqueued, body, system, properties } of events)
    encoder.write({
      SequenceNumber: seq,
      Offset: String(seq * 96),
      EnqueuedTimeUtc: enqueued,
      SystemProperties: system ?? {},
      Properties: properties ?? {},
      Body: { bytes: Buffer.from(JSON.stringify(body)) },
    });
  encoder.end();
  await done;
  return Buffer.concat(chunks);
}

const dir = tempDir('capture-file');
let server: BlobServer;
beforeAll(async () => {
  server = await startBlobServer(dir);
}, 60_000);
afterAll(() => server.stop());

test.each(['null', 'deflate'] as const)(
  'events of an Azure file with codec %s come back, with the exact time where it is told',
  async (codec) => {
    const file = await azureFile(
      [
        { seq: 7, enqueued: '8/31/2017 12:12:14 AM', body: [1] },
        {
          seq: 8,
          enqueued: '12/1/2017 12:00:01 PM',
          body: 2,
          system: { 'x-opt-enqueued-time': { long: 1_512_129_601_123 }, 'x-opt-partition-key': { string: 'pump-1' } },
          properties: { site: { string: 'x' }, none: null },
        },
      ],
      codec,
    );
    expect(readCapture(file)).toEqual([
      { seq: 7, offset: '672', enqueuedMs: Date.UTC(2017, 7, 31, 0, 12, 14), body: Buffer.from('[1]') },
      {
        seq: 8,
        offset: '768',
        enqueuedMs: 1_512_129_601_123,
        body: Buffer.from('2'),
        partitionKey: 'pump-1',
        properties: { site: 'x', none: null },
      },
    ]);
  },
);

test('ours are read by the library without our code, under the schema that lies in the file', async () => {
  const bytes = await writeCapture(toEvents([{ a: 1 }]));
  const decoder = new avro.streams.BlockDecoder();
  const records: Record<string, unknown>[] = [];
  decoder.on('data', (record: Record<string, unknown>) => records.push(record));
  const ended = new Promise((resolve) => decoder.on('end', resolve));
  decoder.end(Buffer.from(bytes));
  await ended;
  expect(records).toHaveLength(1);
  expect(Object.keys(records[0]!)).toEqual(AZURE_SCHEMA.fields.map(({ name }) => name));
  expect(records[0]).toMatchObject({ SequenceNumber: 0, Offset: '0', EnqueuedTimeUtc: '10/1/2026 1:00:00 AM' });
});

test('an empty file holds nothing; one that was cut off or is something else is refused by name', async () => {
  expect(readCapture(new Uint8Array())).toEqual([]);
  expect(readCapture(await azureFile([], 'null'))).toEqual([]);
  const file = await azureFile([{ seq: 0, enqueued: '8/31/2017 7:12:14 PM', body: 1 }], 'null');
  for (const bad of [file.subarray(0, file.length - 5), Buffer.from('PK')])
    expect(() => readCapture(bad, 'ns/hub/0/a.avro')).toThrow(
      expect.objectContaining({ code: 'CAPTURE_UNREADABLE', message: expect.stringContaining('ns/hub/0/a.avro') }),
    );
});

test('a rebuild from the files of Azure Event Hubs Capture gives the windows of their readings', async () => {
  const stage = await openStage(dir, server.blobs);
  try {
    const sent: SentReading[] = Array.from({ length: 60 }, (_, i) => ({
      device: 'd',
      sensor: `s${i % 2}`,
      ts: T0 + i * 700,
      value: i,
    }));
    // Two partitions, files of a few minutes, and one without events.
    for (const partition of [0, 1]) {
      const own = sent.filter((_, i) => Math.floor(i / 10) % 2 === partition);
      const events = own.map((body, seq) => ({ seq, enqueued: '10/1/2026 12:05:00 AM', body }));
      for (const [i, part] of [events.slice(0, 20), events.slice(20), []].entries())
        await server.blobs.put(
          'raw',
          captureName(`plant/readings/${partition}`, T0 + 300_000 + i * 300_000),
          await azureFile(part, i === 0 ? 'null' : 'deflate'),
          'application/octet-stream',
        );
    }
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const rebuild = () =>
      rebuildWindows({
        store: stage.store,
        blobs: server.blobs,
        hub: { namespace: 'plant', hub: 'readings' },
        consumerGroup: 'g',
        period: { fromMs: 0, toMs: T0 * 2 },
        log,
      });
    expect(await rebuild()).toEqual({ files: 6, events: 60, readings: 60, dead: 0 });
    expect(await allWindows(stage.store)).toEqual(expectedWindows(sent));
    await rebuild();
    expect(await allWindows(stage.store)).toEqual(expectedWindows(sent));
  } finally {
    await stage.close();
  }
});
