/**
 * The whole loop on one machine: a real Temporal server, store and Blob, real scoring workers as nodes. From zero
 * to a batch and back, a worker killed on the way, limits and modes by hand, two pools, the record and its cost.
 */
import { afterAll, beforeAll } from '@jest/globals';
import { Runtime, type NativeConnection } from '@temporalio/worker';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CONTROL_QUEUE } from '../../domain/queues.ts';
import { startChild, untilReady } from '../../local/child.ts';
import { codeFile } from '../../paths.ts';
import { readDecisions, readNodes } from '../../pool/ledger.ts';
import { isGone } from '../../pool/pool.ts';
import { createLocalPool, type LocalPool } from '../../pool/local/pool.ts';
import { servePools, type ServedPools } from '../../workers/pool.ts';
import { DEFAULT_POOL, poolWorkflowId, type PoolSettings } from '../../pool/settings.ts';
import { scalePool } from '../../workflows/scale-pool.ts';
import type { PoolState } from '../../workflows/pool-messages.ts';
import { connectWorker } from '../../connect/temporal.ts';
import type { CliResult } from '../support/cli.ts';
import { useStack } from '../support/local-stack.ts';
import { tempDir } from '../support/temp.ts';
import { useWarmCli } from '../support/warm-cli.ts';
import { FROM, modelsOf, readingsOf, TO } from '../support/small-fleet.ts';

const SENSORS = 12;
const settings: PoolSettings = {
  ...DEFAULT_POOL,
  name: 'test',
  maxNodes: 2,
  idleMs: 1_500,
  marginMs: 0,
  spinUpMs: 4_000,
  spinDownMs: 500,
  keepWarm: 'never',
  finishWithinMs: 2_000,
  sensorsPerSecond: 1,
  pollMs: 400,
  quietPollMs: 400,
};

/** A second pool, for models that name it. */
const big: PoolSettings = { ...settings, name: 'big', taskQueue: 'scoring-big', maxNodes: 1 };
const poolsFile = join(tempDir('pools'), 'pools.json');
writeFileSync(
  poolsFile,
  JSON.stringify([
    { name: 'test', taskQueue: 'scoring' },
    { name: 'big', taskQueue: 'scoring-big', vmSize: 'Standard_D4s_v5' },
  ]),
);

let pool: LocalPool;
let bigPool: LocalPool;
let served: ServedPools;
let connection: NativeConnection;

// Hooks run in this order: what talks to the stack ends before it.
afterAll(async () => {
  const client = await stack.context.client();
  for (const name of ['test', 'big']) await client.workflow.getHandle(poolWorkflowId(name)).terminate();
  await served.stop();
  await Promise.all([pool.close(), bigPool.close()]);
  await connection.close();
}, 60_000);
const stack = useStack('pool', {
  scoringWorkers: 0,
  env: { FLEETSCORE_POOL: 'test', FLEETSCORE_POOLS_FILE: poolsFile },
});

const state = async (name = 'test'): Promise<PoolState> =>
  (await stack.context.client()).workflow.getHandle(poolWorkflowId(name)).query<PoolState>('pool');

/** Waits until the pool is as wanted. */
async function until(wanted: (state: PoolState) => boolean, what: string, name = 'test'): Promise<PoolState> {
  let last: PoolState | undefined;
  for (const end = Date.now() + 240_000; Date.now() < end; await sleep(100)) {
    last = await state(name);
    if (wanted(last)) return last;
  }
  throw new Error(`${what} did not come: ${JSON.stringify(last)}`);
}
/** `status` gives up what does not answer within seconds, as on a busy machine, and says so: it is asked again. */
async function told<T>(ask: () => Promise<T>, isWhole: (said: T) => boolean): Promise<T> {
  let said = await ask();
  for (const end = Date.now() + 240_000; !isWhole(said) && Date.now() < end;) said = await ask();
  return said;
}
const isZero = (s: PoolState): boolean =>
  s.seen !== undefined && s.seen.ready === 0 && s.seen.coming === 0 && pool.pids().length === 0;

const call = useWarmCli();
const cli = (...args: string[]): Promise<CliResult> => call(stack.home, args, { FLEETSCORE_POOL: 'test' });

beforeAll(async () => {
  expect((await stack.cli('models', 'publish', modelsOf(SENSORS, join(stack.home, 'models')))).code).toBe(0);
  expect((await stack.cli('send', readingsOf(SENSORS, join(stack.home, 'readings.csv')))).code).toBe(0);
  Runtime.install({
    logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} },
    shutdownSignals: [],
  });
  const { context } = stack;
  let namespace: string;
  ({ connection, namespace } = await connectWorker(context.env));
  const open = ({ name, taskQueue, maxNodes }: PoolSettings): LocalPool =>
    createLocalPool({
      name,
      maxWorkers: maxNodes,
      start: (node) =>
        startChild({
          name: 'scoring worker',
          file: codeFile('workers/scoring'),
          logFile: join(stack.home, 'logs', 'scoring.log'),
          env: {
            ...stack.stack.env,
            FLEETSCORE_NODE: node,
            FLEETSCORE_POOL: name,
            FLEETSCORE_SCORING_QUEUE: taskQueue,
            // One chunk at a time, so that the batch is still under way when its worker is killed.
            FLEETSCORE_SCORING_CONCURRENCY: '1',
          },
        }),
      ready: (worker) => untilReady(worker as ReturnType<typeof startChild>, 30_000),
    });
  [pool, bigPool] = [open(settings), open(big)];
  const client = await context.client();
  served = await servePools({
    connection,
    namespace,
    taskQueue: settings.activityQueue,
    client,
    store: await context.store(),
    blobs: context.blobs(),
    poolOf: ({ name }) => (name === 'big' ? bigPool : pool),
    now: Date.now,
  });
  for (const one of [settings, big])
    await client.workflow.start(scalePool, {
      taskQueue: CONTROL_QUEUE,
      workflowId: poolWorkflowId(one.name),
      args: [one],
    });
}, 120_000);

test('from zero to a batch and back: a worker killed on the way costs nothing but time', async () => {
  const started = Date.now();
  await until(isZero, 'an empty pool');
  const batch = stack.cli('--json', 'batch', 'run', '--from', FROM, '--to', TO, '--wait');
  // A start takes less than a second: it may be ready when it is seen first.
  await until(
    (s) =>
      s.nodes.some((node) => !isGone(node.state)) &&
      pool.pids().length > 0 &&
      /sensors? to go in 1 batch/.test(s.decision?.reason ?? ''),
    'a first node for the batch',
  );
  process.kill(pool.pids()[0]!, 'SIGKILL');
  const result = await batch;
  expect(result.stderr).toBe('');
  expect(result.json()).toMatchObject({ status: 'completed', counts: { scored: SENSORS, failed: 0 } });
  const after = await until(isZero, 'an empty pool after the batch');
  expect(after.decision!.reason).toMatch(/nothing is due/);

  const blobs = stack.context.blobs();
  const nodes = await readNodes(blobs, 'test', started, Date.now());
  expect(nodes.filter((node) => node.end?.includes('SIGKILL'))).toHaveLength(1);
  expect(nodes.filter((node) => node.end === 'ended: exit code 0').length).toBeGreaterThanOrEqual(1);
  const decisions = await readDecisions(blobs, 'test', started, Date.now());
  expect(decisions[0]).toMatchObject({ target: 0, ready: 0, sensorsToGo: 0 });
  expect(Math.max(...decisions.map((d) => d.ready))).toBeGreaterThanOrEqual(1);
  expect(Math.max(...decisions.map((d) => d.ready + d.coming))).toBeLessThanOrEqual(settings.maxNodes);

  const prices = fileURLToPath(new URL('../../deploy/prices.sample.json', import.meta.url));
  const { id } = result.json() as { id: string };
  const cost = (await cli('--json', 'cost', id, '--prices', prices)).json() as {
    total: { nodeHours: number; money: number; per1000Sensors: number };
  };
  expect(cost.total.nodeHours).toBeGreaterThan(0);
  expect(cost.total.money).toBeCloseTo(cost.total.nodeHours * 0.1, 10);
  const span = await cli('cost', '--prices', prices);
  expect(span.stdout).toMatch(/Always on/);
  expect(span.stdout).toContain(id);

  const html = join(stack.home, 'pool.html');
  const report = await cli('--json', 'pool', 'report', '--html', html);
  expect(report.json()).toMatchObject({ pool: 'test', batches: 1, nodes: nodes.length, lost: 1, report: html });
  const page = readFileSync(html, 'utf8');
  expect(page).toContain('<!doctype html>');
  for (const part of [id, ...nodes.map((node) => node.id)]) expect(page).toContain(part);
  expect(await cli('pool', 'report', '--pool', 'nobody')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/pool "nobody" has no record .*Recorded pools: big, test/),
  });
}, 120_000);

test('models that name a pool are scored by the workers of that pool, the rest by the default one', async () => {
  const started = Date.now();
  const models = join(stack.home, 'models');
  const files = readdirSync(models)
    .filter((file) => file.endsWith('.onnx'))
    .sort();
  const rows = files.map(
    (file, i) => `${file.replace(/^model_|\.onnx$/g, '').replace('_', ',')},${file},${i % 2 === 0 ? 'big' : ''}`,
  );
  writeFileSync(join(models, 'manifest.csv'), ['Device,Sensor,Model,Pool', ...rows].join('\n'));
  const published = await stack.cli('models', 'publish', models);
  const half = SENSORS / 2;
  expect(published.stdout).toContain(`${half} sensors will be scored in pool big`);

  const prices = fileURLToPath(new URL('../../deploy/prices.sample.json', import.meta.url));
  const plan = await cli('batch', 'plan', '--from', FROM, '--to', TO, '--prices', prices);
  expect(plan.stdout).toMatch(/Cost: +about \d+\.\d{4} USD: .* of node time/);
  expect(plan.stdout).toMatch(new RegExp(`big +scoring-big +Standard_D4s_v5 +${half} +${half} +${half} +1`));

  const result = await stack.cli('--json', 'batch', 'run', '--from', FROM, '--to', TO, '--wait');
  expect(result.json()).toMatchObject({ status: 'completed', counts: { scored: SENSORS, failed: 0 } });
  const { id } = result.json() as { id: string };
  const client = await stack.context.client();
  const queues = await Promise.all(
    files.map(async (file) => {
      const history = await client.workflow
        .getHandle(`${id}/${file.replace(/^model_|\.onnx$/g, '').replace('_', '/')}`)
        .fetchHistory();
      return (history.events ?? []).flatMap(({ activityTaskScheduledEventAttributes: task }) =>
        task?.activityType?.name === 'scoreChunk' ? [task.taskQueue?.name] : [],
      );
    }),
  );
  expect(queues.flat()).toEqual(files.map((_, i) => (i % 2 === 0 ? 'scoring-big' : 'scoring')));
  expect((await stack.cli('verify', id)).code).toBe(0);
  expect((await readNodes(stack.context.blobs(), 'big', started, Date.now())).length).toBeGreaterThanOrEqual(1);
  await until((s) => isZero(s) && bigPool.pids().length === 0, 'both pools empty');
  // The other loop sees it at its next look.
  await until((s) => s.seen?.ready === 0 && s.nodes.every((node) => isGone(node.state)), 'an empty big pool', 'big');

  const page = await told(
    () => stack.cli('status'),
    ({ stdout }) => /^Pools\nPool /m.test(stdout),
  );
  expect(page.stdout).toMatch(
    /^Pools\nPool +Mode +Nodes +Wanted +Workers +To go +Waiting +Why *\ntest +active +0 +0 .*\nbig +active +0 +0 .*nothing is due/m,
  );
  const data = await told(
    async () => (await stack.cli('--json', 'status')).json() as { pools: object[] | null },
    ({ pools }) => pools !== null,
  );
  expect(data.pools).toMatchObject([
    { name: 'test', mode: 'active', nodes: 0, problem: null },
    { name: 'big', mode: 'active', nodes: 0, sensorsToGo: 0 },
  ]);
}, 120_000);

test('a node is ready before its scheduled batch is due, and goes when no batch comes any more', async () => {
  expect(
    (await stack.cli('schedule', 'create', 'often', '--every', '15s', '--period', '5s', '--wait-for-readings', '0s'))
      .code,
  ).toBe(0);
  const warm = await until(
    (s) => s.seen!.ready > 0 && s.seen!.sensorsToGo === 0 && s.decision?.nextDueMs !== undefined,
    'a warm node',
  );
  expect(warm.decision!.nextDueMs! - warm.seen!.atMs).toBeGreaterThan(0);
  expect((await stack.cli('schedule', 'delete', 'often')).code).toBe(0);
  await until(isZero, 'an empty pool');
}, 120_000);

test('limits and modes are changed while it runs, and wrong ones are refused', async () => {
  const set = await cli('--json', 'pool', 'set', '--min', '1', '--max', '1', '--keep-warm', '20m');
  expect(set.json()).toMatchObject({ minNodes: 1, maxNodes: 1, keepWarm: 1_200_000 });
  await until((s) => s.seen!.ready === 1, 'the node that is always kept');
  await until((s) => s.seen!.ready === 0 && bigPool.pids().length === 0, 'the other pool empty', 'big');
  expect((await cli('pool', 'status', '--pool', 'test')).stdout).toMatch(/1 to 1 allowed/);
  const overview = (await cli('pool', 'status')).stdout;
  expect(overview).toMatch(/test +scoring +active +1 of 1 +1 to 1/);
  expect(overview).toMatch(/big +scoring-big +active +0 of 0 +0 to 1/);
  const refused = await cli('pool', 'set', '--min', '2');
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('minNodes (2) is above maxNodes (1)') });
  expect((await cli('pool', 'drain')).code).toBe(0);
  await until(isZero, 'a drained pool');
  expect((await cli('pool', 'pause')).code).toBe(0);
  expect((await until((s) => s.mode === 'paused', 'the pause')).mode).toBe('paused');
  expect((await cli('pool', 'set', '--min', '0')).code).toBe(0);
  expect((await cli('pool', 'resume')).code).toBe(0);
  expect(await cli('pool', 'status', '--pool', 'nowhere')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no pool runs'),
  });
}, 120_000);
