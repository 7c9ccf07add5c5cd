/** What the scoring engine makes of sensors, models, packs and the files it keeps of them. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONTAINERS, modelBlob, packBlob } from '../../domain/blob-names.ts';
import { PREDICTIONS_FORMATS } from '../../domain/prediction.ts';
import { decodeModel, encodeModel } from '../../scoring/onnx-proto.ts';
import { scalerOcsvmRbfModel } from '../../scoring/packs/scaler-ocsvm-rbf.ts';
import { encodePredictions } from '../../scoring/predictions-file.ts';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import { MAX_MODEL_BYTES, NO_SERVER, statuses, UNKNOWN, useEngines } from './engines.ts';
import { INTERVAL_MS, planned, putModel, seriesOf, sha256Of } from './fleet.ts';
import { binarizerBytes, modelOf, plainBytes, poison, svm, svmBytes } from './models.ts';

const { dir, server, engineWith, putPack } = useEngines('engine');

test('1 means what the model declares, and a graph that refuses NaN scores the rows that are numbers', async () => {
  const engine = await engineWith();
  const model = await putModel(server.blobs, binarizerBytes(50, 'anomaly=1'));
  const { verdicts, anomaly, score } = await engine.run([planned(1, model)], seriesOf({ 1: [20, 80, Number.NaN, 30] }));
  expect(verdicts).toMatchObject([{ status: 'scored', anomalies: 2 }]);
  expect([...anomaly]).toEqual([0, 1, 1, 0]);
  expect([...score]).toEqual([-30, 30, Number.NaN, -20]);
});

test('every planned sensor gets a verdict: scored, or skipped for want of data or of a model', async () => {
  const engine = await engineWith();
  const model = await putModel(server.blobs, plainBytes(10));
  const series = seriesOf({ 1: [5, 15, 10], 3: [1] });
  const result = await engine.run([planned(1, model), planned(2, model), planned(3)], series);
  expect(result.verdicts).toEqual([
    { sensorId: 1, status: 'scored', windows: 3, anomalies: 2, leftOut: 0, model },
    expect.objectContaining({ sensorId: 2, status: 'skipped', class: 'no_data', windows: 0, model }),
    expect.objectContaining({ sensorId: 3, status: 'skipped', class: 'no_model', windows: 1 }),
  ]);
  expect([...result.scored]).toEqual([1, 1, 1, 0]);
  expect([...result.anomaly]).toEqual([0, 1, 1, 0]);
  expect([...result.score]).toEqual([5, -5, 0, 0]);
});

test('a packed sensor gets the same verdict and scores as from its own model', async () => {
  const engine = await engineWith();
  const { sensors } = await putPack([1, 2, 3, 4].map((center) => svmBytes(center)));
  const series = seriesOf({ 1: [1, 9, 1.01], 2: [2], 3: [3.5, 2.5], 4: [Number.NaN, 4, Infinity] });
  const packed = await engine.run(sensors, series);
  const single = await engine.run(
    sensors.map(({ id, model }) => planned(id, model)),
    series,
  );
  expect(packed).toEqual(single);
  expect([...packed.anomaly]).toEqual([0, 1, 0, 0, 0, 0, 1, 0, 1]);
  expect(engine.warnings).toEqual([]);
});

test('calls that follow each other, or run at once, see nothing of the memory that others had before', async () => {
  const engine = await engineWith();
  const { sensors } = await putPack([1, 2, 3].map((center) => svmBytes(center)));
  const series = [
    seriesOf({ 1: [1, 9, 1, 9, 9, 9], 2: [9, 9, 9, 2], 3: [9, 3] }),
    seriesOf({ 1: [1], 2: [2], 3: [9] }),
    seriesOf({ 1: [9, 1], 2: [2, 2, 9] }),
  ];
  const expected = [
    [0, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0],
    [0, 0, 1],
    [1, 0, 0, 0, 1],
  ];
  for (const [i, one] of series.entries()) expect([...(await engine.run(sensors, one)).anomaly]).toEqual(expected[i]);
  const atOnce = await Promise.all(series.map((one) => engine.run(sensors, one)));
  expect(atOnce.map(({ anomaly }) => [...anomaly])).toEqual(expected);
});

test('lags are read from before the period, and windows without them are left out and counted', async () => {
  const engine = await engineWith();
  const features = ['mean', 'mean[-2]'];
  const model = await putModel(server.blobs, encodeModel(scalerOcsvmRbfModel(svm(5, features), features)));
  const sensors = [planned(1, model), planned(2, model), planned(3, model)];
  expect(await engine.seriesNeeds(sensors)).toMatchObject({ lookback: 2, columns: 'mean' });
  expect(await engine.seriesNeeds([planned(1), planned(9, UNKNOWN)])).toMatchObject({ lookback: 0, columns: 'mean' });
  const series = seriesOf({ 1: [5, 5, 5, 5], 2: [5, undefined, 5, 5], 3: [undefined, undefined, 5, 5] });
  const request = {
    sensors,
    series,
    period: { fromMs: 2 * INTERVAL_MS, toMs: 4 * INTERVAL_MS },
    hopMs: INTERVAL_MS,
  };
  const result = await engine.score(request);
  expect(result.verdicts.map(({ status, class: why, windows, leftOut }) => [status, why, windows, leftOut])).toEqual([
    ['scored', undefined, 2, 0],
    ['scored', undefined, 2, 1],
    ['skipped', 'no_data', 2, 2],
  ]);
  expect([...result.scored]).toEqual([0, 0, 1, 1, 0, 1, 0, 0, 0]);
});

test('each kind of broken model fails its own sensor with its own class, and nobody else', async () => {
  const engine = await engineWith();
  const good = await putModel(server.blobs, plainBytes(50));
  const cases = Object.values(poison(MAX_MODEL_BYTES));
  const sensors = [planned(1, good)];
  for (const { bytes } of cases) sensors.push(planned(sensors.length + 1, await putModel(server.blobs, bytes)));
  sensors.push(planned(sensors.length + 1, UNKNOWN), planned(sensors.length + 2, good));
  const result = await engine.run(sensors, seriesOf(Object.fromEntries(sensors.map(({ id }) => [id, [1, 2]]))));
  expect(statuses(result)).toEqual([
    [1, 'scored', undefined],
    ...cases.map(({ class: why }, i) => [i + 2, 'failed', why]),
    [cases.length + 2, 'failed', 'model_missing'],
    [cases.length + 3, 'scored', undefined],
  ]);
  for (const { status, message } of result.verdicts) if (status === 'failed') expect(message).toMatch(/\S.{15,}/);
  // Nothing of a failed sensor is predicted.
  expect(result.scored.reduce((sum, scored) => sum + scored, 0)).toBe(4);
});

test('a model that gives no number for one window fails its sensor and names the window', async () => {
  const engine = await engineWith();
  const base = decodeModel(plainBytes(50)).graph!;
  // log of the input: not a number below 0.
  const bytes = encodeModel(
    modelOf({ ...base, node: [{ opType: 'Log', input: ['input'], output: ['scores'] }, ...base.node!.slice(1)] }),
  );
  const model = await putModel(server.blobs, bytes);
  const result = await engine.run([planned(1, model), planned(2, model)], seriesOf({ 1: [5, -5], 2: [5] }));
  expect(statuses(result)).toEqual([
    [1, 'failed', 'not_finite'],
    [2, 'scored', undefined],
  ]);
  expect(result.verdicts[0]!.message).toContain('1970-01-01T00:00:05.000Z');
  expect([...result.scored]).toEqual([0, 0, 1]);
});

test('a blob whose bytes are not what its name says is a corrupt model', async () => {
  const engine = await engineWith();
  await server.blobs.put(CONTAINERS.models, modelBlob('ab'.repeat(32)), plainBytes(3), 'application/octet-stream');
  const result = await engine.run([planned(1, 'ab'.repeat(32))], seriesOf({ 1: [5] }));
  expect(statuses(result)).toEqual([[1, 'failed', 'model_corrupt']]);
  expect(result.verdicts[0]!.message).toContain('SHA-256');
});

test('models of a pack that is missing, broken or holds others run one by one, with a warning', async () => {
  const { sensors, pack } = await putPack([11, 12, 13].map((center) => svmBytes(center)));
  const series = seriesOf({ 1: [11, 20], 2: [12], 3: [12] });
  const expected = await (await engineWith()).run(sensors, series);
  const broken = plainBytes(77);
  await server.blobs.put(CONTAINERS.models, packBlob(sha256Of(broken)), broken, 'application/octet-stream');
  // A pack by its index, but not one that runs.
  const empty = encodeModel({ ...decodeModel(pack.bytes), graph: {} });
  await server.blobs.put(CONTAINERS.models, packBlob(sha256Of(empty)), empty, 'application/octet-stream');
  for (const [name, changed] of Object.entries({
    missing: sensors.map((sensor) => ({ ...sensor, pack: UNKNOWN })),
    'not a pack': sensors.map((sensor) => ({ ...sensor, pack: sha256Of(broken) })),
    'does not load': sensors.map((sensor) => ({ ...sensor, pack: sha256Of(empty) })),
    'another row': sensors.map((sensor) => ({ ...sensor, packRow: (sensor.packRow! + 1) % 3 })),
    'no such row': sensors.map((sensor) => ({ ...sensor, packRow: 99 })),
  })) {
    const engine = await engineWith();
    expect({ name, result: await engine.run(changed, series) }).toEqual({ name, result: expected });
    expect({ name, warned: engine.warnings.length > 0 }).toEqual({ name, warned: true });
  }
});

test('files on disk are used again, checked when loaded, and fetched again when they are damaged', async () => {
  const { sensors } = await putPack([21, 22].map((center) => svmBytes(center)));
  const single = planned(3, await putModel(server.blobs, plainBytes(23)));
  const series = seriesOf({ 1: [21], 2: [30], 3: [22] });
  const first = await engineWith();
  const expected = await first.run([...sensors, single], series);
  const files = readdirSync(first.cacheDir, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.onnx'))
    .map((name) => join(first.cacheDir, name));
  expect(files).toHaveLength(2);
  for (const damage of [
    (file: string) => writeFileSync(file, plainBytes(1)),
    (file: string) => writeFileSync(file, ''),
  ]) {
    // Blob is gone for this one: it lives from the disk.
    const unreachable = createBlobStore({ connectionString: NO_SERVER, retry: { tries: 1, delayMs: 1 } });
    const offline = await engineWith({ cacheDir: first.cacheDir, blobs: unreachable });
    expect(await offline.run([...sensors, single], series)).toEqual(expected);
    files.forEach(damage);
    const mended = await engineWith({ cacheDir: first.cacheDir });
    expect(await mended.run([...sensors, single], series)).toEqual(expected);
    expect(files.map((file) => file.includes(sha256Of(readFileSync(file))))).toEqual([true, true]);
  }
});

test('a file that is damaged under a running engine is fetched again', async () => {
  const model = await putModel(server.blobs, plainBytes(31));
  // Sessions are not kept at all, so every run reads the file.
  const engine = await engineWith({ maxCacheBytes: 1 });
  const expected = await engine.run([planned(1, model)], seriesOf({ 1: [5] }));
  writeFileSync(join(engine.cacheDir, modelBlob(model)), 'damaged');
  expect(await engine.run([planned(1, model)], seriesOf({ 1: [5] }))).toEqual(expected);
});

test('without a usable disk models are scored all the same', async () => {
  const notAFolder = join(dir, 'a-file');
  writeFileSync(notAFolder, '');
  const engine = await engineWith({ cacheDir: notAFolder });
  const model = await putModel(server.blobs, plainBytes(10));
  const { sensors } = await putPack([41, 42].map((center) => svmBytes(center)));
  const result = await engine.run([...sensors, planned(3, model)], seriesOf({ 1: [41], 2: [50], 3: [1] }));
  expect(statuses(result)).toEqual([
    [1, 'scored', undefined],
    [2, 'scored', undefined],
    [3, 'scored', undefined],
  ]);
  expect(engine.warnings).toEqual([expect.stringContaining('not kept on disk')]);
});

test('the files on disk stay within their bound', async () => {
  const size = plainBytes(1).byteLength;
  const engine = await engineWith({ maxDiskBytes: 3 * size });
  const models = await Promise.all([1, 2, 3, 4, 5, 6].map((limit) => putModel(server.blobs, plainBytes(limit))));
  const sensors = models.map((model, i) => planned(i + 1, model));
  const result = await engine.run(sensors, seriesOf(Object.fromEntries(sensors.map(({ id }) => [id, [0]]))));
  expect([...result.score]).toEqual([1, 2, 3, 4, 5, 6]);
  await engine.close();
  const files = readdirSync(engine.cacheDir, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.onnx'),
  );
  expect(files.reduce((sum, name) => sum + statSync(join(engine.cacheDir, name)).size, 0)).toBeLessThanOrEqual(
    3 * size,
  );
});

test('more models than the session cache holds are scored right, again and again', async () => {
  const engine = await engineWith({ threads: 1, maxCacheBytes: 200_000 });
  const models = await Promise.all(Array.from({ length: 70 }, (_, i) => putModel(server.blobs, plainBytes(100 + i))));
  const sensors = models.map((model, i) => planned(i + 1, model));
  const series = seriesOf(Object.fromEntries(sensors.map(({ id }) => [id, [id]])));
  for (let round = 0; round < 2; round++)
    expect([...(await engine.run(sensors, series)).score]).toEqual(models.map(() => 99));
});

test.each(PREDICTIONS_FORMATS)(
  'the predictions file of a result is written in a thread, and is the same bytes as here (%s)',
  async (format) => {
    const engine = await engineWith();
    const model = await putModel(server.blobs, plainBytes(10));
    // Small files share their memory with other buffers, large ones are handed over.
    for (const windows of [2, 900]) {
      const series = seriesOf({ 1: Array.from({ length: windows }, (_, i) => i + 0.1), 2: [3] });
      const sensors = [planned(1, model), planned(2)];
      const result = await engine.run(sensors, series);
      const encoded = await engine.encode(format, { sensors, series }, result);
      expect(encoded.rows).toBe(windows);
      expect(encoded.sha256).toBe(sha256Of(encoded.bytes));
      expect(Buffer.compare(encoded.bytes, encodePredictions(format, sensors, series, result).bytes)).toBe(0);
      // Nothing was taken from the caller.
      expect(series.mean).toHaveLength(windows + 1);
    }
  },
);

test('an execution provider that is not there is one clear error that names those there are', async () => {
  await expect(engineWith({ executionProvider: 'abacus' })).rejects.toMatchObject({
    code: 'EXECUTION_PROVIDER_UNAVAILABLE',
    retryable: false,
    message: expect.stringMatching(
      /"abacus" \(FLEETSCORE_EXECUTION_PROVIDER\) cannot be used here: it is not part of this build\. This build of onnxruntime offers cpu.*or use cpu\.$/,
    ),
  });
  // Part of the build on every Linux and Windows; whether it runs is up to the machine.
  const model = await putModel(server.blobs, plainBytes(10));
  const run = engineWith({ executionProvider: 'cuda' }).then((engine) =>
    engine.run([planned(1, model)], seriesOf({ 1: [5, 15] })),
  );
  await run.then(
    (result) => expect([...result.anomaly]).toEqual([0, 1]),
    (error: unknown) =>
      expect(error).toMatchObject({
        code: 'EXECUTION_PROVIDER_UNAVAILABLE',
        message: expect.stringMatching(/^the execution provider "cuda"/),
      }),
  );
});
