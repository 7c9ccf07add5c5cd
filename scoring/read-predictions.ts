/**
 * Predictions of one sensor, read back. Only files of committed batches are read, each checked against the
 * hash on record; where batches overlap, the one that began last has the word: what its
 * manifest says of itself (`startedAt`).
 */
import { CONTAINERS } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { Prediction } from '../domain/prediction.ts';
import type { Sensor } from '../domain/sensor.ts';
import type { Period } from '../domain/time.ts';
import { windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { PredictionSource, Store } from '../storage/store.ts';
import { decodePredictions } from './predictions-file.ts';
import { sha256InTurns } from '../domain/sha256.ts';
import { inTurns } from '../domain/turns.ts';

/** A prediction with where it comes from. */
export interface PredictionRow extends Prediction {
  readonly batchId: string;
  readonly model: string;
}

/** Committed files that may hold predictions of windows of a sensor that start in a period, in the order of batches. */
export async function sourcesOf(
  store: Pick<Store, 'predictionSources' | 'windowsOfSensor'>,
  sensorId: number,
  { fromMs, toMs }: Period,
): Promise<PredictionSource[]> {
  // Longer windows than the fleet's start up to their length before the period of their batch.
  const longest = Math.max(0, ...(await store.windowsOfSensor(sensorId)));
  const sources = await store.predictionSources(sensorId, { fromMs, toMs: toMs + longest });
  return longest === 0 ? sources : sources.filter((source) => source.fromMs - (source.windowMs ?? 0) < toMs);
}

/**
 * By start ascending, one row a window: those that start in the period, or with `belonging`, the fleet's windows, those
 * that belong to it (domain/windowing.ts).
 * @throws FleetscoreError `PREDICTIONS_CORRUPT` when a file is not what was committed
 */
export async function readPredictions(
  deps: { readonly store: Store; readonly blobs: Pick<BlobStore, 'get'> },
  sensor: Sensor,
  period: Period,
  { belonging }: { readonly belonging?: WindowShape } = {},
): Promise<PredictionRow[]> {
  const { store } = deps;
  const sources = belonging
    ? await store.predictionSources(sensor.id, period)
    : await sourcesOf(store, sensor.id, period);
  const at = ({ tsMs, windowMs }: Prediction): number =>
    belonging ? tsMs + (windowsOfSensor(belonging, windowMs).leadMs ?? 0) : tsMs;
  let lists: PredictionRow[][] = [];
  for (const source of sources) {
    const bytes = await deps.blobs.get(CONTAINERS.predictions, source.file.blob);
    if ((await sha256InTurns(bytes)) !== source.file.sha256)
      throw new FleetscoreError(
        'PREDICTIONS_CORRUPT',
        `predictions/${source.file.blob} is not the file that batch ${source.batchId} wrote (its SHA-256 ` +
          'differs). Score the period again: fleetscore batch run.',
      );
    const { batchId, model } = source;
    const decoded = await decodePredictions(bytes, sensor);
    const own: PredictionRow[] = [];
    for await (const { from, to } of inTurns(decoded.length))
      for (const row of decoded.slice(from, to))
        if (at(row) >= period.fromMs && at(row) < period.toMs) own.push({ ...row, batchId, model });
    lists.push(own);
  }
  // Neighbours two by two, so that the later one keeps the word, and no row is handled often.
  while (lists.length > 1) {
    const pairs: PredictionRow[][] = [];
    for (let i = 0; i < lists.length; i += 2) pairs.push(await merged(lists[i]!, lists[i + 1] ?? []));
    lists = pairs;
  }
  return lists[0] ?? [];
}

/** Two lists by window as one; of two rows for one `newer` has the word. A file has the rows of a sensor by time. */
async function merged(older: readonly PredictionRow[], newer: readonly PredictionRow[]): Promise<PredictionRow[]> {
  const all: PredictionRow[] = [];
  let [at, next] = [0, 0];
  for await (const { from, to } of inTurns(older.length + newer.length))
    for (let step = from; step < to && (at < older.length || next < newer.length); step++) {
      const [before, after] = [older[at], newer[next]];
      const order = byWindow(before, after);
      all.push(order < 0 ? before! : after!);
      if (order <= 0) at += 1;
      if (order >= 0) next += 1;
    }
  return all;
}

/** By start; of windows that start together the fleet's comes first, then the shorter; what is not there is last. */
function byWindow(a: Prediction | undefined, b: Prediction | undefined): number {
  if (!a || !b) return a ? -1 : 1;
  return a.tsMs - b.tsMs || (a.windowMs ?? 0) - (b.windowMs ?? 0);
}
