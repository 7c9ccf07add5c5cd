/**
 * What the pool learns from looking: spin-up, speed of a worker, failures in a row. Kept by the workflow between
 * two looks, so it survives restarts. Pure.
 */
import { defined } from '../domain/defined.ts';
import type { Observation, RunningBatch, ScheduledBatch } from './policy-types.ts';
import { isGone, type PoolNode } from './pool.ts';
import type { PoolSettings } from './settings.ts';

export interface Measured {
  readonly spinUpMs: number;
  readonly sensorsPerSecond: number;
  /** Samples behind each; 0 while it is the first guess. */
  readonly spinUps: number;
  readonly speeds: number;
  readonly failures: { readonly inARow: number; readonly lastMs: number };
  /** Nodes already counted; only those the pool still lists. */
  readonly counted: readonly string[];
  /** What was due at the last look, and what was to go. */
  readonly upcoming: readonly ScheduledBatch[];
  readonly toGo: Readonly<Record<string, number>>;
  readonly atMs: number;
  readonly busyWorkers: number;
  /** When a batch was last seen with sensors to go; absent before the first. */
  readonly lastWorkMs?: number;
}

export function firstGuess(settings: Pick<PoolSettings, 'spinUpMs' | 'sensorsPerSecond'>): Measured {
  return {
    spinUpMs: settings.spinUpMs,
    sensorsPerSecond: settings.sensorsPerSecond,
    spinUps: 0,
    speeds: 0,
    failures: { inARow: 0, lastMs: 0 },
    counted: [],
    upcoming: [],
    toGo: {},
    atMs: 0,
    busyWorkers: 0,
  };
}

/** Weight of a new sample; the very first replaces the guess. Slower spin-ups count at once: late nodes cost more. */
const WEIGHT = 0.3;
/** A batch that was due so long ago must have shown up. */
const JUST_DUE_MS = 15_000;

export type Seen = Pick<Observation, 'nowMs' | 'batches' | 'upcoming' | 'workers'> & {
  readonly nodes: readonly PoolNode[];
};

export function learn(before: Measured, seen: Seen): Measured {
  const counted = new Set(before.counted);
  let { spinUpMs, spinUps } = before;
  let { inARow, lastMs } = before.failures;
  const order = seen.nodes
    .filter((node) => !counted.has(node.id) && (node.readyAtMs !== undefined || isGone(node.state)))
    .sort((a, b) => (a.readyAtMs ?? a.endedAtMs ?? 0) - (b.readyAtMs ?? b.endedAtMs ?? 0));
  for (const node of order) {
    counted.add(node.id);
    if (node.readyAtMs === undefined) {
      if (node.state !== 'failed' && node.state !== 'preempted') continue; // cancelled, or let go before it was ready
      inARow += 1;
      lastMs = Math.max(lastMs, node.endedAtMs ?? seen.nowMs);
      continue;
    }
    inARow = 0;
    const sample = Math.max(0, node.readyAtMs - node.requestedAtMs);
    spinUpMs = spinUps === 0 || sample > spinUpMs ? sample : spinUpMs + WEIGHT * (sample - spinUpMs);
    spinUps += 1;
  }
  return {
    spinUpMs: Math.round(spinUpMs),
    spinUps,
    failures: { inARow, lastMs },
    ...speed(before, seen),
    counted: seen.nodes.map((node) => node.id).filter((id) => counted.has(id)),
    upcoming: seen.upcoming,
    toGo: Object.fromEntries(seen.batches.map((batch) => [batch.id, batch.sensorsToGo])),
    atMs: seen.nowMs,
    busyWorkers: seen.workers.filter((worker) => worker.busyTasks > 0).length,
    ...defined({ lastWorkMs: seen.batches.some((batch) => batch.sensorsToGo > 0) ? seen.nowMs : before.lastWorkMs }),
  };
}

/** Sensors decided since the last look, over the workers that were busy at both. */
function speed(before: Measured, seen: Seen): Pick<Measured, 'sensorsPerSecond' | 'speeds'> {
  const same = { sensorsPerSecond: before.sensorsPerSecond, speeds: before.speeds };
  const busy = Math.min(before.busyWorkers, seen.workers.filter((worker) => worker.busyTasks > 0).length);
  const seconds = (seen.nowMs - before.atMs) / 1_000;
  const done = seen.batches.reduce(
    (sum, batch) => sum + Math.max(0, (before.toGo[batch.id] ?? batch.sensorsToGo) - batch.sensorsToGo),
    0,
  );
  if (busy === 0 || busy !== before.busyWorkers || before.atMs === 0 || seconds < 1 || done === 0) return same;
  const sample = done / seconds / busy;
  return {
    sensorsPerSecond:
      before.speeds === 0 ? sample : before.sensorsPerSecond + WEIGHT * (sample - before.sensorsPerSecond),
    speeds: before.speeds + 1,
  };
}

/**
 * Batches that were due a moment ago and are not seen yet: they start within seconds, and their nodes must not
 * be let go in between.
 */
export function justDue(before: Measured, seen: Pick<Seen, 'nowMs' | 'batches'>): RunningBatch[] {
  return before.upcoming
    .filter(
      (due) =>
        due.atMs <= seen.nowMs &&
        due.atMs > seen.nowMs - JUST_DUE_MS &&
        !seen.batches.some((batch) => batch.sinceMs >= due.atMs - 1_000),
    )
    .map((due) => ({
      id: `${due.schedule} at ${due.atMs}`,
      sensorsToGo: due.sensors,
      sinceMs: due.atMs,
      queued: false,
    }));
}

/**
 * The server's count of a queue is an estimate that follows some seconds behind; so long after the last work it says
 * nothing.
 */
const BACKLOG_LAGS_MS = 30_000;

/**
 * Without the tasks that the server still counts after the last sensor has its outcome: nobody waits for them, and a
 * node asked for on their account would come for nothing. Tasks that do wait are believed a little later.
 */
export function withoutOldTasks(seen: Observation, before: Pick<Measured, 'lastWorkMs'>): Observation {
  const isOld =
    seen.batches.every((batch) => batch.sensorsToGo === 0) &&
    before.lastWorkMs !== undefined &&
    seen.nowMs - before.lastWorkMs < BACKLOG_LAGS_MS;
  return isOld && seen.backlog.tasks > 0 ? { ...seen, backlog: { tasks: 0, ageMs: 0 } } : seen;
}
