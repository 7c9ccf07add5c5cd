/**
 * Activities of the pool's loop: look at Temporal, the store and the nodes; act on the nodes; keep the record.
 * Served where the nodes are reached from: the control worker for Azure, the supervisor of the laptop stack.
 */
import type { Client } from '@temporalio/client';
import { defined } from '../domain/defined.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { hasStatus, msOf, QUEUE_TYPE, WORKER_RUNNING } from '../domain/temporal-service.ts';
import { recordDecision, recordNodes } from '../pool/ledger.ts';
import { renewAlive, RENEW_EVERY_MS } from '../pool/lease.ts';
import {
  withWorkers,
  type ActInput,
  type ActResult,
  type PoolActivities,
  type PoolView,
  type WorkerReport,
} from '../pool/loop.ts';
import type { Pool } from '../pool/pool.ts';
import { nodeOfWorker } from '../domain/worker.ts';
import type { PoolSettings } from '../pool/settings.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';
import { asActivity } from './failures.ts';
import { withHeartbeat } from './heartbeat.ts';
import { runningBatches, scheduledBatches, sensorsOfPool } from './pool-work.ts';

export interface PoolDeps {
  readonly client: Client;
  readonly store: Store;
  readonly blobs: BlobStore;
  /** The pool with these settings; the same one for the same name. */
  readonly poolOf: (settings: PoolSettings) => Pool;
  readonly now: () => number;
}

/** Wait when the management API refuses for its rate and does not say for how long. */
const THROTTLED_MS = 30_000;

export function createPoolActivities(deps: PoolDeps): PoolActivities {
  const renewed = new Map<string, number>();
  /** Workers on other machines stay while their pool gives signs of life. */
  const signOfLife = async ({ kind, name }: PoolSettings): Promise<void> => {
    if (kind === 'local' || deps.now() - (renewed.get(name) ?? 0) < RENEW_EVERY_MS) return;
    await renewAlive(deps.blobs, name, deps.now());
    renewed.set(name, deps.now());
  };
  const run = <T>(work: () => Promise<T>): Promise<T> => withHeartbeat(() => asActivity(work));
  return {
    preparePool: (settings) => run(() => deps.poolOf(settings).prepare(settings)),
    observePool: (settings) =>
      run(async () => {
        await signOfLife(settings);
        return observe(deps, settings);
      }),
    actOnPool: (input) => run(() => act(deps, input)),
  };
}

async function observe(deps: PoolDeps, settings: PoolSettings): Promise<PoolView> {
  const sensors = await sensorsOfPool(deps.store, settings);
  const [status, batches, upcoming, backlog, workers] = await Promise.all([
    deps.poolOf(settings).status(),
    runningBatches(deps.client, deps.store, settings, sensors, deps.now()),
    scheduledBatches(deps.client, sensors),
    backlogOf(deps.client, settings.taskQueue),
    workersOf(deps, settings.taskQueue),
  ]);
  const { outside, ...rest } = status;
  // A cluster that gives more than the pool may have says nothing about the pool's own limit.
  const lower = outside?.maxNodes !== undefined && outside.maxNodes < settings.maxNodes;
  const view: PoolView = {
    ...rest,
    ...(lower ? { outside } : {}),
    nowMs: deps.now(),
    batches,
    upcoming,
    backlog,
    workers,
  };
  await recordNodes(deps.blobs, settings, withWorkers(view), view.nowMs);
  return view;
}

async function backlogOf(client: Client, taskQueue: string): Promise<PoolView['backlog']> {
  const { stats } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: QUEUE_TYPE.activity,
    reportStats: true,
  });
  return { tasks: Number(stats?.approximateBacklogCount ?? 0), ageMs: msOf(stats?.approximateBacklogAge) };
}

/** A worker that has not reported for three of its intervals is gone. */
const MISSED_REPORTS = 3;
const SLACK_MS = 5_000;
const LONGEST_INTERVAL_MS = 60_000;

/** Workers by their own reports to Temporal; by their polls where the server keeps no reports. */
async function workersOf({ client, now }: PoolDeps, taskQueue: string): Promise<WorkerReport[]> {
  const { namespace } = client.options;
  const found: WorkerReport[] = [];
  try {
    for (let nextPageToken: Uint8Array | undefined; ;) {
      const page = await client.workflowService.listWorkers({
        namespace,
        query: `TaskQueue = '${taskQueue.replaceAll("'", '')}'`,
        pageSize: 200,
        ...(nextPageToken ? { nextPageToken } : {}),
      });
      for (const { workerHeartbeat } of page.workersInfo ?? []) {
        const report = workerHeartbeat && reportOf(workerHeartbeat, taskQueue, now());
        if (report) found.push(report);
      }
      nextPageToken = page.nextPageToken?.length ? page.nextPageToken : undefined;
      if (!nextPageToken) return found;
    }
  } catch (error) {
    if (!hasStatus(error, 'UNIMPLEMENTED')) throw error;
    return pollersOf(client, taskQueue);
  }
}

type Heartbeat = NonNullable<
  NonNullable<Awaited<ReturnType<Client['workflowService']['listWorkers']>>['workersInfo']>[number]['workerHeartbeat']
>;

/** What a worker says of itself; undefined for one that has ended, is gone, or polls another queue. */
function reportOf(beat: Heartbeat, taskQueue: string, nowMs: number): WorkerReport | undefined {
  if (beat.status !== WORKER_RUNNING || beat.taskQueue !== taskQueue) return undefined;
  const intervalMs = msOf(beat.elapsedSinceLastHeartbeat) || LONGEST_INTERVAL_MS;
  if (nowMs - msOf(beat.heartbeatTime) > MISSED_REPORTS * intervalMs + SLACK_MS) return undefined;
  const slots = beat.activityTaskSlotsInfo;
  return {
    key: beat.workerInstanceKey ?? '',
    ...defined({ node: nodeOfWorker(beat.workerIdentity ?? '') }),
    startedAtMs: msOf(beat.startTime),
    busyTasks: slots?.currentUsedSlots ?? 0,
    processed: slots?.totalProcessedTasks ?? 0,
  };
}

/** Without reports nobody knows who is busy: everyone counts as busy, so nobody is let go with work. */
async function pollersOf(client: Client, taskQueue: string): Promise<WorkerReport[]> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: QUEUE_TYPE.activity,
  });
  return (pollers ?? []).map((poller) => {
    const node = nodeOfWorker(poller.identity ?? '');
    return {
      key: poller.identity ?? '',
      ...defined({ node }),
      startedAtMs: msOf(poller.lastAccessTime),
      busyTasks: 1,
      processed: 0,
    };
  });
}

/** What cannot be done is told, not thrown: the loop looks again and decides anew. */
async function act(deps: PoolDeps, input: ActInput): Promise<ActResult> {
  const { settings, record } = input;
  const pool = deps.poolOf(settings);
  let result: ActResult = {};
  try {
    if (input.cancel.length > 0) await pool.cancelQueued(input.cancel);
    if (input.drain.length > 0) await pool.drain(input.drain);
    if (input.grow.length > 0) await pool.grow(input.grow);
  } catch (error) {
    const throttled = error instanceof FleetscoreError && error.code === 'POOL_THROTTLED';
    result = {
      problem: messageOf(error),
      ...(throttled
        ? {
            throttledUntilMs:
              deps.now() + ((error.cause as { retryAfterMs?: number } | undefined)?.retryAfterMs ?? THROTTLED_MS),
          }
        : {}),
    };
  }
  if (record) await recordDecision(deps.blobs, settings.name, record);
  return result;
}
