/**
 * Takes over what azurite stored: homes of earlier versions keep their blobs there. Its folder is only read, so the
 * way back stays open; the new one appears under its name when all is in it, so a kill in between starts over.
 */
import { createReadStream, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { addPart } from './blobs.ts';
import { openIndex, type IndexDb } from './index-db.ts';
import { lokiDocuments } from './loki-json.ts';
import { openPieces, type Pieces } from './pieces.ts';
import { newEtag, type BlobType } from './rows.ts';

const INDEX = '__azurite_db_blob__.json';
const EXTENTS = '__azurite_db_blob_extent__.json';
/** Taken over at a time: they share the syncs of the index. */
const AT_ONCE = 64;
const TELL_EVERY = 20_000;

interface Chunk {
  readonly id: string;
  readonly offset: number;
  readonly count: number;
}

/** What azurite 3 writes of a blob, as far as it is used here. */
interface AzuriteBlob {
  readonly containerName: string;
  readonly name: string;
  readonly snapshot?: string;
  readonly isCommitted?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly properties: {
    readonly creationTime?: string;
    readonly lastModified: string;
    readonly etag: string;
    readonly contentLength?: number;
    readonly blobType?: string;
    readonly contentType?: string;
    readonly contentEncoding?: string;
    readonly contentLanguage?: string;
    readonly contentDisposition?: string;
    readonly cacheControl?: string;
    readonly contentMD5?: Readonly<Record<string, number>>;
  };
  readonly persistency?: Chunk;
  readonly committedBlocksInOrder?: readonly { readonly persistency: Chunk }[];
}

export interface Imported {
  readonly blobs: number;
  /** Named by the index, without their bytes: azurite lost them. */
  readonly lost: readonly string[];
}

/** True where {@link importAzurite} has something to do. */
export const needsImport = (azuriteDir: string, dir: string): boolean =>
  existsSync(join(azuriteDir, INDEX)) && !existsSync(dir);

/** @throws FleetscoreError `BLOB_IMPORT` when azurite's index cannot be read; nothing is changed then */
export async function importAzurite(azuriteDir: string, dir: string, log: (line: string) => void): Promise<Imported> {
  if (!needsImport(azuriteDir, dir)) return { blobs: 0, lost: [] };
  const work = `${dir}.importing`;
  rmSync(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true, mode: 0o700 });
  const db = openIndex(work);
  let imported: Imported;
  try {
    imported = await takeOver(azuriteDir, db, openPieces(work, db), log);
  } catch (error) {
    db.close();
    throw new FleetscoreError(
      'BLOB_IMPORT',
      `the blobs that azurite stored in ${azuriteDir} cannot be taken over: ${messageOf(error)}. ` +
        'Nothing was changed; mend or move the folder away, and start again.',
      { cause: error },
    );
  }
  db.close();
  renameSync(work, dir);
  const { blobs, lost } = imported;
  log(`${blobs} blobs taken over from ${azuriteDir}, which is not used any more and can be deleted`);
  if (lost.length > 0)
    log(`${lost.length} blobs of azurite's index have no bytes and were left out: ${lost.slice(0, 20).join(', ')}`);
  return imported;
}

async function takeOver(
  azuriteDir: string,
  db: IndexDb,
  pieces: Pieces,
  log: (line: string) => void,
): Promise<Imported> {
  const files = new Map<string, string>();
  const extents = join(azuriteDir, EXTENTS);
  if (existsSync(extents))
    for await (const { document } of lokiDocuments(extents)) {
      const { id, path } = document as { id: string; path: string };
      files.set(id, path);
    }
  const fileOf = (id: string): string => join(azuriteDir, '__blobstorage__', files.get(id) ?? id);
  let blobs = 0;
  const lost: string[] = [];
  const waiting: Promise<void>[] = [];
  const take = async (blob: AzuriteBlob): Promise<void> => {
    if (await addBlob(db, pieces, blob, fileOf)) blobs += 1;
    else lost.push(`${blob.containerName}/${blob.name}`);
    if (blobs % TELL_EVERY === 0 && blobs > 0) log(`${blobs} blobs taken over from azurite so far`);
  };
  for await (const { collection, document } of lokiDocuments(join(azuriteDir, INDEX))) {
    if (collection === '$CONTAINERS_COLLECTION$') await addContainer(db, document as { name: string });
    if (collection !== '$BLOBS_COLLECTION$') continue;
    const blob = document as AzuriteBlob;
    if ((blob.snapshot ?? '') !== '' || blob.isCommitted === false) continue;
    waiting.push(take(blob));
    if (waiting.length >= AT_ONCE) await Promise.all(waiting.splice(0));
  }
  await Promise.all(waiting);
  return { blobs, lost };
}

async function addContainer(db: IndexDb, { name }: { readonly name: string }): Promise<void> {
  await db.write(() =>
    db.run(
      'INSERT OR IGNORE INTO containers (name, etag, modified_ms, metadata) VALUES (?, ?, ?, ?)',
      name,
      newEtag(),
      Date.now(),
      '{}',
    ),
  );
}

/** False when the bytes of the blob are not there. */
async function addBlob(
  db: IndexDb,
  pieces: Pieces,
  blob: AzuriteBlob,
  fileOf: (id: string) => string,
): Promise<boolean> {
  const { properties: p } = blob;
  const blocks = blob.committedBlocksInOrder?.map((block) => block.persistency) ?? [];
  const whole = blob.persistency ? [blob.persistency] : [];
  const all = (blocks.length > 0 ? blocks : whole).filter((one) => one.count > 0);
  const bytes = p.contentLength ?? 0;
  if (all.reduce((sum, one) => sum + one.count, 0) !== bytes) return false;
  if (!all.every((one) => holds(fileOf(one.id), one))) return false;
  const content = async function* (): AsyncGenerator<Uint8Array> {
    for (const { id, offset, count } of all)
      yield* createReadStream(fileOf(id), { start: offset, end: offset + count - 1 }) as AsyncIterable<Uint8Array>;
  };
  const piece = await pieces.take(content());
  const type: BlobType = p.blobType === 'AppendBlob' ? 'AppendBlob' : 'BlockBlob';
  const headers = {
    'content-type': p.contentType ?? 'application/octet-stream',
    ...(p.contentEncoding ? { 'content-encoding': p.contentEncoding } : {}),
    ...(p.contentLanguage ? { 'content-language': p.contentLanguage } : {}),
    ...(p.contentDisposition ? { 'content-disposition': p.contentDisposition } : {}),
    ...(p.cacheControl ? { 'cache-control': p.cacheControl } : {}),
    ...(p.contentMD5 ? { 'content-md5': Buffer.from(Object.values(p.contentMD5)).toString('base64') } : {}),
  };
  await db.write(() => {
    const { id } = db.run(
      `INSERT INTO blobs (container, name, type, bytes, etag, created_ms, modified_ms, headers, metadata, blocks)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      blob.containerName,
      blob.name,
      type,
      bytes,
      p.etag.replaceAll('"', ''),
      Date.parse(p.creationTime ?? p.lastModified),
      Date.parse(p.lastModified),
      JSON.stringify(headers),
      JSON.stringify(blob.metadata ?? {}),
      type === 'AppendBlob' ? blocks.length : 0,
    );
    if (piece.bytes > 0) addPart(db, id, 0, '', pieces.adopt(piece));
  });
  return true;
}

function holds(file: string, { offset, count }: Chunk): boolean {
  try {
    return statSync(file).size >= offset + count;
  } catch {
    return false;
  }
}
