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
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';
import { decodePredictions } from './predictions-file.ts';
import { sha256InTurns } from '../domain/sha256.ts';
import { inTurns } from '../domain/turns.ts';

/** A prediction with where it comes from. */
export interface PredictionRow extends Prediction {
  readonly batchId: string;
  readonly model: string;
}

/**
 * By time ascending, one row a window.
 * @throws FleetscoreError `PREDICTIONS_CORRUPT` when a file is not what was committed
 */
export async function readPredictions(
  deps: { readonly store: Store; readonly blobs: BlobStore },
  sensor: Sensor,
  period: Period,
): Promise<PredictionRow[]> {
  let lists: PredictionRow[][] = [];
  for (const source of await deps.store.predictionSources(sensor.id, period)) {
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
        if (row.tsMs >= period.fromMs && row.tsMs < period.toMs) own.push({ ...row, batchId, model });
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

/** Two lists by time as one; of two rows for one time `newer` has the word. A file has the rows of a sensor by time. */
async function merged(older: readonly PredictionRow[], newer: readonly PredictionRow[]): Promise<PredictionRow[]> {
  const all: PredictionRow[] = [];
  let [at, next] = [0, 0];
  for await (const { from, to } of inTurns(older.length + newer.length))
    for (let step = from; step < to && (at < older.length || next < newer.length); step++) {
      const [before, after] = [older[at], newer[next]];
      const isNewer = after !== undefined && !(before !== undefined && before.tsMs < after.tsMs);
      all.push(isNewer ? after : before!);
      if (!isNewer || before?.tsMs === after.tsMs) at += 1;
      if (isNewer) next += 1;
    }
  return all;
}
