/**
 * Models that do not say all of themselves: exports of ML.NET as they are, labels of any convention, and thresholds of
 * sensors. Most graphs are ours, in the form that ML.NET 5.0.1 writes; its own exports are tried where they are at
 * hand.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Threshold } from '../../domain/threshold.ts';
import { createScoringEngine, type ScoringEngine } from '../../scoring/engine.ts';
import { sensorsWithModels } from '../../scoring/challenger.ts';
import { withMetadata } from '../../scoring/model-metadata.ts';
import { publishModels, type PublishOptions } from '../../scoring/publish.ts';
import { setThreshold } from '../../scoring/set-threshold.ts';
import { tryOnWindows } from '../../scoring/try-on-windows.ts';
import { openStore } from '../../storage/open-store.ts';
import type { PlannedSensor, SeriesBlock, Store } from '../../storage/store.ts';
import { tuneThreshold } from '../../verify/tune-threshold.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { REFERENCE } from '../support/reference.ts';
import { tempDir } from '../support/temp.ts';
import { clusters, columns, regression, texts } from './declared-models.ts';
import { INTERVAL_MS } from './fleet.ts';
import { binarizerBytes, plainBytes, svmBytes } from './models.ts';

const dir = tempDir('declared');
const server = useBlobServer(join(dir, 'blob'));
let store: Store;
let engine: ScoringEngine;
let folders = 0;

beforeAll(async () => {
  store = await openStore(`sqlite:${join(dir, 'fleet.db')}`);
  await store.migrate();
  engine = await createScoringEngine({ blobs: server.blobs, cacheDir: join(dir, 'cache'), threads: 1 });
});
afterAll(async () => {
  await engine.close();
  await store.close();
});

function folder(files: Readonly<Record<string, Uint8Array | string>>): string {
  const path = join(dir, `models-${++folders}`);
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return path;
}

const publish = (path: string, options: Partial<PublishOptions> = {}): ReturnType<typeof publishModels> =>
  publishModels(path, { store, blobs: server.blobs, nowMs: Date.now(), threads: 1, others: 'replace', ...options });

/** Windows of one sensor: mean, min, max, last of each. */
function windowsOf(sensorId: number, rows: readonly (readonly number[])[]): SeriesBlock {
  const values = (at: number): Float64Array => Float64Array.from(rows, (row) => row[at] ?? row[0]!);
  return {
    length: rows.length,
    sensorId: new Float64Array(rows.length).fill(sensorId),
    startMs: Float64Array.from(rows, (_, i) => i * INTERVAL_MS),
    count: new Float64Array(rows.length).fill(3),
    mean: values(0),
    min: values(1),
    max: values(2),
    last: values(3),
    changeId: 1,
  };
}

async function score(release: string, rows: readonly (readonly number[])[]) {
  const [found] = await store.listReleaseModels(release);
  const sensor = { id: found!.sensorId, device: found!.device, sensor: found!.sensor, unit: '' };
  const { pack, packRow, threshold } = found!;
  const planned: PlannedSensor = {
    ...sensor,
    model: found!.model,
    ...(pack === undefined ? {} : { pack, packRow: packRow! }),
    ...(threshold ? { threshold } : {}),
  };
  const result = await engine.score({
    sensors: [planned],
    series: windowsOf(found!.sensorId, rows),
    period: { fromMs: 0, toMs: rows.length * INTERVAL_MS },
    hopMs: INTERVAL_MS,
  });
  return {
    features: found!.features,
    anomaly: [...result.anomaly],
    score: [...result.score],
    verdicts: result.verdicts,
  };
}

test(
  'an export with an input a column is published as it is: columns by name, true is the anomaly, ' +
    'others get nothing',
  async () => {
    const { release, bad } = await publish(folder({ 'model_net_1.onnx': columns }));
    expect(bad).toEqual([]);
    expect(
      await score(release, [
        [5, 1, 9],
        [5, 4, 6],
        [5, 1, 5],
        [5, Number.NaN, 9],
      ]),
    ).toMatchObject({
      features: ['max', 'min'],
      anomaly: [1, 0, 0, 1],
      score: [8, 2, 4, Number.NaN],
    });
    // The blob is the file with its metadata: scored by whoever takes the file alone, and the same at each publish.
    expect((await publish(folder({ 'model_net_1.onnx': columns }))).distinct).toBe(1);
  },
);

test('of a clustering the least distance is the score, and a threshold decides', async () => {
  const path = folder({ 'model_net_2.onnx': clusters });
  await expect(publish(path)).rejects.toMatchObject({
    code: 'BAD_MODELS',
    message: expect.stringMatching(/gives a score and no label.*--threshold.*>0\.5/) as unknown,
  });
  const { release } = await publish(path, { defaults: { threshold: { side: 'above', value: 3 } } });
  expect(await score(release, [[11], [16], [20], [23], [24]])).toMatchObject({
    anomaly: [0, 1, 0, 0, 1],
    score: [1, 4, 0, 3, 4],
  });
});

test('a regression without a word on its columns or its label is told both, and taken with a manifest that says them', async () => {
  const alone = publish(folder({ 'model_net_3.onnx': regression }));
  await expect(alone).rejects.toMatchObject({
    message: expect.stringMatching(/takes 2 features .* --features or the column Features of manifest\.csv/) as unknown,
  });
  const manifest = 'Device,Sensor,Model,Threshold,Features\nnet,3,r.onnx,<7,"last,min"\n';
  const { release } = await publish(folder({ 'manifest.csv': manifest, 'r.onnx': regression }));
  expect(
    await score(release, [
      [0, 2, 0, 4],
      [0, 2, 0, 5],
    ]),
  ).toMatchObject({ anomaly: [1, 0], score: [6, 7] });
  const wrong = (line: string): Promise<unknown> =>
    publish(folder({ 'manifest.csv': `Device,Sensor,Model,Threshold,Features\n${line}\n`, 'r.onnx': regression }));
  await expect(wrong('net,3,r.onnx,7,"last,min"')).rejects.toMatchObject({
    message: expect.stringContaining(
      'line 2: the threshold "7" does not say which side of it is an anomaly',
    ) as unknown,
  });
  await expect(wrong('net,3,r.onnx,>7,"last,median"')).rejects.toMatchObject({
    message: expect.stringContaining('names "median"; a feature is one of mean') as unknown,
  });
});

test('labels are texts, or 0 and 1: taken when somebody says what they mean, never turned round', async () => {
  await expect(publish(folder({ 'model_t_1.onnx': texts }))).rejects.toMatchObject({
    message: expect.stringMatching(
      /its label is inlier and outlier .* fleetscore\.label = anomaly=outlier or normal=inlier/,
    ) as unknown,
  });
  for (const label of ['anomaly=outlier', 'normal=inlier']) {
    const { release } = await publish(folder({ 'model_t_1.onnx': texts }), { defaults: { label } });
    expect(await score(release, [[3], [5]])).toMatchObject({ anomaly: [0, 1], score: [3, 5] });
  }
  const { release } = await publish(folder({ 'model_t_2.onnx': binarizerBytes(50) }), {
    defaults: { label: 'anomaly=1' },
  });
  expect(await score(release, [[49], [51]])).toMatchObject({ anomaly: [0, 1] });
});

test('what a file says of itself is not overruled', async () => {
  const path = folder({ 'model_t_3.onnx': binarizerBytes(50, 'anomaly=1'), 'model_t_4.onnx': svmBytes(1, ['min']) });
  await expect(publish(path, { defaults: { label: 'normal=1', features: ['max'] } })).rejects.toMatchObject({
    message: expect.stringMatching(
      /fleetscore\.label = anomaly=1, and normal=1 is declared(.|\n)*says that it takes min, and max is declared/,
    ) as unknown,
  });
});

const above = (value: number): Threshold => ({ side: 'above', value });

test.each<[string, Uint8Array, number[][]]>([
  ['packed', svmBytes(50), [[50], [50.5], [60]]],
  ['by itself', plainBytes(53), [[50], [52.5], [60]]],
])('a threshold of a sensor decides instead of the label of a model that is %s', async (_name, bytes, rows) => {
  const { release } = await publish(folder({ 'model_limit_1.onnx': bytes }));
  const own = await score(release, rows);
  expect(own.anomaly).toEqual([0, 0, 1]);
  const between = (own.score[0]! + own.score[1]!) / 2;
  const strict = await publish(folder({ 'model_limit_1.onnx': bytes }), {
    defaults: { threshold: { side: 'below', value: between } },
  });
  expect(await score(strict.release, rows)).toMatchObject({ anomaly: [0, 1, 1], score: own.score });
  // The same folder with another threshold is another release.
  await expect(
    publish(folder({ 'model_limit_1.onnx': bytes }), { release: strict.release, defaults: { threshold: above(9) } }),
  ).rejects.toMatchObject({ code: 'RELEASE_EXISTS' });
});

const FLEET = { windowMs: INTERVAL_MS, hopMs: INTERVAL_MS };

test('tuning tells what thresholds would have flagged, on the side where the model sees anomalies', async () => {
  const { release } = await publish(folder({ 'model_tune_1.onnx': plainBytes(900) }));
  const [{ sensorId } = { sensorId: 0 }] = await store.listReleaseModels(release);
  const sensor = { id: sensorId, device: 'tune', sensor: '1', unit: '' };
  // Scores 900 - mean: 1,000 windows, of which those from 900 on are anomalies.
  const tune = (meanOf: (i: number) => number, given: { readonly side?: 'below' } = {}) => {
    const series = windowsOf(
      sensorId,
      Array.from({ length: 1_000 }, (_, i) => [meanOf(i)]),
    );
    const reading = { ...store, readSeries: () => Promise.resolve(series) } as Store;
    const period = { fromMs: 0, toMs: 1_000 * INTERVAL_MS };
    return tuneThreshold({ store: reading, engine }, { release, sensor, period, shape: FLEET, ...given });
  };
  const tuned = await tune((i) => i);
  expect(tuned).toMatchObject({ windows: 1_000, now: { anomalies: 100, stretches: 1 } });
  expect(tuned.candidates.map(({ anomalies }) => anomalies)).toEqual([1, 2, 5, 10, 20, 50, 100]);
  expect(tuned.candidates[0]).toEqual({ threshold: { side: 'below', value: -98 }, anomalies: 1, stretches: 1 });
  // The worst 25 have one score: no threshold tells them apart, and none is offered that flags nothing.
  const tied = await tune((i) => Math.min(i, 975));
  expect(tied.candidates.map(({ anomalies }) => anomalies)).toEqual([25, 50, 100]);
  expect((await tune(() => 975, { side: 'below' })).candidates).toEqual([]);
});

const HOUR_MS = 3_600_000;
const lengthsOf = async (release: string): Promise<object> =>
  Object.fromEntries((await store.listReleaseModels(release)).map(({ sensor, windowMs }) => [sensor, windowMs]));

test('windows of sensors: of a model, of manifest.csv, or for all; what is said twice must agree', async () => {
  const hourly = Buffer.from(withMetadata(svmBytes(1), new Map([['fleetscore.window', '1h']])));
  const files = { 'h.onnx': hourly, 'p.onnx': svmBytes(2) };
  const manifest = 'Device,Sensor,Model,Window\nw,1,h.onnx,\nw,2,p.onnx,10m\nw,3,p.onnx,\n';
  const { release } = await publish(folder({ ...files, 'manifest.csv': manifest }), { windows: FLEET });
  expect(await lengthsOf(release)).toEqual({ 1: HOUR_MS, 2: 600_000 });
  const all = await publish(folder({ ...files, 'manifest.csv': manifest.replace('w,1,h.onnx,\n', '') }), {
    windows: FLEET,
    defaults: { windowMs: INTERVAL_MS },
  });
  // As long as the fleet's: nothing of its own.
  expect(await lengthsOf(all.release)).toEqual({ 2: 600_000 });
  const wrong = (line: string, more: Partial<PublishOptions> = {}): Promise<unknown> =>
    publish(folder({ ...files, 'manifest.csv': `Device,Sensor,Model,Window\n${line}\n` }), { windows: FLEET, ...more });
  const refused = (text: string): object => ({ message: expect.stringContaining(text) as unknown });
  await expect(wrong('w,1,h.onnx,5m')).rejects.toMatchObject(
    refused('its metadata says fleetscore.window = 1h, and a window of 5m is declared'),
  );
  await expect(wrong('w,2,p.onnx,7s')).rejects.toMatchObject(
    refused("its window is 7s, but a window of a sensor's own is a whole number of the fleet's windows of 5s"),
  );
  await expect(wrong('w,2,p.onnx,soon')).rejects.toMatchObject(refused('line 2: the window "soon" is not a duration'));
  const odd = Buffer.from(withMetadata(svmBytes(1), new Map([['fleetscore.window', 'hourly']])));
  await expect(publish(folder({ 'model_w_4.onnx': odd }))).rejects.toMatchObject(
    refused('metadata_props fleetscore.window "hourly" is not a duration'),
  );
  // Thresholds are set for a release of the same windows.
  const [{ sensorId } = { sensorId: 0 }] = await store.listReleaseModels(release);
  await setThreshold(store, {
    sensor: { id: sensorId, device: 'w', sensor: '1', unit: '' },
    threshold: above(3),
    name: 'w-limited',
    nowMs: 1,
    from: release,
  });
  expect(await lengthsOf('w-limited')).toEqual({ 1: HOUR_MS, 2: 600_000 });
  // The same folder with other windows is another release.
  await expect(wrong('w,2,p.onnx,20m', { release })).rejects.toMatchObject({ code: 'RELEASE_EXISTS' });
});

test('sensors too slow for what their models look back on are told at publishing, and when skipped', async () => {
  const bytes = svmBytes(1, ['mean', 'mean[-1]']);
  const path = folder({ 'model_pace_1.onnx': bytes, 'model_pace_2.onnx': bytes, 'model_pace_3.onnx': svmBytes(1) });
  const ids = await store.registerSensors(['1', '2', '3'].map((sensor) => ({ device: 'pace', sensor })));
  const every = async (sensorIdFrom: number, stepMs: number): Promise<unknown> =>
    store.loadWindows({ sensorIdFrom, startMs: 0, stepMs, windowsPerSensor: 50, values: new Float64Array(50).fill(1) });
  await every(ids[0]!, 300_000);
  await every(ids[1]!, INTERVAL_MS);
  await every(ids[2]!, 300_000); // looks at no earlier window
  const { slow, release } = await publish(path, { windows: FLEET });
  expect(slow).toEqual({ slow: 1, looked: 2, everyMs: 300_000, windowMs: INTERVAL_MS, fitsMs: 300_000 });
  const fitting = await publish(path, { windows: FLEET, defaults: { windowMs: 300_000 } });
  expect(fitting.slow).toBeUndefined();
  const sensors = await sensorsWithModels(store, release, [{ id: ids[0]!, device: 'pace', sensor: '1', unit: '' }]);
  const period = { fromMs: 600_000, toMs: 1_200_000 };
  const series = await store.readSeries({ from: ids[0]!, to: ids[0]! + 1 }, period);
  const { verdicts } = await engine.score({ sensors, series, period, hopMs: INTERVAL_MS });
  expect(verdicts).toMatchObject([
    {
      status: 'skipped',
      message: expect.stringContaining(
        'readings come every 5m and windows are 5s, so the window before is missing; publish with --window 5m',
      ) as unknown,
    },
  ]);
});

test('models are tried on windows of the store: what they flag, and which flag most', async () => {
  const path = folder({
    'model_try_quiet.onnx': svmBytes(1),
    'model_try_turned.onnx': binarizerBytes(0, 'anomaly=1'),
    'model_try_empty.onnx': svmBytes(1),
  });
  const { release } = await publish(path);
  const engines: ScoringEngine[] = [];
  const open = async (): Promise<ScoringEngine> => {
    engines.push(await createScoringEngine({ blobs: server.blobs, cacheDir: join(dir, 'tried'), threads: 1 }));
    return engines[0]!;
  };
  expect(await tryOnWindows(store, open, release, FLEET)).toBeUndefined();
  expect(engines).toHaveLength(0);
  const idOf = new Map((await store.listReleaseModels(release)).map(({ sensor, sensorId }) => [sensor, sensorId]));
  for (const sensor of ['quiet', 'turned']) {
    const values = new Float64Array(1_500).fill(1);
    values.fill(60, 1_490);
    await store.loadWindows({
      sensorIdFrom: idOf.get(sensor)!,
      startMs: 0,
      stepMs: INTERVAL_MS,
      windowsPerSensor: values.length,
      values,
    });
  }
  expect(await tryOnWindows(store, open, release, FLEET)).toEqual({
    sensors: 2,
    windows: 2_000,
    anomalies: 10 + 1_000,
    loud: [{ device: 'try', sensor: 'turned', windows: 1_000, anomalies: 1_000 }],
    failed: [],
  });
});

const CASES = join(REFERENCE, '..', 'review', 'cases', 'mlnet');
const mlNetTest = existsSync(CASES) ? test : test.skip;
interface Expected {
  readonly rows: readonly (readonly number[])[];
  readonly models: Readonly<
    Record<string, { readonly score?: number[]; readonly label?: boolean[]; readonly distances?: number[][] }>
  >;
}

mlNetTest('exports of ML.NET 5.0.1 (skipped where they are not at hand): its own scores and labels', async () => {
  const expected = JSON.parse(readFileSync(join(CASES, 'expected.json'), 'utf8')) as Expected;
  for (const [name, said] of Object.entries(expected.models)) {
    const bytes = readFileSync(join(CASES, `${name}.onnx`));
    const { release } = await publish(folder({ 'model_ml_net.onnx': bytes }), {
      defaults: {
        ...(name.endsWith('-columns') ? {} : { features: ['mean', 'min', 'max', 'last'] }),
        ...(said.label ? {} : { threshold: above(0.5) }),
      },
    });
    const got = await score(release, expected.rows);
    const scores = said.score ?? said.distances!.map((row) => Math.min(...row));
    for (const [i, value] of scores.entries())
      expect(Math.abs(got.score[i]! - value)).toBeLessThanOrEqual(
        1e-5 * Math.max(1, Math.abs(value)) + (said.score ? 0 : 1e-2),
      );
    if (said.label) expect(got.anomaly).toEqual(said.label.map(Number));
    else expect(got.anomaly).toEqual(scores.map((value) => Number(value > 0.5)));
  }
});
