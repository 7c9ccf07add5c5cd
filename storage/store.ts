/**
 * The SQL store: one contract, two engines (embedded SQLite, SQL Server / Azure SQL). Rules for both:
 * every method is one transaction, or reads only; writing the same thing twice changes nothing; lists
 * page by key, all of it when no limit is given; names are checked before they come here. Trouble of the
 * engine is thrown as FleetscoreError `STORE_UNAVAILABLE` (retryable) or `STORE_ERROR`, a schema that is
 * missing or older than the code as `SCHEMA_MISSING`, one that is too new for the code as `SCHEMA_TOO_NEW`.
 */
import type {
  ChallengedSensor,
  ChallengeFilter,
  Challenger,
  ChallengeSummary,
  SensorDifference,
} from '../domain/challenge.ts';
import type { BatchClass } from '../domain/batch-failure.ts';
import type { OutcomeCounts, OutcomeStatus, SensorOutcome } from '../domain/outcome.ts';
import type { Sensor, SensorKey } from '../domain/sensor.ts';
import type { SendTally } from '../domain/send-tally.ts';
import type { Period } from '../domain/time.ts';
import type { Window } from '../domain/reading.ts';
import type { ReadingSet, WindowUpdate } from '../domain/window.ts';
import type { Promotion, ReleaseSwitch } from './promotions.ts';

/** Sensor ids, half open: [from, to). */
export interface IdRange {
  readonly from: number;
  readonly to: number;
  /**
   * Of these, only the sensors whose model names this pool in the release of the batch; '' for those whose model
   * names none, and those without a model. All when absent. Means nothing where no batch is given.
   */
  readonly pool?: string;
}

/** Sensors of a batch that are scored in one pool; '' is the pool of those that name none. */
export interface BatchPool {
  readonly pool: string;
  readonly planned: number;
  /** Sensors that have an outcome; they are not counted by pool where their batch was aborted. */
  readonly decided: number;
}

/** What is known of one Event Hubs partition. Sequence numbers start at 0; -1 means none yet. */
export interface PartitionProgress {
  /** `{fully qualified namespace}/{hub}/{consumer group}` */
  readonly source: string;
  readonly partition: string;
  /** Events up to here (inclusive) are in the windows. */
  readonly appliedSeq: number;
  /** Events up to here (inclusive) are in raw capture. */
  readonly capturedSeq: number;
  /** No reading older than this is expected any more; epoch ms, -1 before the first event. */
  readonly watermarkMs: number;
  readonly readings: number;
  readonly late: number;
  readonly dead: number;
  readonly updatedAtMs: number;
}

/** Events (after `expectedSeq`, up to `throughSeq`) of one partition, as window updates. */
export interface IngestCommit {
  readonly source: string;
  readonly partition: string;
  readonly expectedSeq: number;
  readonly throughSeq: number;
  readonly watermarkMs: number;
  readonly updates: readonly WindowUpdate[];
  /** Added to the partition's counters. */
  readonly readings: number;
  readonly late: number;
  readonly dead: number;
  /** What became of the readings of sends that wait for an answer; `from` of the updates counts in this list. */
  readonly sends?: readonly SendOutcome[];
}

/** Part of a {@link SendTally}, without duplicates: the store finds those. */
export interface SendOutcome {
  readonly id: string;
  readonly tally: SendTally;
}

export interface ReleaseModel {
  readonly sensorId: number;
  /** SHA-256 of the ONNX file, hex. */
  readonly model: string;
  /** Pack that holds it and its row there; absent when the model runs in a session of its own. */
  readonly pack?: string;
  readonly packRow?: number;
  /** Pool of workers that the model needs; the default one when absent. */
  readonly pool?: string;
}

export interface Release {
  readonly name: string;
  readonly createdAtMs: number;
  readonly models: number;
  readonly current: boolean;
}

export interface ModelInfo {
  readonly model: string;
  readonly bytes: number;
  /** Shape of the model, for example `scaler+ocsvm-rbf`, or `onnx` when it is not one we fuse. */
  readonly kind: string;
  /** Features of the input, in order: `mean`, `mean[-1]`, ... */
  readonly features: readonly string[];
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
  readonly codeVersion: string;
  readonly startedAtMs: number;
}

/** A batch before it is planned: its release and sensors are fixed by {@link Store.createBatch}. */
export interface AnnouncedBatch extends Omit<NewBatch, 'release' | 'sensorIds'> {
  /** The release that was asked for, known or not; the current one of then when absent. */
  readonly release?: string;
}

/** Windows held for one sensor; times are starts, epoch ms. */
export interface WindowStats {
  readonly sensorId: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** Absent where nothing was counted. */
  readonly windows?: number;
}

/** Room of a store that is a file, bytes. */
export interface StoreRoom {
  readonly fileBytes: number;
  /** In the file, and used again before it grows. */
  readonly reusableBytes: number;
  readonly freeBytes: number;
  /** Ingest waits while less is free. */
  readonly reserveBytes: number;
}

/** Too little room: neither on the disk nor, after a prune, in the file. */
export const readingsWait = ({ freeBytes, reserveBytes, reusableBytes }: Omit<StoreRoom, 'fileBytes'>): boolean =>
  freeBytes < reserveBytes && reusableBytes < reserveBytes / 4;

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

export interface Batch extends Omit<NewBatch, 'sensorIds'> {
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
}

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
  /** Pool of all its sensors, as in {@link IdRange.pool}. */
  readonly pool?: string;
}

export interface OutcomeRow extends SensorOutcome, SensorKey {
  readonly batchId: string;
  readonly chunk: string;
}

/** `mean`: without count, min, max and last, which are left empty. Most models ask for no more, and it is read twice as fast. */
export type SeriesColumns = 'all' | 'mean';

export interface SeriesOptions {
  /** Only the sensors that this batch plans in the range: a list of sensors or a pool may be thin in a wide range. */
  readonly batchId?: string;
  /** Default `all`. */
  readonly columns?: SeriesColumns;
}

/** Windows of a range of sensors, by column; rows ordered by sensor id, then window start. */
export interface SeriesBlock {
  readonly length: number;
  readonly sensorId: Float64Array;
  readonly startMs: Float64Array;
  readonly count: Float64Array;
  readonly mean: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly last: Float64Array;
  /**
   * State of the windows this read saw: a window whose change number is higher may hold readings that this
   * read did not see. Never too high; an engine under load may report it a little low.
   */
  readonly changeId: number;
}

/**
 * Windows of one reading each, for fleets that are generated rather than measured. Sensor
 * `sensorIdFrom + i` gets the windows `startMs + w * stepMs`, w = 0 .. windowsPerSensor - 1, with the
 * value `values[i * windowsPerSensor + w]`; the reading lies at the window's start.
 */
export interface WindowLoad {
  readonly sensorIdFrom: number;
  readonly startMs: number;
  readonly stepMs: number;
  readonly windowsPerSensor: number;
  /** Finite; its length is a multiple of `windowsPerSensor`. */
  readonly values: Float64Array;
}

/** A window and the readings that it was made of. */
export interface WindowReadings extends ReadingSet {
  readonly startMs: number;
  /** Readings it counts: more than are listed where whoever wrote the window keeps none (Stream Analytics). */
  readonly count: number;
}

/** How many sensors there may be. Those that exist stay, whatever it says. */
export interface SensorQuota {
  readonly perDevice: number;
  readonly fleet: number;
}

/** What {@link Store.prune} takes away. A cut that is absent keeps everything of its kind. */
export interface PruneCut {
  /** Windows that start before this event time, epoch ms. */
  readonly windowsBeforeMs?: number;
  /** Batches (with outcomes, chunks and file entries) finished before this time of the clock, epoch ms. */
  readonly batchesBeforeMs?: number;
  /** Rows deleted in one transaction: what other writers wait for. Default 4000. */
  readonly rowsPerTransaction?: number;
}

export interface PruneCounts {
  readonly windows: number;
  readonly outcomes: number;
  readonly batches: number;
}

/** One migration: shipped with the code (`available`), applied to the database, or both. */
export interface MigrationState {
  readonly version: number;
  readonly name: string;
  /** False when the database has it and this version of the code does not know it. */
  readonly available: boolean;
  readonly appliedAtMs?: number;
}

/** A committed file that holds predictions of one sensor. */
export interface PredictionSource extends Period {
  readonly batchId: string;
  readonly release: string;
  readonly model: string;
  readonly file: BatchFile;
  readonly finishedAtMs: number;
}

export interface Store {
  readonly engine: 'sqlite' | 'mssql';
  /**
   * Brings the schema to this version of the code, under a lock; safe from several processes.
   * Returns the names of the migrations that this call applied.
   * @throws FleetscoreError `SCHEMA_TOO_NEW`, `SCHEMA_CHANGED`, `MIGRATION_FAILED`
   */
  migrate(): Promise<readonly string[]>;
  /** For whoever does not migrate. @throws FleetscoreError `SCHEMA_OLD` when migrations are pending, `SCHEMA_TOO_NEW` */
  checkSchema(): Promise<void>;
  /** By version ascending. Works on a database without a schema too. */
  migrationStatus(): Promise<MigrationState[]>;
  close(): Promise<void>;

  /**
   * The value kept under `key`: `value` when there was none before.
   * Used for what must never change under stored data, such as the aggregation interval.
   */
  claimSetting(key: string, value: string): Promise<string>;
  /** The value kept under `key`, undefined when there is none. */
  findSetting(key: string): Promise<string | undefined>;

  /** Ids in the order asked; unknown sensors are added. A unit given replaces an empty one. */
  registerSensors(sensors: readonly (SensorKey & { readonly unit?: string })[]): Promise<number[]>;
  /**
   * As {@link registerSensors}, for names that come from devices: undefined in place of the id of a sensor that is
   * unknown and would be one too many of its device or of the fleet.
   */
  admitSensors(sensors: readonly SensorKey[], quota: SensorQuota): Promise<(number | undefined)[]>;
  /** By id ascending, ids above `after`. */
  listSensors(options?: {
    readonly after?: number;
    readonly limit?: number;
    readonly device?: string;
  }): Promise<Sensor[]>;
  findSensor(key: SensorKey): Promise<Sensor | undefined>;
  countSensors(): Promise<number>;

  /**
   * Merges readings into windows and moves the partition's progress, together or not at all.
   * @throws FleetscoreError `PROGRESS_CONFLICT` when the stored appliedSeq is not `expectedSeq`:
   * another worker owns the partition now; nothing was written.
   */
  commitReadings(commit: IngestCommit): Promise<void>;
  /** Has commits count what becomes of the readings of a send. */
  openSend(id: string): Promise<void>;
  /** What was counted until now; undefined for a send that is not open. */
  readSend(id: string): Promise<SendTally | undefined>;
  /** Forgets a send, and those that nobody has closed within a day. */
  closeSend(id: string): Promise<void>;
  /** Raw capture holds everything up to `capturedSeq`. Never moves backwards. */
  commitCapture(source: string, partition: string, capturedSeq: number): Promise<void>;
  /** Raw capture holds no more than up to `capturedSeq`: its later files are lost. */
  rewindCapture(source: string, partition: string, capturedSeq: number): Promise<void>;
  listProgress(source?: string): Promise<PartitionProgress[]>;

  /**
   * Adds windows of registered sensors in bulk; windows that exist stay as they are, so a load that was
   * cut short can be repeated. Several transactions. Returns how many windows were added.
   */
  loadWindows(load: WindowLoad): Promise<number>;
  /**
   * Sensors whose windows in `period` changed after a committed batch (one with a manifest) over exactly
   * this period had scored them, or found no data for them. By id ascending, ids above `after`.
   * `lookbackMs`: windows that start up to this long before the period count too, as models with lags read them.
   */
  changedSensors(
    period: Period,
    options?: { readonly after?: number; readonly limit?: number; readonly lookbackMs?: number },
  ): Promise<number[]>;
  /**
   * Periods of committed batches inside `within` into which readings may have come after their newest batch began,
   * oldest first; of one schedule when it is given. Cheap, and to be asked again with {@link changedSensors}, whose
   * `lookbackMs` it takes too.
   */
  latePeriods(
    within: Period,
    options?: { readonly schedule?: string; readonly lookbackMs?: number },
  ): Promise<Period[]>;
  /**
   * Deletes what is older than the cuts, in transactions small enough for other writers to live with; safe to
   * interrupt and repeat. Running batches and the sensor list stay.
   */
  prune(cut: PruneCut): Promise<PruneCounts>;

  /**
   * Writes a whole, consistent copy to a new file while others go on writing; it appears under its name when it is
   * whole and checked. @throws FleetscoreError `NOT_SUPPORTED` (the server has backups of its own), `FILE_EXISTS`
   */
  backup(file: string): Promise<{ readonly bytes: number }>;
  /** Undefined where the store is a server's. */
  room(): Promise<StoreRoom | undefined>;

  /** Windows that start in `period`, of registered sensors in `range`. */
  readSeries(range: IdRange, period: Period, options?: SeriesOptions): Promise<SeriesBlock>;
  readSensorWindows(sensorId: number, period: Period): Promise<Window[]>;
  /** The readings of windows that start in `period`, by start; a reading is in every window that holds its time. */
  readWindowReadings(sensorId: number, period: Period): Promise<WindowReadings[]>;
  /**
   * Starts of the first and the last window held for each sensor of `range`, by two seeks each; sensors without windows
   * are left out. `windows` counts those that start at or after `countFromMs`: none without it, for counting reads them.
   */
  windowStats(range: IdRange, options?: { readonly countFromMs?: number }): Promise<WindowStats[]>;

  /**
   * Adds a release and its models, all or nothing; `infos` describe every model that is new to the store.
   * @throws FleetscoreError `RELEASE_EXISTS`; `RELEASE_INVALID` for a sensor named twice or unknown, or a
   * model that is not described
   */
  createRelease(
    name: string,
    createdAtMs: number,
    models: readonly ReleaseModel[],
    infos: readonly ModelInfo[],
  ): Promise<void>;
  /**
   * Points `current` to a release, and notes that in the log of promotions. Should it be the challenger, it is so no more.
   * @param origin how, and by whom; default: by `promote`, by nobody who is known
   * @throws FleetscoreError `RELEASE_UNKNOWN`
   */
  setCurrentRelease(
    name: string,
    origin?: { readonly how: 'publish' | 'promote'; readonly by: string },
  ): Promise<ReleaseSwitch>;
  /**
   * Points `current` to the release that was current before the newest promotion that was not undone yet.
   * @throws FleetscoreError `NO_RELEASE`, `NOTHING_BEFORE`
   */
  rollBackRelease(by: string): Promise<ReleaseSwitch>;
  /** The log, newest first: at most `limit` entries, by default as many as a rollback looks at. */
  listPromotions(limit?: number): Promise<Promotion[]>;
  currentRelease(): Promise<string | undefined>;
  /** Newest first. */
  listReleases(): Promise<Release[]>;
  /** Models of a release by sensor id ascending, ids above `after`. */
  listReleaseModels(
    release: string,
    options?: { readonly after?: number; readonly limit?: number },
  ): Promise<(ReleaseModel & SensorKey & ModelInfo)[]>;

  /** Names of the features that the models of a release take, each once. @throws FleetscoreError `RELEASE_UNKNOWN` */
  releaseFeatures(release: string): Promise<string[]>;
  /** Has the next batches score this release too; nothing, when undefined. @throws FleetscoreError `RELEASE_UNKNOWN`, `CHALLENGER_IS_CURRENT` */
  setChallenger(challenger: Challenger | undefined): Promise<void>;
  findChallenger(): Promise<Challenger | undefined>;
  /** The challenger that was set when a batch was planned, unless it is the batch's own release. Only batches of kind `score` have one. */
  batchChallenger(batchId: string): Promise<Pick<Challenger, 'release' | 'share'> | undefined>;
  /** Records what a batch's challenger made of sensors; what is recorded of a sensor stays. @throws FleetscoreError `BATCH_UNKNOWN` */
  commitChallenge(batchId: string, sensors: readonly ChallengedSensor[]): Promise<void>;
  /** By base and challenger, the newest batch first. */
  challengeSummaries(filter?: ChallengeFilter): Promise<ChallengeSummary[]>;
  /** Sensors whose labels differ most, first. */
  challengeDifferences(filter: ChallengeFilter, limit: number): Promise<SensorDifference[]>;

  /** Pools that models of a release name, with how many sensors each; none for a release that names no pool. By name. */
  releasePools(release: string): Promise<{ readonly pool: string; readonly sensors: number }[]>;

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
  /** The pools that a batch's sensors need, by name; empty when its release names none: then all go to the default one. */
  batchPools(batchId: string): Promise<BatchPool[]>;
  /** Splits the planned sensors in `range` (all when absent) into ranges of at most `size` sensors of the same pool, in id order. */
  planRanges(batchId: string, size: number, range?: IdRange): Promise<(IdRange & { readonly count: number })[]>;
  /** Planned sensors of a range with their models in the batch's release, by id. */
  plannedSensors(batchId: string, range: IdRange): Promise<PlannedSensor[]>;
  /**
   * Records outcomes and file of a chunk, all or nothing. Sensors that already have an outcome in this batch
   * keep it; when all have one (a retry after a lost answer) the file is not recorded again either.
   * Returns the counts of what is now recorded for these sensors.
   * @throws FleetscoreError `BATCH_UNKNOWN`; `BATCH_CLOSED` for new outcomes of a batch that is finished
   */
  commitChunk(result: ChunkResult): Promise<OutcomeCounts>;
  /** What is recorded for the planned sensors of a range. */
  countOutcomes(batchId: string, range?: IdRange): Promise<OutcomeCounts>;
  /** By sensor id ascending, ids above `after`. */
  listOutcomes(
    batchId: string,
    options?: { readonly status?: OutcomeStatus; readonly after?: number; readonly limit?: number },
  ): Promise<OutcomeRow[]>;
  /** Planned sensors of a range (of the batch when undefined) without an outcome, by id, at most `limit`. */
  undecidedSensors(batchId: string, range: IdRange | undefined, limit: number): Promise<PlannedSensor[]>;
  /** By chunk name. */
  listFiles(batchId: string, options?: { readonly after?: string; readonly limit?: number }): Promise<BatchFile[]>;
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
  /** Committed files that hold predictions of one sensor in a period; the batch that began first comes first, as in manifests. */
  predictionSources(sensorId: number, period: Period): Promise<PredictionSource[]>;
}
