/**
 * The scoring engine: planned sensors and their windows in, a verdict for every sensor and a prediction for
 * every window out. Trouble with one model is the verdict of its sensors and never stops the others; trouble
 * with Blob itself is thrown, so that the caller tries again. The thread that calls it is never blocked.
 */
import { LRUCache } from 'lru-cache';
import { FleetscoreError } from '../domain/errors.ts';
import type { PredictionsFormat } from '../domain/prediction.ts';
import type { Period } from '../domain/time.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { PlannedSensor, SeriesBlock, SeriesColumns } from '../storage/store.ts';
import { mapLimit } from './concurrency.ts';
import { DEFAULT_PROVIDER, requireProvider } from './execution-provider.ts';
import { type Feature, maxLag, needsMoreThanMean, type RowRange, rowRanges, sensorFeatures } from './features.ts';
import { createModelCache } from './model-cache.ts';
import { MAX_MODEL_BYTES, type ModelProblem, orProblem, readFeatures } from './model-contract.ts';
import { modelInRow, type PackHeader, readPackHeader } from './packs/pack-format.ts';
import type { EncodedPredictions } from './predictions-content.ts';
import { type JobContext, type PackedTask, runModelJobs, runPackJob, type SensorTask } from './score-jobs.ts';
import type { ScoreResult, SensorVerdict } from './score-result.ts';
import { newMarks } from './thread-protocol.ts';
import { createThreads } from './threads.ts';

export interface ScoreRequest {
  readonly sensors: readonly PlannedSensor[];
  /** Windows of these sensors that start in the period, and those before it that lags need. */
  readonly series: SeriesBlock;
  /** Only windows that start in it are predicted. */
  readonly period: Period;
  /**
   * What {@link ScoringEngine.seriesNeeds} found in these models when it said what to read. Whoever read the series by
   * its word hands it on: a model that could not be read then, and can be now, would be scored over a series without
   * its lookback. Absent: the models are looked at now.
   */
  readonly models?: FoundModels;
  /** From the start of one window to the start of the next, milliseconds. */
  readonly intervalMs: number;
  /** Gives up before the next job begins. */
  readonly signal?: AbortSignal;
}

export interface SeriesNeeds {
  /** Windows before the period. */
  readonly lookback: number;
  readonly columns: SeriesColumns;
  /** What these needs are of: for {@link ScoreRequest.models}. */
  readonly models: FoundModels;
}

/** Features of every sensor's model by sensor id, or what is wrong with it; sensors without a model are left out. */
export type FoundModels = ReadonlyMap<number, ResolvedModel | ModelProblem>;

export interface ResolvedModel {
  /** SHA-256 of the model. */
  readonly model: string;
  readonly features: readonly Feature[];
  /** Pack that it runs in, and its row there; absent when it runs by itself. */
  readonly pack?: string;
  readonly packRow?: number;
}

export interface ScoringEngine {
  /** @throws FleetscoreError `BLOB_UNAVAILABLE`, `SCORING_CLOSED` (both retryable) */
  score(request: ScoreRequest): Promise<ScoreResult>;
  /** The predictions file of what `score` gave. @throws FleetscoreError `SCORING_CLOSED`, `SCORING_THREAD_FAILED` (both retryable) */
  encode(
    format: PredictionsFormat,
    request: Pick<ScoreRequest, 'sensors' | 'series'>,
    result: ScoreResult,
  ): Promise<EncodedPredictions>;
  /** What the models of these sensors need of the series. @throws FleetscoreError `BLOB_UNAVAILABLE` */
  seriesNeeds(sensors: readonly PlannedSensor[]): Promise<SeriesNeeds>;
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
  /** Default 64 MiB. */
  readonly maxModelBytes?: number;
  /** A model that takes longer for one sensor is given up. Default 60 s. */
  readonly modelTimeoutMs?: number;
  /** Memory of a model that is not packed, bytes. Default 512 MiB. */
  readonly modelMemoryBytes?: number;
  /** Execution provider of onnxruntime. Default `cpu`. */
  readonly executionProvider?: string;
  /** Told what does not stop scoring: a pack that does not load, a disk that is full. */
  readonly warn?: (message: string) => void;
}

const MiB = 1024 * 1024;
/** Packs are ours: their size is bounded by the builder, with room for the index. */
const MAX_PACK_BYTES = 64 * MiB;
/** Memory for the indexes of packs. */
const HEADER_CACHE_BYTES = 64 * MiB;
const FETCHES = 16;

/** @throws FleetscoreError `EXECUTION_PROVIDER_UNAVAILABLE` */
export async function createScoringEngine(options: ScoringEngineOptions): Promise<ScoringEngine> {
  const {
    blobs,
    cacheDir,
    warn = () => undefined,
    maxModelBytes = MAX_MODEL_BYTES,
    executionProvider = DEFAULT_PROVIDER,
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
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    timeoutMs: options.modelTimeoutMs ?? 60_000,
    ...(options.modelMemoryBytes === undefined ? {} : { maxModelMemoryBytes: options.modelMemoryBytes }),
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
  const features = new LRUCache<string, readonly Feature[]>({ max: 100_000 });
  const headers = new LRUCache<string, PackHeader>({
    maxSize: HEADER_CACHE_BYTES,
    sizeCalculation: (h) => h.digests.length + 1024,
  });

  const featuresOf = async (model: string): Promise<readonly Feature[]> => {
    let found = features.get(model);
    if (!found) {
      found = readFeatures(await cache.bytes('model', model));
      features.set(model, found);
    }
    return found;
  };

  /** Undefined, with a warning, when the pack cannot be used: its models still can, one by one. */
  const headerOf = async (pack: string): Promise<PackHeader | undefined> => {
    let header = headers.get(pack);
    if (!header) {
      try {
        header = readPackHeader(await cache.bytes('pack', pack));
      } catch (error) {
        const problem = orProblem(error);
        warn(`pack ${pack} cannot be used, its models run one by one: ${problem.message}`);
        return undefined;
      }
      headers.set(pack, header);
    }
    return header;
  };

  const resolve = async (sensors: readonly PlannedSensor[]): Promise<FoundModels> => {
    const packs = [...new Set(sensors.flatMap((sensor) => (sensor.pack === undefined ? [] : [sensor.pack])))];
    const found = new Map(await mapLimit(packs, FETCHES, async (pack) => [pack, await headerOf(pack)] as const));
    const resolved = new Map<number, ResolvedModel | ModelProblem>();
    const alone: { readonly id: number; readonly model: string }[] = [];
    for (const { id, model, pack, packRow } of sensors) {
      if (model === undefined) continue;
      const header = pack === undefined ? undefined : found.get(pack);
      if (header && pack !== undefined && packRow !== undefined) {
        if (modelInRow(header, packRow) === model) {
          resolved.set(id, { model, features: header.features, pack, packRow });
          continue;
        }
        warn(`row ${packRow} of pack ${pack} does not hold model ${model}; it runs by itself`);
      }
      alone.push({ id, model });
    }
    await mapLimit(alone, FETCHES, async ({ id, model }) => {
      try {
        resolved.set(id, { model, features: await featuresOf(model) });
      } catch (error) {
        resolved.set(id, orProblem(error));
      }
    });
    return resolved;
  };

  return {
    async score(request) {
      const { sensors, series, period, intervalMs, signal } = request;
      const ranges = rowRanges(series);
      const rowNumbers = Int32Array.from({ length: series.length }, (_, row) => row);
      const draft = draftOf(series, sensors);
      const withData = sensors.filter((sensor) => draft.plan(sensor, ranges.get(sensor.id), period));
      const resolved = request.models ?? (await resolve(withData));
      signal?.throwIfAborted();

      const context: JobContext = { threads, cache, givenUp: new Map(), ...(signal ? { signal } : {}) };
      const byPack = new Map<string, PackedTask[]>();
      const single: SensorTask[] = [];
      for (const { id } of withData) {
        const model = resolved.get(id)!;
        if ('class' in model) {
          draft.fail(id, model);
          continue;
        }
        const task = {
          sensorId: id,
          model: model.model,
          width: model.features.length,
          features: sensorFeatures(series, rowNumbers, ranges.get(id)!, period, intervalMs, model.features),
        };
        if (task.features.rows.length === 0) draft.skipHistory(id, maxLag(model.features));
        else if (model.pack === undefined) single.push(task);
        else {
          const packed = { ...task, packRow: model.packRow! };
          const list = byPack.get(model.pack);
          if (list) list.push(packed);
          else byPack.set(model.pack, [packed]);
        }
      }

      await Promise.all([
        runModelJobs(context, single, draft.deliver),
        ...[...byPack].map(async ([pack, tasks]) => {
          const problem = await runPackJob(context, pack, tasks, draft.deliver);
          if (!problem) return;
          warn(`pack ${pack} does not run, its models run one by one: ${problem.message}`);
          await runModelJobs(context, tasks, draft.deliver);
        }),
      ]);
      return draft.result();
    },

    async seriesNeeds(sensors) {
      let lookback = 0;
      let columns: SeriesColumns = 'mean';
      // Models of one pack share their features.
      const kinds = new Set<readonly Feature[]>();
      const models = await resolve(sensors);
      for (const model of models.values()) if (!('class' in model)) kinds.add(model.features);
      for (const features of kinds) {
        lookback = Math.max(lookback, maxLag(features));
        if (needsMoreThanMean(features)) columns = 'all';
      }
      return { lookback, columns, models };
    },

    async encode(format, { sensors, series }, { scored, anomaly, score }) {
      const { length, sensorId, startMs, mean } = series;
      const end = await threads.run({
        type: 'encode',
        format,
        sensors: sensors.map(({ id, device, sensor }) => ({ id, device, sensor })),
        series: { length, sensorId, startMs, mean },
        result: { scored, anomaly, score },
        marks: newMarks(),
      });
      if (end.type !== 'reply' || end.reply.type !== 'encode')
        throw new FleetscoreError(
          'SCORING_THREAD_FAILED',
          `the predictions file could not be written${end.type === 'reply' ? '' : `: ${end.message}`}`,
          { retryable: true },
        );
      const { bytes, rows, sha256 } = end.reply;
      return { bytes, rows, sha256 };
    },

    stuckThreads: () => threads.stuck(),
    close: () => threads.close(),
  };
}

/** The result as it fills. */
function draftOf(series: SeriesBlock, sensors: readonly PlannedSensor[]) {
  const scored = new Uint8Array(series.length);
  const anomaly = new Uint8Array(series.length);
  const score = new Float64Array(series.length);
  const verdicts = new Map<number, { -readonly [Key in keyof SensorVerdict]: SensorVerdict[Key] }>();
  const change = (id: number, changes: Partial<SensorVerdict>): void => void Object.assign(verdicts.get(id)!, changes);
  const fail = (id: number, problem: ModelProblem): void =>
    change(id, { status: 'failed', class: problem.class, message: problem.message.slice(0, 1000) });

  return {
    fail,

    /** False when there is nothing to score, or nothing to score with. */
    plan(sensor: PlannedSensor, range: RowRange | undefined, period: Period): boolean {
      let windows = 0;
      for (let row = range?.from ?? 0; row < (range?.to ?? 0); row++)
        if (series.startMs[row]! >= period.fromMs && series.startMs[row]! < period.toMs) windows++;
      const { id: sensorId, model } = sensor;
      if (model === undefined)
        verdicts.set(sensorId, {
          sensorId,
          status: 'skipped',
          class: 'no_model',
          message: 'the release has no model for this sensor; publish one',
          windows,
          anomalies: 0,
          leftOut: 0,
        });
      else if (windows === 0)
        verdicts.set(sensorId, {
          sensorId,
          status: 'skipped',
          class: 'no_data',
          message: 'no readings in the scoring period',
          windows,
          anomalies: 0,
          leftOut: 0,
          model,
        });
      else {
        verdicts.set(sensorId, { sensorId, status: 'scored', windows, anomalies: 0, leftOut: 0, model });
        return true;
      }
      return false;
    },

    skipHistory(id: number, lag: number): void {
      const { windows } = verdicts.get(id)!;
      change(id, {
        status: 'skipped',
        class: 'no_data',
        leftOut: windows,
        message: `none of the ${windows} windows has the earlier windows that its model needs (${lag} back, without gaps)`,
      });
    },

    deliver(
      task: SensorTask,
      result: { readonly anomaly: Uint8Array; readonly score: Float64Array } | ModelProblem,
    ): void {
      if ('class' in result) {
        fail(task.sensorId, result);
        return;
      }
      const { rows, values, windows } = task.features;
      let anomalies = 0;
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!;
        const value = result.score[i]!;
        let label = result.anomaly[i]!;
        if (!Number.isFinite(value) || label === 0) {
          let finite = true;
          for (let at = i * task.width; at < (i + 1) * task.width; at++) finite &&= Number.isFinite(values[at]);
          // A window that is not a number is an anomaly whatever the model makes of it.
          if (!finite) label = 1;
          else if (!Number.isFinite(value)) {
            for (const written of rows.subarray(0, i)) scored[written] = 0;
            fail(task.sensorId, {
              class: 'not_finite',
              message: `its score is ${value} for the window ${new Date(series.startMs[row]!).toISOString()} with mean ${series.mean[row]}; retrain or export the model again`,
            });
            return;
          }
        }
        scored[row] = 1;
        anomaly[row] = label;
        score[row] = value;
        anomalies += label;
      }
      const verdict = verdicts.get(task.sensorId)!;
      verdict.anomalies = anomalies;
      verdict.leftOut = windows - rows.length;
    },

    result: (): ScoreResult => ({
      verdicts: sensors.map((sensor) => verdicts.get(sensor.id)!),
      scored,
      anomaly,
      score,
    }),
  };
}
