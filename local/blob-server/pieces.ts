/**
 * Content of blobs. Small pieces lie in the index itself, large ones in files that are synced before the index
 * knows them. A file's name stands in `pending_files` while it is written or deleted, so that a start never has
 * to look through all of them for what a kill left behind.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { IndexDb } from './index-db.ts';

/** Up to here content lies in the index: one sync instead of three, and no file of a few hundred bytes. */
export const INLINE_BYTES = 128 * 1024;
const READ_BYTES = 1024 * 1024;
/** Content comes in 64 KiB, and each call of the file system costs as much as to write several of these. */
const WRITE_BYTES = 1024 * 1024;

/** Content that is on disk and belongs to no blob yet. */
export interface NewPiece {
  readonly bytes: number;
  readonly body?: Uint8Array;
  readonly file?: string;
}

export interface StoredPiece {
  readonly offset: number;
  readonly bytes: number;
  readonly body: Uint8Array | null;
  readonly file: string | null;
}

export interface Pieces {
  /** Takes content as it comes. Nothing is left of it when the source fails. */
  take(source: AsyncIterable<Uint8Array>, onChunk?: (chunk: Uint8Array) => void): Promise<NewPiece>;
  /** In a write: makes it a piece of the index and gives its number. */
  adopt(piece: NewPiece): number;
  /** In a write: takes pieces away that nothing refers to any more. */
  release(ids: readonly number[]): void;
  /** Drops what was taken and not adopted. */
  discard(piece: NewPiece): Promise<void>;
  /** The bytes [from, to) of a stored piece. */
  read(piece: StoredPiece, from: number, to: number): AsyncIterable<Uint8Array>;
}

export function openPieces(dir: string, db: IndexDb): Pieces {
  const pathOf = (file: string): string => join(dir, 'files', file.slice(0, 2), file);
  for (const { file } of db.all<{ file: string }>('SELECT file FROM pending_files'))
    rmSync(pathOf(file), { force: true });
  void db.write(() => db.run('DELETE FROM pending_files'));

  const removeFiles = async (files: readonly string[]): Promise<void> => {
    await Promise.all(files.map((file) => rm(pathOf(file), { force: true })));
    await db.write(() => files.forEach((file) => db.run('DELETE FROM pending_files WHERE file = ?', file)));
  };

  const openFile = async (file: string): Promise<FileHandle> => {
    await db.write(() => db.run('INSERT INTO pending_files (file) VALUES (?)', file));
    mkdirSync(dirname(pathOf(file)), { recursive: true });
    return open(pathOf(file), 'wx', 0o600);
  };

  return {
    async take(source, onChunk) {
      const kept: Uint8Array[] = [];
      let bytes = 0;
      let written = 0;
      let file: string | undefined;
      let handle: FileHandle | undefined;
      const write = async (to: FileHandle): Promise<void> => {
        await writeAll(to, Buffer.concat(kept.splice(0)));
        written = bytes;
      };
      try {
        for await (const chunk of source) {
          onChunk?.(chunk);
          bytes += chunk.byteLength;
          kept.push(chunk);
          if (bytes <= INLINE_BYTES || (handle && bytes - written < WRITE_BYTES)) continue;
          handle ??= await openFile((file = randomUUID()));
          await write(handle);
        }
        if (!handle || file === undefined) return { bytes, body: Buffer.concat(kept) };
        await write(handle);
        await handle.sync();
        await handle.close();
        await syncFolder(dirname(pathOf(file)));
        return { bytes, file };
      } catch (error) {
        await handle?.close().catch(() => {});
        if (file !== undefined) await removeFiles([file]).catch(() => {});
        throw error;
      }
    },

    adopt({ bytes, body, file }) {
      if (file !== undefined) db.run('DELETE FROM pending_files WHERE file = ?', file);
      return db.run('INSERT INTO pieces (bytes, body, file) VALUES (?, ?, ?)', bytes, body ?? null, file ?? null).id;
    },

    release(ids) {
      const gone: string[] = [];
      for (const id of new Set(ids)) {
        if (db.get('SELECT 1 FROM parts WHERE piece_id = ? LIMIT 1', id)) continue;
        const piece = db.get<{ file: string | null }>('SELECT file FROM pieces WHERE piece_id = ?', id);
        db.run('DELETE FROM pieces WHERE piece_id = ?', id);
        if (!piece?.file) continue;
        db.run('INSERT OR IGNORE INTO pending_files (file) VALUES (?)', piece.file);
        gone.push(piece.file);
      }
      // After this transaction: `removeFiles` writes in one of its own, which comes later.
      if (gone.length > 0)
        void db
          .write(() => {})
          .then(() => removeFiles(gone))
          .catch(() => {});
    },

    discard: async ({ file }) => {
      if (file !== undefined) await removeFiles([file]);
    },

    read: ({ body, file }, from, to) => bytesOf(body, file ? pathOf(file) : undefined, from, to),
  };
}

async function* bytesOf(
  body: Uint8Array | null,
  path: string | undefined,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array> {
  if (to <= from) return;
  if (body) yield body.subarray(from, to);
  if (path === undefined) return;
  const handle = await open(path, 'r');
  try {
    for (let at = from; at < to;) {
      const want = Math.min(READ_BYTES, to - at);
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(want), 0, want, at);
      if (bytesRead === 0) throw new Error(`${path} ends at byte ${at}`);
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) at += (await handle.write(bytes, at)).bytesWritten;
}

/** So that the name of a new file is on disk, too. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
