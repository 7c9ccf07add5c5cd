/**
 * Blob storage on Azure, or on anything that speaks its API. Each call is tried a bounded number of times
 * (blob-service.ts); what is left is told with the container and the blob, never with a key or a signature.
 */
import type { ContainerClient } from '@azure/storage-blob';
import { CONTAINERS, type ContainerName } from '../domain/blob-names.ts';
import { download } from './blob-download.ts';
import { blobError, statusOf } from './blob-errors.ts';
import { blobService, type BlobRetry, type BlobTarget } from './blob-service.ts';
import { callSignal } from './deadline.ts';
import type { BlobInfo, BlobStore } from './blobs.ts';

export type BlobStoreOptions = BlobTarget & { readonly retry?: BlobRetry };

// Above this a blob is sent in blocks, several at a time; below, in one request.
const SINGLE_SHOT_BYTES = 32 * 1024 * 1024;
const BLOCK_BYTES = 8 * 1024 * 1024;
const PARALLEL_BLOCKS = 4;

/** Connects on first use. @throws FleetscoreError `BLOB_CONFIG_INVALID` */
export function createBlobStore(options: BlobStoreOptions): BlobStore {
  const service = blobService(options, options.retry);
  // An address of one's own says no name.
  const account = service.accountName || new URL(service.url).host;
  const clients = new Map<ContainerName, ContainerClient>();
  const containerOf = (name: ContainerName): ContainerClient => {
    let client = clients.get(name);
    if (!client) clients.set(name, (client = service.getContainerClient(name)));
    return client;
  };

  /** Runs one call; its failure names what it was about. */
  const call = async <T>(
    doing: string,
    container: string,
    blob: string | undefined,
    work: () => Promise<T>,
  ): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (callSignal()?.aborted) throw callSignal()!.reason;
      throw blobError(error, { account, doing, container, blob });
    }
  };

  return {
    prepare: async () => {
      await Promise.all(
        Object.values(CONTAINERS).map((name) =>
          call('create', name, undefined, () => containerOf(name).createIfNotExists()),
        ),
      );
    },

    put: (container, name, body, contentType) =>
      call('write', container, name, () => upload(containerOf(container), name, body, contentType, false)),

    putIfAbsent: (container, name, body, contentType) =>
      call('write', container, name, async () => {
        try {
          await upload(containerOf(container), name, body, contentType, true);
          return true;
        } catch (error) {
          if (isThere(error)) return false;
          throw error;
        }
      }),

    get: (container, name, read) =>
      call('read', container, name, () => download(containerOf(container).getBlobClient(name), options.retry, read)),

    exists: (container, name) =>
      call('look up', container, name, () => containerOf(container).getBlobClient(name).exists()),

    async *list(container, prefix): AsyncGenerator<BlobInfo> {
      try {
        for await (const { name, properties, metadata } of containerOf(container).listBlobsFlat({
          prefix,
          includeMetadata: true,
        }))
          // Accounts with a hierarchical namespace list their folders too, as blobs without bytes.
          if (metadata?.['hdi_isfolder'] !== 'true') yield { name, bytes: properties.contentLength ?? 0 };
      } catch (error) {
        if (callSignal()?.aborted) throw callSignal()!.reason;
        throw blobError(error, { account, doing: 'list', container, blob: `${prefix}*` });
      }
    },

    delete: (container, name) =>
      call('delete', container, name, async () => {
        try {
          await containerOf(container).getBlobClient(name).deleteIfExists({ deleteSnapshots: 'include' });
        } catch (error) {
          // What was in it is gone with it.
          if (statusOf(error).code !== 'ContainerNotFound') throw error;
        }
      }),
  };
}

async function upload(
  container: ContainerClient,
  name: string,
  body: Uint8Array,
  contentType: string,
  onlyNew: boolean,
): Promise<void> {
  await container.getBlockBlobClient(name).uploadData(body, {
    blobHTTPHeaders: { blobContentType: contentType },
    conditions: onlyNew ? { ifNoneMatch: '*' } : {},
    maxSingleShotSize: SINGLE_SHOT_BYTES,
    blockSize: BLOCK_BYTES,
    concurrency: PARALLEL_BLOCKS,
  });
}

/** The answer to a write of what must be new, when there is such a blob; what an immutability policy keeps is there. */
function isThere(error: unknown): boolean {
  const { status, code } = statusOf(error);
  return status === 412 || (status === 409 && (code === 'BlobAlreadyExists' || code === 'BlobImmutableDueToPolicy'));
}
