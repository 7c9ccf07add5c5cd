/** What SQLite throws, told as a FleetscoreError that names the file and the remedy. */
import { FleetscoreError, messageOf } from '../../domain/errors.ts';

// Primary result codes, https://www.sqlite.org/rescode.html
const BUSY = 5;
const LOCKED = 6;
const IOERR = 10;
const FULL = 13;
const REMEDIES: Readonly<Record<number, string>> = {
  3: 'Check the permissions of the file and its folder.',
  [BUSY]: 'Another process held it for too long; look for a stuck fleetscore process, then try again.',
  [LOCKED]: 'Another process held it for too long; look for a stuck fleetscore process, then try again.',
  8: 'The file or its folder is read-only: change the permissions, or use another file.',
  [IOERR]: 'The disk failed to read or write; check it, then try again.',
  11: 'The file is damaged: restore it from a backup, or rebuild the windows from raw capture into a new file.',
  [FULL]:
    'The disk is full, and deleting needs room as well: first free some 100 MB elsewhere on this disk, then ' +
    'let `fleetscore db prune` delete what is old. The file stays as large, and its room is used again.',
  14: 'Check that it is a file, that its folder exists, and the permissions of both.',
  26: 'The file is not a SQLite database: name another file.',
};

/** The primary result code, undefined for anything that SQLite did not throw. */
function codeOf(error: unknown): number | undefined {
  const errcode = (error as { errcode?: unknown } | undefined)?.errcode;
  return typeof errcode === 'number' ? errcode & 0xff : undefined;
}

export function isBusy(error: unknown): boolean {
  const code = codeOf(error);
  return code === BUSY || code === LOCKED;
}

export function storeError(error: unknown, path: string): FleetscoreError {
  if (error instanceof FleetscoreError) return error;
  const code = codeOf(error);
  const message = messageOf(error);
  if (/\bno such (table|column)\b/.test(message))
    return new FleetscoreError(
      'SCHEMA_MISSING',
      `The SQLite store ${path} lacks tables of this version (${message}). Run \`fleetscore db migrate\`.`,
      { cause: error },
    );
  const retryable = code === BUSY || code === LOCKED || code === IOERR || code === FULL;
  const remedy = (code === undefined ? undefined : REMEDIES[code]) ?? '';
  return new FleetscoreError(
    retryable ? 'STORE_UNAVAILABLE' : 'STORE_ERROR',
    `The SQLite store ${path} cannot be used: ${message}. ${remedy}`.trimEnd(),
    { retryable, cause: error },
  );
}
