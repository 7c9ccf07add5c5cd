/**
 * Versions of what is written for later. Each format says its own; what says none is from before they did, and is
 * version 1. A reader takes all up to the one it knows, and calls a newer one newer, never damaged: "score it again" or
 * "restore it" would be costly advice for a file that is sound.
 */
import { FleetscoreError } from './errors.ts';

/** What this code writes, and the newest that it reads. */
export const FORMATS = {
  /** Columns of predictions files, CSV and Parquet alike. 2: with the column Window; 1 where all are the fleet's. */
  predictions: 2,
  manifest: 1,
  /** 2: the rows of a model are taken together. 3: trees behind the graph, which packs of other kinds do not have. */
  pack: 3,
  capture: 1,
  deadLetter: 1,
  stack: 1,
  pools: 1,
} as const;

/**
 * @param found what the file says; undefined where it says nothing
 * @param what the file, for the message: `the manifest predictions/...`
 * @throws FleetscoreError `FORMAT_TOO_NEW`; `FORMAT_UNKNOWN` for what no version writes
 */
export function checkFormat(format: keyof typeof FORMATS, found: unknown, what: string): void {
  if (found === undefined) return;
  const version = typeof found === 'string' && /^\d+$/.test(found) ? Number(found) : found;
  const known = FORMATS[format];
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1)
    throw new FleetscoreError(
      'FORMAT_UNKNOWN',
      `${what} says that its format is ${JSON.stringify(found)}; this fleetscore reads 1 to ${known}.`,
    );
  if (version > known) throw formatTooNew(what, `format ${version}; this one reads up to ${known}`);
}

/** For a format whose number cannot be told. */
export function formatTooNew(what: string, difference: string): FleetscoreError {
  return new FleetscoreError(
    'FORMAT_TOO_NEW',
    `${what} was made by a newer fleetscore (${difference}): upgrade this one. Nothing is wrong with it.`,
  );
}
