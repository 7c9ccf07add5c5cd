/**
 * Append blobs of the container `logs`. Every append names the length that it expects, so that one whose answer
 * was lost is found to be there and not written again; several processes may append to one blob.
 */
import { RestError, type AppendBlobClient, type ContainerClient } from '@azure/storage-blob';
import type { LogSink } from './shipper.ts';

/** Longest time of one call. */
const CALL_MS = 15_000;

interface Open {
  readonly name: string;
  readonly client: AppendBlobClient;
  /** Where the next block goes. */
  position: number;
}

export function createAppendSink(container: ContainerClient): LogSink {
  let open: Open | undefined;
  /** A blob takes 50,000 blocks. */
  let part = 1;
  const nameOf = (name: string): string => (part === 1 ? name : name.replace(/(\.\w+)$/, `.${part}$1`));

  const openBlob = async (name: string, abortSignal: AbortSignal): Promise<Open> => {
    const client = container.getAppendBlobClient(name);
    await client.createIfNotExists({ blobHTTPHeaders: { blobContentType: 'application/x-ndjson' }, abortSignal });
    return { name, client, position: (await client.getProperties({ abortSignal })).contentLength ?? 0 };
  };

  const append = async (base: string, bytes: Uint8Array): Promise<void> => {
    const abortSignal = AbortSignal.timeout(CALL_MS);
    const name = nameOf(base);
    if (open?.name !== name) open = await openBlob(name, abortSignal);
    for (let tries = 0; ; tries++) {
      const { client, position } = open;
      try {
        await client.appendBlock(bytes, bytes.byteLength, { conditions: { appendPosition: position }, abortSignal });
        open.position = position + bytes.byteLength;
        return;
      } catch (error) {
        if (!(error instanceof RestError) || error.statusCode !== 412 || tries >= 3) throw error;
        const { contentLength = 0 } = await client.getProperties({ abortSignal });
        open.position = contentLength;
        // Ours, whose answer was lost? It can only have gone to where it was meant for, whatever others wrote behind
        // it.
        if (contentLength >= position + bytes.byteLength && (await holds(client, position, bytes, abortSignal))) return;
      }
    }
  };

  return {
    async append(name, bytes) {
      try {
        await append(name, bytes);
      } catch (error) {
        if (error instanceof RestError && error.code === 'BlockCountExceedsLimit') part += 1;
        // The lifecycle rule, or a person, took it away.
        if (error instanceof RestError && error.statusCode === 404) open = undefined;
        throw error;
      }
    },
  };
}

async function holds(
  client: AppendBlobClient,
  position: number,
  bytes: Uint8Array,
  abortSignal: AbortSignal,
): Promise<boolean> {
  return (await client.downloadToBuffer(position, bytes.byteLength, { abortSignal })).equals(bytes);
}
