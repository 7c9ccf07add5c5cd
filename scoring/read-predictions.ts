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
import { sha256Of } from '../domain/sha256.ts';

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
  const byTime = new Map<number, PredictionRow>();
  for (const source of await deps.store.predictionSources(sensor.id, period)) {
    const bytes = await deps.blobs.get(CONTAINERS.predictions, source.file.blob);
    if (sha256Of(bytes) !== source.file.sha256)
      throw new FleetscoreError(
        'PREDICTIONS_CORRUPT',
        `predictions/${source.file.blob} is not the file that batch ${source.batchId} wrote (its SHA-256 ` +
          'differs). Score the period again: fleetscore batch run.',
      );
    for (const row of await decodePredictions(bytes, sensor))
      if (row.tsMs >= period.fromMs && row.tsMs < period.toMs)
        byTime.set(row.tsMs, { ...row, batchId: source.batchId, model: source.model });
  }
  return [...byTime.values()].sort((a, b) => a.tsMs - b.tsMs);
}
