/**
 * Files of the container `drop`: which version of each was read, by whom, and what became of it. Rules of all
 * contracts: store.ts.
 */
import type { DropClaim, DropResult, DropState, DroppedFile, DroppedVersion, HeldDrop } from '../../domain/drop.ts';

export interface DropFilter {
  readonly state?: DropState;
  /** Default: all of them. */
  readonly limit?: number;
}

export interface DropEnd {
  readonly state: Exclude<DropState, 'reading'>;
  readonly endedMs: number;
  readonly result: DropResult;
}

export interface DropStore {
  /** Those begun last first. */
  listDropped(filter?: DropFilter): Promise<HeldDrop[]>;
  countDropped(): Promise<Readonly<Record<DropState, number>>>;
  /**
   * Begins a version of a file, or goes on with it, in place of what was known of an earlier one. Undefined when
   * somebody else reads a file: one is read at a time.
   */
  claimDropped(version: DroppedVersion, claim: DropClaim): Promise<DroppedFile | undefined>;
  /** Whoever reads it goes on doing so. False when it is no longer his. */
  holdDropped(name: string, holder: string, untilMs: number): Promise<boolean>;
  /** What became of it. False, and nothing is written, when it is no longer his. */
  endDropped(name: string, holder: string, end: DropEnd): Promise<boolean>;
  /** As if it had never been there, unless it is being read. False when it was not known, or is being read. */
  forgetDropped(name: string): Promise<boolean>;
}
