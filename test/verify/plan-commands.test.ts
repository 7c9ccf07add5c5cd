/** The commands that look at what was or would be scored: batch plan, models promote and compare, verify, db prune. */
import { expect, test } from '@jest/globals';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { claimWindows } from '../../ingest/settings.ts';
import { putModel } from '../scoring/fleet.ts';
import { plainBytes } from '../scoring/models.ts';
import { SMALL_PERIOD, WINDOW_MS, WINDOWS } from '../support/batch-fixture.ts';
import { FIRST, PERIOD, useTwoBatches } from './two-batches.ts';

const stage = useTwoBatches('plan-commands');
const { cli } = stage;

test('batch plan counts what a batch then does, and starts nothing', async () => {
  const before = await stage.small.store.listBatches();
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
  const text = await cli('batch', 'plan', ...PERIOD, '--release', stage.releases[1]!);
  expect(text.stdout).toMatch(
    /5 planned: 3 would be scored \(36 windows\), 1 skipped without data, 1 without a model[\s\S]*5 child workflows of/,
  );
  expect(await stage.small.store.listBatches()).toEqual(before);
  expect((await cli('batch', 'plan', ...PERIOD, '--release', 'none')).stderr).toMatch(/none/);
});

test('models promote and rollback move the current release', async () => {
  const current = (): Promise<string | undefined> => stage.small.store.currentRelease();
  expect(await current()).toBe('second');
  expect((await cli('models', 'rollback')).stdout).toContain(
    `Release ${stage.releases[1]} of 2026-03-02 10:00:00 UTC is current: 4 models. It was second`,
  );
  expect(await current()).toBe(stage.releases[1]);
  expect((await cli('models', 'rollback')).stderr).toMatch(/no release is known to have been current before/);
  expect((await cli('models', 'promote', 'second', '--json')).json()).toMatchObject({
    release: 'second',
    before: stage.releases[1],
  });
  expect(await current()).toBe('second');
  expect((await cli('models', 'promote', 'third')).stderr).toMatch(/there is no release "third"/);
  // Going back may take models away, too: it is said, and asked for, as by publish.
  const { sensorId, model, pack, packRow } = (await stage.small.store.listReleaseModels('second'))[0]!;
  const packed = pack === undefined ? {} : { pack, packRow: packRow! };
  await stage.small.store.createRelease('fewer', SMALL_PERIOD.toMs, [{ sensorId, model, ...packed }], []);
  for (const name of ['fewer', 'second']) await stage.small.store.setCurrentRelease(name);
  expect((await cli('models', 'rollback')).stderr).toMatch(
    /release fewer has no model for 3 sensors that have one now.*Nothing was changed\. Go back all the same with --rep/,
  );
  expect(await current()).toBe('second');
  expect((await cli('models', 'rollback', '--replace')).stdout).toMatch(/3 sensors had a model and have none any more/);
  await stage.small.store.setCurrentRelease('second');
});

test('models compare scores both releases over the same windows, and writes nothing', async () => {
  const { store } = stage.small;
  const [one] = await store.listSensors();
  const models = await store.listReleaseModels('second');
  // The challenger takes everything for an anomaly, for one sensor; another has no model in it.
  const strict = await putModel(stage.server.blobs, plainBytes(-1));
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

test('where windows overlap, a time means the last one that had begun, and all of its length is told', async () => {
  await claimWindows(stage.small.store, { windowMs: 2 * WINDOW_MS, hopMs: WINDOW_MS });
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
    /windows are configured as 5s, but the store holds windows of 10s every 5s\. Set FLEETSCORE_WINDOW=10s /,
  );
});

test('verify works without Temporal, and says so; damage ends with exit code 1', async () => {
  const good = await cli('verify', FIRST);
  expect(good.stdout).toMatch(/note: the workflow was not compared: [\s\S]*Nothing is lost: every check holds\./);
  expect(good.code).toBe(0);
  const [file] = await stage.small.store.listFiles(FIRST);
  await stage.server.blobs.put(
    CONTAINERS.predictions,
    file!.blob,
    Buffer.from('TS,Device,Sensor,Val,Prediction,Score\n'),
    'text/csv',
  );
  const bad = await cli('verify', FIRST);
  expect(bad.code).toBe(1);
  expect(bad.stdout).toMatch(
    /broken {2}files on record[\s\S]*has SHA-256 \w+, the manifest says \w+[\s\S]*does not keep what it promises/,
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
  const all = await stage.cliWith({ FLEETSCORE_PRUNE_BLOBS: 'on' }, 'db', 'prune', '--windows', '1s', '--json');
  // The newest of the four raw files stays: capture knows by it how far it came.
  expect(all.json()).toMatchObject({
    windows: 4 * WINDOWS,
    batches: 0,
    blobs: { raw: 3 },
    keptTooShort: { keptMs: 1_000 },
  });
  const left = (await cli('sensors', 'list', '--count', '--json')).json() as { windows: number }[];
  expect(left.map(({ windows }) => windows)).toEqual([0, 0, 0, 0, 0]);
  expect((await cli('db', 'prune', '--windows', 'soon')).code).toBe(2);
});
