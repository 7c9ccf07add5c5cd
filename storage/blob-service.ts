/**
 * How every request to Blob storage is made, whoever makes it: each try ends when nothing moves, with what it is made
 * for, or with the process; trouble that passes is tried again after the pause that the service asks for. The client's
 * own retries are off: they know neither (@azure/storage-blob 12.34.0: its `tryTimeoutInMs` only tells the server, and
 * `Retry-After`, 408, 429, 502 and 504 are not minded).
 */
import type { TokenCredential } from '@azure/identity';
import {
  AnonymousCredential,
  BlobServiceClient,
  newPipeline,
  StorageSharedKeyCredential,
  type HttpOperationResponse,
  type RequestPolicyFactory,
  type WebResource,
} from '@azure/storage-blob';
import { finished, Readable } from 'node:stream';
import { FleetscoreError } from '../domain/errors.ts';
import { passes, retryAfterOf } from './blob-errors.ts';
import { callSignal, orAborted, pauseFor, stalledError, watchCall } from './deadline.ts';
import { machineIdentity } from './identity.ts';

/**
 * How calls to Blob are retried. A call without an answer costs `tries` times `tryTimeoutMs` and the pauses between.
 */
export interface BlobRetry {
  /** Tries of one call, the first included. Default 4. */
  readonly tries?: number;
  /** Wait before the second try, doubled each time up to 8 s, a quarter more or less; ms. Default 500. */
  readonly delayMs?: number;
  /** Longest time one try may go without progress, its body included; ms. Default 12,000. */
  readonly tryTimeoutMs?: number;
}

export const BLOB_RETRY: Required<BlobRetry> = { tries: 4, delayMs: 500, tryTimeoutMs: 12_000 };

const LONGEST_PAUSE_MS = 8_000;
/** A service that asks for a longer pause is not waited for inside of a call: whoever called it knows better. */
const LONGEST_ASKED_MS = 10_000;

export type BlobTarget =
  | { readonly connectionString: string }
  /** `https://ACCOUNT.blob.core.windows.net`; the machine's identity when no credential is given. */
  | { readonly accountUrl: string; readonly credential?: TokenCredential };

/** Connects on first use. @throws FleetscoreError `BLOB_CONFIG_INVALID` */
export function blobService(target: BlobTarget, retry: BlobRetry = {}): BlobServiceClient {
  try {
    let url: string;
    let credential: TokenCredential | StorageSharedKeyCredential | AnonymousCredential;
    if ('connectionString' in target) ({ url, credential } = parsed(target.connectionString));
    else [url, credential] = [target.accountUrl, target.credential ?? machineIdentity()];
    const pipeline = newPipeline(credential, { keepAliveOptions: { enable: true }, retryOptions: { maxTries: 1 } });
    pipeline.factories.push(patience({ ...BLOB_RETRY, ...retry }));
    return new BlobServiceClient(url, pipeline);
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

function parsed(connectionString: string): {
  url: string;
  credential: StorageSharedKeyCredential | AnonymousCredential;
} {
  const { url, credential } = BlobServiceClient.fromConnectionString(connectionString);
  return { url, credential: credential as StorageSharedKeyCredential | AnonymousCredential };
}

/** The pause before try `attempt` + 1, or undefined when there is none. */
export function pauseAfter(
  error: unknown,
  attempt: number,
  { tries, delayMs }: Required<BlobRetry>,
): number | undefined {
  if (attempt >= tries || !passes(error)) return undefined;
  const asked = retryAfterOf(error);
  if (asked !== undefined) return asked > LONGEST_ASKED_MS ? undefined : asked;
  return Math.min(delayMs * 2 ** (attempt - 1), LONGEST_PAUSE_MS) * (0.75 + Math.random() / 2);
}

/** One policy around all others: each try is signed anew, and its answer read, inside of it. */
function patience(retry: Required<BlobRetry>): RequestPolicyFactory {
  return {
    create: (next) => ({
      async sendRequest(request) {
        const own = request.abortSignal as AbortSignal | undefined;
        for (let attempt = 1; ; attempt++) {
          try {
            return await oneTry(request, own, retry.tryTimeoutMs, (made) => next.sendRequest(made));
          } catch (error) {
            const signal = own?.aborted ? own : callSignal();
            if (signal?.aborted) throw signal.reason;
            const pauseMs = pauseAfter(error, attempt, retry);
            if (pauseMs === undefined) throw error;
            await pauseFor(pauseMs, own);
          }
        }
      },
    }),
  };
}

async function oneTry(
  request: WebResource,
  own: AbortSignal | undefined,
  limitMs: number,
  send: (request: WebResource) => Promise<HttpOperationResponse>,
): Promise<HttpOperationResponse> {
  const watch = watchCall(limitMs, own);
  const { body, onDownloadProgress } = request;
  const streams = (request.streamResponseStatusCodes?.size ?? 0) > 0;
  let sent = 0;
  request.abortSignal = watch.signal;
  if (ArrayBuffer.isView(body) && body.byteLength > PIECE_BYTES)
    request.body = () => inPieces(body, (bytes) => watch.moved((sent += bytes)));
  // Not for a body that is handed on as it comes: the client's own count swallows the end of a connection that breaks.
  if (!streams) request.onDownloadProgress = ({ loadedBytes }) => watch.moved(sent + loadedBytes);
  let reading = false;
  try {
    // What is made on the way, a token for example, may not heed the signal.
    const answer = await orAborted(send(request), watch.signal);
    const stream = answer.readableStreamBody as Readable | undefined;
    if (stream) {
      // From here on whoever reads it sees to it that something comes; it still ends with what it is read for.
      reading = true;
      watch.waitNoMore();
      finished(stream, () => watch.done());
    }
    return answer;
  } catch (error) {
    throw watch.stalled ? stalledError(limitMs) : error;
  } finally {
    if (!reading) watch.done();
    Object.assign(request, { body, abortSignal: own, onDownloadProgress });
  }
}

/** Bodies go out in pieces of this size, so that one that gets stuck is told from one that is long. */
const PIECE_BYTES = 64 * 1024;

function inPieces(body: ArrayBufferView, went: (bytes: number) => void): Readable {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  function* pieces(): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES);
      yield piece;
      went(piece.length);
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}
