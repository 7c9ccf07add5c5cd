/** What a look at everything that runs has seen, for `fleetscore status`. */
import type { DropState } from '../../domain/drop.ts';
import type { PartitionState } from '../../connect/partition-states.ts';
import type { StuckWorkflow } from '../../connect/workflow-problems.ts';
import type { Answer } from '../../domain/answer.ts';
import type { Holder } from '../../ingest/holders.ts';
import type { Batch, StoreRoom } from '../../storage/store.ts';
import type { PoolState } from '../../workflows/pool-messages.ts';

export interface ScheduleSeen {
  readonly name: string;
  readonly paused: boolean;
  /** Epoch ms; absent when none is to come. */
  readonly nextMs?: number;
}

export interface RunningSeen {
  readonly id: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** As its workflow says; `unknown` when that could not be asked, `lost (terminated)` when it has ended so. */
  readonly phase: string;
  /** How its workflow ended, while the record is still open: nothing goes on with it. */
  readonly lost?: string;
  readonly paused: boolean;
  readonly planned: number;
  readonly done: number;
  readonly failed: number;
  readonly anomalies: number;
  readonly startedAtMs: number;
}

export interface PoolSeen {
  readonly name: string;
  /** Null where no loop of this pool runs. */
  readonly loop: Answer<PoolState | null>;
}

/** What failed in a batch: a sensor, or the batch as a whole. */
export interface FailureSeen {
  readonly batch: string;
  readonly device?: string;
  readonly sensor?: string;
  readonly class: string;
  readonly message: string;
}

export interface Look {
  readonly atMs: number;
  readonly temporal: Answer<{
    readonly schedules: readonly ScheduleSeen[];
    readonly workers: { readonly control: number; readonly scoring: number };
    readonly stuck: readonly StuckWorkflow[];
  }>; // scoring: of all pools
  /** By schedule: periods of the last week that no batch scored. */
  readonly notScored: Answer<ReadonlyMap<string, number>>;
  readonly store: Answer<{
    readonly sensors: number;
    /** Of these, out of service. */
    readonly retired: number;
    readonly release?: string;
    readonly last: readonly Batch[];
    /** The newest batch of each schedule. */
    readonly bySchedule: ReadonlyMap<string, Batch>;
    readonly failures: readonly FailureSeen[];
    /** Where the store is a file. */
    readonly room?: StoreRoom;
    /** Files of the drop. */
    readonly dropped: Readonly<Record<DropState, number>>;
  }>;
  readonly blob: Answer<true>;
  readonly eventHubs: Answer<true>;
  readonly running: Answer<readonly RunningSeen[]>;
  /** Those that are configured here, in their order. */
  readonly pools: Answer<readonly PoolSeen[]>;
  /** By partition; without lag when Event Hubs does not answer. */
  readonly ingest: Answer<readonly PartitionState[]>;
  /** Who reads each partition of the hub; absent where Event Hubs or Blob does not answer. */
  readonly holders?: ReadonlyMap<string, Holder>;
}
