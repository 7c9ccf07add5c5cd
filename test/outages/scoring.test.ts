/**
 * A scoring worker whose Blob does not answer: an attempt that is called off takes nobody with it, and one that waits
 * goes on by itself. The activity runs as Temporal runs it, its requests pass a proxy.
 */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createControlActivities } from '../../activities/control.ts';
import { createScoringActivities, type ScoringDeps } from '../../activities/scoring.ts';
import { createBudget } from '../../scoring/concurrency.ts';
import { createScoringEngine, type ScoringEngine } from '../../scoring/engine.ts';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import type { BlobRetry } from '../../storage/blob-service.ts';
import type { BatchPlan, ChunkOutcome, ScoringActivities, SensorRange } from '../../workflows/activities.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { smallStore, SMALL_PERIOD, WINDOW_MS, type SmallStore } from '../support/batch-fixture.ts';
import { startBlobProxy, type BlobProxy, type FaultPlan } from '../support/blob-proxy.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('outage-scoring');
const QUIET = new DefaultLogger('ERROR', () => {});
/** Far longer than a test: only a signal ends a try. */
const PATIENT: BlobRetry = { tries: 4, tryTimeoutMs: 300_000 };
const QUICK: BlobRetry = { tries: 2, delayMs: 20, tryTimeoutMs: 400 };
let server: BlobServer;
let proxy: BlobProxy;
let small: SmallStore;
const engines: ScoringEngine[] = [];
let made = 0;

beforeAll(async () => {
  server = await startBlobServer(join(dir, 'azurite'));
  proxy = await startBlobProxy(Number(/127\.0\.0\.1:(\d+)/.exec(server.connectionString)![1]));
  small = await smallStore(dir, server.blobs);
});
afterEach(() => proxy.plan());
afterAll(async () => {
  await Promise.all(engines.map((engine) => engine.close()));
  await small?.store.close();
  await proxy?.stop();
  await server?.stop();
});

interface Worker {
  readonly activities: ScoringActivities;
  /** Ranges of a batch that is planned and running. */
  plan(sensorsPerActivity: number): Promise<{ readonly batchId: string; readonly ranges: readonly SensorRange[] }>;
}

/** With nothing on disk, as after its start. */
async function worker(retry: BlobRetry, more: Partial<ScoringDeps> = {}): Promise<Worker> {
  const blobs = createBlobStore({
    connectionString: server.connectionString.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${proxy.port}`),
    retry,
  });
  const engine = await createScoringEngine({ blobs, cacheDir: join(dir, `cache-${++made}`), threads: 1 });
  engines.push(engine);
  const { store } = small;
  const control = createControlActivities({
    store,
    blobs: server.blobs,
    codeVersion: 'test',
    worker: 'control@test#1',
    now: Date.now,
  });
  return {
    activities: createScoringActivities({
      store,
      blobs,
      engine,
      hopMs: WINDOW_MS,
      format: 'csv',
      worker: 'scoring@test#2',
      budget: createBudget(1_000_000),
      ...more,
    }),
    async plan(sensorsPerActivity) {
      const batchId = `20260302T100100Z-${String(++made).padStart(8, '0')}`;
      const { groups }: BatchPlan = await new MockActivityEnvironment({}, { logger: QUIET }).run(control.planBatch, {
        batchId,
        ...SMALL_PERIOD,
        workflowId: batchId,
        runId: batchId,
        sensorsPerChild: 5,
        sensorsPerActivity,
      });
      const ranges = await Promise.all(
        groups.map((range) => small.store.planRanges(batchId, sensorsPerActivity, range)),
      );
      return { batchId, ranges: ranges.flat() };
    },
  };
}

interface Attempt {
  readonly end: Promise<ChunkOutcome>;
  cancel(): void;
}

function attempt({ activities }: Worker, batchId: string, range: SensorRange, number = 1): Attempt {
  const environment = new MockActivityEnvironment({ attempt: number }, { logger: QUIET });
  const end: Promise<ChunkOutcome> = environment.run(activities.scoreChunk, { batchId, ...SMALL_PERIOD, range });
  end.catch(() => {});
  return { end, cancel: () => environment.cancel() };
}

const reads: FaultPlan = ({ method, path }) =>
  method === 'GET' && path.includes('/models/') ? { kind: 'black hole' } : undefined;
const writes: FaultPlan = ({ method, path }) =>
  method === 'PUT' && path.includes('/predictions/') ? { kind: 'black hole' } : undefined;

/** Until the plan has swallowed something. */
async function swallowed(): Promise<void> {
  const before = proxy.faults.get('black hole') ?? 0;
  while ((proxy.faults.get('black hole') ?? 0) === before) await sleep(10);
}

test('a read of models that is never answered ends with its attempt; the next one, and other batches, read anew', async () => {
  const one = await worker(PATIENT);
  const { batchId, ranges } = await one.plan(5);
  proxy.plan(reads);
  const first = attempt(one, batchId, ranges[0]!);
  await swallowed();
  first.cancel();
  await expect(first.end).rejects.toBeInstanceOf(CancelledFailure);
  proxy.plan();
  expect(await attempt(one, batchId, ranges[0]!, 2).end).toMatchObject({ counts: { scored: 3 } });
  const other = await one.plan(5);
  expect(await attempt(one, other.batchId, other.ranges[0]!).end).toMatchObject({ counts: { scored: 3 } });
});

test('two chunks that share a read: one is called off, the other gets it', async () => {
  const one = await worker(PATIENT);
  const [a, b] = [await one.plan(5), await one.plan(5)];
  proxy.plan((request) => (reads(request) ? { kind: 'slow', ms: 1_500 } : undefined));
  const first = attempt(one, a.batchId, a.ranges[0]!);
  const second = attempt(one, b.batchId, b.ranges[0]!);
  await sleep(300);
  first.cancel();
  await expect(first.end).rejects.toBeInstanceOf(CancelledFailure);
  expect(await second.end).toMatchObject({ counts: { scored: 3 } });
});

test('a write that is never answered gives its share of memory back when its attempt is called off', async () => {
  const one = await worker(PATIENT, { budget: createBudget(1) });
  const { batchId, ranges } = await one.plan(2);
  proxy.plan(writes);
  const first = attempt(one, batchId, ranges[0]!);
  await swallowed();
  const second = attempt(one, batchId, ranges[1]!);
  first.cancel();
  await expect(first.end).rejects.toBeInstanceOf(CancelledFailure);
  proxy.plan();
  expect(await second.end).toMatchObject({ counts: { failed: 0 } });
});

test('one that has the worker to itself and gets no answer lets the others by when it is called off', async () => {
  const one = await worker(PATIENT);
  const { batchId, ranges } = await one.plan(2);
  proxy.plan(writes);
  const alone = attempt(one, batchId, ranges[0]!, 4);
  await swallowed();
  const behind = attempt(one, batchId, ranges[1]!);
  alone.cancel();
  await expect(alone.end).rejects.toBeInstanceOf(CancelledFailure);
  proxy.plan();
  expect(await behind.end).toMatchObject({ counts: { failed: 0 } });
  expect(await attempt(one, batchId, ranges[0]!, 5).end).toMatchObject({ counts: { scored: 2 } });
});

test.each<[string, FaultPlan]>([
  ['never comes', reads],
  ['drips in', (request) => (reads(request) ? { kind: 'drip', ms: 50 } : undefined)],
  ['is refused', (request) => (reads(request) ? { kind: 'status', status: 503 } : undefined)],
  [
    'is not allowed yet',
    (request) =>
      reads(request) ? { kind: 'status', status: 403, code: 'AuthorizationPermissionMismatch' } : undefined,
  ],
  [
    'has no container yet',
    (request) => (reads(request) ? { kind: 'status', status: 404, code: 'ContainerNotFound' } : undefined),
  ],
])(
  'a model that %s for a while costs the attempt time, nothing else',
  async (_, plan) => {
    const told: string[] = [];
    const one = await worker(QUICK, { warn: (message) => told.push(message) });
    const { batchId, ranges } = await one.plan(5);
    proxy.plan(plan);
    const waiting = attempt(one, batchId, ranges[0]!);
    while (!told.some((message) => message.startsWith('waiting for a service'))) await sleep(20);
    proxy.plan();
    expect(await waiting.end).toMatchObject({ counts: { scored: 3, failed: 0 } });
  },
  60_000,
);

test('an attempt does not wait for ever: past its patience it fails, and can be tried again', async () => {
  const one = await worker(QUICK, { patienceMs: 1_500 });
  const { batchId, ranges } = await one.plan(5);
  proxy.plan(() => ({ kind: 'reset' }));
  const failure = await attempt(one, batchId, ranges[0]!).end.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ApplicationFailure);
  expect(failure).toMatchObject({ type: 'BLOB_UNAVAILABLE', nonRetryable: false });
});
