/** Models that name a pool: every sensor is planned once, for the queue of its pool, whatever the fleet looks like. */
import { afterAll, beforeAll } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import fc from 'fast-check';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createControlActivities } from '../../activities/control.ts';
import { runningBatches, sensorsOfPool } from '../../activities/pool-work.ts';
import type { BatchPlan, PlanInput, SensorRange } from '../../workflows/activities.ts';
import { MAX_CHILDREN, MAX_CHUNKS_PER_CHILD } from '../../domain/sizing.ts';
import { readPoolsFile } from '../../pool/pools-file.ts';
import { createScoringEngine } from '../../scoring/engine.ts';
import { publishModels } from '../../scoring/publish.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { verifyBatch, foundIn } from '../../verify/verify-batch.ts';
import { dryRun } from '../../batches/dry-run.ts';
import { SMALL_PERIOD, smallStore, WINDOW_MS } from '../support/batch-fixture.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { runBatch } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('routing');
const server = useBlobServer(dir);
const QUEUES = new Map([
  ['scoring', 'scoring'],
  ['big', 'scoring-big'],
  ['fast', 'scoring-fast'],
]);
const POOLS = ['', 'big', 'fast', 'gone'] as const;
const PERIOD = { fromMs: 0, toMs: 60_000 };

describe('planning', () => {
  let store: Store;
  let names = 0;
  beforeAll(async () => {
    store = await openStore(`sqlite:${join(dir, 'plans.db')}`);
    await store.migrate();
    await store.registerSensors(Array.from({ length: 1_700 }, (_, i) => ({ device: `d${i % 17}`, sensor: `s${i}` })));
  });
  afterAll(() => store.close());

  const plan = async (
    poolOf: (id: number) => string,
    asked: { sensorsPerChild?: number; sensorsPerActivity?: number } = {},
  ): Promise<BatchPlan & { batchId: string }> => {
    const release = `r${++names}`;
    const sensors = await store.listSensors();
    const models = sensors.map(({ id }) => ({
      sensorId: id,
      model: 'm',
      ...(poolOf(id) === '' ? {} : { pool: poolOf(id) }),
    }));
    await store.createRelease(release, 1, models, [{ model: 'm', bytes: 1, kind: 'onnx', features: ['mean'] }]);
    const control = createControlActivities({
      store,
      blobs: server.blobs,
      codeVersion: 'test',
      worker: 'control@test#1',
      now: () => 1,
      pools: QUEUES,
    });
    const batchId = `b${names}`;
    const input: PlanInput = { batchId, workflowId: 'w', runId: batchId, release, ...PERIOD, ...asked };
    const planned: BatchPlan = await new MockActivityEnvironment().run(control.planBatch, input);
    return { ...planned, batchId };
  };
  const members = async (batchId: string, range: SensorRange): Promise<number[]> =>
    (await store.plannedSensors(batchId, range)).map(({ id }) => id);

  test(
    'every sensor is in exactly one group, on the queue of its pool; ' +
      'sensors of a pool that is gone fail with the remedy',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer(),
          fc.constantFrom(1, 2, 7, 100, 1_000),
          fc.option(fc.constantFrom(4, 50, 1_000), { nil: undefined }),
          async (seed, every, sensorsPerChild) => {
            // Runs of sensors of one pool, short or long, in no order.
            const poolOf = (id: number): string =>
              POOLS[Math.abs((Math.floor(id / every) * 2_654_435_761 + seed) | 0) % POOLS.length]!;
            const { batchId, groups, planned } = await plan(
              poolOf,
              sensorsPerChild === undefined ? {} : { sensorsPerChild },
            );
            const seen = new Map<number, string>();
            for (const group of groups) {
              const ids = await members(batchId, group);
              expect(ids).toHaveLength(group.count);
              for (const id of ids) {
                expect(seen.has(id)).toBe(false);
                seen.set(id, group.queue ?? 'scoring');
              }
            }
            expect(groups.length).toBeLessThanOrEqual(MAX_CHILDREN);
            // Chunks that are listed are those that the child would ask for, and few.
            const listed = groups.flatMap(({ chunks = [], ...group }) => chunks.map((chunk) => ({ chunk, group })));
            expect(listed.length).toBeLessThanOrEqual(100);
            for (const { chunk, group } of listed) expect(chunk).toMatchObject({ pool: group.pool });
            for (const { chunks, ...group } of groups)
              if (chunks)
                expect((await Promise.all(chunks.map((one) => members(batchId, one)))).flat()).toEqual(
                  await members(batchId, group),
                );
            for (let id = 1; id <= planned; id += 1)
              expect(seen.get(id)).toBe(poolOf(id) === '' ? 'scoring' : QUEUES.get(poolOf(id)));
            const gone = (await store.listOutcomes(batchId)).map(({ sensorId }) => sensorId);
            expect(gone).toEqual(
              Array.from({ length: planned }, (_, i) => i + 1).filter((id) => poolOf(id) === 'gone'),
            );
            // Ids of child workflows and names of files come from the ranges.
            expect(new Set(groups.map((group) => `${group.from}-${group.to}`)).size).toBe(groups.length);
          },
        ),
        { numRuns: 8, examples: [[0, 1, 4]] },
      );
    },
    60_000,
  );

  test('chunks of a group stay in its pool, and a pool with few sensors has chunks for all of its workers', async () => {
    const poolOf = (id: number): string => (id % 17 === 3 ? 'big' : '');
    const { batchId, groups, sensorsPerActivity } = await plan(poolOf);
    const control = createControlActivities({
      store,
      blobs: server.blobs,
      codeVersion: 'test',
      worker: 'control@test#1',
      now: () => 1,
      pools: QUEUES,
    });
    const big = groups.filter((group) => group.pool === 'big');
    expect(big).toHaveLength(1);
    const chunks: SensorRange[] = await new MockActivityEnvironment().run(control.planGroup, {
      batchId,
      range: big[0]!,
      sensorsPerActivity: big[0]!.sensorsPerActivity ?? sensorsPerActivity,
    });
    expect(chunks).toHaveLength(50);
    expect(chunks.length).toBeLessThanOrEqual(MAX_CHUNKS_PER_CHILD);
    const ids = (await Promise.all(chunks.map((chunk) => members(batchId, chunk)))).flat();
    expect(ids).toEqual(await members(batchId, big[0]!));
    expect(ids.every((id) => poolOf(id) === 'big')).toBe(true);
    // What `batch plan` says is what is planned.
    const dry = await dryRun(store, PERIOD, { release: `r${names}` }, { windowMs: 5_000, hopMs: 5_000 });
    expect(dry.groups).toBe(groups.length);
    expect(dry.pools).toEqual([
      expect.objectContaining({ pool: '', planned: 1_600, groups: groups.length - 1 }),
      expect.objectContaining({ pool: 'big', planned: 100, groups: 1, chunks: 50 }),
    ]);
  });

  test('a fleet that names no pool is planned as ever: nothing in its groups tells of pools', async () => {
    const { groups } = await plan(() => '');
    for (const { chunks = [], ...group } of groups)
      for (const range of [group, ...chunks]) expect(Object.keys(range).sort()).toEqual(['count', 'from', 'to']);
  });

  test('each pool sees its own work: of the fleet, and of a batch that runs', async () => {
    const { batchId } = await plan((id) => (id % 17 === 3 ? 'big' : id % 17 === 4 ? 'gone' : ''));
    await store.setCurrentRelease(`r${names}`);
    const pool = (name: string) => ({ name, taskQueue: QUEUES.get(name)! });
    expect(await Promise.all(['scoring', 'big', 'fast'].map((name) => sensorsOfPool(store, pool(name))))).toEqual([
      1_500, 100, 0,
    ]);
    // Out of service: one that the default pool scored, one of `big`, and one of a pool that is gone.
    const sensorIds = [1, 3, 4];
    await store.retireSensors(sensorIds, { atMs: 1, by: 'ann', comment: '' });
    expect(await Promise.all(['scoring', 'big', 'fast'].map((name) => sensorsOfPool(store, pool(name))))).toEqual([
      1_499, 99, 0,
    ]);
    await store.restoreSensors(sensorIds);
    // The server's list of running workflows; the rest is the store's.
    const client = {
      workflow: {
        list: async function* () {
          yield { typedSearchAttributes: { get: () => batchId }, startTime: new Date(1) };
        },
      },
    };
    const toGo = async (name: string): Promise<number[]> =>
      (await runningBatches(client as never, store, pool(name), 0, Date.now())).map((batch) => batch.sensorsToGo);
    expect([await toGo('scoring'), await toGo('big'), await toGo('fast')]).toEqual([[1_500], [100], []]);
    const some = await members(batchId, { from: 1, to: 500, count: 0, pool: 'big' });
    await store.commitChunk({
      batchId,
      chunk: 'c',
      changeId: 0,
      pool: 'big',
      outcomes: some.map((sensorId) => ({ sensorId, status: 'scored', windows: 1, anomalies: 0, attempt: 1 })),
    });
    expect([await toGo('scoring'), await toGo('big')]).toEqual([[1_500], [100 - some.length]]);
  });
});

describe('from a manifest to predictions', () => {
  const header = 'Device,Sensor,Model,Pool\n';
  test('sensors of several pools are scored apart and the batch is whole; a redrive finds the pools again', async () => {
    const { store } = await smallStore(join(dir, 'small'), server.blobs, 4);
    const models = join(dir, 'small', 'models');
    const rows = ['big', '', 'big', 'fast'].map((pool, i) => `plant-1,s${i + 1},model_plant-1_s${i + 1}.onnx,${pool}`);
    writeFileSync(join(models, 'manifest.csv'), header + rows.join('\n'));
    const deps = { store, blobs: server.blobs, nowMs: SMALL_PERIOD.fromMs + 1 };
    await expect(publishModels(models, deps)).rejects.toMatchObject({
      code: 'INVALID_MODEL_LIST',
      message: expect.stringMatching(
        /manifest\.csv line 2: pool "big" is not configured \(there is none\): add it to the file that FLEETSCORE_POOLS_FILE names/,
      ),
    });
    expect(await publishModels(models, { ...deps, pools: new Set(QUEUES.keys()) })).toMatchObject({
      pools: { big: 2, fast: 1 },
    });

    const engine = await createScoringEngine({
      blobs: server.blobs,
      cacheDir: join(dir, 'cache'),
      threads: 1,
      maxCacheBytes: 1 << 20,
    });
    try {
      // `fast` was configured away after the models were published.
      const pools = new Map([
        ['scoring', 'scoring'],
        ['big', 'scoring-big'],
      ]);
      const run = { store, blobs: server.blobs, engine, hopMs: WINDOW_MS };
      const first = await runBatch(
        { ...run, pools },
        { batchId: 'small', ...SMALL_PERIOD, sensorsPerChild: 3, sensorsPerActivity: 2 },
        50,
      );
      expect(first.result).toMatchObject({
        status: 'completed',
        planned: 5,
        counts: { scored: 3, failed: 1, skipped: 1 },
      });
      const [lost] = await store.listOutcomes('small', { status: 'failed' });
      expect(lost).toMatchObject({
        sensor: 's4',
        class: 'pool_unknown',
        message: expect.stringContaining('`fleetscore batch redrive small` scores these sensors'),
      });
      const check = async (id: string, end: typeof first.end): Promise<number> =>
        foundIn(await verifyBatch({ store, blobs: server.blobs, workflowEnd: async () => end }, id));
      expect(await check('small', first.end)).toBe(0);
      const again = await runBatch({ ...run, pools: QUEUES }, { batchId: 'again', ...SMALL_PERIOD, redrive: 'small' });
      // it has no readings, but a pool
      expect(again.result).toMatchObject({ status: 'completed', planned: 1, counts: { skipped: 1 } });
      expect(await check('again', again.end)).toBe(0);
    } finally {
      await engine.close();
      await store.close();
    }
  });

  test('a header with other columns is refused, an empty pool is the default one', async () => {
    const { store } = await smallStore(join(dir, 'header'), server.blobs, 1);
    const models = join(dir, 'header', 'models');
    cpSync(join(models, 'model_plant-1_s1.onnx'), join(models, 'one.onnx'));
    writeFileSync(join(models, 'manifest.csv'), 'Device,Sensor,Model,Machine\nplant-1,s1,one.onnx,big\n');
    const deps = { store, blobs: server.blobs, nowMs: SMALL_PERIOD.fromMs + 2, pools: new Set(['big']) };
    await expect(publishModels(models, deps)).rejects.toThrow(
      /the header must be Device,Sensor,Model, and after these any of Pool,.*,Threshold,Window; got .*Machine/,
    );
    writeFileSync(join(models, 'manifest.csv'), `${header}plant-1,s1,one.onnx,\n`);
    const { release } = await publishModels(models, deps);
    expect(await store.releasePools(release)).toEqual([]);
    await store.close();
  });
});

test('a file of pools that leaves sensors without a pool is refused', async () => {
  const file = join(dir, 'pools.json');
  const read = (pools: unknown): Promise<unknown> => {
    writeFileSync(file, JSON.stringify(pools));
    return readPoolsFile(file);
  };
  await expect(read([{ name: 'big', taskQueue: 'scoring-big' }])).rejects.toMatchObject({
    code: 'INVALID_POOLS',
    message: expect.stringContaining('no pool has the task queue "scoring"'),
  });
  await expect(
    read([
      { name: 'a', taskQueue: 'scoring' },
      { name: 'a', taskQueue: 'b' },
    ]),
  ).rejects.toThrow(/two pools have the same name/);
  await expect(read([{ name: 'a', taskQueue: 'scoring', idle: 'soon' }])).rejects.toThrow(/pools\.json.*soon/s);
  await expect(
    read([{ name: 'a', taskQueue: 'scoring', priority: 'dedicated', fallback: { cluster: 'b' } }]),
  ).rejects.toThrow(/only a low-priority pool has a fallback/);
  await expect(read([{ name: 'a', taskQueue: 'scoring', cluster: 'b', fallback: { cluster: 'b' } }])).rejects.toThrow(
    /the fallback of pool a is its own cluster/,
  );
  expect(await read([{ name: 'a', taskQueue: 'scoring', idle: '1m' }])).toEqual([
    { name: 'a', taskQueue: 'scoring', idle: 60_000 },
  ]);
});
