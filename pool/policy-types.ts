/** What the scaling policy is told of a pool, and what it decides. Times are epoch ms, lengths are ms. */

/** A batch that is under way. */
export interface RunningBatch {
  readonly id: string;
  /** Planned sensors without an outcome. */
  readonly sensorsToGo: number;
  /**
   * Since then its tasks are in the queue (it runs, when they are not yet); it is to be done `finishWithinMs` later.
   * Epoch ms.
   */
  readonly sinceMs: number;
  /** False while it waits for its readings or plans: its tasks are not in the queue yet. */
  readonly queued: boolean;
}

export interface ScheduledBatch {
  readonly schedule: string;
  /** Epoch ms. */
  readonly atMs: number;
  /** Sensors it will score. */
  readonly sensors: number;
  /** It should be done before the next one of its schedule; `finishWithinMs` when that is shorter. */
  readonly withinMs?: number;
}

/** A worker that polls the pool's task queue. */
export interface WorkerSeen {
  /** Node of the pool; absent for a worker that somebody started by hand: it works, and is never stopped. */
  readonly node?: string;
  readonly busyTasks: number;
  /** 0 for a busy one. */
  readonly idleForMs: number;
}

/** Node of the pool without a worker yet. */
export interface NodeComing {
  readonly id: string;
  /** `queued`: nothing is allocated or billed, so it can be cancelled; `starting`: a machine comes up. */
  readonly state: 'queued' | 'starting';
}

export interface Observation {
  readonly nowMs: number;
  readonly batches: readonly RunningBatch[];
  /** The next scheduled batches, in any order; the past ones are ignored. */
  readonly upcoming: readonly ScheduledBatch[];
  /** Tasks that wait in the task queue, and for how long the oldest has. */
  readonly backlog: { readonly tasks: number; readonly ageMs: number };
  readonly workers: readonly WorkerSeen[];
  readonly coming: readonly NodeComing[];
  /** Nodes that are on their way out: they count for nothing. */
  readonly leaving: number;
  /** Measured, or the first guess: asking for a node to its worker polling; letting go to no longer billed. */
  readonly spinUpMs: number;
  readonly spinDownMs: number;
  /** Measured: sensors a second of one busy worker. */
  readonly sensorsPerSecond: number;
  /** Nodes that the outside gives at the most right now (quota, limits set elsewhere). */
  readonly capacity?: number;
  /** Nodes that came to nothing, one after the other, without a success since; when the last did. */
  readonly failures?: { readonly inARow: number; readonly lastMs: number };
  /** The management API asked for silence until then. */
  readonly throttledUntilMs?: number;
}

export type PoolMode = 'active' | 'paused' | 'draining';

export interface Decision {
  /** Nodes there should be. */
  readonly target: number;
  /** Nodes to ask for now. */
  readonly grow: number;
  /** Queued nodes to cancel. */
  readonly cancel: readonly string[];
  /** Nodes whose idle worker is to go. */
  readonly drain: readonly string[];
  /** When to look again at the latest. */
  readonly waitMs: number;
  /** In words, for people. */
  readonly reason: string;
  /** The next scheduled batch, if any: epoch ms. */
  readonly nextDueMs?: number;
}
