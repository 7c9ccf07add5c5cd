/**
 * What a pool of worker nodes can do, wherever the nodes are. Ids of new nodes come from the caller, so that a
 * repeated call starts nothing twice. A pool never stops a worker with work: draining lets it finish first.
 */

import type { NodePriority } from './settings.ts';

/**
 * `queued`: asked for, nothing billed; `starting`: a machine comes up; `ready`: its worker runs; `leaving`: told
 * to go; `ended`, `failed`, `preempted`: gone.
 */
export type NodeState = 'queued' | 'starting' | 'ready' | 'leaving' | 'ended' | 'failed' | 'preempted';

export interface PoolNode {
  readonly id: string;
  readonly state: NodeState;
  /** Epoch ms. */
  readonly requestedAtMs: number;
  readonly readyAtMs?: number;
  readonly endedAtMs?: number;
  /** From when its machine is paid for, epoch ms, where that is not from the moment it was asked for. */
  readonly billedFromMs?: number;
  /** Why it failed, or how it ended. */
  readonly detail?: string;
  /** What it runs on, where that is not what the pool's settings say. */
  readonly priority?: NodePriority;
  readonly vmSize?: string;
}

export const isGone = (state: NodeState): boolean => state === 'ended' || state === 'failed' || state === 'preempted';

export interface PoolStatus {
  /** Nodes that live, and those that went lately. */
  readonly nodes: readonly PoolNode[];
  /** Nodes the outside gives at the most right now; absent when it does not say. */
  readonly capacity?: number;
  /** Limits as they are set outside; a pool that differs adopts them. */
  readonly outside?: { readonly maxNodes?: number; readonly minNodes?: number };
  readonly throttledUntilMs?: number;
  /** Trouble that people should see: quota, allocation, preemption. */
  readonly notes: readonly string[];
}

export interface Pool {
  readonly name: string;
  /** Makes the pool ready to take nodes, at the most `maxNodes`. Says what it changed. */
  prepare(limits: { readonly maxNodes: number }): Promise<readonly string[]>;
  status(): Promise<PoolStatus>;
  /**
   * Asks for nodes with these ids. Ids that are known already are left alone.
   * @throws FleetscoreError `POOL_THROTTLED`, `POOL_UNAVAILABLE` (retryable), `POOL_REFUSED`
   */
  grow(ids: readonly string[]): Promise<void>;
  /** Lets nodes go: each ends once its worker has no work. Ids that are gone are left alone. */
  drain(ids: readonly string[]): Promise<void>;
  /** Cancels nodes that are still queued; one that has started meanwhile stays. Returns those cancelled. */
  cancelQueued(ids: readonly string[]): Promise<readonly string[]>;
}
