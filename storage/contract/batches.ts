/** Batches: announced, planned, closed. What is closed never changes. Rules of all contracts: store.ts. */
import type { BatchClass } from '../../domain/batch-failure.ts';
import type { OutcomeCounts } from '../../domain/outcome.ts';
import type { Sensor } from '../../domain/sensor.ts';
import type { Threshold } from '../../domain/threshold.ts';
import type { Period } from '../../domain/time.ts';
import type { IdRange } from './sensors.ts';

/** Sensors of a batch that are scored in one pool; '' is the pool of those that name none. */
export interface BatchPool {
  readonly pool: string;
  readonly planned: number;
  /** Sensors that have an outcome; they are not counted by pool where their batch was aborted. */
  readonly decided: number;
}

/** `waiting`: on record, and its sensors are not planned yet. */
export type BatchStatus = 'waiting' | 'running' | 'completed' | 'failed' | 'cancelled';
export type BatchEnd = Exclude<BatchStatus, 'waiting' | 'running'>;
export type BatchKind = 'score' | 'redrive' | 'rescore';

export interface NewBatch extends Period {
  readonly id: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly kind: BatchKind;
  /** Schedule that started it, if any. */
  readonly schedule?: string;
  readonly release: string;
  /** Batch whose outcomes this one renews, for redrive and rescore. */
  readonly supersedes?: string;
  /** Sensors to plan; all of the sensor list when absent. */
  readonly sensorIds?: readonly number[];
  /** Sensors of the list that are not planned; where `sensorIds` says which ones are, it means nothing. */
  readonly leftOut?: readonly number[];
  readonly codeVersion: string;
  readonly startedAtMs: number;
}

/** A batch before it is planned: its release and sensors are fixed by {@link BatchStore.createBatch}. */
export interface AnnouncedBatch extends Omit<NewBatch, 'release' | 'sensorIds' | 'leftOut'> {
  /** The release that was asked for, known or not; the current one of then when absent. */
  readonly release?: string;
}

export interface BatchFilter {
  readonly schedule?: string;
  readonly status?: BatchStatus;
  /** Only batches over exactly this period. */
  readonly period?: Period;
  /** Only batches whose period lies inside. */
  readonly within?: Period;
  /** Only batches whose period shares time with this one. */
  readonly covering?: Period;
  /** Only batches that ended before this time of the clock, epoch ms. */
  readonly endedBefore?: number;
  /** Only batches that renew outcomes of this one. */
  readonly supersedes?: string;
  readonly limit?: number;
}

export interface Batch extends Omit<NewBatch, 'sensorIds' | 'leftOut'> {
  /** Of a batch that is not planned (yet): the one that was asked for, '' for the current one. */
  readonly release: string;
  /** When its sensors were planned; of a batch that is not planned (yet), when it was announced. */
  readonly startedAtMs: number;
  readonly planned: number;
  readonly status: BatchStatus;
  readonly counts: OutcomeCounts;
  /** Name of the manifest blob, once the batch is committed. */
  readonly manifest?: string;
  /** Why it failed as a whole. */
  readonly class?: BatchClass;
  readonly message?: string;
  readonly finishedAtMs?: number;
}

/** True once it is closed: nothing about it changes any more. */
export const hasEnded = ({ status }: Pick<Batch, 'status'>): boolean => status !== 'waiting' && status !== 'running';

/** A planned sensor with what it needs to be scored. */
export interface PlannedSensor extends Sensor {
  readonly model?: string;
  readonly pack?: string;
  readonly packRow?: number;
  /** Decides what an anomaly is; the model's own label when absent. */
  readonly threshold?: Threshold;
  /** Length of the windows that it is scored in, ms; the fleet's when absent. */
  readonly windowMs?: number;
}

export interface BatchStore {
  /**
   * Puts a batch on record before anything about it can fail, with the status `waiting`. The same id and run again
   * changes nothing. @throws FleetscoreError `BATCH_CONFLICT` when another run has this id
   */
  announceBatch(batch: AnnouncedBatch): Promise<Batch>;
  /**
   * Records a batch, announced or not, and fixes its planned sensors. The same id and run again changes nothing.
   * @throws FleetscoreError `BATCH_CONFLICT` when another run has this id; `RELEASE_UNKNOWN`; `SENSOR_UNKNOWN`
   */
  createBatch(batch: NewBatch): Promise<Batch>;
  /**
   * The pools that a batch's sensors need, by name; empty when its release names none: then all go to the default one.
   */
  batchPools(batchId: string): Promise<BatchPool[]>;
  /**
   * Splits the planned sensors in `range` (all when absent) into ranges of at most `size` sensors of the same pool, in
   * id order.
   */
  planRanges(batchId: string, size: number, range?: IdRange): Promise<(IdRange & { readonly count: number })[]>;
  /** Planned sensors of a range with their models in the batch's release, by id. */
  plannedSensors(batchId: string, range: IdRange): Promise<PlannedSensor[]>;
  /** Planned sensors of a range (of the batch when undefined) without an outcome, by id, at most `limit`. */
  undecidedSensors(batchId: string, range: IdRange | undefined, limit: number): Promise<PlannedSensor[]>;
  /** Closes a batch; a batch already closed stays as it is. @throws FleetscoreError `BATCH_UNKNOWN` */
  finishBatch(
    batchId: string,
    end: {
      readonly status: BatchEnd;
      readonly manifest?: string;
      readonly class?: BatchClass;
      readonly message?: string;
      readonly finishedAtMs: number;
    },
  ): Promise<Batch>;
  findBatch(batchId: string): Promise<Batch | undefined>;
  /** Newest start first. */
  listBatches(options?: BatchFilter): Promise<Batch[]>;
  /**
   * Periods of committed batches inside `within` into which readings may have come after their newest batch began,
   * oldest first; of one schedule when it is given. Cheap, and to be asked again with {@link changedSensors}, whose
   * `lookbackMs` it takes too.
   */
  latePeriods(
    within: Period,
    options?: { readonly schedule?: string; readonly lookbackMs?: number },
  ): Promise<Period[]>;
}
