/**
 * What SQL has on record and Blob lost is found, said and mended: the manifest is written again byte for byte, and the
 * sensors of a lost file are scored again by a redrive or a re-score.
 */
import { join } from 'node:path';
import { lostSensors, mendHoles, holeLines } from '../../batches/holes.ts';
import { batchFolder, CONTAINERS, manifestBlob } from '../../domain/blob-names.ts';
import type { Manifest } from '../../domain/manifest.ts';
import { createScoringEngine, type ScoringEngine } from '../../scoring/engine.ts';
import { verifyBatch, foundIn } from '../../verify/verify-batch.ts';
import { SMALL_PERIOD, smallStore, WINDOW_MS, type SmallStore } from '../support/batch-fixture.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { runBatch } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('holes');
const server = useBlobServer(join(dir, 'blob'));
let small: SmallStore;
let engine: ScoringEngine;
beforeAll(async () => {
  small = await smallStore(dir, server.blobs);
  engine = await createScoringEngine({ blobs: server.blobs, cacheDir: join(dir, 'cache'), threads: 1 });
}, 60_000);
afterAll(async () => {
  await engine?.close();
  await small?.store.close();
});

const run = (batchId: string, extra: object = {}) =>
  runBatch(
    { store: small.store, blobs: server.blobs, engine, hopMs: WINDOW_MS },
    { batchId, ...SMALL_PERIOD, sensorsPerChild: 2, sensorsPerActivity: 2, ...extra },
  );
const verify = (id: string) =>
  verifyBatch(
    { store: small.store, blobs: server.blobs, workflowEnd: async () => ({ state: 'unknown', reason: 'no server' }) },
    id,
  );

test('a lost manifest comes back byte for byte; the sensors of a lost file are scored again', async () => {
  const { store } = small;
  const deps = { store, blobs: server.blobs };
  const id = '20260302T100100Z-0000000a';
  await run(id);
  const batch = (await store.findBatch(id))!;
  expect(await mendHoles(deps, [batch])).toEqual({ manifests: [], holes: [] });

  const name = manifestBlob(batchFolder(batch.fromMs, id));
  const before = Buffer.from(await server.blobs.get(CONTAINERS.predictions, name));
  const files = (JSON.parse(before.toString('utf8')) as Manifest).files;
  expect(files.length).toBeGreaterThan(1);
  await server.blobs.delete(CONTAINERS.predictions, name);
  await server.blobs.delete(CONTAINERS.predictions, files[0]!.blob);
  expect(foundIn(await verify(id))).toBeGreaterThan(0);

  const mended = await mendHoles(deps, await store.listBatches());
  expect(mended.manifests).toEqual([id]);
  expect(mended.holes.map((hole) => hole.files.map((file) => file.blob))).toEqual([[files[0]!.blob]]);
  expect(holeLines(mended).join('\n')).toMatch(
    new RegExp(`1 of its predictions files is not in Blob.*batch redrive ${id}`),
  );
  expect(Buffer.from(await server.blobs.get(CONTAINERS.predictions, name))).toEqual(before);
  // Found, still, by the checker.
  expect((await verify(id)).findings.map((finding) => finding.message).join('\n')).toContain(files[0]!.blob);

  const lost = await lostSensors(deps, batch);
  expect(lost.length).toBeGreaterThan(0);
  const again = '20260302T100100Z-0000000b';
  const { result } = await run(again, { redrive: id });
  expect(result).toMatchObject({ planned: lost.length, counts: { scored: lost.length } });
  expect(foundIn(await verify(again))).toBe(0);
  // Scored again: nobody is told any more.
  expect((await mendHoles(deps, await store.listBatches())).holes).toEqual([]);
}, 60_000);

test('a re-score takes the sensors of a lost file too, and a file of another length is lost', async () => {
  const { store } = small;
  const id = '20260302T100100Z-0000000c';
  await run(id);
  const [file] = await store.listFiles(id);
  await server.blobs.put(CONTAINERS.predictions, file!.blob, Buffer.from('cut'), 'text/csv');
  const lost = await lostSensors({ store, blobs: server.blobs }, (await store.findBatch(id))!);
  expect(lost.length).toBeGreaterThan(0);
  const { result } = await run('20260302T100100Z-0000000d', { rescore: true });
  expect(result).toMatchObject({ planned: lost.length, counts: { scored: lost.length } });
}, 60_000);
