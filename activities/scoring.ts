/**
 * The scoring activity: series from SQL, models from Blob, verdicts from the engine, one predictions file to
 * Blob, then outcomes and file on record in one transaction. A retry finds what an earlier attempt left and
 * ends the same: the first attempt that commits wins, later ones change nothing.
 */
import { Context } from '@temporalio/activity';
import { predictionsFolder, chunkName } from '../domain/blob-names.ts';
import { defined } from '../domain/defined.ts';
import { decided, failedOutcome, type OutcomeCounts, type SensorOutcome } from '../domain/outcome.ts';
import type { PredictionsFormat } from '../domain/prediction.ts';
import { windowsOf } from '../domain/sizing.ts';
import type { Budget } from '../scoring/concurrency.ts';
import { readOwnSeries } from '../scoring/own-series.ts';
import { sameWindows } from '../scoring/challenger.ts';
import { writePredictions } from '../batches/predictions-blob.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { PlannedSensor, SeriesBlock } from '../storage/store.ts';
import { orLeft } from '../storage/deadline.ts';
import { ALONE_FROM_ATTEMPT, PATIENCE_MS } from '../workflows/policies.ts';
import { signalsOf } from '../batches/alarm-signals.ts';
import { planChallenge, scoreChallenger, type ChallengeDeps } from '../batches/challenge.ts';
import { asActivity } from './failures.ts';
import { createGate } from './gate.ts';
import { withHeartbeat } from './heartbeat.ts';
import { patiently } from './patience.ts';
import { failureNotes } from '../batches/failures.ts';
import { cutMessage } from '../domain/limits.ts';
import { writeErrorLogs } from '../batches/error-logs.ts';
import type { ChunkInput, ChunkOutcome, ScoringActivities, SensorRange } from '../workflows/activities.ts';

export interface ScoringDeps extends ChallengeDeps {
  readonly blobs: BlobStore;
  /** From the start of one of the fleet's windows to the start of the next, milliseconds: what lags count in. */
  readonly hopMs: number;
  /** Length of the fleet's windows, milliseconds. @default hopMs */
  readonly windowMs?: number;
  /** Name of this process (domain/worker.ts). */
  readonly worker: string;
  /** Of the files written. */
  readonly format: PredictionsFormat;
  /** Windows in memory at once, for all chunks of this worker. */
  readonly budget: Budget;
  /** How long an attempt waits for a service that is away, ms. @default PATIENCE_MS */
  readonly patienceMs?: number;
  /** Told of every chunk that this worker recorded: for logs and metrics. Must not throw. */
  readonly onChunk?: (chunk: RecordedChunk) => void;
}

export interface RecordedChunk {
  readonly batchId: string;
  readonly chunk: string;
  readonly range: SensorRange;
  readonly sensors: readonly PlannedSensor[];
  readonly outcomes: readonly SensorOutcome[];
  /** Rows of the predictions file. */
  readonly rows: number;
  readonly attempt: number;
  /** From the start of its work: waiting for memory is not in it. */
  readonly ms: number;
}

/** A chunk that is called off and does not heed it gives back its turn and its share of memory after this. */
const LEFT_AFTER_MS = 60_000;

export function createScoringActivities(deps: ScoringDeps): ScoringActivities {
  const gate = createGate();
  return {
    scoreChunk: (input) =>
      withHeartbeat((signal) => {
        const { attempt } = Context.current().info;
        const { patienceMs = PATIENCE_MS, warn } = deps;
        return asActivity(() =>
          patiently(
            () =>
              gate.run(attempt >= ALONE_FROM_ATTEMPT, () =>
                orLeft(scoreChunk(deps, input, attempt, signal), signal, LEFT_AFTER_MS),
              ),
            { patienceMs, signal, ...(warn ? { warn } : {}) },
          ),
        );
      }),
  };
}

async function scoreChunk(
  deps: ScoringDeps,
  input: ChunkInput,
  attempt: number,
  signal: AbortSignal,
): Promise<ChunkOutcome> {
  signal.throwIfAborted();
  const { store, budget, hopMs } = deps;
  const { batchId, range } = input;
  if (attempt > 1) {
    const known = await store.countOutcomes(batchId, range);
    if (decided(known) === range.count) return outcomeOf(deps, input, known);
  }
  const counts = await budget.use(
    range.count * windowsOf(input, { hopMs }),
    () => orLeft(scoreAndCommit(deps, input, attempt, signal), signal, LEFT_AFTER_MS),
    signal,
  );
  return outcomeOf(deps, input, counts);
}

async function scoreAndCommit(
  deps: ScoringDeps,
  { batchId, range, fromMs, toMs }: ChunkInput,
  attempt: number,
  signal: AbortSignal,
): Promise<OutcomeCounts> {
  const { store, engine, hopMs, windowMs = hopMs, worker } = deps;
  const startedAt = performance.now();
  const sensors = await store.plannedSensors(batchId, range);
  const challenge = await planChallenge(deps, batchId, sensors);
  const own = await engine.seriesNeeds(sensors);
  const shape = { windowMs, hopMs };
  const period = { fromMs, toMs };
  // Read once for both releases, unless they look at windows of other lengths.
  const shared = challenge !== undefined && sameWindows(sensors, challenge.sensors);
  const needs = shared ? [own, challenge.needs] : [own];
  const wanted = { range, period, shape, batchId };
  const series = await readOwnSeries(store, { ...wanted, sensors, needs });
  const result = await engine.score({ sensors, series, period, models: own.models, ...shape, signal });
  signal.throwIfAborted();

  // Field by field: copying the rest of an object costs more than scoring its sensor.
  const outcomes = result.verdicts.map((verdict): SensorOutcome => {
    const { sensorId, status, windows, anomalies, model } = verdict;
    if (status === 'scored')
      return model === undefined
        ? { sensorId, status, windows, anomalies, attempt }
        : { sensorId, status, windows, anomalies, attempt, model };
    if (status === 'skipped') {
      const message = verdict.message === undefined ? undefined : cutMessage(verdict.message);
      return { sensorId, status, class: verdict.class, windows, anomalies, attempt, ...defined({ model, message }) };
    }
    const { class: cause, message } = verdict;
    return failedOutcome({ sensorId, model, class: cause, message, attempt, worker, windows, anomalies });
  });
  const chunk = chunkName(range, range.single);
  const encoded = await engine.encode(deps.format, { sensors, series }, result);
  const file =
    encoded.rows === 0
      ? undefined
      : await writePredictions(deps.blobs, deps.format, predictionsFolder(fromMs, batchId), chunk, encoded);
  const signals = signalsOf({ sensors, series, result, period, shape, known: await store.alarmSense(range) });
  const counts = await store.commitChunk({
    batchId,
    chunk,
    outcomes,
    changeId: series.changeId,
    ...(signals.length > 0 ? { signals } : {}),
    ...(file ? { file } : {}),
    ...defined({ pool: range.pool }),
  });
  deps.onChunk?.({
    batchId,
    chunk,
    range,
    sensors,
    outcomes,
    rows: encoded.rows,
    attempt,
    ms: performance.now() - startedAt,
  });
  if (challenge) {
    const read = async (): Promise<SeriesBlock> =>
      shared ? series : readOwnSeries(store, { ...wanted, sensors: challenge.sensors, needs: [challenge.needs] });
    await scoreChallenger(deps, challenge, { batchId, read, period, shape, base: { sensors, series, result }, signal });
  }
  return counts;
}

async function outcomeOf(
  { store, blobs, worker }: ScoringDeps,
  { batchId, range }: ChunkInput,
  counts: OutcomeCounts,
): Promise<ChunkOutcome> {
  if (counts.failed === 0) return { counts, failures: [] };
  await writeErrorLogs({ store, blobs, nowMs: Date.now(), worker }, batchId, range);
  return { counts, failures: await failureNotes(store, batchId, range) };
}
