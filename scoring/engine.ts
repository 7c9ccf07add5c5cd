/**
 * The scoring engine: planned sensors and their windows in, a verdict for every sensor and a prediction for
 * every window out. Trouble with one model is the verdict of its sensors and never stops the others; trouble
 * with Blob itself is thrown, so that the caller tries again. The thread that calls it is never blocked.
 */
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { PredictionsFormat } from '../domain/prediction.ts';
import type { Threshold } from '../domain/threshold.ts';
import type { Period } from '../domain/time.ts';
import { startsIn, windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { PlannedSensor, SeriesBlock, SeriesColumns } from '../storage/store.ts';
import { createDraft, type Draft } from './draft.ts';
import { DEFAULT_PROVIDER, requireProvider } from './execution-provider.ts';
import {
  type Feature,
  maxLag,
  needsMoreThanMean,
  type RowRange,
  rowRanges,
  type SensorFeatures,
  sensorFeatures,
} from './features.ts';
import { createModelCache } from './model-cache.ts';
import type { EncodedPredictions } from './predictions-content.ts';
import type { SeriesNeed } from './own-series.ts';
import { createModelResolver, type FoundModels, type ResolvedModel } from './resolve-models.ts';
import { type JobContext, type PackedTask, runModelJobs, runPackJob, type SensorTask } from './score-jobs.ts';
import type { ScoreResult } from './score-result.ts';
import { toSent } from './sent-names.ts';
import { slowText } from './slow-readings.ts';
import { newMarks } from './thread-protocol.ts';
import { createThreads, type Threads } from './threads.ts';
import { MODEL_LIMITS } from '../domain/model-limits.ts';

export interface ScoreRequest {
  readonly sensors: readonly PlannedSensor[];
  /** Windows of these sensors that belong to the period, and those before it that lags need (own-series.ts). */
  readonly series: SeriesBlock;
  /** Only windows that belong to it are predicted (domain/windowing.ts). */
  readonly period: Period;
  /**
   * What {@link ScoringEngine.seriesNeeds} found in these models when it said what to read. Whoever read the series by
   * its word hands it on: a model that could not be read then, and can be now, would be scored over a series without
   * its lookback. Absent: the models are looked at now.
   */
  readonly models?: FoundModels;
  /** From the start of one of the fleet's windows to the start of the next, milliseconds. */
  readonly hopMs: number;
  /** Length of the fleet's windows, milliseconds. @default hopMs */
  readonly windowMs?: number;
  /** Gives up before the next job begins. */
  readonly signal?: AbortSignal;
}

export interface ScoringEngine {
  /** @throws FleetscoreError `BLOB_UNAVAILABLE`, `SCORING_CLOSED` (both retryable) */
  score(request: ScoreRequest): Promise<ScoreResult>;
  /**
   * The predictions file of what `score` gave. @throws FleetscoreError `SCORING_CLOSED`, `SCORING_THREAD_FAILED` (both
   * retryable)
   */
  encode(
    format: PredictionsFormat,
    request: Pick<ScoreRequest, 'sensors' | 'series'>,
    result: ScoreResult,
  ): Promise<EncodedPredictions>;
  /** What the models of these sensors need of the series. @throws FleetscoreError `BLOB_UNAVAILABLE` */
  seriesNeeds(sensors: readonly PlannedSensor[]): Promise<SeriesNeed>;
  /** Threads given up on a pack that did not return and that have not ended: each keeps a core busy. */
  stuckThreads(): number;
  /** Ends the threads and releases every session. */
  close(): Promise<void>;
}

export interface ScoringEngineOptions {
  readonly blobs: BlobStore;
  /** Folder for models and packs; created when missing. */
  readonly cacheDir: string;
  /** Default: one per core. */
  readonly threads?: number;
  /** Memory for loaded models and packs, all threads together. Default 256 MiB. */
  readonly maxCacheBytes?: number;
  /** Default 1 GiB. */
  readonly maxDiskBytes?: number;
  /** Default that of {@link MODEL_LIMITS}. */
  readonly maxModelBytes?: number;
  /** A model that takes longer for one sensor is given up. Default as above. */
  readonly modelTimeoutMs?: number;
  /** So many times as long is what all slow models of a call have together. Default {@link SLOW_MODELS}. */
  readonly slowModels?: number;
  /** Memory of a model that is not packed, bytes. Default as above. */
  readonly modelMemoryBytes?: number;
  /** Execution provider of onnxruntime. Default `cpu`. */
  readonly executionProvider?: string;
  /** Told what does not stop scoring: a pack that does not load, a disk that is full. */
  readonly warn?: (message: string) => void;
}

const MiB = 1024 * 1024;
/** Packs are ours: their size is bounded by the builder, with room for the index. */
const MAX_PACK_BYTES = 64 * MiB;

/**
 * Models that may take all of their time in one call; what is slow after them gets a second. An attempt has 15 minutes.
 */
const SLOW_MODELS = 5;

/** @throws FleetscoreError `EXECUTION_PROVIDER_UNAVAILABLE` */
export async function createScoringEngine(options: ScoringEngineOptions): Promise<ScoringEngine> {
  const {
    blobs,
    cacheDir,
    warn = () => undefined,
    maxModelBytes = MODEL_LIMITS.bytes,
    executionProvider = DEFAULT_PROVIDER,
    modelTimeoutMs: timeoutMs = MODEL_LIMITS.timeoutMs,
    slowModels = SLOW_MODELS,
  } = options;
  const cache = await createModelCache({
    blobs,
    dir: cacheDir,
    maxBytes: options.maxDiskBytes ?? 1024 * MiB,
    maxModelBytes,
    maxPackBytes: MAX_PACK_BYTES,
    warn,
  });
  const threads = createThreads({
    ...defined({ threads: options.threads }),
    timeoutMs,
    ...defined({ maxModelMemoryBytes: options.modelMemoryBytes }),
    maxCacheBytes: options.maxCacheBytes ?? 256 * MiB,
    maxModelBytes,
    executionProvider,
  });
  try {
    await requireProvider(threads, executionProvider);
  } catch (error) {
    await threads.close();
    throw error;
  }
  const resolve = createModelResolver(cache, warn);
  const spare: SharedArrayBuffer[] = [];
  return {
    async score(request) {
      const ranges = rowRanges(request.series);
      const draft = createDraft(request.series, request.sensors);
      const fleet = { windowMs: request.windowMs ?? request.hopMs, hopMs: request.hopMs };
      const withData = request.sensors.filter((sensor) =>
        draft.plan(sensor, ranges.get(sensor.id), request.period, fleet),
      );
      const models = request.models ?? (await resolve(withData));
      request.signal?.throwIfAborted();
      const context: JobContext = {
        threads,
        cache,
        givenUp: new Map(),
        slow: { leftMs: slowModels * timeoutMs },
        spare,
        ...defined({ signal: request.signal }),
      };
      await runTasks(context, tasksOf(request, fleet, withData, ranges, models, draft), draft.deliver, warn);
      return draft.result();
    },
    seriesNeeds: async (sensors) => needsOf(await resolve(sensors)),
    encode: (format, request, result) => encode(threads, format, request, result),
    stuckThreads: () => threads.stuck(),
    close: () => threads.close(),
  };
}

/** What is to be run: models by themselves, and packs with their sensors. */
interface Tasks {
  readonly single: readonly SensorTask[];
  readonly byPack: ReadonlyMap<string, readonly PackedTask[]>;
}

/** The tasks of the sensors with data. Those without a model that runs, or without history, get their verdict now. */
function tasksOf(
  { series, period }: ScoreRequest,
  fleet: WindowShape,
  sensors: readonly PlannedSensor[],
  ranges: ReadonlyMap<number, RowRange>,
  models: FoundModels,
  draft: Draft,
): Tasks {
  const rowNumbers = new Int32Array(series.length);
  for (let row = 0; row < rowNumbers.length; row++) rowNumbers[row] = row;
  const byPack = new Map<string, PackedTask[]>();
  const single: SensorTask[] = [];
  for (const { id, threshold, windowMs } of sensors) {
    const shape = windowsOfSensor(fleet, windowMs);
    const model = models.get(id)!;
    if ('class' in model) {
      draft.fail(id, model);
      continue;
    }
    const { features } = model;
    const seen = sensorFeatures(series, rowNumbers, ranges.get(id)!, startsIn(period, shape), shape.hopMs, features);
    const task = taskOf(id, model, seen, threshold);
    if (task.features.count === 0) {
      const { from, to } = ranges.get(id)!;
      draft.skipHistory(id, maxLag(model.features), slowText(series.startMs.subarray(from, to), shape, fleet));
    } else if (model.pack === undefined) single.push(task);
    else {
      const list = byPack.get(model.pack);
      if (list) list.push(task);
      else byPack.set(model.pack, [task]);
    }
  }
  return { single, byPack };
}

/** Key by key: there is one for every sensor. */
function taskOf(
  sensorId: number,
  { model, features: { length: width }, packRow = -1 }: ResolvedModel,
  features: SensorFeatures,
  threshold: Threshold | undefined,
): PackedTask {
  return threshold === undefined
    ? { sensorId, model, width, features, packRow }
    : { sensorId, model, width, features, packRow, threshold };
}

/** Runs all tasks at once. A pack that does not run is a warning: its models run one by one. */
async function runTasks(
  context: JobContext,
  { single, byPack }: Tasks,
  deliver: Draft['deliver'],
  warn: (message: string) => void,
): Promise<void> {
  await Promise.all([
    runModelJobs(context, single, deliver),
    ...[...byPack].map(async ([pack, tasks]) => {
      const problem = await runPackJob(context, pack, tasks, deliver);
      if (!problem) return;
      warn(`pack ${pack} does not run, its models run one by one: ${problem.message}`);
      await runModelJobs(context, tasks, deliver);
    }),
  ]);
}

function needsOf(models: FoundModels): SeriesNeed {
  let lookback = 0;
  let columns: SeriesColumns = 'mean';
  // Models of one pack share their features.
  const kinds = new Set<readonly Feature[]>();
  for (const model of models.values()) if (!('class' in model)) kinds.add(model.features);
  for (const features of kinds) {
    lookback = Math.max(lookback, maxLag(features));
    if (needsMoreThanMean(features)) columns = 'all';
  }
  return { lookback, columns, models };
}

/**
 * Writes the predictions file in a scoring thread. @throws FleetscoreError `SCORING_CLOSED`, `SCORING_THREAD_FAILED`
 */
async function encode(
  threads: Threads,
  format: PredictionsFormat,
  { sensors, series }: Pick<ScoreRequest, 'sensors' | 'series'>,
  { scored, anomaly, score }: ScoreResult,
): Promise<EncodedPredictions> {
  const { length, sensorId, startMs, mean } = series;
  const end = await threads.run({
    type: 'encode',
    format,
    sensors: toSent(sensors),
    series: { length, sensorId, startMs, mean },
    result: { scored, anomaly, score },
    marks: newMarks(),
  });
  if (end.type !== 'reply')
    throw new FleetscoreError('SCORING_THREAD_FAILED', `the predictions file could not be written: ${end.message}`, {
      retryable: true,
    });
  const { bytes, rows, sha256 } = end.reply;
  return { bytes, rows, sha256 };
}
