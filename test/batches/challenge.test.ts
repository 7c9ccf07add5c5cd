/** A challenger beside the batch's own release: what is recorded of it, and that it never costs a prediction. */
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { join } from 'node:path';
import { createScoringEngine, type ScoringEngine } from '../../scoring/engine.ts';
import { inShare } from '../../domain/challenge.ts';
import { sensorsWithModels } from '../../scoring/challenger.ts';
import { readFeatures } from '../../scoring/model-contract.ts';
import { encodeModel } from '../../scoring/onnx-proto.ts';
import { zScoreModel } from '../../scoring/packs/z-score.ts';
import type { ReleaseModel, Store } from '../../storage/store.ts';
import { verifyBatch } from '../../verify/verify-batch.ts';
import { putModel } from '../scoring/fleet.ts';
import { plainBytes, slowBytes } from '../scoring/models.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { smallStore, SMALL_PERIOD, WINDOW_MS, WINDOWS, type SmallStore } from '../support/batch-fixture.ts';
import { runCli, type CliResult } from '../support/cli.ts';
import { runBatch } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';

jest.setTimeout(240_000);

const dir = tempDir('challenge');
const PERIOD = ['--from', '2026-03-02T10:00:00Z', '--to', '2026-03-02T10:01:00Z'];
let server: BlobServer;
let small: SmallStore;
let store: Store;
let engine: ScoringEngine;
let base: string;
let models: readonly ReleaseModel[];
let batches = 0;
const cli = (...args: string[]): Promise<CliResult> =>
  runCli(dir, args, {
    FLEETSCORE_SQL_URL: `sqlite:${join(dir, 'fleet.db')}`,
    FLEETSCORE_BLOB_CONNECTION_STRING: server.connectionString,
    TEMPORAL_ADDRESS: '127.0.0.1:9',
  });
/** Runs a batch, and has the checker look at it. */
const run = async (using: { readonly engine?: ScoringEngine; readonly store?: Store } = {}): Promise<string> => {
  const batchId = `20260302T100100Z-${String(++batches).padStart(8, '0')}`;
  const { end } = await runBatch(
    { store, blobs: server.blobs, engine, hopMs: WINDOW_MS, ...using },
    { batchId, ...SMALL_PERIOD, sensorsPerChild: 5, sensorsPerActivity: 5 },
  );
  expect((await verifyBatch({ store, blobs: server.blobs, workflowEnd: async () => end }, batchId)).findings).toEqual(
    [],
  );
  return batchId;
};
/** A release with these models in place of those of the current one. */
const release = async (name: string, others: Readonly<Record<number, Uint8Array>>): Promise<void> => {
  const put = new Map(
    await Promise.all(
      Object.entries(others).map(async ([id, bytes]) => [Number(id), await putModel(server.blobs, bytes)] as const),
    ),
  );
  const infos = [...put].map(([id, model]) => ({
    model,
    bytes: 1,
    kind: 'onnx',
    features: readFeatures(others[id]!).map((feature) => feature.name),
  }));
  await store.createRelease(
    name,
    SMALL_PERIOD.toMs,
    models.map((m) => (put.has(m.sensorId) ? { sensorId: m.sensorId, model: put.get(m.sensorId)! } : m)),
    infos,
  );
};

beforeAll(async () => {
  server = await startBlobServer(join(dir, 'blob'));
  small = await smallStore(dir, server.blobs);
  ({ store } = small);
  base = (await store.currentRelease())!;
  models = (await store.listReleaseModels(base)).map(({ sensorId, model, pack, packRow }) => ({
    sensorId,
    model,
    ...(pack === undefined ? {} : { pack, packRow: packRow! }),
  }));
  engine = await createScoringEngine({
    blobs: server.blobs,
    cacheDir: join(dir, 'cache'),
    threads: 1,
    modelTimeoutMs: 3_000,
  });
}, 120_000);
afterEach(() => store.setChallenger(undefined));
afterAll(async () => {
  await engine?.close();
  await small?.store.close();
  await server?.stop();
});

test(
  'every batch scores it beside its own release; compare, batch show and batch plan tell, and the predictions ' +
    'stay as they are',
  async () => {
    const without = await run();
    // Sensor 1: everything is an anomaly. Sensor 2: a lag, and columns that the base does not read.
    await release('strict', {
      1: plainBytes(-1),
      2: encodeModel(zScoreModel({ mean: 10, scale: 1, threshold: 3 }, 'max[-1]')),
    });
    const set = await cli('models', 'challenge', 'strict');
    expect(set.stdout).toMatch(
      /^Batches planned from \S+ \S+ UTC on score strict on all sensors beside r-\S+; what it predicts is counted, not served\.\nSee how it does: fleetscore models compare strict\n$/,
    );
    expect((await cli('batch', 'plan', ...PERIOD)).stdout).toMatch(
      /Challenger: +strict on 100% of the sensors, counted and not served/,
    );
    const first = await run();
    await run();

    const files = async (id: string) => (await store.listFiles(id)).map(({ rows, sha256 }) => ({ rows, sha256 }));
    expect(await files(first)).toEqual(await files(without));
    // Sensor 1 differs in 11 of 12 windows. Sensor 2 sees the injected reading a window late, and not the first window.
    const once = {
      base,
      challenger: 'strict',
      scored: 3,
      skipped: 2,
      failed: 0,
      sensors: 5,
      differing: 2,
      windows: 3 * WINDOWS - 1,
      both: 2,
      onlyBase: 1,
      onlyChallenger: 12,
    };
    expect(await store.challengeSummaries({ batchId: first })).toMatchObject([{ ...once, batches: 1 }]);

    const data = (await cli('models', 'compare', 'strict', '--json')).json();
    expect(data).toEqual({
      challenger: 'strict',
      recorded: [
        {
          ...once,
          batches: 2,
          from: '2026-03-02T10:00:00.000Z',
          to: '2026-03-02T10:01:00.000Z',
          scored: 6,
          skipped: 4,
          windows: 70,
          both: 4,
          onlyBase: 2,
          onlyChallenger: 24,
          agreed: 44,
          causes: {},
          differences: [
            { device: 'plant-1', sensor: 's1', windows: 24, onlyBase: 0, onlyChallenger: 22 },
            { device: 'plant-1', sensor: 's2', windows: 22, onlyBase: 2, onlyChallenger: 2 },
          ],
        },
      ],
    });
    const text = (await cli('models', 'compare', 'strict')).stdout;
    expect(text).toMatch(
      /Agreement: +63% of 70 windows have the same label; 2 sensors differ\nAnomaly rate: +8\.6% with r-\S+, 40% with strict/,
    );
    expect(text).toContain('Take it with: fleetscore models promote strict');
    const shown = await cli('batch', 'show', first);
    expect(shown.stdout).toMatch(
      /Challenger: +strict on 100% of the sensors: 3 scored, 2 skipped, 0 failed; 63% of 35 windows have the same label; 2 sensors differ/,
    );
    expect((await cli('batch', 'show', first, '--json')).json()).toMatchObject({
      challenger: { release: 'strict', share: 1, recorded: { agreed: 22 } },
    });
    // The same numbers as scoring both here.
    expect((await cli('models', 'compare', 'strict', ...PERIOD, '--json')).json()).toMatchObject({
      windows: 35,
      agreed: 22,
      differing: 2,
    });
    const outside = await cli(
      'models',
      'compare',
      'strict',
      '--recorded',
      '--from',
      '2026-03-01',
      '--to',
      '2026-03-02',
    );
    expect(outside.stdout).toMatch(/No batch has recorded anything of strict in that period/);

    expect((await cli('models', 'promote', 'strict')).stdout).toMatch(/It is the challenger no more\.$/m);
    expect(await store.findChallenger()).toBeUndefined();
    expect(await store.batchChallenger(await run())).toBeUndefined();
    await store.setCurrentRelease(base);
  },
);

test('a share is scored on its sensors alone, and the same ones each time', async () => {
  const share = 0.5;
  const mine = [1, 2, 3, 4, 5].filter((id) => inShare(id, share));
  expect(mine.length).toBeGreaterThan(0);
  expect(mine.length).toBeLessThan(5);
  await release('shared', {});
  await store.setChallenger({ release: 'shared', share, sinceMs: 0 });
  for (const id of [await run(), await run()])
    expect(await store.challengeSummaries({ batchId: id })).toMatchObject([
      { sensors: mine.length, onlyBase: 0, onlyChallenger: 0 },
    ]);
  // Over a fleet the share is what was asked for.
  expect(
    Array.from({ length: 100_000 }, (_, i) => i + 1).filter((id) => inShare(id, 0.1)).length / 100_000,
  ).toBeCloseTo(0.1, 2);
});

test('a challenger that hangs, is missing or cannot be recorded costs no prediction', async () => {
  const good = await store.listFiles(await run());
  const same = async (id: string): Promise<void> => {
    expect((await store.listFiles(id)).map(({ sha256 }) => sha256)).toEqual(good.map(({ sha256 }) => sha256));
  };
  await release('slow', { 1: slowBytes(2_000_000_000, 5) });
  await store.createRelease(
    'gone',
    SMALL_PERIOD.toMs,
    [{ sensorId: 1, model: 'f'.repeat(64) }],
    [{ model: 'f'.repeat(64), bytes: 1, kind: 'onnx', features: ['mean'] }],
  );

  await store.setChallenger({ release: 'slow', share: 1, sinceMs: 0 });
  const slow = await run();
  await same(slow);
  expect(await store.challengeSummaries({ batchId: slow })).toMatchObject([
    { scored: 2, failed: 1, causes: { timeout: 1 }, onlyBase: 0, onlyChallenger: 0 },
  ]);
  expect((await cli('models', 'compare', 'slow')).stdout).toMatch(/2 scored, 2 skipped, 1 failed \(1 x timeout\)/);

  await store.setChallenger({ release: 'gone', share: 1, sinceMs: 0 });
  const gone = await run();
  await same(gone);
  expect(await store.challengeSummaries({ batchId: gone })).toMatchObject([
    { scored: 0, skipped: 4, failed: 1, causes: { model_missing: 1 }, windows: 0 },
  ]);

  // The engine breaks for the challenger, which comes second; then the store does.
  let calls = 0;
  const broken = await run({
    engine: {
      ...engine,
      score: (request) => (++calls === 2 ? Promise.reject(new Error('out of luck')) : engine.score(request)),
    },
  });
  await same(broken);
  expect(await store.challengeSummaries({ batchId: broken })).toMatchObject([{ failed: 5, causes: { internal: 5 } }]);
  for (const method of ['batchChallenger', 'listReleaseModels', 'commitChallenge'] as const) {
    const id = await run({ store: { ...store, [method]: () => Promise.reject(new Error('the store is away')) } });
    await same(id);
    expect(await store.challengeSummaries({ batchId: id })).toEqual([]);
  }
});

test('publish --no-promote keeps the current release; challenge tells, stops and refuses', async () => {
  const published = await cli('models', 'publish', join(dir, 'models'), '--release', 'quiet', '--no-promote');
  expect(published.stdout).toMatch(
    /Release quiet is published, and not current: 4 models[\s\S]*fleetscore models challenge quiet/,
  );
  expect(await store.currentRelease()).toBe(base);
  expect((await cli('models', 'challenge')).stdout).toMatch(/There is no challenger\./);
  expect((await cli('models', 'challenge', 'quiet', '--share', '0.25', '--json')).json()).toEqual({
    challenger: { release: 'quiet', share: 0.25, since: expect.any(String) },
  });
  expect((await cli('models', 'challenge')).stdout).toMatch(/score quiet on 25% of the sensors beside/);
  expect((await cli('models', 'list')).stdout).toMatch(/quiet .*challenger on 25%/);
  const refused = async (...args: string[]): Promise<string> => {
    const result = await cli('models', ...args);
    expect(result.code).not.toBe(0);
    return result.stderr;
  };
  expect(await refused('challenge', base)).toMatch(
    /is the current one: batches score with it already\. Publish the challenger with `fleetscore models publish DIR --no-promote`/,
  );
  expect(await refused('challenge', 'nobody')).toMatch(/there is no release "nobody"/);
  expect(await refused('challenge', 'quiet', '--share', '0')).toMatch(/--share 0 would score nothing/);
  expect(await refused('challenge', 'quiet', '--share', '2')).toMatch(/It takes a number from 0 to 1/);
  expect(await refused('challenge', '--share', '0.5')).toMatch(/--share goes with the name of a release/);
  expect(await refused('challenge', 'quiet', '--stop')).toMatch(/--stop stops the challenger that there is/);
  expect(await refused('compare', 'nobody')).toMatch(/there is no release "nobody"/);
  expect(await refused('compare', 'quiet', '--from', '2026-03-02')).toMatch(/--from and --to go together/);
  expect(await refused('compare', 'quiet', '--share', '0.5')).toMatch(/--share is for scoring here/);
  expect((await store.findChallenger())?.share).toBe(0.25);
  expect((await cli('models', 'challenge', '--stop')).stdout).toMatch(/Batches score quiet no more\./);
  expect((await cli('models', 'challenge', '--stop')).stdout).toMatch(/There is no challenger\./);
});

test('models are found for sensors that lie close together and far apart', async () => {
  const ids = await store.registerSensors(
    Array.from({ length: 12_000 }, (_, i) => ({ device: 'far', sensor: `f${i}` })),
  );
  const known = ids.filter((_, i) => i % 3 !== 0);
  await store.createRelease(
    'wide',
    SMALL_PERIOD.toMs,
    known.map((sensorId) => ({ sensorId, model: models[sensorId % 2]!.model })),
    [],
  );
  const has = new Set(known);
  for (const take of [
    (i: number) => i < 7_000,
    (i: number) => i % 40 === 0,
    (i: number) => i % 700 === 5 || i === 11_999,
    () => false,
  ]) {
    const sensors = ids.filter((_, i) => take(i)).map((id) => ({ id, device: 'far', sensor: String(id), unit: '' }));
    const found = await sensorsWithModels(store, 'wide', sensors);
    expect(found).toEqual(
      sensors.map((sensor) => (has.has(sensor.id) ? { ...sensor, model: models[sensor.id % 2]!.model } : sensor)),
    );
  }
});
