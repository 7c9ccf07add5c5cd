/**
 * Models and packs from Blob, kept on disk within a bound. Content is named by its SHA-256 and checked on each way into
 * the process: here when it arrives, and by whoever reads the file later; a file that does not fit its name is fetched
 * again. Packs that were just checked go to the scoring threads as they are, in memory that all of them share. The disk
 * is a help only: when it is full or not writable, bytes go from hand to hand.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { LRUCache } from 'lru-cache';
import { CONTAINERS, modelBlob, packBlob } from '../domain/blob-names.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { callSignal, endingWith, orAborted, sharedBy } from '../storage/deadline.ts';
import { checkModelSize } from './model-contract.ts';
import { modelError } from './model-problem.ts';
import type { ModelFile } from './thread-protocol.ts';
import { HOUR_MS } from '../domain/time.ts';
import { sha256Of } from '../domain/sha256.ts';
import { writeWhole } from '../storage/whole-file.ts';

export type CachedKind = 'model' | 'pack';

export interface ModelCache {
  /**
   * The file on disk. Its checked bytes where they are at hand: of a pack that was just checked, and when there is no
   * disk to use.
   * @throws FleetscoreError `MODEL_MISSING`, `MODEL_CORRUPT`, `MODEL_TOO_LARGE`, or what Blob throws when it is
   *   unavailable
   */
  file(kind: CachedKind, sha256: string): Promise<ModelFile>;
  /** The bytes, checked. @throws as {@link ModelCache.file} */
  bytes(kind: CachedKind, sha256: string): Promise<Uint8Array>;
  /** Fetches it again whatever is on disk. @throws as {@link ModelCache.file} */
  refetch(kind: CachedKind, sha256: string): Promise<Uint8Array>;
}

export interface ModelCacheOptions {
  readonly blobs: BlobStore;
  /** Created when missing. May be shared by processes: the bound is then that of each. */
  readonly dir: string;
  /** Bytes on disk. */
  readonly maxBytes: number;
  readonly maxModelBytes: number;
  /** Largest pack taken; packs are our own and larger than models. */
  readonly maxPackBytes: number;
  readonly warn: (message: string) => void;
}

/** Packs that were checked here and that threads have yet to load: how many bytes of them are held, and how long. */
const FRESH_BYTES = 96 * 1024 * 1024;
const FRESH_MS = 60_000;

interface Fetched {
  readonly bytes: Uint8Array;
  /** Absent when it could not be kept on disk. */
  readonly path?: string;
}

interface Fetching {
  readonly running: Promise<Fetched>;
  readonly stop: AbortController;
  /** Callers that wait for it. */
  waiting: number;
}

export async function createModelCache(options: ModelCacheOptions): Promise<ModelCache> {
  const { warn } = options;
  // The processes that read these files have other working folders.
  const dir = resolve(options.dir);
  const paths = {
    model: (sha256: string) => join(dir, modelBlob(sha256)),
    pack: (sha256: string) => join(dir, packBlob(sha256)),
  };
  let warned = false;
  const onDisk = new LRUCache<string, number>({
    maxSize: Math.max(1, options.maxBytes),
    sizeCalculation: (bytes) => Math.max(1, bytes),
    dispose: (_, path, reason) => {
      if (reason === 'evict') void rm(path, { force: true }).catch(() => undefined);
    },
  });
  const fresh = new LRUCache<string, Uint8Array>({
    maxSize: FRESH_BYTES,
    sizeCalculation: ({ byteLength }) => Math.max(1, byteLength),
    ttl: FRESH_MS,
    ttlAutopurge: true,
  });
  for (const file of await filesOf(dir)) onDisk.set(file.path, file.bytes);

  /** From Blob, and onto the disk where that is possible. */
  const fetch = async (kind: CachedKind, sha256: string): Promise<Fetched> => {
    const bytes = await readChecked(options, kind, sha256);
    if (kind === 'pack') fresh.set(sha256, bytes);
    const path = paths[kind](sha256);
    if (bytes.byteLength > options.maxBytes) return { bytes };
    try {
      await mkdir(dirname(path), { recursive: true });
      await writeWhole(path, bytes, `${path}.${randomUUID()}.new`);
    } catch (error) {
      if (!warned) warn(`models are not kept on disk: ${messageOf(error)}`);
      warned = true;
      return { bytes };
    }
    onDisk.set(path, bytes.byteLength);
    return { bytes, path };
  };

  const fetchOnce = oneAtATime(fetch);

  const cache: ModelCache = {
    async file(kind, sha256) {
      const path = paths[kind](sha256);
      const known = kind === 'pack' ? fresh.get(sha256) : undefined;
      if (known) return { sha256, bytes: known };
      if (onDisk.get(path) !== undefined) return { sha256, path };
      const fetched = await fetchOnce(kind, sha256);
      return fetched.path === undefined ? { sha256, bytes: fetched.bytes } : { sha256, path: fetched.path };
    },
    async bytes(kind, sha256) {
      const path = paths[kind](sha256);
      if (onDisk.get(path) !== undefined) {
        const bytes = await (kind === 'pack' ? readShared(path) : readFile(path)).catch(() => undefined);
        if (bytes && sha256Of(bytes) === sha256) {
          if (kind === 'pack') fresh.set(sha256, bytes);
          return bytes;
        }
      }
      return cache.refetch(kind, sha256);
    },
    async refetch(kind, sha256) {
      onDisk.delete(paths[kind](sha256));
      return (await fetchOnce(kind, sha256)).bytes;
    },
  };
  return cache;
}

/**
 * One fetch at a time for each file. It belongs to nobody: who waits for it may be called off without ending it for
 * the others. One that fails, as a call of Blob does that gets no answer, and one that nobody waits for any more, is
 * dropped: whoever comes next begins anew.
 */
function oneAtATime(
  fetch: (kind: CachedKind, sha256: string) => Promise<Fetched>,
): (kind: CachedKind, sha256: string) => Promise<Fetched> {
  const fetching = new Map<string, Fetching>();
  const scope = callSignal();
  const begin = (kind: CachedKind, sha256: string): Fetching => {
    const stop = new AbortController();
    const running = sharedBy(scope, () => endingWith(stop.signal, () => fetch(kind, sha256)));
    const own: Fetching = { running, stop, waiting: 0 };
    const forget = (): void => void (fetching.get(sha256) === own && fetching.delete(sha256));
    running.then(forget, forget);
    fetching.set(sha256, own);
    return own;
  };
  return async (kind, sha256) => {
    const shared = fetching.get(sha256) ?? begin(kind, sha256);
    shared.waiting += 1;
    try {
      return await orAborted(shared.running);
    } finally {
      shared.waiting -= 1;
      if (shared.waiting === 0 && fetching.get(sha256) === shared) {
        fetching.delete(sha256);
        shared.stop.abort();
      }
    }
  };
}

/** A file in memory that threads share. */
async function readShared(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const bytes = new Uint8Array(new SharedArrayBuffer(size));
    for (let at = 0, read = 1; at < size && read > 0; at += read)
      read = (await file.read(bytes, at, size - at, at)).bytesRead;
    return bytes;
  } finally {
    await file.close();
  }
}

/** The bytes from Blob, which fit their name. @throws FleetscoreError as {@link ModelCache.file} */
async function readChecked(
  { blobs, maxModelBytes, maxPackBytes }: ModelCacheOptions,
  kind: CachedKind,
  sha256: string,
): Promise<Uint8Array> {
  const name = kind === 'model' ? modelBlob(sha256) : packBlob(sha256);
  const read = async (): Promise<Uint8Array> => {
    try {
      return await blobs.get(CONTAINERS.models, name, { isHashed: true, isShared: kind === 'pack' });
    } catch (error) {
      if (error instanceof FleetscoreError && error.code === 'BLOB_MISSING')
        throw modelError('model_missing', `Blob holds no ${CONTAINERS.models}/${name}; publish the models again`);
      throw error;
    }
  };
  let bytes = await read();
  let found = sha256Of(bytes);
  if (found !== sha256) {
    // Damaged on its way, or in Blob? The second read tells.
    bytes = await read();
    found = sha256Of(bytes);
  }
  checkModelSize(bytes.byteLength, kind === 'model' ? maxModelBytes : maxPackBytes);
  if (found !== sha256)
    throw modelError(
      'model_corrupt',
      `${CONTAINERS.models}/${name} has SHA-256 ${found}, which is not its name; publish the models again`,
    );
  return bytes;
}

/** What an earlier process left, oldest use first; half-written files are removed. */
async function filesOf(dir: string): Promise<{ path: string; bytes: number; usedMs: number }[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const info = await stat(path).catch(() => undefined);
    if (!info) continue;
    if (entry.name.endsWith('.onnx'))
      files.push({ path, bytes: info.size, usedMs: Math.max(info.atimeMs, info.mtimeMs) });
    // Another process may be writing it right now: only what is old was left behind.
    else if (entry.name.endsWith('.new') && Date.now() - info.mtimeMs > HOUR_MS)
      await rm(path, { force: true }).catch(() => undefined);
  }
  return files.sort((a, b) => a.usedMs - b.usedMs);
}
