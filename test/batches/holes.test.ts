/**
 * What SQL has on record and Blob lost is found, said and mended: the manifest is written again byte for byte, and the
 * sensors of a lost file are scored again by a redrive or a re-score. Small files of single sensors become one.
 */
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { lostSensors, mendHoles, holeLines } from '../../batches/holes.ts';
import { pruneBlobs } from '../../batches/prune-blobs.ts';
import { batchFolder, predictionsFolder, CONTAINERS, manifestBlob } from '../../domain/blob-names.ts';
import type { Manifest } from '../../domain/manifest.ts';
import { decodePredictions } from '../../scoring/predictions-file.ts';
import { createScoringEngine, type ScoringEngine } from '../../scoring/engine.ts';
import { verifyBatch, foundIn } from '../../verify/verify-batch.ts';
import { SMALL_PERIOD, smallStore, WINDOW_MS, type SmallStore } from '../support/batch-fixture.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { runBatch, type RunDeps } from '../support/run-activities.ts';
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

const run = (batchId: string, extra: object = {}, how: Partial<Pick<RunDeps, 'format' | 'filePerSensor'>> = {}) =>
  runBatch(
    { store: small.store, blobs: server.blobs, engine, hopMs: WINDOW_MS, ...how },
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

  const name = manifestBlob(predictionsFolder(batch.fromMs, id));
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

/** Puts a batch where versions up to 0.2.0 had it: blobs, their names in the manifest, their names in SQL. */
async function moveBack(id: string): Promise<void> {
  const { blobs } = server;
  const [hive, before] = [predictionsFolder(SMALL_PERIOD.fromMs, id), batchFolder(SMALL_PERIOD.fromMs, id)];
  for (const name of await blobsOf(id)) {
    const bytes = await blobs.get(CONTAINERS.predictions, `${hive}/${name}`);
    const moved = name.startsWith('_') ? Buffer.from(Buffer.from(bytes).toString().replaceAll(hive, before)) : bytes;
    await blobs.put(CONTAINERS.predictions, `${before}/${name.replace('_', '')}`, moved, 'text/plain');
    await blobs.delete(CONTAINERS.predictions, `${hive}/${name}`);
  }
  const db = new DatabaseSync(join(dir, 'fleet.db'));
  db.prepare('UPDATE chunks SET blob = replace(blob, ?, ?)').run(hive, before);
  db.prepare('UPDATE batches SET manifest = ? WHERE id = ?').run(manifestBlob(before), id);
  db.close();
}

test('a batch of 0.2.0 is read, checked and mended where it lies', async () => {
  const { store } = small;
  const { blobs } = server;
  const id = '20260302T100100Z-0000000e';
  await run(id);
  await moveBack(id);
  expect(await blobsOf(id)).toEqual([]);
  const { findings, notes } = await verify(id);
  expect(findings).toEqual([]);
  expect(notes.filter((note) => note.includes('not in the manifest'))).toEqual([]);

  const batch = (await store.findBatch(id))!;
  const written = Buffer.from(await blobs.get(CONTAINERS.predictions, batch.manifest!));
  await blobs.delete(CONTAINERS.predictions, batch.manifest!);
  expect((await mendHoles({ store, blobs }, [batch])).manifests).toEqual([id]);
  expect(Buffer.from(await blobs.get(CONTAINERS.predictions, batch.manifest!))).toEqual(written);
  expect(await lostSensors({ store, blobs }, batch)).toEqual([]);
  const [file] = await store.listFiles(id);
  await blobs.put(CONTAINERS.predictions, `${batchFolder(batch.fromMs, id)}/left.csv`, Buffer.from('x'), 'text/csv');
  await blobs.delete(CONTAINERS.predictions, file!.blob);
  expect((await lostSensors({ store, blobs }, batch)).length).toBeGreaterThan(0);
  expect((await verify(id)).notes.join()).toContain('left.csv');

  await pruneBlobs({ store, blobs }, { batchesBeforeMs: Date.now() + 1 }, () => '');
  for await (const { name } of blobs.list(CONTAINERS.predictions, '')) expect(name).not.toContain(id);
}, 60_000);

/** Of the folder of a batch. */
async function blobsOf(id: string): Promise<string[]> {
  const names: string[] = [];
  const folder = predictionsFolder(SMALL_PERIOD.fromMs, id);
  for await (const { name } of server.blobs.list(CONTAINERS.predictions, `${folder}/`))
    names.push(name.slice(folder.length + 1));
  return names.sort();
}

test.each(['csv', 'parquet'] as const)(
  'small files of single sensors become one, with the same rows: %s',
  async (format) => {
    const { store } = small;
    const suffix = format === 'csv' ? '1' : '2';
    const single = { sensorsPerChild: 1, sensorsPerActivity: 1 };
    const [apart, together] = [`20260302T100100Z-0000010${suffix}`, `20260302T100100Z-0000011${suffix}`];
    await run(apart, single, { filePerSensor: true, format });
    await run(together, single, { format });
    expect((await blobsOf(apart)).length).toBeGreaterThan(3);
    expect(await blobsOf(together)).toEqual(['_manifest.json', expect.stringMatching(/^sensors-\d+-\d+\./)]);
    expect(foundIn(await verify(together))).toBe(0);
    expect((await verify(together)).notes.filter((note) => note.includes('not in the manifest'))).toEqual([]);
    const rowsIn = async (id: string): Promise<unknown[]> => {
      const rows = [];
      for (const { blob } of await store.listFiles(id))
        rows.push(...(await decodePredictions(await server.blobs.get(CONTAINERS.predictions, blob))));
      return rows.sort((a, b) => `${a.device}/${a.sensor}`.localeCompare(`${b.device}/${b.sensor}`) || a.tsMs - b.tsMs);
    };
    expect(await rowsIn(together)).toEqual(await rowsIn(apart));
  },
  60_000,
);
