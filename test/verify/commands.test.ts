/**
 * The commands that look behind a batch, on a store and a blob server: explain, batch plan, models promote and
 * rollback, verify.
 */
import { NO_MARKS } from '../../domain/alarm.ts';
import { FACTS } from '../storage/contract-alarms.ts';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import type { Env } from '../../config.ts';
import { CONTAINERS } from '../../domain/blob-names.ts';
import type { PredictionsFormat } from '../../domain/prediction.ts';
import { createScoringEngine } from '../../scoring/engine.ts';
import { captureName } from '../../ingest/capture.ts';
import { claimWindows } from '../../ingest/settings.ts';
import { decodePredictions } from '../../scoring/predictions-file.ts';
import { publishModels } from '../../scoring/publish.ts';
import { smallStore, SMALL_PERIOD, WINDOW_MS, WINDOWS, type SmallStore } from '../support/batch-fixture.ts';
import { putModel } from '../scoring/fleet.ts';
import { plainBytes } from '../scoring/models.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { runCli, type CliResult } from '../support/cli.ts';
import { runBatch } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';

// Each command is a process of its own: on a machine with other work they take their time.
jest.setTimeout(240_000);

const dir = tempDir('commands');
const [FIRST, SECOND] = ['20260302T100100Z-00000001', '20260302T100100Z-00000002'];
const PERIOD = ['--from', '2026-03-02T10:00:00Z', '--to', '2026-03-02T10:01:00Z'];
let server: BlobServer;
let small: SmallStore;
let releases: string[];
const env = (): Env => ({
  FLEETSCORE_SQL_URL: `sqlite:${join(dir, 'fleet.db')}`,
  FLEETSCORE_BLOB_CONNECTION_STRING: server.connectionString,
  TEMPORAL_ADDRESS: '127.0.0.1:9',
});
const cli = (...args: string[]): Promise<CliResult> => runCli(dir, args, env());

beforeAll(async () => {
  server = await startBlobServer(join(dir, 'blob'));
  small = await smallStore(dir, server.blobs);
  const { store } = small;
  const engine = await createScoringEngine({ blobs: server.blobs, cacheDir: join(dir, 'cache'), threads: 1 });
  const run = (batchId: string, format: PredictionsFormat) =>
    runBatch(
      { store, blobs: server.blobs, engine, hopMs: WINDOW_MS, format },
      { batchId, ...SMALL_PERIOD, schedule: 'every-minute', sensorsPerChild: 5, sensorsPerActivity: 5 },
    );
  try {
    await run(FIRST, 'csv');
    await publishModels(join(dir, 'models'), {
      store,
      blobs: server.blobs,
      nowMs: SMALL_PERIOD.toMs,
      release: 'second',
    });
    await run(SECOND, 'parquet');
  } finally {
    await engine.close();
  }
  releases = (await store.listReleases()).map((release) => release.name);
  // Raw capture of the time: one file before the window, one inside, one after.
  await store.commitReadings({
    source: 'plant.servicebus.windows.net/readings/$default',
    partition: '0',
    expectedSeq: -1,
    throughSeq: 0,
    watermarkMs: SMALL_PERIOD.toMs,
    updates: [],
    readings: 0,
    late: 0,
    dead: 0,
  });
  for (const offset of [-400_000, -30_000, 2_000, 60_000])
    await server.blobs.put(
      CONTAINERS.raw,
      captureName('plant/readings/0', SMALL_PERIOD.fromMs + offset),
      Buffer.from('x'),
      'avro/binary',
    );
}, 120_000);
afterAll(async () => {
  await small?.store.close();
  await server?.stop();
});

test('predictions export writes what counts, whole or not at all, and says what it left out', async () => {
  const file = join(dir, 'out', 'day.parquet');
  const day = ['--from', '2026-03-02', '--to', '2026-03-03'];
  const whole = await cli('predictions', 'export', ...day, '-o', file);
  expect([whole.stderr, whole.code]).toEqual(['', 0]);
  // Three sensors have readings and a model; the second batch scored all of them again.
  expect(whole.stdout).toContain(`Written: ${file}\n${3 * WINDOWS} windows of 1 batch, 3 anomalous.`);
  expect(whole.stdout).toContain(`${3 * WINDOWS} windows that a later batch scored again; of 1 batch nothing counts`);
  const rows = await parquetReadObjects({ file: new Uint8Array(readFileSync(file)).buffer });
  expect(new Set(rows.map(({ Batch, Release }) => `${String(Batch)} ${String(Release)}`))).toEqual(
    new Set([`${SECOND} second`]),
  );
  expect(rows).toHaveLength(3 * WINDOWS);

  const piped = await cli('predictions', 'export', ...PERIOD, '--sensor', 'plant-1/s2', '-o', '-', '--json');
  expect(piped.code).toBe(0);
  expect(JSON.parse(piped.stderr)).toMatchObject({
    format: 'csv',
    windows: WINDOWS,
    batches: 1,
    replaced: WINDOWS,
    open: 0,
  });
  const [header, first, ...others] = piped.stdout.trim().split('\n');
  expect(header).toBe('TS,Device,Sensor,Val,Prediction,Score,Window,Batch,Release');
  expect(first).toMatch(new RegExp(`^2026-03-02T10:00:00.000Z,plant-1,s2,10.1,0,[^,]+,5,${SECOND},second$`));
  expect(others).toHaveLength(WINDOWS - 1);

  // Nothing of the first release counts any more.
  const none = await cli('predictions', 'export', ...day, '--release', releases.at(-1)!, '-o', file, '--json');
  expect([none.code, none.json()]).toEqual([0, expect.objectContaining({ windows: 0, replaced: 3 * WINDOWS })]);

  // A file that cannot be read is no file: what was there stays, and nothing lies beside it.
  const before = readFileSync(file);
  const [lost] = await small.store.listFiles(SECOND);
  const bytes = await server.blobs.get(CONTAINERS.predictions, lost!.blob);
  await server.blobs.put(CONTAINERS.predictions, lost!.blob, bytes.subarray(1), 'x');
  const torn = await cli('predictions', 'export', ...day, '-o', file);
  await server.blobs.put(CONTAINERS.predictions, lost!.blob, bytes, 'x');
  expect([torn.code, torn.stdout]).toEqual([1, '']);
  expect(torn.stderr).toMatch(/is not the file that batch .* wrote .* fleetscore verify/);
  expect(readFileSync(file).equals(before)).toBe(true);
  expect(readdirSync(join(dir, 'out'))).toEqual(['day.parquet']);

  const wrong = [
    [['--device', 'plant-2'], 1, /no sensor of a device "plant-2"/],
    [['--release', 'secnd'], 1, /no release "secnd".*second/],
    [['--to', '2026-03-01'], 2, /--to .* must be later than --from/],
    [['-o', join(dir, 'fleet.db', 'x.csv')], 1, /is a file, and a folder is wanted/],
  ] as const;
  for (const [args, code, message] of wrong) {
    const refused = await cli('predictions', 'export', ...day, '-o', file, ...args);
    expect([refused.code, refused.stderr]).toEqual([code, expect.stringMatching(message)]);
  }
});

test('explain prints the chain from a prediction to the readings', async () => {
  const { store } = small;
  const [sensor] = await store.listSensors();
  const [model] = await store.listReleaseModels('second', { limit: 1 });
  const text = await cli('explain', 'plant-1', 's1', '2026-03-02T10:00:03Z');
  expect(text.stderr).toBe('');
  expect(text.code).toBe(0);
  for (const part of [
    SECOND,
    'normal',
    'second',
    model!.model,
    `${model!.pack}, row ${model!.packRow}`,
    'schedule every-minute',
    'fleetscore test',
    '1 reading: mean 10.1, min 10.1, max 10.1',
    'raw/plant/readings/0/2026/03/02/09/59/30.avro, raw/plant/readings/0/2026/03/02/10/00/02.avro',
    FIRST,
  ])
    expect(text.stdout).toContain(part);

  // Which alarm it belongs to, when that began, and who acknowledged it.
  const sinceMs = Date.parse('2026-03-02T10:00:20Z');
  const record = {
    id: 'a1a2a3a4a5a6a7a',
    sensorId: sensor!.id,
    kind: 'anomaly' as const,
    facts: { ...FACTS, sinceMs, activeMs: sinceMs + 10_000, lastMs: sinceMs + 15_000 },
    marks: NO_MARKS,
    incident: 'a1a2a3a4a5a6a7a',
    version: 1,
  };
  const changes = [{ change: 'activated' as const, timeMs: sinceMs }];
  await store.commitAlarms({ epoch: await store.alarmEpoch(), alarms: [{ record, changes }], receivedMs: sinceMs });
  await store.actOnAlarm({ do: 'ack', id: record.id, user: 'ann@desk', atMs: sinceMs + 60_000, comment: 'on my way' });
  expect((await cli('explain', 'plant-1', 's1', '2026-03-02 10:00:25')).stdout).toMatch(
    /Alarm: +a1a2a3a4a5a6a7a anomalous since 2026-03-02 10:00:20 UTC.*by ann@desk, 2026-03-02 10:01:20 UTC: on my way/,
  );
  expect(text.stdout).not.toContain('Alarm:');

  const data = (await cli('explain', 'plant-1', 's1', '2026-03-02 10:00:25', '--json')).json();
  const [window] = await store.readSensorWindows(sensor!.id, {
    fromMs: Date.parse('2026-03-02T10:00:25Z'),
    toMs: Date.parse('2026-03-02T10:00:30Z'),
  });
  expect(data).toMatchObject({
    prediction: { value: 60, prediction: 1, score: expect.any(Number) },
    window: { from: '2026-03-02T10:00:25.000Z', to: '2026-03-02T10:00:30.000Z', mean: window!.mean, count: 1 },
    changedSince: false,
    batch: { id: SECOND, schedule: 'every-minute' },
    release: 'second',
    model: { sha256: model!.model, features: ['mean'], packRow: model!.packRow },
    codeVersion: 'test',
    superseded: [{ batch: FIRST, release: releases[1], value: 60, prediction: 1 }],
    raw: ['raw/plant/readings/0/2026/03/02/10/00/02.avro'],
    alarms: [{ id: record.id, acked: true, ackedBy: 'ann@desk', since: '2026-03-02T10:00:20.000Z' }],
  });
});

test('sensors list names every sensor with what is stored of it, and its model', async () => {
  const listed = (await cli('sensors', 'list', '--count', '--json')).json() as { sensor: string; model: string }[];
  const [first] = await small.store.listReleaseModels('second', { limit: 1 });
  const windows = { windows: WINDOWS, first: '2026-03-02T10:00:00.000Z', last: '2026-03-02T10:00:55.000Z' };
  expect(listed).toMatchObject([
    { device: 'plant-1', sensor: 's1', ...windows, windowsLastDay: null, model: first!.model },
    { sensor: 's2', ...windows },
    { sensor: 's3', ...windows },
    { sensor: 's4', windows: 0, first: null, last: null, model: expect.stringMatching(/^[0-9a-f]{64}$/) },
    { sensor: 'no-model', ...windows, model: null },
  ]);
  const two = await cli('sensors', 'list', '--limit', '2');
  expect(two.stdout).toMatch(/Windows, 24 h[\s\S]*s1 .*\n.*s2 .*\n2 of 5 sensors; --limit shows more/);
  expect(await cli('sensors', 'list', '--device', 'plant-2')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('there is no sensor of a device "plant-2"'),
  });
});

test('models health tells what batches say of the models, and drift only beside a baseline', async () => {
  const alone = await cli('models', 'health', ...PERIOD, '--json');
  expect(alone.json()).toMatchObject({
    from: '2026-03-02T10:00:00.000Z',
    sensors: 5,
    // A dozen windows say too little for a sign.
    signs: { flags_everything: 0, flags_nothing: 0, readings_drifted: 0 },
  });
  const baseline = ['--baseline-from', '2026-03-02T10:00:00Z', '--baseline-to', '2026-03-02T10:00:30Z'];
  const beside = await cli('models', 'health', ...PERIOD, ...baseline);
  expect(beside.code).toBe(0);
  expect(beside.stdout).toMatch(/Baseline: +2026-03-02 10:00:00 to 2026-03-02 10:00:30 UTC/);
  expect(beside.stdout).toMatch(/Sensors: +5: 0 flag nearly everything, 0 nothing, readings of 0 drifted/);
  expect(await cli('models', 'health', ...PERIOD, '--baseline-from', '2026-03-02')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--baseline-from and --baseline-to go together'),
  });
});

test('every reader takes CSV and Parquet, whichever a batch was written in', async () => {
  const { store } = small;
  const blobsOf = async (batch: string): Promise<string[]> =>
    (await store.listFiles(batch)).map(({ blob }) => blob.slice(blob.lastIndexOf('.')));
  expect(await blobsOf(FIRST)).toEqual(['.csv']);
  expect(await blobsOf(SECOND)).toEqual(['.parquet']);
  const [first, second] = (await Promise.all([FIRST, SECOND].map((batch) => store.listFiles(batch)))).map(
    ([file]) => file!,
  );
  const rows = await Promise.all(
    [first!, second!].map(async ({ blob }) => decodePredictions(await server.blobs.get(CONTAINERS.predictions, blob))),
  );
  expect(rows[0]).toHaveLength(3 * WINDOWS);
  expect(rows[1]).toEqual(rows[0]);
  expect((await cli('verify', SECOND)).stdout).toMatch(/Nothing is lost: every check holds\./);
  // Served is the newest batch, which is Parquet.
  expect((await cli('predictions', 'plant-1', 's1', '--anomalies', '--json')).json()).toMatchObject([
    { device: 'plant-1', sensor: 's1', value: 60, prediction: 1 },
  ]);
  const report = await cli('report', FIRST, SECOND, '--json');
  expect(report).toMatchObject({ code: 0, stderr: '' });
  await server.blobs.put(
    CONTAINERS.predictions,
    `${second!.blob}.cut`,
    (await server.blobs.get(CONTAINERS.predictions, second!.blob)).subarray(0, -9),
    'application/octet-stream',
  );
  await expect(
    decodePredictions(await server.blobs.get(CONTAINERS.predictions, `${second!.blob}.cut`)),
  ).rejects.toMatchObject({ code: 'PREDICTIONS_CORRUPT' });
  await server.blobs.delete(CONTAINERS.predictions, `${second!.blob}.cut`);
});

test('explain says when readings came after a window was scored', async () => {
  const { store } = small;
  const sensor = (await store.findSensor({ device: 'plant-1', sensor: 's2' }))!;
  await store.commitReadings({
    source: 'plant.servicebus.windows.net/readings/$default',
    partition: '0',
    expectedSeq: 0,
    throughSeq: 1,
    watermarkMs: SMALL_PERIOD.toMs,
    readings: 1,
    late: 1,
    dead: 0,
    updates: [{ sensorId: sensor.id, startMs: SMALL_PERIOD.fromMs, tsMs: [SMALL_PERIOD.fromMs + 1_000], values: [20] }],
  });
  const { stdout } = await cli('explain', 'plant-1', 's2', '2026-03-02T10:00:00Z');
  expect(stdout).toMatch(
    /value 10\.1\b[\s\S]*2 readings: mean 15\.05[\s\S]*readings came after it was scored: fleetscore batch rescore --from 2026-03-02T10:00:00.000Z --to 2026-03-02T10:01:00.000Z/,
  );
});

test('explain says why there is no prediction', async () => {
  const without = await cli('explain', 'plant-1', 'no-model', '2026-03-02T10:00:00Z');
  expect(without.code).toBe(1);
  expect(without.stdout).toMatch(
    /no prediction at 2026-03-02 10:00:00 UTC[\s\S]*skipped[\s\S]*no_model: the release has no model/,
  );
  expect((await cli('explain', 'plant-1', 's1', '2026-03-03')).stdout).toContain('No batch covers this time.');
  expect((await cli('explain', 'plant-1', 'nobody', '2026-03-03')).stderr).toMatch(
    /there is no sensor "nobody" of a device "plant-1"/,
  );
  expect((await cli('explain', 'plant-1', 's1', 'yesterday')).code).toBe(2);
});

test('batch plan counts what a batch then does, and starts nothing', async () => {
  const before = await small.store.listBatches();
  const data = (
    await cli('batch', 'plan', ...PERIOD, '--sensors-per-child', '2', '--sensors-per-activity', '1', '--json')
  ).json();
  expect(data).toMatchObject({
    release: 'second',
    planned: 5,
    wouldScore: 3,
    windows: 3 * WINDOWS,
    skipped: { no_data: 1, no_model: 1 },
    groups: 3,
    chunks: 5,
    sensorsPerChild: 2,
    sensorsPerActivity: 1,
    examples: [
      { sensor: 's4', class: 'no_data' },
      { sensor: 'no-model', class: 'no_model' },
    ],
    expected: { batches: 2 },
  });
  const { scored, skipped } = before[0]!.counts;
  expect({ scored, skipped }).toEqual({ scored: 3, skipped: 2 });
  const text = await cli('batch', 'plan', ...PERIOD, '--release', releases[1]!);
  expect(text.stdout).toMatch(
    /5 planned: 3 would be scored \(36 windows\), 1 skipped without data, 1 without a model[\s\S]*5 child workflows of up to 1 sensor/,
  );
  expect(await small.store.listBatches()).toEqual(before);
  expect((await cli('batch', 'plan', ...PERIOD, '--release', 'none')).stderr).toMatch(/none/);
});

test('models promote and rollback move the current release', async () => {
  const current = (): Promise<string | undefined> => small.store.currentRelease();
  expect(await current()).toBe('second');
  expect((await cli('models', 'rollback')).stdout).toContain(
    `Release ${releases[1]} of 2026-03-02 10:00:00 UTC is current: 4 models. It was second`,
  );
  expect(await current()).toBe(releases[1]);
  expect((await cli('models', 'rollback')).stderr).toMatch(/no release is known to have been current before/);
  expect((await cli('models', 'promote', 'second', '--json')).json()).toMatchObject({
    release: 'second',
    before: releases[1],
  });
  expect(await current()).toBe('second');
  expect((await cli('models', 'promote', 'third')).stderr).toMatch(/there is no release "third"/);
  // Going back may take models away, too: it is said, and asked for, as by publish.
  const { sensorId, model, pack, packRow } = (await small.store.listReleaseModels('second'))[0]!;
  const packed = pack === undefined ? {} : { pack, packRow: packRow! };
  await small.store.createRelease('fewer', SMALL_PERIOD.toMs, [{ sensorId, model, ...packed }], []);
  for (const name of ['fewer', 'second']) await small.store.setCurrentRelease(name);
  expect((await cli('models', 'rollback')).stderr).toMatch(
    /release fewer has no model for 3 sensors that have one now.*Nothing was changed\. Go back all the same with --replace/,
  );
  expect(await current()).toBe('second');
  expect((await cli('models', 'rollback', '--replace')).stdout).toMatch(/3 sensors had a model and have none any more/);
  await small.store.setCurrentRelease('second');
});

test('models compare scores both releases over the same windows, and writes nothing', async () => {
  const { store } = small;
  const [one] = await store.listSensors();
  const models = await store.listReleaseModels('second');
  // The challenger takes everything for an anomaly, for one sensor; another has no model in it.
  const strict = await putModel(server.blobs, plainBytes(-1));
  await store.createRelease(
    'challenger',
    SMALL_PERIOD.toMs + 1,
    models
      .filter((m) => m.sensor !== 's2')
      .map((m) => (m.sensorId === one!.id ? { sensorId: m.sensorId, model: strict } : m)),
    [{ model: strict, bytes: 1, kind: 'onnx', features: ['mean'] }],
  );
  const before = [await store.listBatches(), await store.currentRelease()];
  const data = (await cli('models', 'compare', 'challenger', ...PERIOD, '--json')).json();
  expect(data).toMatchObject({
    sensors: 5,
    windows: 2 * WINDOWS,
    agreed: 2 * WINDOWS - 11,
    differing: 1,
    differences: [{ sensor: 's1', windows: WINDOWS, onlyBase: 0, onlyChallenger: 11 }],
    base: { release: 'second', scored: 3, skipped: 2, failed: 0, anomalies: 2 },
    challenger: { release: 'challenger', scored: 2, skipped: 3, anomalies: 13 },
  });
  const none = await cli('models', 'compare', 'challenger', ...PERIOD, '--share', '0');
  expect(none.stdout).toContain('no window was scored by both');
  expect([await store.listBatches(), await store.currentRelease()]).toEqual(before);
});

test('where windows overlap, a time means the last one that had begun, all of its length is told, and periods hold more of them', async () => {
  await claimWindows(small.store, { windowMs: 2 * WINDOW_MS, hopMs: WINDOW_MS });
  // Configured or not: the store says what its windows are.
  const data = (await cli('explain', 'plant-1', 's1', '2026-03-02T10:00:27Z', '--json')).json();
  expect(data).toMatchObject({
    window: { from: '2026-03-02T10:00:25.000Z', to: '2026-03-02T10:00:35.000Z' },
    prediction: { value: 60 },
    raw: ['raw/plant/readings/0/2026/03/02/10/00/02.avro'],
  });
  expect((await cli('batch', 'plan', ...PERIOD, '--json')).json()).toMatchObject({ windows: 3 * WINDOWS });
  const refused = await cli('simulate', '--sensors', '1');
  expect(refused.stderr).toMatch(
    /windows are configured as 5s, but the store holds windows of 10s every 5s\. Set FLEETSCORE_WINDOW=10s FLEETSCORE_HOP=5s,/,
  );
});

test('verify works without Temporal, and says so; damage ends with exit code 1', async () => {
  const good = await cli('verify', FIRST);
  expect(good.stdout).toMatch(/note: the workflow was not compared: [\s\S]*Nothing is lost: every check holds\./);
  expect(good.code).toBe(0);
  const [file] = await small.store.listFiles(FIRST);
  await server.blobs.put(
    CONTAINERS.predictions,
    file!.blob,
    Buffer.from('TS,Device,Sensor,Val,Prediction,Score\n'),
    'text/csv',
  );
  const bad = await cli('verify', FIRST);
  expect(bad.code).toBe(1);
  expect(bad.stdout).toMatch(
    /broken {2}files on record[\s\S]*has SHA-256 \w+, the manifest says \w+[\s\S]*this batch does not keep what it promises/,
  );
  expect((await cli('verify', 'nothing')).stderr).toMatch(/there is no batch "nothing"/);
});

test('db prune deletes what is older than it is told, from Blob only where that is on, and nothing else', async () => {
  const nothing = (await cli('db', 'prune', '--json')).json();
  expect(nothing).toMatchObject({ windows: 0, batches: 0, blobs: null });
  const batches = await cli('db', 'prune', '--batches', '1s');
  expect(batches.stdout).toMatch(
    /^0 windows, 2 batches and \d+ outcomes deleted\. Blobs stay \(FLEETSCORE_PRUNE_BLOBS=off\)/,
  );
  expect((await cli('batch', 'list', '--json')).json()).toEqual([]);
  expect((await cli('sensors', 'list', '--count', '--json')).json()).toMatchObject([
    { windows: WINDOWS },
    {},
    {},
    {},
    {},
  ]);
  const all = await runCli(dir, ['db', 'prune', '--windows', '1s', '--json'], {
    ...env(),
    FLEETSCORE_PRUNE_BLOBS: 'on',
  });
  // The newest of the four raw files stays: capture knows by it how far it came.
  expect(all.json()).toMatchObject({ windows: 4 * WINDOWS, batches: 0, blobs: { raw: 3 } });
  const left = (await cli('sensors', 'list', '--count', '--json')).json() as { windows: number }[];
  expect(left.map(({ windows }) => windows)).toEqual([0, 0, 0, 0, 0]);
  expect((await cli('db', 'prune', '--windows', 'soon')).code).toBe(2);
});
