/**
 * Names in places that hold only so many bytes: a readable cut of the name, and what makes the cut unique. Names
 * come from outside, in any script, and one letter is up to 4 bytes as UTF-8 and up to 12 characters percent-encoded.
 * A name that fits stays as it is, so that ids and files of before are found again. Pure.
 */
import { encodeName } from './sensor.ts';

/**
 * Longest id of a workflow, bytes of UTF-8: Temporal's `limit.maxIDLength`, 1,000 by default and on Temporal Cloud.
 * A child with a longer id is refused again and again, while its parent runs for ever.
 */
export const MAX_WORKFLOW_ID = 1_000;

/**
 * Longest part of a blob's name between two slashes, without suffixes. A whole name may have 1,024 characters in
 * Azure Blob Storage; a part 255 with hierarchical namespaces, and on the disks that files are downloaded to.
 */
export const MAX_BLOB_PART = 200;

/** Longest summary of a workflow or activity, bytes of UTF-8: Temporal documents 200, its server takes 400. */
export const MAX_SUMMARY = 200;

/** Longest cut of one name, bytes; what is readable in a list. */
const READABLE = 80;

/** Cannot be in an encoded name, so a cut is never the name of another sensor. */
const MARK = '~';

const utf8 = new TextEncoder();

/** Bytes of a text as UTF-8. */
export const byteLength = (text: string): number => utf8.encode(text).length;

/** The text, or as many whole characters of it as fit, and an ellipsis. */
export function cutBytes(text: string, maxBytes: number): string {
  if (byteLength(text) <= maxBytes) return text;
  const end = '\u2026';
  return `${whole(text, maxBytes - byteLength(end), (letter) => letter)}${end}`;
}

/**
 * Names as parts of an id or a path: each encoded, with `separator` between them. Where that is longer than
 * `maxBytes`, each is cut at a whole character and `unique()` follows after a `~`.
 * @param unique tells these names from all others in the same place: an id, or a hash; letters, digits and `-`
 */
export function boundedNames(
  names: readonly string[],
  separator: string,
  maxBytes: number,
  unique: () => string,
): string {
  const full = names.map(encodeName).join(separator);
  // Encoded names are ASCII: characters are bytes.
  if (full.length <= maxBytes) return full;
  const end = `${MARK}${unique()}`;
  const room = Math.floor((maxBytes - end.length - separator.length * (names.length - 1)) / names.length);
  return `${names.map((name) => whole(name, Math.min(READABLE, room), encodeName)).join(separator)}${end}`;
}

/** The longest beginning of whole characters that has at most `maxBytes` as `form` writes it. */
function whole(text: string, maxBytes: number, form: (letter: string) => string): string {
  let cut = '';
  let bytes = 0;
  for (const letter of text) {
    const part = form(letter);
    bytes += byteLength(part);
    if (bytes > maxBytes) return cut;
    cut += part;
  }
  return cut;
}
