/**
 * Proof that blobs can be written, for `fleetscore doctor`: an account or a disk that is full still answers every
 * question. The container is the one that operators write to as well (`models`, deploy/bicep/storage.bicep).
 */
import { CONTAINERS } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { BlobStore } from './blobs.ts';

/** More than a server may have room for in what it holds open anyway. */
const BYTES = 256 * 1024;
const NAME = 'fleetscore-doctor';

/**
 * Writes a blob and deletes it.
 * @returns false when this identity may not write there: then nothing is known of those who may
 * @throws FleetscoreError why nothing can be written
 */
export async function provesWrite(blobs: Pick<BlobStore, 'put' | 'delete'>): Promise<boolean> {
  try {
    await blobs.put(CONTAINERS.models, NAME, Buffer.alloc(BYTES), 'application/octet-stream');
    await blobs.delete(CONTAINERS.models, NAME);
    return true;
  } catch (error) {
    // What a policy keeps was written once.
    if (error instanceof FleetscoreError && (error.code === 'BLOB_FORBIDDEN' || error.code === 'BLOB_IMMUTABLE'))
      return false;
    throw error;
  }
}
