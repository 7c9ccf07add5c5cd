import { BlobServiceClient } from '@azure/storage-blob';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';
import { CONTAINERS, modelBlob, packBlob } from '../../domain/blob-names.ts';
import { createScoringEngine } from '../../scoring/engine.ts';
import { publishModels, type PublishOptions } from '../../scoring/publish.ts';
import { openStore } from '../../storage/open-store.ts';
import type { ReleaseModel, Store } from '../../storage/store.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { tempDir } from '../support/temp.ts';
import { INTERVAL_MS, planned, seriesOf, sha256Of } from './fleet.ts';
import { binarizerBytes, plainBytes, poison, slowBytes, svmBytes } from './models.ts';

const dir = tempDir('publish');
const server = useBlobServer(join(dir, 'blob'));
const NOW_MS = Date.parse('2026-11-23T14:00:00Z');
let store: Store;
let stores = 0;
let folders = 0;

beforeEach(async () => {
  store = await openStore(`sqlite:${join(dir, `fleet-${++stores}.db`)}`);
  await store.migrate();
});
afterEach(() => store.close());

/** A folder with these files. */
function folder(files: Readonly<Record<string, Uint8Array | string>>): string {
  const path = join(dir, `models-${++folders}`);
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return path;
}

const publish = (path: string, options: Partial<PublishOptions> = {}): ReturnType<typeof publishModels> =>
  publishModels(path, { store, blobs: server.blobs, nowMs: NOW_MS, maxModelBytes: 100_000, threads: 1, ...options });

async function blobNames(): Promise<string[]> {
  const names = [];
  for await (const { name } of server.blobs.list(CONTAINERS.models, '')) names.push(name);
  return names;
}

test('a folder of named models becomes a release, is current, and its models are stored and packed', async () => {
  const files = {
    'model_a_1.onnx': svmBytes(101),
    'model_a_2.onnx': svmBytes(102),
    'model_b_1.onnx': plainBytes(103),
    'model_b_2.onnx': svmBytes(101),
  };
  const progress: number[] = [];
  const summary = await publish(folder(files), { onProgress: (done, total) => progress.push(done / total) });
  expect(summary).toEqual({
    release: 'r-20261123T140000Z',
    models: 4,
    kept: 0,
    lost: 0,
    distinct: 3,
    packed: 3,
    packs: 1,
    kinds: { 'scaler+ocsvm-rbf': 3, onnx: 1 },
    pools: {},
    bad: [],
  });
  expect(progress.at(-1)).toBe(1);
  expect(await store.currentRelease()).toBe(summary.release);
  const models = await store.listReleaseModels(summary.release);
  expect(
    models.map(({ device, sensor, model, kind, features, bytes }) => ({
      device,
      sensor,
      model,
      kind,
      features,
      bytes,
    })),
  ).toEqual(
    Object.entries(files).map(([name, bytes]) => {
      const [, device, sensor] = name.slice(0, -5).split('_');
      return {
        device,
        sensor,
        model: sha256Of(bytes),
        kind: device === 'b' && sensor === '1' ? 'onnx' : 'scaler+ocsvm-rbf',
        features: ['mean'],
        bytes: bytes.byteLength,
      };
    }),
  );
  expect(models.map(({ packRow }) => packRow)).toEqual([0, 1, undefined, 0]);
  const names = await blobNames();
  for (const bytes of Object.values(files)) expect(names).toContain(modelBlob(sha256Of(bytes)));
  expect(names).toContain(packBlob(models[0]!.pack!));
});

test('publishing the same folder again gives a new release with the same models and packs', async () => {
  const path = folder({ 'model_c_1.onnx': svmBytes(111), 'model_c_2.onnx': svmBytes(112) });
  const first = await publish(path);
  const before = await blobNames();
  const second = await publish(path);
  expect(second.release).toBe(`${first.release}-2`);
  expect(await blobNames()).toEqual(before);
  const modelsOf = async (release: string): Promise<unknown> =>
    (await store.listReleaseModels(release)).map(({ sensorId, model, pack, packRow }) => ({
      sensorId,
      model,
      pack,
      packRow,
    }));
  expect(await modelsOf(second.release)).toEqual(await modelsOf(first.release));
  expect(await store.currentRelease()).toBe(second.release);
});

test('a publish that was stopped before its release became current is finished by publishing again', async () => {
  const path = folder({ 'model_again_1.onnx': svmBytes(131), 'model_again_2.onnx': svmBytes(132) });
  const current = await store.currentRelease();
  // As a kill leaves it: the release is whole, and not current.
  const { release, ...stopped } = await publish(path, { release: 'again', promote: false });
  expect(await store.currentRelease()).toBe(current);
  expect(await publish(path, { release: 'again' })).toEqual({ release, ...stopped, before: true });
  expect(await store.currentRelease()).toBe('again');
  // Other models under that name are refused, whatever is other about them.
  const code = { code: 'RELEASE_EXISTS' };
  const more = folder({
    'model_again_1.onnx': svmBytes(131),
    'model_again_2.onnx': svmBytes(132),
    'model_again_3.onnx': svmBytes(133),
  });
  for (const other of [
    folder({ 'model_again_1.onnx': svmBytes(131) }),
    folder({ 'model_again_1.onnx': svmBytes(131), 'model_again_2.onnx': svmBytes(139) }),
    more,
  ])
    await expect(publish(other, { release: 'again' })).rejects.toMatchObject(code);
  await expect(publish(more, { release: 'again', skipBad: true })).rejects.toMatchObject(code);
  // What --skip-bad left out of the release may be in the folder.
  const bad = { 'model_again_3.onnx': Object.values(poison(100_000))[0]!.bytes };
  const withBad = folder({ 'model_again_1.onnx': svmBytes(131), 'model_again_2.onnx': svmBytes(132), ...bad });
  expect((await publish(withBad, { release: 'again', skipBad: true })).models).toBe(2);
});

test.each(['current', '', '../x', 'a b', 'x'.repeat(65)])('the release name %p is refused', async (release) => {
  await expect(publish(folder({ 'model_a_1.onnx': svmBytes(1) }), { release })).rejects.toMatchObject({
    code: 'INVALID_RELEASE',
  });
});

test('one bad model stops all: each bad one is named with its reason, and nothing is stored', async () => {
  const bad = poison(100_000);
  const path = folder({
    'model_d_0.onnx': svmBytes(121),
    ...Object.fromEntries(Object.values(bad).map(({ bytes }, i) => [`model_d_${i + 1}.onnx`, bytes])),
  });
  const before = await blobNames();
  const error: unknown = await publish(path).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'BAD_MODELS',
    message: expect.stringContaining(`${Object.keys(bad).length} of ${Object.keys(bad).length + 1} models`) as unknown,
  });
  for (const [i, { class: why }] of Object.values(bad).entries())
    expect((error as Error).message).toContain(`model_d_${i + 1}.onnx (d / ${i + 1}): ${why}: `);
  expect(await blobNames()).toEqual(before);
  expect(await store.listReleases()).toEqual([]);
  expect(await store.countSensors()).toBe(0);
});

test('asked to, it publishes the good models and tells which it left out', async () => {
  const path = folder({
    'model_e_1.onnx': svmBytes(131),
    'model_e_2.onnx': 'not a model',
    'model_e_3.onnx': svmBytes(133),
  });
  const summary = await publish(path, { skipBad: true });
  expect(summary).toMatchObject({
    models: 2,
    packed: 2,
    bad: [{ device: 'e', sensor: '2', file: 'model_e_2.onnx', class: 'model_corrupt' }],
  });
  expect((await store.listReleaseModels(summary.release)).map(({ sensor }) => sensor)).toEqual(['1', '3']);
  await expect(
    publish(folder({ 'model_e_1.onnx': 'not a model' }), { skipBad: true, others: 'replace' }),
  ).rejects.toMatchObject({
    code: 'BAD_MODELS',
  });
});

test('a model that hangs in its check is bad, the others of its job are not', async () => {
  const path = folder({
    'model_f_1.onnx': svmBytes(141),
    'model_f_2.onnx': slowBytes(1_500_000, -1e9),
    'model_f_3.onnx': plainBytes(143),
  });
  expect(await publish(path, { skipBad: true, modelTimeoutMs: 800 })).toMatchObject({
    models: 2,
    bad: [{ sensor: '2', class: 'timeout' }],
  });
});

test('manifest.csv names devices and sensors freely, quoted where needed, and files once for many sensors', async () => {
  const path = folder({
    'manifest.csv':
      '\ufeffDevice,Sensor,Model\r\n"pump, north",flow_rate,shared.onnx\r\n' +
      '"the ""big"" one",t_1_2,shared.onnx\r\n\r\nÖl,+24 V,other.onnx\r\n',
    'shared.onnx': svmBytes(151),
    'other.onnx': svmBytes(152),
    'not listed.onnx': 'never read',
  });
  const summary = await publish(path);
  expect(summary).toMatchObject({ models: 3, distinct: 2, packed: 3 });
  expect((await store.listReleaseModels(summary.release)).map(({ device, sensor }) => [device, sensor])).toEqual([
    ['pump, north', 'flow_rate'],
    ['the "big" one', 't_1_2'],
    ['Öl', '+24 V'],
  ]);
});

test('labels of 0 and 1 are published when the model says what 1 means, and never inverted', async () => {
  const path = folder({ 'model_pyod_1.onnx': binarizerBytes(50) });
  await expect(publish(path, { others: 'replace' })).rejects.toMatchObject({
    code: 'BAD_MODELS',
    message: expect.stringMatching(
      /label is 0 and 1 for the inputs .*fleetscore\.label = anomaly=1 or normal=1/,
    ) as unknown,
  });
  const wrong = folder({ 'model_pyod_1.onnx': binarizerBytes(50, 'outlier=1') });
  await expect(publish(wrong, { others: 'replace' })).rejects.toMatchObject({
    message: expect.stringContaining('expected anomaly=1, normal=1, or another label') as unknown,
  });
  const said = folder({ 'model_pyod_1.onnx': binarizerBytes(50, 'anomaly=1') });
  expect(await publish(said, { others: 'replace' })).toMatchObject({ models: 1, bad: [] });
});

test('a folder or a file that is not there is named', async () => {
  await expect(publish(join(dir, 'nowhere'))).rejects.toMatchObject({
    code: 'INVALID_MODEL_LIST',
    message: expect.stringContaining('nowhere') as unknown,
  });
  const path = folder({ 'manifest.csv': 'Device,Sensor,Model\na,1,gone.onnx\n' });
  await expect(publish(path)).rejects.toMatchObject({
    code: 'BAD_MODELS',
    message: expect.stringContaining('gone.onnx (a / 1): model_missing') as unknown,
  });
});

test('when the release cannot be created, current stays where it was', async () => {
  const first = await publish(folder({ 'model_g_1.onnx': svmBytes(161) }));
  const failing: Store = { ...store, createRelease: () => Promise.reject(new Error('SQL is away')) };
  await expect(publish(folder({ 'model_g_1.onnx': svmBytes(162) }), { store: failing })).rejects.toThrow('SQL is away');
  expect(await store.currentRelease()).toBe(first.release);
  expect(await store.listReleases()).toHaveLength(1);
});

test('the sample fleet is packed as a whole, and says what scikit-learn says', async () => {
  const samples = fileURLToPath(new URL('../../samples/models', import.meta.url));
  const path = join(dir, 'samples');
  mkdirSync(path);
  const rows = parse<Record<string, string>>(
    readFileSync(new URL('../fixtures/sample-predictions.csv', import.meta.url)),
    { columns: true },
  );
  const listed = parse<{ Model: string }>(readFileSync(join(samples, 'manifest.csv')), { columns: true });
  for (const { Model } of listed) copyFileSync(join(samples, Model), join(path, Model));
  const summary = await publish(path);
  expect(summary).toMatchObject({ models: listed.length, packed: listed.length });
  const released = await store.listReleaseModels(summary.release);
  const sensors = released.map(({ sensorId, model: sha256, pack, packRow }: ReleaseModel) =>
    planned(sensorId, sha256, { pack: pack!, packRow: packRow! }),
  );
  const idOf = new Map(released.map(({ sensorId, device, sensor }) => [`${device} ${sensor}`, sensorId]));
  const bySensor = Map.groupBy(rows, (row) => idOf.get(`${row['Device']} ${row['Sensor']}`)!);
  const series = seriesOf(
    Object.fromEntries([...bySensor].map(([id, list]) => [id, list.map((row) => Number(row['Value']))])),
  );
  const engine = await createScoringEngine({ blobs: server.blobs, cacheDir: join(dir, 'cache'), threads: 1 });
  try {
    const result = await engine.score({
      sensors,
      series,
      period: { fromMs: 0, toMs: 1_000 * INTERVAL_MS },
      hopMs: INTERVAL_MS,
    });
    const expected = [...bySensor].sort(([a], [b]) => a - b).flatMap(([, list]) => list);
    expect([...result.anomaly]).toEqual(expected.map((row) => (row['Label'] === '1' ? 0 : 1)));
    expect(Math.max(...expected.map((row, i) => Math.abs(Number(row['Score']) - result.score[i]!)))).toBeLessThan(
      1e-12,
    );
  } finally {
    await engine.close();
  }
});

test('models and packs that were damaged in Blob are mended by publishing them again, and that is said', async () => {
  const path = folder({ 'model_a_1.onnx': svmBytes(401), 'model_a_2.onnx': svmBytes(402) });
  await publish(path, { release: 'whole' });
  const [model] = await store.listReleaseModels('whole');
  const names = [modelBlob(model!.model), packBlob(model!.pack!)];
  const before = await Promise.all(names.map((name) => server.blobs.get(CONTAINERS.models, name)));
  for (const name of names) await server.blobs.put(CONTAINERS.models, name, Buffer.from('garbage'), 'text/plain');
  const said: string[] = [];
  await publish(path, { release: 'mended', warn: (message) => said.push(message) });
  expect(await Promise.all(names.map((name) => server.blobs.get(CONTAINERS.models, name)))).toEqual(before);
  expect(said.sort()).toEqual(names.map((name) => `models/${name} was damaged in Blob storage, and is mended`).sort());
});

test('models are not taken from sensors without a word: refused, merged, or replaced as told', async () => {
  await publish(
    folder({ 'model_a_1.onnx': svmBytes(101), 'model_a_2.onnx': svmBytes(102), 'model_b_1.onnx': plainBytes(103) }),
    {
      release: 'all',
    },
  );
  const one = folder({ 'model_a_1.onnx': svmBytes(104) });
  const before = await blobNames();
  await expect(publish(one, { release: 'one' })).rejects.toMatchObject({
    code: 'MODELS_LOST',
    message: expect.stringMatching(/no model for 2 sensors that have one now \(a \/ 2, b \/ 1\).*--merge.*--replace/),
  });
  expect([await store.currentRelease(), (await store.listReleases()).length, await blobNames()]).toEqual([
    'all',
    1,
    before,
  ]);

  // A challenger takes nothing away; it does once it is promoted, see `models promote`.
  expect(await publish(one, { release: 'beside', promote: false })).toMatchObject({ models: 1, kept: 0, lost: 0 });

  expect(await publish(one, { release: 'merged', others: 'merge' })).toMatchObject({ models: 1, kept: 2, lost: 0 });
  const [all, merged] = [await store.listReleaseModels('all'), await store.listReleaseModels('merged')];
  expect(merged.slice(1)).toEqual(all.slice(1)); // packs and rows included
  expect(merged[0]!.model).toBe(sha256Of(svmBytes(104)));

  expect(await publish(one, { release: 'replaced', others: 'replace' })).toMatchObject({ models: 1, kept: 0, lost: 2 });
  expect(await store.listReleaseModels('replaced')).toHaveLength(1);
  expect(await store.currentRelease()).toBe('replaced');
});

test('a bad model that is skipped takes no model away either', async () => {
  await publish(folder({ 'model_a_1.onnx': svmBytes(101), 'model_a_2.onnx': svmBytes(102) }));
  const files = { 'model_a_1.onnx': svmBytes(104), 'model_a_2.onnx': 'no model' };
  await expect(publish(folder(files), { release: 'skips', skipBad: true })).rejects.toMatchObject({
    code: 'MODELS_LOST',
  });
  expect(await publish(folder(files), { release: 'keeps', skipBad: true, others: 'merge' })).toMatchObject({
    models: 1,
    kept: 1,
  });
});

test('publishing to an account without containers makes them (last: it takes all that is stored)', async () => {
  const names = Object.values(CONTAINERS);
  const service = BlobServiceClient.fromConnectionString(server.connectionString);
  for (const name of names) await service.getContainerClient(name).deleteIfExists();
  await publish(folder({ 'model_new_1.onnx': svmBytes(141) }));
  for (const name of names) expect([name, await service.getContainerClient(name).exists()]).toEqual([name, true]);
});
