/**
 * What workflows ask for. Inputs and results stay in the workflow history, so they hold ids, ranges,
 * counts and a few failures by name; never readings, never the sensor list.
 */
import type { BatchClass } from '../domain/batch-failure.ts';
import type { FailureClass, OutcomeCounts } from '../domain/outcome.ts';
import type { SensorKey } from '../domain/sensor.ts';
import type { Period } from '../domain/time.ts';

/** Sensor ids, half open, of which `count` are planned. */
export interface SensorRange {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** The sensor, when there is only one: names the child workflow and the predictions file. */
  readonly single?: SensorKey;
  /** Of these ids only the sensors whose model names this pool; '' for those that name none. All when absent. */
  readonly pool?: string;
  /** Task queue where they are scored; the default pool's when absent. */
  readonly queue?: string;
  /** Sensors of each of its scoring activities, where that is not the batch's. */
  readonly sensorsPerActivity?: number;
}

export interface PlanInput extends Period {
  readonly batchId: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly schedule?: string;
  /** `current` when absent. */
  readonly release?: string;
  /** Plan only the failed and cancelled sensors of this batch. */
  readonly redrive?: string;
  /** With `redrive`: these sensors instead of those that failed, as `DEVICE/SENSOR`, both encoded. */
  readonly sensors?: readonly string[];
  /** Plan only sensors whose windows changed since they were scored for this period. */
  readonly rescore?: boolean;
  readonly sensorsPerChild?: number;
  readonly sensorsPerActivity?: number;
}

/** A batch as its workflow knows it before anything can fail; `release` as asked for. */
export interface AnnounceInput extends PlanInput {
  /** As {@link ControlActivities.readingsReady} takes it; absent: nothing is planned along with the announcement. */
  readonly waitUntilMs?: number;
}

/** What one child workflow scores. */
export interface PlannedGroup extends SensorRange {
  /** The ranges of its scoring activities, where they are few and more than one; else the child asks for them. */
  readonly chunks?: readonly SensorRange[];
}

export interface BatchPlan {
  readonly release: string;
  readonly planned: number;
  readonly sensorsPerActivity: number;
  readonly groups: readonly PlannedGroup[];
  /** Ids of child workflows are made of sensor ids, not of names. */
  readonly unnamedChildren?: boolean;
  /** Address of its page in the web application, where one is known. */
  readonly page?: string;
}

export interface ReadingsState {
  /** False while readings of the period may still come, and the wait limit has not passed. */
  readonly ready: boolean;
  /** How far the slowest partition is, epoch ms; absent when nothing was ingested yet. */
  readonly watermarkMs?: number;
  /** How far it must be: the end of the last window that starts in the period, epoch ms. */
  readonly neededMs?: number;
}

export interface ChunkInput extends Period {
  readonly batchId: string;
  readonly range: SensorRange;
}

/** One failed sensor, for the reader of the history; message cut to 300 characters. */
export interface FailureNote extends SensorKey {
  readonly class: FailureClass;
  readonly message: string;
}

export interface ChunkOutcome {
  readonly counts: OutcomeCounts;
  /** The first few. */
  readonly failures: readonly FailureNote[];
}

export interface FailRangeInput {
  readonly batchId: string;
  readonly range: SensorRange;
  readonly class: 'timeout' | 'worker_lost' | 'store_error' | 'blob_error' | 'internal';
  readonly message: string;
  readonly attempt: number;
}

export interface FinishInput extends Period {
  readonly batchId: string;
  /** How the workflow came to its end; `aborted` by an error that is not of a single sensor. */
  readonly ending: 'done' | 'cancelled' | 'aborted';
  readonly message?: string;
  /** Why it was aborted; absent from workflows of earlier versions. */
  readonly class?: BatchClass;
  readonly toleratedFailurePercentage: number;
  readonly toleratedFailureCount?: number;
  /** Skipped sensors, in percent, past which the batch fails; no limit when absent. */
  readonly toleratedSkippedPercentage?: number;
}

export interface LateInput extends Period {
  /** Only periods of this schedule. */
  readonly schedule?: string;
}

/** A batch that a schedule started, or a person through the schedule. */
export interface SchedulePeriodInput {
  readonly schedule: string;
  /** Epoch ms. */
  readonly scheduledMs: number;
  /** As the request has them. */
  readonly period: string;
  readonly delay?: string;
}

export interface BatchResult {
  readonly batchId: string;
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly release: string;
  readonly planned: number;
  readonly counts: OutcomeCounts;
  readonly files: number;
  readonly manifest: string;
  /** Why it failed as a whole. */
  readonly class?: BatchClass;
  /** The same for people, with the top causes. */
  readonly message?: string;
}

/** What became of the alarms of a batch. */
export interface RaisedAlarms {
  /** Sensors that were decided on. */
  readonly sensors: number;
  readonly activated: number;
  readonly cleared: number;
}

/** Run by control workers, on the `control` task queue. */
export interface ControlActivities {
  /**
   * Puts the batch on record, with the status `waiting`. Where its readings are complete at that moment it is planned
   * along with it, which spares two activities; else, and when planning fails, null: `readingsReady` and `planBatch`
   * are asked, and tell what is wrong. Null also from workers of earlier versions.
   */
  announceBatch(input: AnnounceInput): Promise<BatchPlan | null>;
  /** The period in the calendar of the schedule: periods of a schedule leave no gap where clocks change. */
  schedulePeriod(input: SchedulePeriodInput): Promise<Period>;
  readingsReady(input: Period & { readonly waitUntilMs: number }): Promise<ReadingsState>;
  planBatch(input: PlanInput): Promise<BatchPlan>;
  /** Earlier periods inside [from, to) with sensors whose windows changed after they were scored, oldest first. */
  latePeriods(input: LateInput): Promise<Period[]>;
  /** Splits a group into the ranges of its scoring activities. */
  planGroup(input: {
    readonly batchId: string;
    readonly range: SensorRange;
    readonly sensorsPerActivity: number;
  }): Promise<SensorRange[]>;
  /** Records a failure for the sensors of a range that have no outcome yet. */
  failRange(input: FailRangeInput): Promise<ChunkOutcome>;
  /** Closes the batch: an outcome for every sensor, manifest, status. Null when the batch was never recorded. */
  finishBatch(input: FinishInput): Promise<BatchResult | null>;
  /** Decides on the alarms of a batch that is closed. */
  raiseAlarms(input: { readonly batchId: string }): Promise<RaisedAlarms>;
}

/** Run by scoring workers, on the `scoring` task queue. */
export interface ScoringActivities {
  scoreChunk(input: ChunkInput): Promise<ChunkOutcome>;
}
