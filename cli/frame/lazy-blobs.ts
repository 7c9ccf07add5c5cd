/**
 * Blob storage that is opened at its first call: most commands never touch it, and its SDK takes longer to load
 * than they take to run.
 */
import type { BlobStore } from '../../storage/blobs.ts';

/** What `open` throws is thrown by the first call, and by those after it. */
export function lazyBlobs(open: () => Promise<BlobStore>): BlobStore {
  let opened: Promise<BlobStore> | undefined;
  const blobs = (): Promise<BlobStore> => (opened ??= open());
  return {
    prepare: async () => (await blobs()).prepare(),
    put: async (...args) => (await blobs()).put(...args),
    putIfAbsent: async (...args) => (await blobs()).putIfAbsent(...args),
    get: async (...args) => (await blobs()).get(...args),
    exists: async (...args) => (await blobs()).exists(...args),
    async *list(...args) {
      yield* (await blobs()).list(...args);
    },
    delete: async (...args) => (await blobs()).delete(...args),
  };
}
