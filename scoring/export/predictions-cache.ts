/**
 * Rows of predictions files by sensor, for a reader that takes sensors in the order of their ids: a file is read when
 * its first sensor comes by. What is kept is bounded in rows; of a file that is larger than that, one sensor's.
 */
import { LRUCache } from 'lru-cache';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import type { Prediction } from '../../domain/prediction.ts';
import { keyOf, type SensorKey } from '../../domain/sensor.ts';
import { sha256Of } from '../../domain/sha256.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { BatchFile } from '../../storage/store.ts';
import { decodePredictions } from '../predictions-file.ts';

/** Some 100 bytes a row. */
const KEPT_ROWS = 500_000;
/** Of files that are too large to keep their rows: that of a batch and those of the batches beside it. */
const KEPT_BYTES = 256 * 1024 * 1024;
const NO_ROWS: readonly Prediction[] = [];

/** @throws FleetscoreError `PREDICTIONS_CORRUPT` when a file is not what was recorded, `BLOB_MISSING` */
export type RowsOf = (batchId: string, file: BatchFile, sensor: SensorKey) => Promise<readonly Prediction[]>;

export function openPredictions(blobs: BlobStore, keptRows = KEPT_ROWS): RowsOf {
  const whole = new LRUCache<string, ReadonlyMap<string, readonly Prediction[]>>({
    maxSize: keptRows,
    sizeCalculation: (bySensor) => [...bySensor.values()].reduce((sum, rows) => sum + rows.length, 1),
  });
  const large = new LRUCache<string, Uint8Array>({ maxSize: KEPT_BYTES, sizeCalculation: ({ length }) => length + 1 });
  return async (batchId, file, sensor) => {
    if (file.rows > keptRows / 2) {
      const bytes = large.get(file.blob) ?? (await checked(blobs, batchId, file));
      large.set(file.blob, bytes);
      return decodePredictions(bytes, sensor);
    }
    let bySensor = whole.get(file.blob);
    if (!bySensor) {
      bySensor = Map.groupBy(await decodePredictions(await checked(blobs, batchId, file)), keyOf);
      whole.set(file.blob, bySensor);
    }
    return bySensor.get(keyOf(sensor)) ?? NO_ROWS;
  };
}

async function checked(blobs: BlobStore, batchId: string, { blob, sha256 }: BatchFile): Promise<Uint8Array> {
  const bytes = await blobs.get(CONTAINERS.predictions, blob);
  if (sha256Of(bytes) === sha256) return bytes;
  throw new FleetscoreError(
    'PREDICTIONS_CORRUPT',
    `predictions/${blob} is not the file that batch ${batchId} wrote (its SHA-256 differs). ` +
      `Look closer with: fleetscore verify ${batchId}`,
  );
}
