import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONTAINERS, modelBlob, packBlob } from '../../domain/blob-names.ts';
import { PREDICTIONS_FORMATS } from '../../domain/prediction.ts';
import { createScoringEngine, type ScoringEngine, type ScoringEngineOptions } from '../../scoring/engine.ts';
import type { ScoreResult } from '../../scoring/score-result.ts';
import { decodeModel, encodeModel } from '../../scoring/onnx-proto.ts';
import { fusable } from '../../scoring/packs/kinds.ts';
import { createPackBuilder, type Pack } from '../../scoring/packs/pack-builder.ts';
import { scalerOcsvmRbfModel } from '../../scoring/packs/scaler-ocsvm-rbf.ts';
import { encodePredictions } from '../../scoring/predictions-file.ts';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import type { PlannedSensor, SeriesBlock } from '../../storage/store.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { tempDir } from '../support/temp.ts';
import { INTERVAL_MS, planned, putModel, seriesOf, sha256Of } from './fleet.ts';
import { binarizerBytes, hungryBytes, modelOf, plainBytes, poison, slowBytes, svm, svmBytes } from './models.ts';

const dir = tempDir('engine');
const server = useBlobServer(join(dir, 'blob'));
const PERIOD = { fromMs: 0, toMs: 1_000 * INTERVAL_MS };
const MAX_MODEL_BYTES = 100_000;
const UNKNOWN = '0'.repeat(64);
let engines: ScoringEngine[] = [];
let folders = 0;
afterEach(async () => {
  await Promise.all(engines.map((engine) => engine.close()));
  engines = [];
});

interface TestEngine extends ScoringEngine {
  readonly cacheDir: string;
  readonly warnings: string[];
  run(sensors: readonly PlannedSensor[], series: SeriesBlock): Promise<ScoreResult>;
}

async function engineWith(options: Partial<ScoringEngineOptions> = {}): Promise<TestEngine> {
  const warnings: string[] = [];
  const cacheDir = options.cacheDir ?? join(dir, `cache-${++folders}`);
  const engine = await createScoringEngine({
    blobs: server.blobs,
    cacheDir,
    threads: 1,
    maxModelBytes: MAX_MODEL_BYTES,
    warn: (message) => warnings.push(message),
    ...options,
  });
  engines.push(engine);
  return {
    ...engine,
    cacheDir,
    warnings,
    run: (sensors, series) => engine.score({ sensors, series, period: PERIOD, intervalMs: INTERVAL_MS }),
  };
}

test('1 means what the model declares, and a graph that refuses NaN scores the rows that are numbers', async () => {
  const engine = await engineWith();
  const model = await putModel(server.blobs, binarizerBytes(50, 'anomaly=1'));
  const { verdicts, anomaly, score } = await engine.run([planned(1, model)], seriesOf({ 1: [20, 80, Number.NaN, 30] }));
  expect(verdicts).toMatchObject([{ status: 'scored', anomalies: 2 }]);
  expect([...anomaly]).toEqual([0, 1, 1, 0]);
  expect([...score]).toEqual([-30, 30, Number.NaN, -20]);
});

/** Stores these models and one pack of them. */
async function putPack(
  models: readonly Uint8Array[],
  features: readonly string[] = ['mean'],
): Promise<{ pack: Pack; sensors: PlannedSensor[] }> {
  const packs: Pack[] = [];
  const builder = createPackBuilder(async (pack) => void packs.push(pack));
  for (const bytes of models)
    await builder.add(await putModel(server.blobs, bytes), fusable(decodeModel(bytes))!, features);
  await builder.finish();
  const pack = packs[0]!;
  await server.blobs.putIfAbsent(CONTAINERS.models, packBlob(pack.sha256), pack.bytes, 'application/octet-stream');
  return {
    pack,
    sensors: models.map((bytes, i) => planned(i + 1, sha256Of(bytes), { pack: pack.sha256, packRow: i })),
  };
}

const statuses = (result: ScoreResult): unknown[] =>
  result.verdicts.map(({ sensorId, status, class: why }) => [sensorId, status, why]);

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
    intervalMs: INTERVAL_MS,
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

test('a model that hangs on some data fails its sensors as timeout, the others are scored, the caller stays free', async () => {
  const engine = await engineWith({ threads: 1, modelTimeoutMs: 600 });
  const slow = await putModel(server.blobs, slowBytes(1_500_000));
  const good = await putModel(server.blobs, plainBytes(1_000));
  const sensors = [planned(1, good), planned(2, slow), planned(3, good), planned(4, slow), planned(5, slow)];
  let ticks = 0;
  const ticking = setInterval(() => ticks++, 5);
  const result = await engine.run(sensors, seriesOf({ 1: [1], 2: [1], 3: [500], 4: [500], 5: [500] }));
  clearInterval(ticking);
  expect([1, 3].map((id) => result.verdicts[id - 1]!.status)).toEqual(['scored', 'scored']);
  expect([4, 5].map((id) => result.verdicts[id - 1]!.class)).toEqual(['timeout', 'timeout']);
  expect(result.verdicts[3]!.message).toContain('600 ms');
  expect(ticks).toBeGreaterThan(10);
  // Its process is killed: no core stays busy. Sensors of one model that hung cost one process, and the engine goes on.
  expect(statuses(await engine.run([planned(1, good)], seriesOf({ 1: [2] })))).toEqual([[1, 'scored', undefined]]);
  await engine.close();
  // The thread that hung ends when its model returns, however long that takes.
  while (engine.stuckThreads() > 0) await sleep(50);
}, 120_000);

test(
  'slow models of a chunk share a bound: after five that hang, others of them get a second, and ' +
    'quick ones are scored',
  async () => {
    const engine = await engineWith({ threads: 1, modelTimeoutMs: 5_000 });
    // Each hangs for hours on data above its own limit, so each is a model of its own.
    const slow = await Promise.all(
      Array.from({ length: 9 }, (_, i) => putModel(server.blobs, slowBytes(2_000_000_000 + i))),
    );
    const good = await Promise.all([7, 8, 9].map((limit) => putModel(server.blobs, plainBytes(limit + 1_000))));
    const sensors = [...slow, ...good].map((model, i) => planned(i + 1, model));
    const result = await engine.run(sensors, seriesOf(Object.fromEntries(sensors.map(({ id }) => [id, [500]]))));
    const classes = result.verdicts.map((verdict) => verdict.class ?? verdict.status);
    expect(classes).toEqual([...slow.map(() => 'timeout'), 'scored', 'scored', 'scored']);
    const cut = result.verdicts.filter(({ message = '' }) => message.includes('used up the time that they share'));
    expect(cut.length).toBeGreaterThanOrEqual(2);
    expect(result.verdicts.filter(({ message = '' }) => message.endsWith('within 5000 ms')).length).toBeGreaterThan(2);
    expect(cut.at(-1)!.message).toContain('within 1000 ms');
    await engine.close();
  },
  300_000,
);

test('a model that takes all memory fails its sensors, the others are scored', async () => {
  const engine = await engineWith({ threads: 1, modelMemoryBytes: 150 * 1024 * 1024 });
  const hungry = await putModel(server.blobs, hungryBytes(1_000));
  const modest = await putModel(server.blobs, hungryBytes(20));
  const sensors = [planned(1, modest), planned(2, hungry), planned(3, modest)];
  const result = await engine.run(sensors, seriesOf({ 1: [500], 2: [500], 3: [500] }));
  expect(statuses(result)).toEqual([
    [1, 'scored', undefined],
    [2, 'failed', 'model_too_large'],
    [3, 'scored', undefined],
  ]);
  expect(result.verdicts[1]!.message).toMatch(/more than 150 MiB of memory.*FLEETSCORE_MODEL_MEMORY_BYTES/);
  await engine.close();
});

/** Processes that run foreign models for this one (Linux). */
const modelProcesses = (): number[] =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map(Number)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('scoring/model-process') &&
          new RegExp(`^PPid:\\s+${process.pid}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8'))
        );
      } catch {
        return false;
      }
    });

(process.platform === 'linux' ? test : test.skip)(
  'a crash of the native runtime costs the model that ran, and its process knew no secret',
  async () => {
    const engine = await engineWith({ threads: 1, modelTimeoutMs: 60_000 });
    const [good, slow] = [
      await putModel(server.blobs, plainBytes(1_000)),
      await putModel(server.blobs, slowBytes(50_000_000)),
    ];
    const before = modelProcesses();
    const running = engine.run(
      [planned(1, good), planned(2, slow), planned(3, good)],
      seriesOf({ 1: [1], 2: [500], 3: [2] }),
    );
    let pid: number | undefined;
    for (; pid === undefined; await sleep(20)) pid = modelProcesses().find((one) => !before.includes(one));
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .map((line) => line.split('=')[0])
      .filter((name) => name !== '' && name !== 'TMPDIR');
    expect(variables.sort()).toEqual(['NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE', 'ORT_DISABLE_TELEMETRY']);
    // Until the slow model runs.
    while (cpuOf(pid) < 150) await sleep(20);
    process.kill(pid, 'SIGSEGV');
    const result = await running;
    expect(statuses(result)).toEqual([
      [1, 'scored', undefined],
      [2, 'failed', 'model_failed'],
      [3, 'scored', undefined],
    ]);
    expect(result.verdicts[1]!.message).toContain('SIGSEGV');
    await engine.close();
    expect(modelProcesses()).toEqual(before);
  },
);

/** User CPU time of a process, hundredths of a second. */
const cpuOf = (pid: number): number => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[11]);

const NO_SERVER =
  'DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=bm90IGEgc2VjcmV0;BlobEndpoint=http://127.0.0.1:1/devstoreaccount1;';

test('Blob that is away is no fault of any sensor: it is thrown, and can be tried again', async () => {
  const engine = await engineWith({
    blobs: createBlobStore({ connectionString: NO_SERVER, retry: { tries: 1, delayMs: 1 } }),
  });
  const request = engine.run([planned(1, UNKNOWN)], seriesOf({ 1: [1] }));
  await expect(request).rejects.toMatchObject({ code: 'BLOB_UNAVAILABLE', retryable: true });
  await expect(engine.seriesNeeds([planned(1, UNKNOWN, { pack: UNKNOWN, packRow: 0 })])).rejects.toMatchObject({
    code: 'BLOB_UNAVAILABLE',
  });
});

test('a closed engine says so, also to those who wait', async () => {
  const engine = await engineWith({ threads: 1 });
  const model = await putModel(server.blobs, plainBytes(10));
  await engine.run([planned(1, model)], seriesOf({ 1: [1] }));
  const waiting = Array.from({ length: 5 }, () => engine.run([planned(1, model)], seriesOf({ 1: [1] })));
  const outcomes = Promise.allSettled(waiting);
  await engine.close();
  for (const outcome of await outcomes)
    if (outcome.status === 'rejected')
      expect(outcome.reason).toMatchObject({ code: 'SCORING_CLOSED', retryable: true });
  await expect(engine.run([planned(1, model)], seriesOf({ 1: [1] }))).rejects.toMatchObject({ code: 'SCORING_CLOSED' });
});

test('scoring that is called off stops before its next job', async () => {
  const engine = await engineWith();
  const model = await putModel(server.blobs, plainBytes(10));
  const call = engine.score({
    sensors: [planned(1, model)],
    series: seriesOf({ 1: [1] }),
    period: PERIOD,
    intervalMs: INTERVAL_MS,
    signal: AbortSignal.abort(new Error('called off')),
  });
  await expect(call).rejects.toThrow('called off');
});

test('many calls at once do not mix their results', async () => {
  const engine = await engineWith();
  const { sensors } = await putPack([51, 52, 53].map((center) => svmBytes(center)));
  const single = planned(4, await putModel(server.blobs, plainBytes(54)));
  const means = (i: number): Record<number, number[]> => ({ 1: [51 + i / 10], 2: [52, 52 + i / 10], 3: [53], 4: [i] });
  const together = await Promise.all(
    Array.from({ length: 12 }, (_, i) => engine.run([...sensors, single], seriesOf(means(i)))),
  );
  for (const [i, result] of together.entries())
    expect(result).toEqual(await engine.run([...sensors, single], seriesOf(means(i))));
});

test('a process whose engine is closed ends by itself', async () => {
  const root = new URL('../../', import.meta.url).href;
  const program = join(dir, 'ends.ts');
  mkdirSync(join(dir, 'node_modules'), { recursive: true });
  writeFileSync(
    program,
    `
    import { createScoringEngine } from '${root}scoring/engine.ts';
    import { planned, putModel, seriesOf } from '${root}test/scoring/fleet.ts';
    import { plainBytes } from '${root}test/scoring/models.ts';
    const held = new Map<string, Uint8Array>();
    const blobs = { get: async (_: string, name: string) => held.get(name)!, putIfAbsent: async (_: string, name: string, body: Uint8Array) => { held.set(name, body); return true; } };
    const engine = await createScoringEngine({ blobs: blobs as never, cacheDir: ${JSON.stringify(join(dir, 'ends'))}, threads: 3 });
    const model = await putModel(blobs as never, plainBytes(10));
    const result = await engine.score({ sensors: [planned(1, model)], series: seriesOf({ 1: [4] }), period: { fromMs: 0, toMs: 1e6 }, intervalMs: 5000 });
    console.log(result.score[0]);
    await engine.close();
  `,
  );
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  const [code] = (await once(child, 'close')) as [number];
  expect([code, output.trim()]).toEqual([0, '6']);
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
