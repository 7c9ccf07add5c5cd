/**
 * Blobs: put, change, lease, delete; how they grow and are read: append-blob.ts, read-blob.ts. Content is taken and
 * synced first; the name changes in one transaction after it, under the conditions of the request, so that a reader
 * sees the old blob or the new one.
 */
import { createHash } from 'node:crypto';
import { checkConditions, type Access } from './conditions.ts';
import { removeBlob } from './containers.ts';
import { blobNotFound, conditionNotMet, invalid, notImplemented } from './errors.ts';
import type { IndexDb } from './index-db.ts';
import { changeLease } from './lease.ts';
import type { NewPiece, Pieces } from './pieces.ts';
import { metadataOf, type BlobAnswer, type OneBlobRequest } from './request.ts';
import {
  changedHeaders,
  findBlob,
  findContainer,
  newEtag,
  storedHeaders,
  type BlobRow,
  type BlobType,
} from './rows.ts';

export interface Parts {
  readonly db: IndexDb;
  readonly pieces: Pieces;
}

/** The blob of the request as it is. @throws ServiceError 404, 304, 409, 412 */
export function blobFor({ db }: Parts, request: OneBlobRequest, access: Access): BlobRow {
  findContainer(db, request.container);
  const row = findBlob(db, request.container, request.blob);
  if (!row) throw blobNotFound();
  checkConditions(request, row, access, Date.now());
  return row;
}

/** Takes the body of the request, checks its hash, and hands it to `use`; what `use` refuses leaves nothing behind. */
export async function withBody<T>(
  { pieces }: Parts,
  request: OneBlobRequest,
  use: (piece: NewPiece, md5: string) => Promise<T>,
): Promise<T> {
  const hash = createHash('md5');
  const piece = await pieces.take(request.body, (chunk) => hash.update(chunk));
  try {
    const md5 = hash.digest('base64');
    const said = request.header('content-md5');
    if (said !== undefined && said !== md5)
      throw invalid('Md5Mismatch', 'The MD5 value specified in the request did not match the content.');
    return await use(piece, md5);
  } catch (error) {
    await pieces.discard(piece);
    throw error;
  }
}

export interface NewBlob {
  readonly type: BlobType;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: readonly { readonly block: string; readonly pieceId: number; readonly bytes: number }[];
}

/** In a write: puts a blob under the name, in place of what was there. */
export function replaceBlob({ db, pieces }: Parts, request: OneBlobRequest, blob: NewBlob): BlobRow {
  const [container, name] = [request.container, request.blob];
  const before = findBlob(db, container, name);
  // Parts first: pieces that both have must not be released.
  const nowMs = Date.now();
  const kept = before && { created: before.created_ms, lease: before.lease };
  const old = before
    ? db.all<{ piece_id: number }>('SELECT piece_id FROM parts WHERE blob_id = ?', before.blob_id)
    : [];
  if (before) {
    db.run('DELETE FROM parts WHERE blob_id = ?', before.blob_id);
    db.run('DELETE FROM blobs WHERE blob_id = ?', before.blob_id);
  }
  const bytes = blob.parts.reduce((sum, part) => sum + part.bytes, 0);
  const { id } = db.run(
    `INSERT INTO blobs (container, name, type, bytes, etag, created_ms, modified_ms, headers, metadata, blocks, lease)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
    container,
    name,
    blob.type,
    bytes,
    newEtag(),
    kept?.created ?? nowMs,
    nowMs,
    JSON.stringify(blob.headers),
    JSON.stringify(metadataOf(request)),
    kept?.lease ?? null,
  );
  let offset = 0;
  for (const part of blob.parts) {
    if (part.bytes > 0) addPart(db, id, offset, part.block, part.pieceId);
    offset += part.bytes;
  }
  pieces.release(old.map((part) => part.piece_id));
  return findBlob(db, container, name)!;
}

export function addPart(db: IndexDb, blobId: number, offset: number, block: string, pieceId: number): void {
  db.run('INSERT INTO parts (blob_id, offset, block, piece_id) VALUES (?, ?, ?, ?)', blobId, offset, block, pieceId);
}

/** `Put Blob`. */
export async function putBlob(parts: Parts, request: OneBlobRequest): Promise<BlobAnswer> {
  const { db, pieces } = parts;
  const type = request.header('x-ms-blob-type');
  // First: `Copy Blob` is a PUT without a type.
  if (request.header('x-ms-copy-source') !== undefined) throw notImplemented('copies by address');
  if (type === 'PageBlob') throw notImplemented('page blobs');
  if (type !== 'BlockBlob' && type !== 'AppendBlob')
    throw invalid('InvalidHeaderValue', 'x-ms-blob-type is BlockBlob or AppendBlob.');
  return withBody(parts, request, (piece, md5) =>
    db.write(() => {
      findContainer(db, request.container);
      checkConditions(request, findBlob(db, request.container, request.blob), 'create', Date.now());
      const headers = storedHeaders(request, true);
      const row = replaceBlob(parts, request, {
        type,
        headers: type === 'BlockBlob' && piece.bytes > 0 ? { 'content-md5': md5, ...headers } : headers,
        parts: [{ block: '', pieceId: piece.bytes === 0 ? 0 : pieces.adopt(piece), bytes: piece.bytes }],
      });
      dropStaged(parts, request);
      return {
        status: 201,
        headers: { ...changedHeaders(row), 'content-md5': md5, 'x-ms-request-server-encrypted': 'false' },
      };
    }),
  );
}

/** In a write: a whole new blob makes blocks that wait for a list void. */
export function dropStaged({ db, pieces }: Parts, request: OneBlobRequest): void {
  const [container, name] = [request.container, request.blob];
  const sql = 'SELECT piece_id FROM staged WHERE container = ? AND name = ?';
  const staged = db.all<{ piece_id: number }>(sql, container, name);
  if (staged.length === 0) return;
  db.run('DELETE FROM staged WHERE container = ? AND name = ?', container, name);
  pieces.release(staged.map((one) => one.piece_id));
}

export function deleteBlob(parts: Parts, request: OneBlobRequest): Promise<BlobAnswer> {
  return parts.db.write(() => {
    const row = blobFor(parts, request, 'write');
    removeBlob(parts.db, parts.pieces, row.blob_id);
    return { status: 202, headers: { 'x-ms-delete-type-permanent': 'true' } };
  });
}

/** `Set Blob Metadata`, `Set Blob Properties`. */
export function changeBlob(
  parts: Parts,
  request: OneBlobRequest,
  what: 'metadata' | 'properties',
): Promise<BlobAnswer> {
  const { db } = parts;
  return db.write(() => {
    const row = blobFor(parts, request, 'write');
    const changed = { etag: newEtag(), modified_ms: Date.now() };
    const value = what === 'metadata' ? metadataOf(request) : storedHeaders(request);
    const column = what === 'metadata' ? 'metadata' : 'headers';
    const sql = `UPDATE blobs SET ${column} = ?, etag = ?, modified_ms = ? WHERE blob_id = ?`;
    db.run(sql, JSON.stringify(value), changed.etag, changed.modified_ms, row.blob_id);
    return { status: 200, headers: changedHeaders(changed) };
  });
}

/** `Lease Blob`. */
export function leaseBlob({ db }: Parts, request: OneBlobRequest): Promise<BlobAnswer> {
  return db.write(() => {
    findContainer(db, request.container);
    const row = findBlob(db, request.container, request.blob);
    if (!row) throw blobNotFound();
    const match = request.header('if-match');
    if (match !== undefined && match.replaceAll('"', '') !== row.etag) throw conditionNotMet();
    const { lease, answer } = changeLease(request, row, Date.now());
    db.run('UPDATE blobs SET lease = ? WHERE blob_id = ?', lease ? JSON.stringify(lease) : null, row.blob_id);
    return { ...answer, headers: { ...changedHeaders(row), ...answer.headers } };
  });
}
