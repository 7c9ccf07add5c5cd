/** How a chain is cut into stretches that are folded one after the other. Pure. */
import type { Period } from '../domain/time.ts';
import { within, type Stretch } from './evidence.ts';

interface Laid {
  readonly fromMs: number;
  readonly stretch?: Stretch;
  /** As stretches. */
  readonly links: readonly Stretch[];
  readonly later: readonly (Period | Stretch)[];
}

/**
 * The stretches to fold, in order and disjoint: what is left of links before and after the new one, and what follows.
 */
export function piecesOf({ fromMs: startMs, stretch, links, later }: Laid): (Period | Stretch)[] {
  const parts: (Period | Stretch)[] = stretch ? [stretch] : [];
  const followsMs = stretch?.toMs ?? startMs;
  const add = (piece: Period | Stretch): void => {
    for (const { fromMs, toMs } of uncovered(piece, parts)) {
      const part = 'items' in piece ? within(piece, { fromMs, toMs }) : { fromMs, toMs };
      parts.splice(placeOf(parts, fromMs), 0, part);
    }
  };
  for (const piece of later) if ('items' in piece) add(piece);
  for (const link of links) add(link);
  for (const piece of later)
    if (!('items' in piece) && piece.toMs > followsMs)
      add({ fromMs: Math.max(piece.fromMs, followsMs), toMs: piece.toMs });
  return parts;
}

/** Of parts that are in order and disjoint the first that ends after a time: a sensor may have thousands. */
export function placeOf(parts: readonly Period[], ms: number): number {
  let [from, to] = [0, parts.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (parts[middle]!.toMs > ms) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** What of a period no part covers. */
function uncovered(period: Period, parts: readonly Period[]): Period[] {
  const left: Period[] = [];
  let atMs = period.fromMs;
  for (let i = placeOf(parts, atMs); i < parts.length && parts[i]!.fromMs < period.toMs; i++) {
    const part = parts[i]!;
    if (part.fromMs > atMs) left.push({ fromMs: atMs, toMs: part.fromMs });
    atMs = part.toMs;
  }
  if (atMs < period.toMs) left.push({ fromMs: atMs, toMs: period.toMs });
  return left;
}
