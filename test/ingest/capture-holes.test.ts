/** Raw capture whose newest files are gone goes back to the last one that is there, and has every event again. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { parseCaptureName, type CaptureName } from '../../ingest/capture.ts';
import { sendReadings } from '../../ingest/send.ts';
import { openStore } from '../../storage/open-store.ts';
import { startIngestServers, type IngestServers } from '../support/ingest-servers.ts';
import { until } from '../support/until.ts';
import { tempDir } from '../support/temp.ts';
import { capturedEvents, T0 } from './pipeline-stage.ts';

const dir = tempDir('capture-holes');
const FOLDER = 'localhost/lost';
let servers: IngestServers;
beforeAll(async () => {
  servers = await startIngestServers(dir, { hubs: ['lost'], partitions: 2 });
}, 60_000);
afterAll(() => servers?.stop());

test('what is on record and not in Blob is captured again, once, and no window changes', async () => {
  const url = `sqlite:${join(dir, 'fleet.db')}`;
  const store = await openStore(url);
  await store.migrate();
  const settings = { captureIntervalMs: 100, captureBytes: 4_000 };
  const producer = servers.producer('lost');
  const all = Array.from({ length: 600 }, (_, i) => ({
    device: `d${i % 7}`,
    sensor: 's',
    tsMs: T0 + i * 1_000,
    value: i,
  }));
  const settled = async (): Promise<boolean> => {
    const progress = await store.listProgress();
    const readings = progress.reduce((sum, p) => sum + p.readings, 0);
    return readings === all.length && progress.every((p) => p.capturedSeq === p.appliedSeq);
  };
  try {
    let worker = await servers.startWorker(url, settings);
    await sendReadings(all, { producer, readingsPerEvent: 3 });
    await until(settled);
    worker.process.kill('SIGTERM');
    await worker.ended;
    const progress = await store.listProgress();
    const events = await capturedEvents(servers.blobs, FOLDER);

    // The newest files of each partition are lost, as by a server that had them in memory only.
    const files: CaptureName[] = [];
    for await (const { name } of servers.blobs.list('raw', `${FOLDER}/`)) files.push(parseCaptureName(name)!);
    files.sort((a, b) => a.timeMs - b.timeMs || a.order - b.order);
    for (const partition of ['0', '1'])
      for (const { name } of files.filter((file) => file.partition === partition).slice(-2))
        await servers.blobs.delete('raw', name);
    expect((await capturedEvents(servers.blobs, FOLDER)).length).toBeLessThan(events.length);

    worker = await servers.startWorker(url, settings);
    await until(async () => (await capturedEvents(servers.blobs, FOLDER)).length === events.length);
    await until(settled);
    worker.process.kill('SIGTERM');
    await worker.ended;
    expect(await capturedEvents(servers.blobs, FOLDER)).toEqual(events);
    const now = await store.listProgress();
    expect(now.map((p) => [p.partition, p.appliedSeq, p.readings])).toEqual(
      progress.map((p) => [p.partition, p.appliedSeq, p.readings]),
    );
  } finally {
    await producer.close();
    await store.close();
  }
}, 120_000);
