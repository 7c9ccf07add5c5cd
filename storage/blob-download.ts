/**
 * A download that ends whole or not at all: it goes on where its connection broke, in the same version of the blob,
 * and its bytes are held to the Content-MD5 that the service keeps. The client's own stream does neither
 * (@azure/storage-blob 12.34.0: `maxRetryRequests` has no effect when a connection breaks).
 */
import type { BlobClient } from '@azure/storage-blob';
import { createHash } from 'node:crypto';
import { messageOf } from '../domain/errors.ts';
import { statusOf } from './blob-errors.ts';
import type { ReadOptions } from './blobs.ts';
import { BLOB_RETRY, pauseAfter, type BlobRetry } from './blob-service.ts';
import { callSignal, type CallWatch, pauseFor, PROGRESS_BYTES, stalledError, watchCall } from './deadline.ts';

/** Times that a blob which is replaced while it is read is read anew from its start. */
const REPLACED = 3;

export interface Piece {
  readonly bytes: Uint8Array;
  /** Bytes of the blob before it, from the offset asked for. */
  readonly at: number;
}

interface Version {
  readonly etag: string | undefined;
  /** From the offset to the end. */
  readonly length: number | undefined;
  readonly md5: Uint8Array | undefined;
}

class Replaced extends Error {}

/** True when the blob became another version while it was read. */
export const isReplaced = (error: unknown): boolean => error instanceof Replaced;

/**
 * The blob from `offset` on, piece by piece, all of one version.
 * @throws what the client throws, once no further try helps
 */
export async function* pieces(
  client: BlobClient,
  offset: number,
  retry: BlobRetry = {},
  learned: (version: Version) => void = () => {},
): AsyncGenerator<Piece> {
  const all = { ...BLOB_RETRY, ...retry };
  let version: Version | undefined;
  let have = 0;
  for (let broken = 0; ;) {
    const before = have;
    const body = new AbortController();
    let watch: CallWatch | undefined;
    try {
      const answer = await client.download(offset + have, undefined, {
        maxRetryRequests: 0,
        abortSignal: body.signal,
        ...(version?.etag === undefined ? {} : { conditions: { ifMatch: version.etag } }),
      });
      version ??= { etag: answer.etag, length: answer.contentLength, md5: answer.contentMD5 };
      learned(version);
      watch = watchCall(all.tryTimeoutMs);
      watch.signal.addEventListener('abort', () => body.abort(), { once: true });
      for await (const part of answer.readableStreamBody!) {
        const bytes = part as Uint8Array;
        yield { bytes, at: have };
        have += bytes.byteLength;
        watch.moved(have - before);
      }
      if (isWhole(version, have)) return;
    } catch (thrown) {
      if (callSignal()?.aborted) throw callSignal()!.reason;
      const error = watch ? brokenBody(thrown, watch, all.tryTimeoutMs) : thrown;
      const { status } = statusOf(error);
      if (version && (status === 412 || status === 416)) throw new Replaced('it was replaced while it was read');
      // A request that was answered with a refusal has been tried inside of the client already.
      if (watch === undefined) throw error;
      if (have - before >= PROGRESS_BYTES) broken = 0;
      const pauseMs = pauseAfter(error, ++broken, all);
      if (pauseMs === undefined) throw error;
      await pauseFor(pauseMs);
    } finally {
      watch?.done();
      // Whoever reads no further lets the connection go.
      body.abort();
    }
  }
}

/** @throws when the answer ended early */
function isWhole({ length }: Version, have: number): true {
  if (length === undefined || have >= length) return true;
  throw new Error(`the answer ended after ${have} of ${length} bytes`);
}

const brokenBody = (thrown: unknown, { stalled }: CallWatch, tryTimeoutMs: number): Error =>
  stalled ? stalledError(tryTimeoutMs) : brokenOff(thrown);

/** The stream of a body tells of a broken connection in several ways, an abort among them. */
const brokenOff = (cause: unknown): Error =>
  Object.assign(new Error(`the connection broke (${messageOf(cause)})`, { cause }), { name: 'RestError' });

/**
 * Pieces to one body, each put in its place as it comes: joining hundreds of megabytes at the end would be one long
 * turn of the event loop, and twice the memory.
 */
async function gathered(
  parts: AsyncIterable<Piece>,
  length: () => number | undefined,
  seen: (bytes: Uint8Array) => void,
  place: (length: number) => Uint8Array,
): Promise<Uint8Array> {
  const apart: Uint8Array[] = [];
  let body: Uint8Array | undefined;
  let have = 0;
  for await (const { bytes, at } of parts) {
    seen(bytes);
    have = at + bytes.byteLength;
    const whole = length();
    if (whole === undefined || whole < have) apart.push(bytes);
    else if (bytes.byteLength === whole) return bytes;
    else (body ??= place(whole)).set(bytes, at);
  }
  return body?.subarray(0, have) ?? Buffer.concat(apart);
}

const ofOne = (length: number): Uint8Array => Buffer.allocUnsafeSlow(length);
const ofAll = (length: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(length));

/**
 * The whole blob. `isHashed`: whoever reads it holds it to a stronger hash, and MD5 would cost as much as all the rest.
 * @throws what the client throws, once no further try helps
 */
export async function download(
  client: BlobClient,
  retry: BlobRetry = {},
  { isHashed = false, isShared = false }: ReadOptions = {},
): Promise<Uint8Array> {
  let damaged: string | undefined;
  for (let again = 0; ; again++) {
    try {
      let version: Version | undefined;
      const hash = createHash('md5');
      const body = await gathered(
        pieces(client, 0, retry, (learned) => (version = learned)),
        () => version?.length,
        (bytes) => void (isHashed || hash.update(bytes)),
        isShared ? ofAll : ofOne,
      );
      const md5 = version?.md5;
      if (!md5 || isHashed) return body;
      const digest = hash.digest('hex');
      // Twice the same bytes: then it is what is stored that does not fit, which is for others to judge.
      if (digest === Buffer.from(md5).toString('hex') || digest === damaged) return body;
      if (again >= REPLACED) throw new Error('its bytes came damaged: they do not fit the Content-MD5 of the blob');
      damaged = digest;
    } catch (error) {
      if (!(error instanceof Replaced) || again >= REPLACED) throw error;
    }
  }
}
