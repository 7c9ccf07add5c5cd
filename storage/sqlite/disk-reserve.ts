/**
 * Room on the disk that ingest leaves alone. On a full disk SQLite can delete nothing either (a DELETE needs room
 * for its log), so ingest stops while pruning, checkpoints and the records of batches still can run.
 */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { FleetscoreError } from '../../domain/errors.ts';
import { readingsWait } from '../store.ts';

const MIB = 1024 * 1024;
/** Of small disks no more than a tenth is kept free. */
const RESERVE_BYTES = 256 * MIB;
/** A look costs microseconds; readings cannot fill the reserve within this time. */
const LOOK_EVERY_MS = 1_000;

export interface DiskRoom {
  readonly freeBytes: number;
  /** Ingest stops below this. */
  readonly reserveBytes: number;
}

/** Room where the file at `path` lies; undefined for a store in memory, or where the system does not tell. */
export function diskRoom(path: string): DiskRoom | undefined {
  if (path === ':memory:') return undefined;
  try {
    const { bavail, blocks, bsize } = statfsSync(dirname(path));
    return { freeBytes: bavail * bsize, reserveBytes: Math.min(RESERVE_BYTES, (blocks * bsize) / 10) };
  } catch {
    return undefined;
  }
}

const mib = (bytes: number): string => `${Math.floor(bytes / MIB)} MiB`;

/** What a person does about it. */
const roomRemedy = (path: string, { freeBytes, reserveBytes }: DiskRoom): string =>
  `the disk of ${path} has ${mib(freeBytes)} free, and ingest leaves ${mib(reserveBytes)} alone so that ` +
  'pruning can run. ' +
  'Free room elsewhere on this disk, or let `fleetscore db prune --windows AGE` delete old windows: ' +
  'the file stays as ' +
  'large, and what is deleted is used again by ingest. Nothing is lost while it waits, as long as the event ' +
  'hub keeps the events';

/**
 * A check that throws while the disk is too full. Pages that pruning freed count as room: ingest goes on in them.
 * @param freePages bytes of free pages in the file
 */
export function reserveGuard(
  path: string,
  freePages: () => number,
  now: () => number = Date.now,
  look: (path: string) => DiskRoom | undefined = diskRoom,
): () => void {
  let lookedAtMs = -Infinity;
  let problem: string | undefined;
  return () => {
    const nowMs = now();
    if (nowMs - lookedAtMs >= LOOK_EVERY_MS) {
      lookedAtMs = nowMs;
      const room = look(path);
      const waits = room !== undefined && readingsWait({ ...room, reusableBytes: freePages() });
      problem = waits ? roomRemedy(path, room) : undefined;
    }
    if (problem === undefined) return;
    throw new FleetscoreError('DISK_RESERVE', `Readings wait: ${problem}.`, { retryable: true });
  };
}
