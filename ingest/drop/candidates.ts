/**
 * Which files of the drop are to be read now, in the order in which they came. Pure: what lies there and what is known
 * of it decide, and nobody's memory.
 */
import type { HeldDrop } from '../../domain/drop.ts';
import { sameTag, type DropEntry } from '../../storage/drop-box.ts';

export interface FoundFile extends DropEntry {
  /** By what it would be read; see `DroppedVersion`. */
  readonly form: string;
}

export interface Sorted {
  readonly toRead: readonly FoundFile[];
  /** Still being written, as it seems. */
  readonly unsettled: number;
  /** Records of files that were half read when they went away. */
  readonly gone: readonly HeldDrop[];
  /** Names of records that nobody needs any more: the file is gone for long. */
  readonly forgotten: readonly string[];
}

/** A writer's half file, or one that is none: of Spark, of copying tools, hidden ones. */
export const isIgnored = (name: string): boolean =>
  name.split('/').some((part) => /^[._]/.test(part)) || /\.(tmp|part|partial|filepart|crdownload)$/i.test(name);

/** Records of files that are gone are kept so long. */
const KEPT_MS = 90 * 86_400_000;

export function sortDrop(
  entries: readonly FoundFile[],
  records: readonly HeldDrop[],
  { nowMs, settleMs }: { readonly nowMs: number; readonly settleMs: number },
): Sorted {
  const known = new Map(records.map((record) => [record.name, record]));
  const there = new Set(entries.map(({ name }) => name));
  const wanted = entries.filter((entry) => !isIgnored(entry.name) && isNew(entry, known.get(entry.name)));
  // A file without a byte has been created and not yet written.
  const settled = wanted.filter(({ bytes, modifiedMs }) => bytes > 0 && nowMs - modifiedMs >= settleMs);
  return {
    toRead: settled.toSorted((a, b) => a.modifiedMs - b.modifiedMs || (a.name < b.name ? -1 : 1)),
    unsettled: wanted.length - settled.length,
    gone: records.filter(
      ({ name, state, heldUntilMs }) => state === 'reading' && heldUntilMs <= nowMs && !there.has(name),
    ),
    forgotten: records
      .filter(({ name, endedMs }) => !there.has(name) && endedMs !== undefined && nowMs - endedMs > KEPT_MS)
      .map(({ name }) => name),
  };
}

/** One that failed is tried again when something else is said of its format, or by another version of the code. */
function isNew({ etag, form }: FoundFile, record: HeldDrop | undefined): boolean {
  if (!record || !sameTag(record.etag, etag) || record.state === 'reading') return true;
  return record.state === 'failed' && record.form !== form;
}
