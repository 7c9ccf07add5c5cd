/**
 * The names nearest to one that was mistyped: those that begin with it or hold it, and those a few slips away (optimal
 * string alignment: letters left out, added, changed, or two swapped). Letter case does not count.
 */

/** Slips that a name of a length may have: one in three letters, at least one and at most four. */
const allowed = (length: number): number => Math.min(4, Math.max(1, Math.floor(length / 3)));

/** A word shorter than this is part of too many names. */
const PART = 3;

/** Up to `most` of the names, the nearest first; none when nothing is near. */
export function closest(word: string, names: Iterable<string>, most = 3): string[] {
  const wanted = word.toLowerCase();
  const found: { readonly name: string; readonly slips: number }[] = [];
  for (const name of new Set(names)) {
    const slips = slipsBetween(wanted, name.toLowerCase());
    if (slips !== undefined) found.push({ name, slips });
  }
  return found
    .sort((a, b) => a.slips - b.slips || (a.name < b.name ? -1 : 1))
    .slice(0, most)
    .map(({ name }) => name);
}

/** Undefined where two texts are too far apart. */
function slipsBetween(wanted: string, name: string): number | undefined {
  if (name === wanted) return 0;
  if (wanted.length >= PART && name.includes(wanted)) return name.startsWith(wanted) ? 0.5 : 0.75;
  const limit = allowed(Math.max(wanted.length, name.length));
  if (Math.abs(wanted.length - name.length) > limit) return undefined;
  const slips = distance(wanted, name);
  return slips <= limit ? slips : undefined;
}

/** Optimal string alignment distance of two texts. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      row.push(least);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}

/** ` Did you mean a, b or c?`, or nothing where nothing is near. */
export function didYouMean(names: readonly string[]): string {
  if (names.length === 0) return '';
  const [last] = names.slice(-1);
  return ` Did you mean ${names.length === 1 ? last : `${names.slice(0, -1).join(', ')} or ${last}`}?`;
}
