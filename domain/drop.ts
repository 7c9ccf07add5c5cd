/**
 * Files with readings that somebody puts into the container `drop`: what is kept of each, and the numbers that their
 * events have. Every version of a file has a block of numbers of its own, so that a worker which slept through the end
 * of one file can never pass its events off as those of the next. Pure.
 */
import type { SendTally } from './send-tally.ts';

export type DropState = 'reading' | 'done' | 'failed';
export const DROP_STATES = ['reading', 'done', 'failed'] as const satisfies readonly DropState[];

/** A file as it lies there. */
export interface DroppedVersion {
  /** Of the blob, with its folders. */
  readonly name: string;
  readonly etag: string;
  /** By what it is read: the format that was said of it, and the version of the code. */
  readonly form: string;
  readonly bytes: number;
}

/** What became of a file. */
export interface DropResult {
  /** Readings that were read from it, whatever became of them. */
  readonly read: number;
  readonly tally: SendTally;
  /** Cells without a value. */
  readonly missing: number;
  /** Rows left out because of their quality. */
  readonly notGood: number;
  /** How it was read, where that was not said: options of `fleetscore send`. */
  readonly readAs?: string;
  /** Why it failed, with the remedy. */
  readonly reason?: string;
}

export interface DroppedFile extends DroppedVersion {
  readonly state: DropState;
  /** First number of its events. */
  readonly firstSeq: number;
  /** Its events are counted under it; see {@link SendTally}. */
  readonly sendId: string;
  /** Epoch ms; also the time at which its events count as arrived. */
  readonly begunMs: number;
  readonly endedMs?: number;
  /** Readers that ended without a word in the middle of this version: the file may be what ends them. */
  readonly deaths: number;
  /** Where it has ended. */
  readonly result?: DropResult;
}

/** A row of the store: the file, and who reads it. */
export interface HeldDrop extends DroppedFile {
  readonly holder: string;
  /** Nobody else takes it before, epoch ms. */
  readonly heldUntilMs: number;
}

export interface DropClaim {
  /** `source` of the progress of all files. */
  readonly source: string;
  readonly holder: string;
  readonly nowMs: number;
  readonly untilMs: number;
  readonly sendId: string;
}

/**
 * Numbers of one file: more than events can be in the largest one. Below 2^53 there is room for 90 million versions of
 * files.
 */
export const DROP_BLOCK = 100_000_000;

/** What the store knows when somebody asks for a file. */
export interface DropFacts {
  /** Files that somebody reads, or read when he died. */
  readonly open: readonly HeldDrop[];
  /** Highest first number of any file, -1 for none. */
  readonly highestFirst: number;
  /** Of the progress of all files; -1 for none. */
  readonly appliedSeq: number;
}

/**
 * The file as it is to be stored for whoever asks, or undefined: somebody else reads one, and there is one at a time.
 * It goes on where it stood when the same version was begun and no other file since.
 */
export function claimDrop(version: DroppedVersion, by: DropClaim, facts: DropFacts): HeldDrop | undefined {
  if (facts.open.some(({ holder, heldUntilMs }) => holder !== by.holder && heldUntilMs > by.nowMs)) return undefined;
  const before = facts.open.find(({ name, etag }) => name === version.name && etag === version.etag);
  // Whoever ends in order lets the file go, at 0.
  const died = before !== undefined && before.holder !== by.holder && before.heldUntilMs > 0;
  const deaths = (before?.deaths ?? 0) + (died ? 1 : 0);
  const held = { holder: by.holder, heldUntilMs: by.untilMs, deaths };
  if (before?.form === version.form && before.firstSeq === facts.highestFirst) return { ...before, ...held };
  const used = Math.max(facts.highestFirst, facts.appliedSeq);
  const firstSeq = used < 0 ? 0 : (Math.floor(used / DROP_BLOCK) + 1) * DROP_BLOCK;
  return { ...version, ...held, state: 'reading', firstSeq, sendId: by.sendId, begunMs: by.nowMs };
}
