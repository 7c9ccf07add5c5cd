/**
 * Folders and the room below them, with one clear word about what is in the way. Folders are made one after the other:
 * Node's own recursive way does not come back from a place such as /proc, where the system says that a folder which
 * cannot be made has no parent.
 */
import type { ErrorCode } from '../domain/error-codes.ts';
import { mkdirSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { FleetscoreError, messageOf } from '../domain/errors.ts';

/** Only the user that runs the stack reads what lies in a home: keys, readings, models. */
export const PRIVATE = 0o700;

/** With less room than this, bytes, a stack does not start: its servers could not save what they hold. */
export const LEAST_ROOM = 16 * 1024 * 1024;

/**
 * Makes a folder and those above it that are missing.
 * @param mode of those that are made
 * @throws FleetscoreError `FOLDER`, `DISK_FULL`
 */
export function makeFolder(path: string, mode?: number): void {
  const wanted = resolve(path);
  const missing: string[] = [];
  try {
    let at = wanted;
    for (; kindOf(at) === 'missing' && dirname(at) !== at; at = dirname(at)) missing.unshift(at);
    if (kindOf(at) === 'other') throw notAFolder(wanted, at);
    for (const folder of missing) makeOne(folder, mode);
  } catch (error) {
    throw folderProblem(wanted, error);
  }
}

function makeOne(path: string, mode?: number): void {
  try {
    mkdirSync(path, mode === undefined ? {} : { mode });
  } catch (error) {
    // Another process made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || kindOf(path) !== 'folder') throw error;
  }
}

function kindOf(path: string): 'folder' | 'other' | 'missing' {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'other';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Below a file: the file itself is found on the way up.
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    throw error;
  }
}

const notAFolder = (path: string, file: string): FleetscoreError =>
  new FleetscoreError(
    'FOLDER',
    `${file} is a file, and ${file === path ? 'a folder is wanted there' : `${path} is wanted below it`}. ` +
      'Choose another place, or move the file away.',
  );

/** What is in the way of a file or folder, with its remedy; other errors come back as they are. */
export function folderProblem(path: string, error: unknown): unknown {
  if (error instanceof FleetscoreError) return error;
  const { code } = error as NodeJS.ErrnoException;
  const say = (what: string, of: ErrorCode = 'FOLDER'): FleetscoreError =>
    new FleetscoreError(of, what, { cause: error });
  if (code === 'EACCES' || code === 'EPERM')
    return say(`${path} may not be written by this user (${code}). Choose another place, or take the right to it.`);
  if (code === 'EROFS') return say(`${path} is on a file system that is read-only. Choose another place.`);
  if (isFull(error)) return diskFull(path, error);
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EINVAL' || code === 'ENOTSUP')
    return say(`nothing can be made at ${path} (${code}). Choose another place.`);
  if (code === 'EISDIR') return say(`${path} is a folder, and a file is wanted there. Move the folder away.`);
  return error;
}

const FULL_CODES: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);
/** SQLite's primary result code of a full disk (https://www.sqlite.org/rescode.html). */
const SQLITE_FULL = 13;

/** A disk, or somebody's share of it, has no room left. */
export function isFull(error: unknown): boolean {
  const { code, errcode } = (error ?? {}) as { readonly code?: unknown; readonly errcode?: unknown };
  return FULL_CODES.has(code) || errcode === SQLITE_FULL;
}

/** What keeps a file from being written that a person asked for: a full disk with its remedy, else `unwritable`. */
export function fileProblem(file: string, error: unknown, unwritable: (why: string) => string): FleetscoreError {
  if (error instanceof FleetscoreError) return error;
  if (isFull(error)) {
    const room = roomAt(file);
    return new FleetscoreError(
      'DISK_FULL',
      `${file} does not fit on its disk${room === undefined ? '' : ` (${formatRoom(room)} left)`}; nothing of it was ` +
        'kept. Make room there, or name another place.',
      { cause: error },
    );
  }
  return new FleetscoreError('FILE_UNWRITABLE', unwritable(messageOf(error)), { cause: error });
}

export function diskFull(path: string, cause?: unknown): FleetscoreError {
  const room = roomAt(path);
  return new FleetscoreError(
    'DISK_FULL',
    `the disk of ${path} is full${room === undefined ? '' : ` (${formatRoom(room)} left)`}. ` +
      'Make room first, and keep what fleetscore stored there: it is whole.',
    { cause },
  );
}

/** Bytes that may still be written at a place; undefined where the system does not say. */
export function roomAt(path: string): number | undefined {
  for (let at = resolve(path); ; at = dirname(at))
    try {
      const { bavail, bsize, blocks } = statfsSync(at);
      return blocks === 0 ? undefined : bavail * bsize;
    } catch {
      if (dirname(at) === at) return undefined;
    }
}

/** @throws FleetscoreError `DISK_FULL` */
export function needRoom(path: string): void {
  const room = roomAt(path);
  if (room !== undefined && room < LEAST_ROOM) throw diskFull(path);
}

const formatRoom = (bytes: number): string =>
  bytes < 1024 * 1024 ? `${Math.floor(bytes / 1024)} KiB` : `${Math.floor(bytes / (1024 * 1024))} MiB`;
