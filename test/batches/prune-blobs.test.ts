/** What SQL no longer keeps goes from Blob by the same ages; what is kept stays, to the last file. */
import { join } from 'node:path';
import { pruneBlobs } from '../../batches/prune-blobs.ts';
import { batchFolder, predictionsFolder, CONTAINERS, type ContainerName } from '../../domain/blob-names.ts';
import { captureName } from '../../ingest/capture.ts';
import { sourceFolder } from '../../ingest/event.ts';
import { createScoringEngine } from '../../scoring/engine.ts';
import { startRetention } from '../../storage/retention.ts';
import { foundIn, verifyBatch } from '../../verify/verify-batch.ts';
import { SMALL_PERIOD, smallStore, WINDOW_MS } from '../support/batch-fixture.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { runBatch } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('prune-blobs');
const server = useBlobServer(join(dir, 'blob'));
const DAY = 86_400_000;
const SOURCE = 'plant.servicebus.windows.net/readings/$default';
const quiet = { info: () => {}, warn: (data: object) => expect(data).toBeUndefined() };

const names = async (container: ContainerName, prefix = ''): Promise<string[]> => {
  const all: string[] = [];
  for await (const { name } of server.blobs.list(container, prefix)) all.push(name);
  return all;
};
const put = (container: ContainerName, name: string): Promise<void> =>
  server.blobs.put(container, name, Buffer.from('x'), 'text/plain');

test('a round of retention takes rows and blobs of what is old, and leaves the rest whole', async () => {
  const { store } = await smallStore(dir, server.blobs);
  const engine = await createScoringEngine({ blobs: server.blobs, cacheDir: join(dir, 'cache'), threads: 1 });
  const run = (batchId: string) =>
    runBatch({ store, blobs: server.blobs, engine, hopMs: WINDOW_MS }, { batchId, ...SMALL_PERIOD });
  try {
    await run('20260302T100100Z-0000000a');
    const cutMs = Date.now() + 1;
    while (Date.now() <= cutMs) await new Promise((resolve) => setTimeout(resolve, 1));
    await run('20260302T100100Z-0000000b');
    const [newer, older] = await store.listBatches();
    const folder = (batch: typeof newer): string => `${batchFolder(batch!.fromMs, batch!.id)}/`;
    for (const batch of [newer, older]) {
      await put(CONTAINERS.site, `batches/${folder(batch)}index.html`);
      await put(CONTAINERS.logs, `errors/${batch!.id}/d.s.json`);
    }
    await put(CONTAINERS.site, 'index.html');
    const hourAt = (ms: number): string => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');
    for (const back of [2, 0]) {
      const at = cutMs - back * DAY;
      await put(CONTAINERS.logs, `${new Date(at).toISOString().slice(0, 10)}/control-1.jsonl`);
      await put(CONTAINERS.logs, `pool/scoring/decisions/${hourAt(Math.floor(at / 3_600_000) * 3_600_000)}.jsonl`);
    }
    await put(CONTAINERS.logs, 'pool/scoring/open.json');
    await store.commitReadings({
      source: SOURCE,
      partition: '0',
      expectedSeq: -1,
      throughSeq: 9,
      watermarkMs: cutMs,
      updates: [],
      readings: 0,
      late: 0,
      dead: 0,
    });
    const rawFiles = [40, 31, 30, 29, 1].map((days) => captureName('plant/readings/0', cutMs - days * DAY));
    for (const name of rawFiles) await put(CONTAINERS.raw, name);
    await put(CONTAINERS.raw, captureName('plant/readings/1', cutMs - 90 * DAY));

    // Batches as old as the first one, windows of thirty days.
    const keep = { windowsMs: 30 * DAY - 60_000, batchesMs: Date.now() - cutMs };
    const now = (): number => cutMs + keep.batchesMs;
    await startRetention(store, keep, quiet, now, (cut) =>
      pruneBlobs({ store, blobs: server.blobs }, cut, sourceFolder),
    )();

    expect((await store.listBatches()).map((batch) => batch.id)).toEqual([newer!.id]);
    expect(await names(CONTAINERS.predictions, predictionsFolder(older!.fromMs, older!.id))).toEqual([]);
    expect(await names(CONTAINERS.site)).toEqual([`batches/${folder(newer)}index.html`, 'index.html']);
    const logs = await names(CONTAINERS.logs);
    expect(logs).toHaveLength(4);
    expect(logs).toContain('pool/scoring/open.json');
    expect(logs).toContain(`errors/${newer!.id}/d.s.json`);
    // Of a partition that is not this store's, and of what is young enough, nothing.
    expect(await names(CONTAINERS.raw)).toEqual([
      ...rawFiles.slice(3),
      captureName('plant/readings/1', cutMs - 90 * DAY),
    ]);
    const report = await verifyBatch(
      { store, blobs: server.blobs, workflowEnd: async () => ({ state: 'unknown', reason: 'none' }) },
      newer!.id,
    );
    expect(foundIn(report)).toBe(0);

    // The newest raw file stays, however old: capture knows by it how far it came.
    await pruneBlobs({ store, blobs: server.blobs }, { windowsBeforeMs: cutMs + DAY }, sourceFolder);
    expect(await names(CONTAINERS.raw, 'plant/readings/0/')).toEqual(rawFiles.slice(4));
  } finally {
    await engine.close();
    await store.close();
  }
}, 60_000);
