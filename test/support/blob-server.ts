/** One Blob server for a whole test file. */
import { afterAll, beforeAll } from '@jest/globals';
import type { BlobStore } from '../../storage/blobs.ts';
import { type BlobServer, startBlobServer } from './own-blob-server.ts';

export function useBlobServer(dir: string): { readonly blobs: BlobStore; readonly connectionString: string } {
  let server: BlobServer | undefined;
  beforeAll(async () => {
    server = await startBlobServer(dir);
  });
  afterAll(() => server?.stop());
  return {
    get blobs() {
      return server!.blobs;
    },
    get connectionString() {
      return server!.connectionString;
    },
  };
}
