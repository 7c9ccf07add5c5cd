/** Rows of the index as they come out of it, and what is made of them for answers. */
import { randomBytes } from 'node:crypto';
import type { IndexDb } from './index-db.ts';
import { containerNotFound } from './errors.ts';
import type { BlobRequest } from './request.ts';

export type BlobType = 'BlockBlob' | 'AppendBlob';

export interface BlobRow {
  readonly blob_id: number;
  readonly container: string;
  readonly name: string;
  readonly type: BlobType;
  readonly bytes: number;
  readonly etag: string;
  readonly created_ms: number;
  readonly modified_ms: number;
  /** JSON of {@link StoredHeaders}. */
  readonly headers: string;
  /** JSON of names and values. */
  readonly metadata: string;
  /** Blocks of an append blob. */
  readonly blocks: number;
  /** JSON of a lease, or null. */
  readonly lease: string | null;
}

export interface ContainerRow {
  readonly name: string;
  readonly etag: string;
  readonly modified_ms: number;
  readonly metadata: string;
}

/** Headers that are stored with a blob and given back with it; the key is the name in the answer. */
export type StoredHeaders = Readonly<Record<string, string>>;

const STORED = {
  'content-type': 'x-ms-blob-content-type',
  'content-encoding': 'x-ms-blob-content-encoding',
  'content-language': 'x-ms-blob-content-language',
  'content-disposition': 'x-ms-blob-content-disposition',
  'cache-control': 'x-ms-blob-cache-control',
  'content-md5': 'x-ms-blob-content-md5',
} as const;

/** What a writing request wants stored. `Put Blob` takes the plain Content-Type where no other is named. */
export function storedHeaders(request: BlobRequest, plainType = false): StoredHeaders {
  const found: Record<string, string> = {};
  for (const [name, asked] of Object.entries(STORED)) {
    const value = request.header(asked);
    if (value !== undefined && value !== '') found[name] = value;
  }
  const type = plainType ? request.header('content-type') : undefined;
  return { 'content-type': type ?? 'application/octet-stream', ...found };
}

export const newEtag = (): string => `0x${randomBytes(8).toString('hex').toUpperCase()}`;
export const quoted = (etag: string): string => `"${etag}"`;
export const httpDate = (ms: number): string => new Date(ms).toUTCString();

export function findContainer(db: IndexDb, name: string): ContainerRow {
  const found = db.get<ContainerRow>('SELECT * FROM containers WHERE name = ?', name);
  if (!found) throw containerNotFound(name);
  return found;
}

export const findBlob = (db: IndexDb, container: string, name: string): BlobRow | undefined =>
  db.get<BlobRow>('SELECT * FROM blobs WHERE container = ? AND name = ?', container, name);

export const changedHeaders = (row: {
  readonly etag: string;
  readonly modified_ms: number;
}): Record<string, string> => ({ etag: quoted(row.etag), 'last-modified': httpDate(row.modified_ms) });
