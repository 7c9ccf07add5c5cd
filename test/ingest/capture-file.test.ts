/** Files of Azure Event Hubs Capture are read, and ours are written, as Azure documents them. */
import { afterAll, beforeAll } from '@jest/globals';
import avro from 'avsc';
import { deflateRawSync, zstdCompressSync } from 'node:zlib';
import { readCapture, writeCapture } from '../../ingest/capture-file.ts';
import { captureName } from '../../ingest/capture.ts';
import { AZURE_SCHEMA, azureFile, exactLong } from './azure-capture.ts';
import { rebuildText } from '../../cli/ingest/rebuild-text.ts';
import { rebuildWindows } from '../../ingest/rebuild.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { tempDir } from '../support/temp.ts';
import { allWindows, expectedWindows, openStage, T0, toEvents, type SentReading } from './pipeline-stage.ts';

const dir = tempDir('capture-file');
let server: BlobServer;
beforeAll(async () => {
  server = await startBlobServer(dir);
}, 60_000);
afterAll(() => server.stop());

test.each(['null', 'deflate', 'zstandard'] as const)(
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

test('a 64-bit property of any size is read as it is, and the events around it too', async () => {
  const ticks = 638_000_000_123_456_789n;
  const type = avro.Type.forSchema(AZURE_SCHEMA as Parameters<typeof avro.Type.forSchema>[0], {
    wrapUnions: true,
    registry: { long: exactLong },
  });
  const record = (seq: number, properties: object) => ({
    SequenceNumber: seq,
    Offset: String(seq),
    EnqueuedTimeUtc: '11/01/2026 10:00:01',
    SystemProperties: {},
    Properties: properties,
    Body: { bytes: Buffer.from('1') },
  });
  const chunks: Buffer[] = [];
  const encoder = new avro.streams.BlockEncoder(type, { codec: 'null', writeHeader: true });
  encoder.on('data', (chunk: Buffer) => chunks.push(chunk));
  const done = new Promise((resolve) => encoder.on('end', resolve));
  for (const one of [
    record(1, { sent: { long: ticks }, least: { long: -(2n ** 63n) } }),
    record(2, { n: { long: 5n } }),
  ])
    encoder.write(one);
  encoder.end();
  await done;
  const events = readCapture(Buffer.concat(chunks));
  expect(events.map(({ properties }) => properties)).toEqual([{ sent: ticks, least: -(2n ** 63n) }, { n: 5 }]);
  expect(events[0]!.enqueuedMs).toBe(Date.UTC(2026, 10, 1, 10, 0, 1));
  // And as we write them.
  const again = readCapture(await writeCapture(events));
  expect(again.map(({ properties }) => properties)).toEqual(events.map(({ properties }) => properties));
});

test('properties of every type come out as Event Hubs Capture types them', async () => {
  const properties = {
    text: 'a',
    whole: 5,
    big: 2n ** 62n,
    broken: 0.5,
    bytes: Buffer.from('ab'),
    date: new Date(T0),
    none: null,
    yes: true,
    list: [1, 2n, Buffer.from('x')],
  };
  const [event] = readCapture(await writeCapture([{ ...toEvents([1])[0]!, properties }]));
  expect(event!.properties).toEqual({
    text: 'a',
    whole: 5,
    big: 2n ** 62n,
    broken: 0.5,
    bytes: Buffer.from('ab'),
    date: T0,
    none: null,
    yes: 'true',
    list: '[1,2,"eA=="]',
  });
});

test.each([
  ['8/31/2017 7:12:14 PM', Date.UTC(2017, 7, 31, 19, 12, 14)],
  ['8/31/2017 7:12:14\u202fPM', Date.UTC(2017, 7, 31, 19, 12, 14)],
  ['08/31/2017 19:12:14', Date.UTC(2017, 7, 31, 19, 12, 14)],
  ['Thu, 31 Aug 2017 19:12:14 GMT', Date.UTC(2017, 7, 31, 19, 12, 14)],
  ['2017-08-31 19:12:14Z', Date.UTC(2017, 7, 31, 19, 12, 14)],
])('takes the time %s, as programs of others write it', async (enqueued, ms) => {
  const [event] = readCapture(await azureFile([{ seq: 0, enqueued, body: 1 }], 'null'));
  expect(event!.enqueuedMs).toBe(ms);
});

test('a block that inflates without bound, and records of no bytes without end, are refused', async () => {
  const header = (schema: object, codec: string): Buffer =>
    avro.Type.forSchema({
      type: 'record',
      name: 'H',
      fields: [
        { name: 'magic', type: { type: 'fixed', name: 'M', size: 4 } },
        { name: 'meta', type: { type: 'map', values: 'bytes' } },
        { name: 'sync', type: { type: 'fixed', name: 'S', size: 16 } },
      ],
    }).toBuffer({
      magic: Buffer.from('Obj\u0001'),
      meta: { 'avro.schema': Buffer.from(JSON.stringify(schema)), 'avro.codec': Buffer.from(codec) },
      sync: Buffer.alloc(16, 7),
    });
  const long = avro.Type.forSchema('long');
  const file = (schema: object, codec: string, count: number, block: Buffer): Buffer =>
    Buffer.concat([
      header(schema, codec),
      long.toBuffer(count),
      long.toBuffer(block.length),
      block,
      Buffer.alloc(16, 7),
    ]);
  const bomb = file(AZURE_SCHEMA, 'deflate', 1, deflateRawSync(Buffer.alloc(200 * 1024 * 1024)));
  expect(() => readCapture(bomb)).toThrow(/a block of \d+ bytes inflates to more than is taken/);
  const small = file(AZURE_SCHEMA, 'zstandard', 1, zstdCompressSync(Buffer.alloc(200 * 1024 * 1024)));
  expect(() => readCapture(small)).toThrow(/a block of \d+ bytes inflates to more than is taken/);
  expect(() => readCapture(file(AZURE_SCHEMA, 'snappy', 1, Buffer.alloc(9)))).toThrow(
    /its codec is snappy\. .*null, deflate or zstandard/,
  );
  const empty = file({ type: 'record', name: 'Nothing', fields: [] }, 'null', 2 ** 50, Buffer.alloc(0));
  expect(() => readCapture(empty)).toThrow('its records are empty');
});

test('a rebuild names the file that it cannot read, and takes all others', async () => {
  const stage = await openStage(dir, server.blobs);
  try {
    const sent = [0, 1].map((i) => ({ device: 'd', sensor: `s${i}`, ts: T0 + i * 700, value: i }));
    const bad = captureName('half/readings/0', T0 + 240_000);
    await server.blobs.put('raw', bad, Buffer.from('Obj\u0001 and then nothing'), 'avro/binary');
    for (const [i, body] of sent.entries()) {
      const name = captureName(`half/readings/${i}`, T0 + 300_000);
      const nobody = { seq: 1, enqueued: '10/1/2026 12:05:00 AM', body: { sensor: 'x', value: 1, ts: T0 } };
      const file = await azureFile([{ seq: 0, enqueued: '10/1/2026 12:05:00 AM', body }, nobody], 'null');
      await server.blobs.put('raw', name, file, 'avro/binary');
    }
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const result = await rebuildWindows({
      store: stage.store,
      blobs: server.blobs,
      hub: { namespace: 'half', hub: 'readings' },
      consumerGroup: 'g',
      period: { fromMs: T0, toMs: T0 + 60_000 },
      log,
    });
    expect(result).toMatchObject({ files: 2, events: 4, readings: 2, dead: 2, deadInPeriod: 2, filesUnreadable: 1 });
    expect(result.unreadable).toEqual([{ name: bad, message: expect.stringContaining(bad) }]);
    expect(result.reasons).toEqual([
      {
        reason: 'missing_field',
        count: 2,
        message: expect.stringContaining('missing "device"; it has "sensor", "value", "ts"'),
        partition: '0',
        seq: 1,
        letter: false,
      },
    ]);
    expect(await allWindows(stage.store)).toEqual(expectedWindows(sent));
  } finally {
    await stage.close();
  }
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
    expect(await rebuild()).toEqual({
      files: 6,
      events: 60,
      readings: 60,
      dead: 0,
      deadInPeriod: 0,
      filesUnreadable: 0,
      reasons: [],
      unreadable: [],
      otherNames: 0,
    });
    expect(await allWindows(stage.store)).toEqual(expectedWindows(sent));
    await rebuild();
    expect(await allWindows(stage.store)).toEqual(expectedWindows(sent));
  } finally {
    await stage.close();
  }
});

test('files with other names are read where their format is told, and named where it is not', async () => {
  const stage = await openStage(dir, server.blobs);
  try {
    const sent: SentReading[] = [0, 1, 2].map((i) => ({ device: 'd', sensor: 's', ts: T0 + i * 700, value: i }));
    for (const [i, body] of sent.entries())
      await server.blobs.put(
        'raw',
        `Other/Telemetry/y=2026/10-01/p${i % 2}--00-0${i}-14.avro`,
        await azureFile([{ seq: i, enqueued: '10/1/2026 12:05:00 AM', body }], 'zstandard'),
        'avro/binary',
      );
    const rebuild = (names?: string) =>
      rebuildWindows({
        store: stage.store,
        blobs: server.blobs,
        hub: { namespace: 'other.servicebus.windows.net', hub: 'telemetry' },
        consumerGroup: 'g',
        period: { fromMs: T0, toMs: T0 + 60_000 },
        log: { debug() {}, info() {}, warn() {}, error() {} },
        ...(names === undefined ? {} : { names }),
      });
    await expect(rebuild()).rejects.toMatchObject({
      code: 'NO_RAW_CAPTURE',
      message: expect.stringMatching(/there is raw\/\S+\.avro\. .*--names '\{Namespace\}/),
    });
    const format = '{Namespace}/{EventHub}/y={Year}/{Month}-{Day}/p{PartitionId}--{Hour}-{Minute}-{Second}';
    expect(await rebuild(format)).toMatchObject({ files: 3, readings: 3, filesUnreadable: 0 });
    expect(await allWindows(stage.store)).toEqual(expectedWindows(sent));

    // Both kinds beside each other, after the format was changed in Azure.
    await server.blobs.put('raw', captureName('other/telemetry/0', T0), await azureFile([], 'null'), 'avro/binary');
    await server.blobs.put('raw', 'other/telemetry/p0--00-00-00.avro', await azureFile([], 'null'), 'avro/binary');
    const mixed = await rebuild();
    expect(mixed).toMatchObject({ files: 1, otherNames: 1, otherName: 'other/telemetry/p0--00-00-00.avro' });
    expect(rebuildText(mixed)).toContain(
      'Not read: 1 file with names of another format, such as raw/other/telemetry/p0--00-00-00.avro;',
    );
  } finally {
    await stage.close();
  }
});

test('a number of entries that is not there is refused at once, and not counted', () => {
  // `Obj 1`, and a map of 2^48 entries of nothing: decoding it would count them one by one.
  const file = Buffer.concat([
    Buffer.from('Obj\u0001', 'latin1'),
    Buffer.from('8080808080808001', 'hex'),
    Buffer.alloc(64),
  ]);
  expect(() => readCapture(file)).toThrow(/is not a capture file that can be read: it ends too early/);
});
