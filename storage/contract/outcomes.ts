/** Outcomes and files of batches. The first outcome of a sensor in a batch stays. Rules of all contracts: store.ts. */
import type { FailureClass, OutcomeCounts, OutcomeStatus, SensorOutcome, SkipClass } from '../../domain/outcome.ts';
import type { SensorKey } from '../../domain/sensor.ts';
import type { Period } from '../../domain/time.ts';
import type { BatchKind } from './batches.ts';
import type { AlarmSignal } from './alarm-work.ts';
import type { IdRange } from './sensors.ts';

/** One predictions file. */
export interface BatchFile {
  readonly chunk: string;
  readonly blob: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

export interface ChunkResult {
  readonly batchId: string;
  readonly chunk: string;
  readonly outcomes: readonly SensorOutcome[];
  readonly file?: BatchFile;
  /** State of the windows that were read, see {@link SeriesBlock.changeId}. */
  readonly changeId: number;
  /** Of its sensors that have something to say to alarms. */
  readonly signals?: readonly AlarmSignal[];
  /** Pool of all its sensors, as in {@link IdRange.pool}. */
  readonly pool?: string;
}

export type OutcomeRow = SensorOutcome & SensorKey & { readonly batchId: string; readonly chunk: string };

/** A committed file that holds predictions of one sensor. */
export interface PredictionSource extends Period {
  readonly batchId: string;
  /** Length of the sensor's own windows in the release of the batch, ms; absent: the fleet's. */
  readonly windowMs?: number;
  readonly release: string;
  readonly model: string;
  readonly file: BatchFile;
  readonly finishedAtMs: number;
}

/** What a batch made of one sensor. */
export interface SensorHistoryRow extends Period {
  readonly batchId: string;
  readonly kind: BatchKind;
  readonly release: string;
  readonly status: OutcomeStatus;
  readonly class?: SkipClass | FailureClass;
  readonly windows: number;
  readonly anomalies: number;
}

export interface OutcomeStore {
  /**
   * Records outcomes and file of a chunk, all or nothing. Sensors that already have an outcome in this batch
   * keep it; when all have one (a retry after a lost answer) the file is not recorded again either.
   * Returns the counts of what is now recorded for these sensors.
   * @throws FleetscoreError `BATCH_UNKNOWN`; `BATCH_CLOSED` for new outcomes of a batch that is finished
   */
  commitChunk(result: ChunkResult): Promise<OutcomeCounts>;
  /**
   * Puts one chunk with `file` in the place of `chunks` of the same pool that have files: their outcomes and counts are
   * its own then. All or nothing; chunks that are not there (any more) count for nothing.
   * @throws FleetscoreError `BATCH_UNKNOWN`; `BATCH_CLOSED` for a batch that is finished
   */
  mergeChunks(batchId: string, chunks: readonly string[], file: BatchFile): Promise<void>;
  /** What is recorded for the planned sensors of a range. */
  countOutcomes(batchId: string, range?: IdRange): Promise<OutcomeCounts>;
  /** By sensor id ascending, ids above `after`. */
  listOutcomes(
    batchId: string,
    options?: { readonly status?: OutcomeStatus; readonly after?: number; readonly limit?: number },
  ): Promise<OutcomeRow[]>;
  /** By chunk name. */
  listFiles(batchId: string, options?: { readonly after?: string; readonly limit?: number }): Promise<BatchFile[]>;
  /**
   * What closed batches over a period made of one sensor, the batch that began first comes first; at most `limit`, the
   * newest ones.
   */
  sensorHistory(sensorId: number, period: Period, limit: number): Promise<SensorHistoryRow[]>;
  /**
   * Committed files of batches over a period that hold predictions of one sensor; the batch that began first comes
   * first, as in manifests. Longer windows than the fleet's start before the period of their batch.
   */
  predictionSources(sensorId: number, period: Period): Promise<PredictionSource[]>;
}
