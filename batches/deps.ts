/** What batches need from the control worker that runs them. */
import type { SeenSchedule } from '../domain/schedule-spec.ts';
import type { ChallengeSummary } from '../domain/challenge.ts';
import type { WindowShape } from '../domain/windowing.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Batch, Store } from '../storage/store.ts';
import type { AlertSettings } from './alerts.ts';
import type { Cause } from './failures.ts';
import type { Senders } from './tell-alarms.ts';

/** What the rules of a batch work with. */
export interface BatchDeps {
  /** Undefined when there is no such schedule (any more). */
  readonly seeSchedule?: (schedule: string) => Promise<SeenSchedule | undefined>;
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly codeVersion: string;
  /** Name of this process (domain/worker.ts): recorded with the failures that it decides. */
  readonly worker: string;
  readonly now: () => number;
  /** Windows as configured: say when those of a period are complete, and size the chunks of long periods. */
  readonly windows?: WindowShape;
  /** Task queue of each pool that is configured, by name; models may name no other. */
  readonly pools?: ReadonlyMap<string, string>;
  /** Ids of child workflows name no sensor: they are not encrypted when payloads are. */
  readonly unnamedChildren?: boolean;
  /** Sensors with a child workflow of their own keep a predictions file of their own. */
  readonly filePerSensor?: boolean;
  /** Absent: nobody is told about failed batches. */
  readonly alerts?: AlertSettings;
  /** Ways to tell of alarms. */
  readonly senders?: Senders;
  /** Where people open the web application; absent: nothing links there. */
  readonly appUrl?: string;
  /** Told of every batch that this worker closed: for logs and metrics. Must not throw. */
  readonly onClosed?: (closed: ClosedBatch) => void;
  /** Writes the pages of a batch that was closed. Absent: there are none. */
  readonly publish?: (batchId: string) => Promise<unknown>;
  /** Told what does not stop a batch: an alert that was not taken, pages that were not written. */
  readonly warn?: (message: string) => void;
}

export interface ClosedBatch {
  readonly batch: Batch;
  /** Rows of its predictions files. */
  readonly rows: number;
  readonly causes: readonly Cause[];
  /** What its challenger made of it, where it had one. */
  readonly challenge?: ChallengeSummary;
}
