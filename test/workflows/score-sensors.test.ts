/**
 * What a child does when chunks fail: a service that is away past all attempts begins them anew; what does not pass,
 * and what lasts, is recorded; and its history has an end before Temporal's, also when nearly every chunk fails. A
 * worker whose connection died goes on over another. One server and one pair of workers for all of it, by batch.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { NO_OUTCOMES } from '../../domain/outcome.ts';
import { CONTROL_QUEUE, SCORING_QUEUE } from '../../domain/queues.ts';
import { findTemporal } from '../../local/temporal-binary.ts';
import { loadConfig } from '../../config.ts';
import { connectWorker } from '../../connect/temporal.ts';
import { createLog } from '../../logging/log.ts';
import { runTemporalWorker } from '../../workers/run-temporal-worker.ts';
import { workflowCode } from '../../workers/workflow-code.ts';
import type { ChunkOutcome, ControlActivities, FailRangeInput, ScoringActivities } from '../../workflows/activities.ts';
import { OUTAGE_ROUNDS, SCORE_ATTEMPTS } from '../../workflows/policies.ts';
import { scoreSensors, type ScoreSensorsInput } from '../../workflows/score-sensors.ts';
import { cleanEnv, TOOLS } from '../support/cli.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { tempDir } from '../support/temp.ts';

const SENSORS = 4;
const SCORED: ChunkOutcome = { counts: { ...NO_OUTCOMES, scored: SENSORS }, failures: [] };
/** At which Temporal wants a workflow to begin a new history. */
const MOST_EVENTS = 4_096;
const MANY = 800;

/** What becomes of the chunks of a batch. */
interface Batch {
  attempts: number;
  readonly failed: FailRangeInput[];
  readonly attempt: (nth: number) => ChunkOutcome | Promise<ChunkOutcome>;
}
const batches = new Map<string, Batch>();

const control: Pick<ControlActivities, 'planGroup' | 'failRange'> = {
  async planGroup({ range, sensorsPerActivity }) {
    const ranges = [];
    for (let from = range.from; from < range.to; from += sensorsPerActivity) {
      const to = Math.min(range.to, from + sensorsPerActivity);
      ranges.push({ from, to, count: to - from });
    }
    return ranges;
  },
  async failRange(input) {
    batches.get(input.batchId)!.failed.push(input);
    return { counts: { ...NO_OUTCOMES, failed: input.range.count }, failures: [] };
  },
};
const scoring: ScoringActivities = {
  async scoreChunk({ batchId }) {
    const batch = batches.get(batchId)!;
    return batch.attempt(++batch.attempts);
  },
};

let env: TestWorkflowEnvironment;
let workers: Worker[] = [];
let running: Promise<void>[] = [];
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR', () => {}) });
  const path = await findTemporal(TOOLS, () => {});
  env = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path } } });
  const { nativeConnection: connection } = env;
  const workflowBundle = await workflowCode({ encrypted: false, traced: false });
  workers = await Promise.all([
    Worker.create({ connection, taskQueue: CONTROL_QUEUE, workflowBundle, activities: control }),
    Worker.create({ connection, taskQueue: SCORING_QUEUE, activities: { ...scoring } }),
  ]);
  running = workers.map((worker) => worker.run());
}, 120_000);
afterAll(async () => {
  for (const worker of workers) worker.shutdown();
  await Promise.all(running);
  await env?.teardown();
});

async function run(batchId: string, attempt: Batch['attempt'], input: Partial<ScoreSensorsInput> = {}) {
  const batch: Batch = { attempts: 0, failed: [], attempt };
  batches.set(batchId, batch);
  const whole: ScoreSensorsInput = {
    batchId,
    fromMs: 0,
    toMs: 1,
    range: { from: 0, to: SENSORS, count: SENSORS },
    sensorsPerActivity: SENSORS,
    scoringQueue: SCORING_QUEUE,
    ...input,
  };
  const options = { taskQueue: CONTROL_QUEUE, workflowId: batchId, args: [whole] as [ScoreSensorsInput] };
  const handle = await env.client.workflow.start(scoreSensors, options);
  const { counts } = await handle.result();
  return { ...batch, counts, events: (await handle.describe()).historyLength };
}

/** The first `times` attempts fail with this code. */
const fails = (code: string, times: number, nonRetryable = false) =>
  run(`${code}-${times}`, (nth) => {
    if (nth > times) return SCORED;
    throw ApplicationFailure.create({ message: 'it is away', type: code, nonRetryable, nextRetryDelay: 10 });
  });

test('what is away past all attempts of a round is waited for, and scored', async () => {
  const codes = ['BLOB_UNAVAILABLE', 'BLOB_FORBIDDEN', 'BLOB_CONTAINER_MISSING', 'STORE_UNAVAILABLE'];
  // Side by side: each waits for the server most of the time.
  const met = await Promise.all(codes.map((code) => fails(code, SCORE_ATTEMPTS + 2)));
  for (const { counts, attempts, failed, events } of met) {
    expect(counts).toEqual(SCORED.counts);
    expect([attempts, failed]).toEqual([SCORE_ATTEMPTS + 3, []]);
    expect(events).toBeLessThan(30);
  }
}, 60_000);

test('an outage that lasts past all rounds is recorded, what does not pass at once', async () => {
  const [lasting, final] = await Promise.all([
    fails('BLOB_UNAVAILABLE', Number.POSITIVE_INFINITY),
    fails('BLOB_ARCHIVED', Number.POSITIVE_INFINITY, true),
  ]);
  expect(lasting.counts.failed).toBe(SENSORS);
  expect(lasting.attempts).toBe(SCORE_ATTEMPTS * OUTAGE_ROUNDS);
  expect(lasting.failed).toEqual([
    expect.objectContaining({ class: 'blob_error', message: expect.stringContaining('it is away') }),
  ]);
  expect([final.attempts, final.failed.length]).toEqual([1, 1]);
}, 60_000);

test('a child whose every sensor takes its worker down records each once, and stays below 4,096 events', async () => {
  const { counts, events, failed } = await run(
    'long',
    () => {
      throw ApplicationFailure.nonRetryable('the worker is gone');
    },
    { range: { from: 0, to: MANY, count: MANY }, sensorsPerActivity: MANY / 8 },
  );
  expect(counts).toEqual({ ...NO_OUTCOMES, failed: MANY });
  expect(events).toBeLessThan(MOST_EVENTS);
  const ids = failed.flatMap(({ range }) => Array.from({ length: range.to - range.from }, (_, i) => range.from + i));
  expect(ids.sort((a, b) => a - b)).toEqual(Array.from({ length: MANY }, (_, i) => i));
  // Some were found one by one before; the rest says how to go on.
  expect(failed.some(({ range }) => range.count === 1)).toBe(true);
  expect(failed.filter(({ range }) => range.count > 1).every(({ message }) => message.includes('batch redrive'))).toBe(
    true,
  );
}, 120_000);

test('a worker whose connection is dead goes on over a fresh one, in the same process', async () => {
  const proxy = await startTcpProxy(Number(env.address.split(':')[1]));
  const connected = await connectWorker({ TEMPORAL_ADDRESS: `127.0.0.1:${proxy.port}` });
  const config = loadConfig({ ...cleanEnv(), FLEETSCORE_HOME: tempDir('dead-connection') });
  const log = createLog(config, 'scoring');
  const renewed = Promise.withResolvers<void>();
  type Three = [typeof renewed, typeof renewed, typeof renewed];
  const ending = Promise.withResolvers<string>();
  const [ready, begun, over] = [0, 1, 2].map(() => Promise.withResolvers<void>()) as Three;
  const life = {
    config,
    log: Object.assign(Object.create(log) as typeof log, {
      info: (_: object, text: string) => text.startsWith('goes on') && renewed.resolve(),
    }),
    ready: ready.resolve,
    ending: ending.promise,
  };
  const scoringQueue = 'behind-a-proxy';
  const running = runTemporalWorker(
    life,
    'scoring',
    connected,
    { taskQueue: scoringQueue, activities: { ...scoring } },
    { times: { everyMs: 50, answerMs: 500 } },
  );
  await ready.promise;
  const before = run(
    'begun before',
    async () => {
      begun.resolve();
      await over.promise;
      return SCORED;
    },
    { scoringQueue },
  );
  await begun.promise;
  await proxy.fault('black hole');
  // What stands then is dead for good.
  await proxy.fault();
  await renewed.promise;
  const after = await run('begun after', () => SCORED, { scoringQueue });
  over.resolve();
  expect([after.counts, (await before).counts]).toEqual([SCORED.counts, SCORED.counts]);
  ending.resolve('the test ends');
  await proxy.stop();
  await running;
}, 120_000);
