/** What the page of a pool is drawn from: its record over a span of time. Times are epoch milliseconds. */
import type { Period } from '../../domain/time.ts';

/** One look at the pool. */
export interface PoolLook {
  readonly atMs: number;
  /** Nodes there should be. */
  readonly target: number;
  /** Workers that have something to do. */
  readonly busy: number;
  /** Tasks that wait in the queue. */
  readonly tasks: number;
  /** Planned sensors of running batches without an outcome. */
  readonly sensorsToGo: number;
}

/** One node from being asked for to its end; an end that is absent lies after the span. */
export interface PoolNodeLife {
  readonly id: string;
  readonly requestedAtMs: number;
  /** When it got a machine, where it may wait for one without being paid for. */
  readonly billedFromMs?: number;
  readonly readyAtMs?: number;
  readonly endedAtMs?: number;
  /** How it ended, for people. */
  readonly end?: string;
  /** It came to an end that nobody wanted: killed, preempted, failed. */
  readonly lost?: boolean;
}

export interface PoolBatch {
  readonly id: string;
  /** When it was scheduled; absent for one that was started by hand. */
  readonly dueMs?: number;
  readonly startedAtMs: number;
  readonly finishedAtMs?: number;
  readonly sensors: number;
  readonly status: string;
}

/** Something that happened, marked in every chart. */
export interface PoolMark {
  readonly atMs: number;
  readonly text: string;
}

/** A promise, whether it was kept, and what was measured. */
export interface Statement {
  readonly ok: boolean;
  readonly text: string;
  readonly measured: string;
}

export interface PoolPageData extends Period {
  readonly pool: string;
  readonly maxNodes?: number;
  readonly looks: readonly PoolLook[];
  readonly nodes: readonly PoolNodeLife[];
  readonly batches: readonly PoolBatch[];
  readonly marks: readonly PoolMark[];
  readonly statements: readonly Statement[];
  /** `name: value` lines above the charts. */
  readonly facts: readonly (readonly [string, string])[];
}

/** Nodes over time as steps: how many were coming, and how many had a worker. Ascending, one step a change. */
export function nodeSteps(
  nodes: readonly PoolNodeLife[],
  { fromMs, toMs }: Period,
): { readonly atMs: number; readonly coming: number; readonly ready: number }[] {
  const changes = nodes
    .flatMap(({ requestedAtMs, readyAtMs, endedAtMs }) => {
      const end = endedAtMs ?? Number.POSITIVE_INFINITY;
      const ready = Math.min(readyAtMs ?? end, end);
      return [
        { atMs: requestedAtMs, coming: 1, ready: 0 },
        { atMs: ready, coming: -1, ready: ready < end ? 1 : 0 },
        ...(ready < end ? [{ atMs: end, coming: 0, ready: -1 }] : []),
      ];
    })
    .sort((a, b) => a.atMs - b.atMs);
  const steps = [{ atMs: fromMs, coming: 0, ready: 0 }];
  for (const change of changes) {
    if (change.atMs >= toMs) break;
    const last = steps.at(-1)!;
    const next = {
      atMs: Math.max(fromMs, change.atMs),
      coming: last.coming + change.coming,
      ready: last.ready + change.ready,
    };
    if (next.atMs === last.atMs) steps[steps.length - 1] = next;
    else steps.push(next);
  }
  return steps;
}
