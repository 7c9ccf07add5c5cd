/**
 * Blob storage on Azure, or on anything that speaks its API. Each call is retried a bounded number of times
 * inside the client; what is left is told with the container and the blob, never with a key or a signature.
 */
import type { TokenCredential } from '@azure/identity';
import { BlobServiceClient, type ContainerClient, type StoragePipelineOptions } from '@azure/storage-blob';
import { CONTAINERS, type ContainerName } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { blobError, statusOf } from './blob-errors.ts';
import { machineIdentity } from './identity.ts';
import type { BlobInfo, BlobStore } from './blobs.ts';

/** How calls to Blob are retried. */
export interface BlobRetry {
  /** Tries of one call, the first included. Default 4. */
  readonly tries?: number;
  /** Wait before the second try, doubled each time up to 8 s; ms. Default 500. */
  readonly delayMs?: number;
  /** Longest time one try may take, ms. Default 60,000. */
  readonly tryTimeoutMs?: number;
}

export type BlobStoreOptions = (
  | { readonly connectionString: string }
  /** `https://ACCOUNT.blob.core.windows.net`; the machine's identity when no credential is given. */
  | { readonly accountUrl: string; readonly credential?: TokenCredential }
) & { readonly retry?: BlobRetry };

// Above this a blob is sent in blocks, several at a time; below, in one request.
const SINGLE_SHOT_BYTES = 32 * 1024 * 1024;
const BLOCK_BYTES = 8 * 1024 * 1024;
const PARALLEL_BLOCKS = 4;
/** Times a download goes on from where its connection broke. */
const DOWNLOAD_RESUMES = 4;

/** Connects on first use. @throws FleetscoreError `BLOB_CONFIG_INVALID` */
export function createBlobStore(options: BlobStoreOptions): BlobStore {
  const service = connect(options);
  const account = service.accountName;
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
      throw blobError(error, { account, doing, container, blob });
    }
  };

  const upload = async (
    container: ContainerName,
    name: string,
    body: Uint8Array,
    contentType: string,
    onlyNew: boolean,
  ): Promise<void> => {
    await containerOf(container)
      .getBlockBlobClient(name)
      .uploadData(body, {
        blobHTTPHeaders: { blobContentType: contentType },
        conditions: onlyNew ? { ifNoneMatch: '*' } : {},
        maxSingleShotSize: SINGLE_SHOT_BYTES,
        blockSize: BLOCK_BYTES,
        concurrency: PARALLEL_BLOCKS,
      });
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
      call('write', container, name, () => upload(container, name, body, contentType, false)),

    putIfAbsent: (container, name, body, contentType) =>
      call('write', container, name, async () => {
        try {
          await upload(container, name, body, contentType, true);
          return true;
        } catch (error) {
          const { status, code } = statusOf(error);
          if (status === 412 || (status === 409 && code === 'BlobAlreadyExists')) return false;
          throw error;
        }
      }),

    get: (container, name) =>
      call('read', container, name, async () => {
        const answer = await containerOf(container)
          .getBlobClient(name)
          .download(0, undefined, { maxRetryRequests: DOWNLOAD_RESUMES });
        const parts: Buffer[] = [];
        for await (const part of answer.readableStreamBody!) parts.push(Buffer.from(part as Uint8Array));
        const body = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
        if (answer.contentLength !== undefined && body.length !== answer.contentLength)
          throw new Error(`the answer ended after ${body.length} of ${answer.contentLength} bytes`);
        return body;
      }),

    exists: (container, name) =>
      call('look up', container, name, () => containerOf(container).getBlobClient(name).exists()),

    async *list(container, prefix): AsyncGenerator<BlobInfo> {
      try {
        for await (const { name, properties } of containerOf(container).listBlobsFlat({ prefix }))
          yield { name, bytes: properties.contentLength ?? 0 };
      } catch (error) {
        throw blobError(error, { account, doing: 'list', container, blob: `${prefix}*` });
      }
    },

    delete: (container, name) =>
      call('delete', container, name, async () => {
        await containerOf(container).getBlobClient(name).deleteIfExists({ deleteSnapshots: 'include' });
      }),
  };
}

function connect(options: BlobStoreOptions): BlobServiceClient {
  const { tries = 4, delayMs = 500, tryTimeoutMs = 60_000 } = options.retry ?? {};
  const pipeline: StoragePipelineOptions = {
    keepAliveOptions: { enable: true },
    retryOptions: { maxTries: tries, retryDelayInMs: delayMs, maxRetryDelayInMs: 8_000, tryTimeoutInMs: tryTimeoutMs },
  };
  try {
    return 'connectionString' in options
      ? BlobServiceClient.fromConnectionString(options.connectionString, pipeline)
      : new BlobServiceClient(options.accountUrl, options.credential ?? machineIdentity(), pipeline);
  } catch {
    // The cause is left out: it may repeat the connection string, and with it the account key.
    throw new FleetscoreError(
      'BLOB_CONFIG_INVALID',
      'The connection of Blob storage cannot be used. Give a whole connection string ' +
        '(DefaultEndpointsProtocol=...;AccountName=...;AccountKey=...;BlobEndpoint=...) or an account URL ' +
        '(https://ACCOUNT.blob.core.windows.net).',
    );
  }
}
