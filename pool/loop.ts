/**
 * What the loop of a pool asks of the outside, and how what it sees becomes the policy's input. Types and pure
 * functions only: the workflow imports this.
 */
import type { DecisionRecord } from './ledger.ts';
import { justDue, type Measured } from './measure.ts';
import type { Decision, Observation, RunningBatch, ScheduledBatch, WorkerSeen } from './policy-types.ts';
import type { PoolNode, PoolStatus } from './pool.ts';
import type { PoolSettings } from './settings.ts';
import { defined } from '../domain/defined.ts';

/** A worker of the task queue, as Temporal reports it. */
export interface WorkerReport {
  /** Unique among the workers that live. */
  readonly key: string;
  readonly node?: string;
  readonly startedAtMs: number;
  readonly busyTasks: number;
  /** Tasks it has ended since it started. */
  readonly processed: number;
}

export interface PoolView extends PoolStatus {
  readonly nowMs: number;
  readonly batches: readonly RunningBatch[];
  readonly upcoming: readonly ScheduledBatch[];
  readonly backlog: { readonly tasks: number; readonly ageMs: number };
  readonly workers: readonly WorkerReport[];
}

export interface ActInput {
  readonly settings: PoolSettings;
  readonly grow: readonly string[];
  readonly cancel: readonly string[];
  readonly drain: readonly string[];
  readonly record?: DecisionRecord;
}

export interface ActResult {
  /** Set when the management API asked for silence. */
  readonly throttledUntilMs?: number;
  /** What could not be done. */
  readonly problem?: string;
}

/** Served on the pool's `activityQueue`. */
export interface PoolActivities {
  preparePool(settings: PoolSettings): Promise<readonly string[]>;
  observePool(settings: PoolSettings): Promise<PoolView>;
  actOnPool(input: ActInput): Promise<ActResult>;
}

/** Since when each worker has had nothing to do: kept between two looks. */
export type IdleSince = Readonly<Record<string, { readonly sinceMs: number; readonly processed: number }>>;

/** A worker that ended a task since the last look has been idle only from now on. */
export function trackIdle(before: IdleSince, view: Pick<PoolView, 'nowMs' | 'workers'>): IdleSince {
  return Object.fromEntries(
    view.workers
      .filter((worker) => worker.busyTasks === 0)
      .map((worker) => {
        const known = before[worker.key];
        return [
          worker.key,
          known && known.processed === worker.processed ? known : { sinceMs: view.nowMs, processed: worker.processed },
        ];
      }),
  );
}

/** Nodes with the moment their worker came up, where only Temporal knows it. */
export function withWorkers(view: PoolView): PoolNode[] {
  const byNode = new Map(
    view.workers.flatMap((worker) => (worker.node === undefined ? [] : [[worker.node, worker] as const])),
  );
  return view.nodes.map((node) => {
    const worker = byNode.get(node.id);
    if (!worker || node.readyAtMs !== undefined) return node;
    return {
      ...node,
      readyAtMs: Math.max(node.requestedAtMs, worker.startedAtMs),
      state: node.state === 'queued' || node.state === 'starting' ? 'ready' : node.state,
    };
  });
}

export function observation(
  view: PoolView,
  idle: IdleSince,
  measured: Measured,
  settings: PoolSettings,
  throttledUntilMs: number | undefined,
): Observation {
  const nodes = withWorkers(view);
  const stateOf = new Map(nodes.map((node) => [node.id, node.state]));
  const workers = view.workers
    .filter((worker) => worker.node === undefined || stateOf.get(worker.node) === 'ready')
    .map((worker): WorkerSeen => ({
      ...defined({ node: worker.node }),
      busyTasks: worker.busyTasks,
      idleForMs: worker.busyTasks > 0 ? 0 : view.nowMs - (idle[worker.key]?.sinceMs ?? view.nowMs),
    }));
  const polling = new Set(workers.map((worker) => worker.node));
  const until = Math.max(view.throttledUntilMs ?? 0, throttledUntilMs ?? 0);
  return {
    nowMs: view.nowMs,
    batches: [...view.batches, ...justDue(measured, view)],
    upcoming: view.upcoming,
    backlog: view.backlog,
    workers,
    // A ready node whose worker does not poll yet (or not for the moment) is still coming.
    coming: nodes
      .filter(
        (node) =>
          node.state === 'queued' || node.state === 'starting' || (node.state === 'ready' && !polling.has(node.id)),
      )
      .map((node) => ({ id: node.id, state: node.state === 'queued' ? 'queued' : 'starting' })),
    leaving: nodes.filter((node) => node.state === 'leaving').length,
    spinUpMs: measured.spinUpMs,
    spinDownMs: settings.spinDownMs,
    sensorsPerSecond: measured.sensorsPerSecond,
    ...defined({ capacity: view.capacity }),
    failures: measured.failures,
    ...(until > 0 ? { throttledUntilMs: until } : {}),
  };
}

export function decisionRecord(seen: Observation, decision: Decision): DecisionRecord {
  return {
    atMs: seen.nowMs,
    target: decision.target,
    ready: seen.workers.length,
    busy: seen.workers.filter((worker) => worker.busyTasks > 0).length,
    coming: seen.coming.length,
    backlog: seen.backlog.tasks,
    sensorsToGo: seen.batches.reduce((sum, batch) => sum + batch.sensorsToGo, 0),
    batches: seen.batches.length,
    reason: decision.reason,
    ...defined({ nextDueMs: decision.nextDueMs }),
  };
}
