/** Raw readings by the time they were measured, however much later they arrived. */
import { afterAll, beforeAll } from '@jest/globals';
import { writeCapture } from '../../ingest/capture-file.ts';
import { captureLayouts, ownLayout, type CaptureLayout } from '../../ingest/capture-layout.ts';
import { findRaw } from '../../ingest/find-raw.ts';
import { createEventParser } from '../../ingest/parse-event.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { tempDir } from '../support/temp.ts';
import { openStage, T0, toEvents } from './pipeline-stage.ts';

const dir = tempDir('find-raw');
let server: BlobServer;
beforeAll(async () => {
  server = await startBlobServer(dir);
}, 60_000);
afterAll(() => server.stop());

const DAY = 86_400_000;

test('readings of a history are found in the files of the day they arrived, with their events', async () => {
  const stage = await openStage(dir, server.blobs);
  try {
    const one = (ts: number, value: number, sensor = 's') => ({ device: 'd', sensor, ts, value });
    // What comes first is live; the history of a month before comes after it, one reading of it twice.
    const then = T0 - 30 * DAY;
    const bodies = [one(T0, 1), [one(then, 2), one(then + 1_000, 3), one(then, 9, 'other')], one(then, 4)];
    const pipeline = await stage.open({ captureBytes: 1 });
    await pipeline.process(toEvents(bodies));
    await pipeline.close(true);
    const search = (times: readonly number[], maxFiles?: number, fromMs = then) =>
      findRaw({
        blobs: server.blobs,
        layouts: [ownLayout([`${stage.folder}/0`, `${stage.folder}/1`])],
        sensor: { device: 'd', sensor: 's' },
        period: { fromMs, toMs: then + 5_000 },
        times,
        parse: createEventParser(),
        clockSkewMs: 3_600_000,
        nowMs: T0 + DAY,
        ...(maxFiles === undefined ? {} : { maxFiles }),
      });
    const found = await search([then, then + 1_000, then + 2_000]);
    expect(found).toMatchObject({ files: 3, complete: true });
    expect(found.readings.map(({ tsMs, value, partition, seq }) => [tsMs, value, partition, seq])).toEqual([
      [then, 2, '0', 1],
      [then + 1_000, 3, '0', 1],
      [then, 4, '0', 2],
    ]);
    expect(found.readings[0]!.file).toMatch(/^.*\/0\/2026\/10\/01\/01\/00\/01\.avro$/);
    expect(found.readings[0]!.arrivedMs).toBe(T0 + 3_600_000 + 1_000);
    // All that was asked for is found: the search ends.
    expect(await search([then])).toMatchObject({ files: 2, complete: true });
    // From the epoch on, years without files cost a look each.
    const first = await search([then], undefined, 0);
    expect(first.readings.map(({ seq }) => seq)).toEqual([1, 1]);
    // A bound that is told.
    expect(await search([then], 1)).toEqual({ readings: [], files: 1, complete: false });
    expect(await search([])).toEqual({ readings: [], files: 0, complete: true });
  } finally {
    await stage.close();
  }
});

test('a capture file under a name that something else has gets another name, and nothing is stuck', async () => {
  const stage = await openStage(dir, server.blobs);
  try {
    const events = toEvents([{ device: 'd', sensor: 's', ts: T0, value: 1 }]);
    const name = `${stage.folder}/0/2026/10/01/01/00/00.avro`;
    await server.blobs.put('raw', name, Buffer.from('no capture file'), 'text/plain');
    await server.blobs.put('raw', name.replace('.avro', '-0.avro'), Buffer.from('neither'), 'text/plain');
    const pipeline = await stage.open();
    await pipeline.process(events);
    await pipeline.close(true);
    const names: string[] = [];
    for await (const blob of server.blobs.list('raw', `${stage.folder}/`)) names.push(blob.name.split('/').at(-1)!);
    expect(names).toEqual(['00-0.avro', '00.avro', '01-0.avro']);
    expect((await stage.store.listProgress())[0]).toMatchObject({ appliedSeq: 0, capturedSeq: 0 });
  } finally {
    await stage.close();
  }
});

const HUB = { source: 'plant.servicebus.windows.net/readings/$default', partition: '1' };
test.each([
  [
    '{Namespace}/{EventHub}/{Year}-{Month}-{Day}/{PartitionId}_{Hour}_{Minute}_{Second}',
    'plant/readings/2026-10-01/1_00_59_30.avro',
  ],
  ['{PartitionId}/y={Year}/m={Month}/d={Day}/{Hour}{Minute}{Second}', '1/y=2026/m=10/d=01/005930.avro'],
  ['raw-{Second}/{Minute}/{Hour}/{Day}/{Month}/{Year}/{PartitionId}', 'raw-30/59/00/01/10/2026/1.avro'],
])(
  'readings in files that Event Hubs Capture names %s are found, beside those of our workers',
  async (format, name) => {
    const events = toEvents([{ device: 'd', sensor: format, ts: T0, value: 7 }]);
    await server.blobs.put('raw', name, await writeCapture(events), 'avro/binary');
    const search = (layouts: readonly CaptureLayout[]) =>
      findRaw({
        blobs: server.blobs,
        layouts,
        sensor: { device: 'd', sensor: format },
        period: { fromMs: T0, toMs: T0 + 5_000 },
        times: [T0],
        parse: createEventParser(),
        clockSkewMs: 3_600_000,
        nowMs: T0 + DAY,
      });
    expect((await search(captureLayouts([HUB], format))).readings).toMatchObject([
      { value: 7, file: name, partition: '1' },
    ]);
    expect((await search(captureLayouts([HUB]))).readings).toEqual([]);
  },
);
