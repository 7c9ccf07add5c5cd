/**
 * The blob of a predictions file. A retry writes the same bytes to the same name. Where it finds others there (readings
 * came late between two attempts, and the first did not commit) its own go beside them, named by content; the manifest
 * knows which count.
 */
import { CONTAINERS, predictionsBlob } from '../domain/blob-names.ts';
import type { PredictionsFormat } from '../domain/prediction.ts';
import type { EncodedPredictions } from '../scoring/predictions-content.ts';
import { CONTENT_TYPES } from '../scoring/predictions-file.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { BatchFile } from '../storage/store.ts';
import { sha256Of } from '../domain/sha256.ts';

/** @param folder of the batch */
export async function writePredictions(
  blobs: BlobStore,
  format: PredictionsFormat,
  folder: string,
  chunk: string,
  { bytes, rows, sha256 }: EncodedPredictions,
): Promise<BatchFile> {
  const type = CONTENT_TYPES[format];
  const plain = predictionsBlob(folder, chunk, format);
  const file = (blob: string): BatchFile => ({ chunk, blob, rows, bytes: bytes.byteLength, sha256 });
  if (await blobs.putIfAbsent(CONTAINERS.predictions, plain, bytes, type)) return file(plain);
  if (sha256Of(await blobs.get(CONTAINERS.predictions, plain)) === sha256) return file(plain);
  const beside = predictionsBlob(folder, `${chunk}.${sha256.slice(0, 12)}`, format);
  await blobs.putIfAbsent(CONTAINERS.predictions, beside, bytes, type);
  return file(beside);
}
