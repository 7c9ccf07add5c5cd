/** Commands that look behind a batch, on a store and a Blob server: export, explain, sensors, models health. */
import { expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { NO_MARKS } from '../../domain/alarm.ts';
import { FACTS } from '../storage/contract-alarms.ts';
import { parquetReadObjects } from 'hyparquet';
import { join } from 'node:path';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { decodePredictions } from '../../scoring/predictions-file.ts';
import { SMALL_PERIOD, WINDOWS } from '../support/batch-fixture.ts';
import { FIRST, PERIOD, SECOND, useTwoBatches } from './two-batches.ts';

const stage = useTwoBatches('commands');
const { cli } = stage;

test('predictions export writes what counts, whole or not at all, and says what it left out', async () => {
  const file = join(stage.dir, 'out', 'day.parquet');
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
  const none = await cli('predictions', 'export', ...day, '--release', stage.releases.at(-1)!, '-o', file, '--json');
  expect([none.code, none.json()]).toEqual([0, expect.objectContaining({ windows: 0, replaced: 3 * WINDOWS })]);

  // A file that cannot be read is no file: what was there stays, and nothing lies beside it.
  const before = readFileSync(file);
  const [lost] = await stage.small.store.listFiles(SECOND);
  const bytes = await stage.server.blobs.get(CONTAINERS.predictions, lost!.blob);
  await stage.server.blobs.put(CONTAINERS.predictions, lost!.blob, bytes.subarray(1), 'x');
  const torn = await cli('predictions', 'export', ...day, '-o', file);
  await stage.server.blobs.put(CONTAINERS.predictions, lost!.blob, bytes, 'x');
  expect([torn.code, torn.stdout]).toEqual([1, '']);
  expect(torn.stderr).toMatch(/is not the file that batch .* wrote .* fleetscore verify/);
  expect(readFileSync(file).equals(before)).toBe(true);
  expect(readdirSync(join(stage.dir, 'out'))).toEqual(['day.parquet']);

  const wrong = [
    [['--device', 'plant-2'], 1, /no sensor of a device "plant-2"/],
    [['--release', 'secnd'], 1, /no release "secnd".*second/],
    [['--to', '2026-03-01'], 2, /--to .* must be later than --from/],
    [['-o', join(stage.dir, 'fleet.db', 'x.csv')], 1, /is a file, and a folder is wanted/],
  ] as const;
  for (const [args, code, message] of wrong) {
    const refused = await cli('predictions', 'export', ...day, '-o', file, ...args);
    expect([refused.code, refused.stderr]).toEqual([code, expect.stringMatching(message)]);
  }
});

test('explain prints the chain from a prediction to the readings', async () => {
  const { store } = stage.small;
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
    superseded: [{ batch: FIRST, release: stage.releases[1], value: 60, prediction: 1 }],
    raw: ['raw/plant/readings/0/2026/03/02/10/00/02.avro'],
    alarms: [{ id: record.id, acked: true, ackedBy: 'ann@desk', since: '2026-03-02T10:00:20.000Z' }],
  });
});

test('sensors list names every sensor with what is stored of it, and its model', async () => {
  const listed = (await cli('sensors', 'list', '--count', '--json')).json() as { sensor: string; model: string }[];
  const [first] = await stage.small.store.listReleaseModels('second', { limit: 1 });
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
  const { store } = stage.small;
  const blobsOf = async (batch: string): Promise<string[]> =>
    (await store.listFiles(batch)).map(({ blob }) => blob.slice(blob.lastIndexOf('.')));
  expect(await blobsOf(FIRST)).toEqual(['.csv']);
  expect(await blobsOf(SECOND)).toEqual(['.parquet']);
  const [first, second] = (await Promise.all([FIRST, SECOND].map((batch) => store.listFiles(batch)))).map(
    ([file]) => file!,
  );
  const rows = await Promise.all(
    [first!, second!].map(async ({ blob }) =>
      decodePredictions(await stage.server.blobs.get(CONTAINERS.predictions, blob)),
    ),
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
  await stage.server.blobs.put(
    CONTAINERS.predictions,
    `${second!.blob}.cut`,
    (await stage.server.blobs.get(CONTAINERS.predictions, second!.blob)).subarray(0, -9),
    'application/octet-stream',
  );
  await expect(
    decodePredictions(await stage.server.blobs.get(CONTAINERS.predictions, `${second!.blob}.cut`)),
  ).rejects.toMatchObject({ code: 'PREDICTIONS_CORRUPT' });
  await stage.server.blobs.delete(CONTAINERS.predictions, `${second!.blob}.cut`);
});

test('explain says when readings came after a window was scored', async () => {
  const { store } = stage.small;
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
