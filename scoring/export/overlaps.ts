/** Which batches can replace rows of which: those that began later and share time with them. */
import type { Batch } from '../../storage/store.ts';

export interface Ranked {
  readonly batch: Batch;
  /** Batches that began after it and whose periods share time with its own. */
  readonly later: readonly Batch[];
}

/** Of two that began in one millisecond the one whose id sorts last is the later one, as for all readers. */
const beganAfter = (a: Batch, b: Batch): boolean =>
  a.startedAtMs > b.startedAtMs || (a.startedAtMs === b.startedAtMs && a.id > b.id);

/** By the start of their periods, then the one that began first. */
export function newestOverlaps(batches: readonly Batch[]): Ranked[] {
  const sorted = [...batches].sort((a, b) => a.fromMs - b.fromMs || (beganAfter(a, b) ? 1 : -1));
  const longestMs = sorted.reduce((most, { fromMs, toMs }) => Math.max(most, toMs - fromMs), 0);
  let first = 0;
  return sorted.map((batch) => {
    while (sorted[first]!.fromMs + longestMs <= batch.fromMs) first += 1;
    const later: Batch[] = [];
    for (let at = first; at < sorted.length && sorted[at]!.fromMs < batch.toMs; at++) {
      const other = sorted[at]!;
      if (other.toMs > batch.fromMs && other !== batch && beganAfter(other, batch)) later.push(other);
    }
    return { batch, later };
  });
}
