/** The store as a file: its room, and whole copies of it while others go on writing. */
import { closeSync, existsSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { dirname, resolve } from 'node:path';
import { FleetscoreError } from '../../domain/errors.ts';
import type { FileStore } from '../store.ts';
import type { Connection } from './connection.ts';
import { fileProblem } from '../folders.ts';
import { diskRoom } from './disk-reserve.ts';
import { storeError } from './errors.ts';

const pragma = (db: Connection, name: string): number =>
  Number(Object.values(db.get<Record<string, number>>(`PRAGMA ${name}`) ?? { value: 0 })[0]);

/** Bytes of free pages: writers fill them before the file grows. */
export const reusableBytes = (db: Connection): number => pragma(db, 'freelist_count') * pragma(db, 'page_size');

export function fileMethods(db: Connection): FileStore {
  return {
    backup: (file) => backup(db, resolve(file)),
    advice: async () => [],
    async room() {
      const disk = diskRoom(db.path);
      if (!disk) return undefined;
      return {
        fileBytes: statSync(db.path).size,
        reusableBytes: reusableBytes(db),
        freeBytes: disk.freeBytes,
        reserveBytes: disk.reserveBytes,
      };
    },
  };
}

/**
 * VACUUM INTO reads one snapshot and ends, whatever others write meanwhile; the online backup of SQLite starts over at
 * each commit of another process, and beside ingest never ends (https://www.sqlite.org/backup.html).
 */
async function backup(db: Connection, file: string): Promise<{ bytes: number }> {
  if (existsSync(file))
    throw new FleetscoreError('FILE_EXISTS', `${file} is there already. Name a file that is not, or move it away.`);
  if (!existsSync(dirname(file)))
    throw new FleetscoreError('INVALID_ARGUMENT', `there is no folder ${dirname(file)} to write the copy to.`);
  const partial = `${file}.partial`;
  rmSync(partial, { force: true });
  try {
    // Like the store itself it is its user's alone, wherever it goes. SQLite fills a file that is there and empty.
    closeSync(openSync(partial, 'wx', 0o600));
    db.statement('VACUUM INTO ?').run(partial);
    check(partial);
    const handle = await open(partial, 'r+');
    await handle.sync();
    await handle.close();
    renameSync(partial, file);
  } catch (error) {
    rmSync(partial, { force: true });
    throw copyProblem(error, file, db.path);
  }
  return { bytes: statSync(file).size };
}

/** A disk that is full, or a place without rights, is that of the copy: the store is not touched. */
export function copyProblem(error: unknown, file: string, store: string): FleetscoreError {
  const problem = fileProblem(
    file,
    error,
    (why) => `the copy cannot be written to ${file}: ${why}. Name another place.`,
  );
  const ofSystem = typeof (error as { readonly syscall?: unknown }).syscall === 'string';
  return ofSystem || problem.code === 'DISK_FULL' ? problem : storeError(error, store);
}

function check(file: string): void {
  const copy = new DatabaseSync(file, { readOnly: true });
  try {
    const rows = copy.prepare('PRAGMA quick_check').all() as { quick_check: string }[];
    if (rows.length !== 1 || rows[0]!.quick_check !== 'ok')
      throw new FleetscoreError(
        'STORE_ERROR',
        `the copy ${file} is damaged (${rows[0]?.quick_check}): check the disk.`,
      );
  } finally {
    copy.close();
  }
}
