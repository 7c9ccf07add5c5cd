/**
 * The chain of a sensor: its stretches in order of time, each with the state after it. Only stretches in which
 * something was abnormal, or was carried into or out of, have a link; between links the sensor is at rest. A batch that
 * comes late, or again, takes the place of what was there for its period, and what follows is folded again until it
 * comes to the state that it had: so the order in which batches come does not show in the end. Pure: what has to be
 * read is asked for.
 */
import type { Period } from '../domain/time.ts';
import type { WindowShape } from '../domain/windowing.ts';
import { beginsAbnormal, within, type Stretch } from './evidence.ts';
import type { FoundAlarm } from './excursion.ts';
import { fold, needsBefore, openAlarms } from './fold.ts';
import type { AlarmKey, Before, Folded, TrackState } from './track.ts';
import type { AlarmRule } from './rules.ts';

export interface Link extends Stretch {
  /** After it; absent at rest. */
  readonly state?: TrackState;
  /** Alarms that became active in it. */
  readonly raised: readonly AlarmKey[];
}

export interface Rework {
  /** The stretch as a batch has it, or as it is served now where batches overlap. */
  readonly stretch: Stretch;
  /** The newest link that ends at or before everything in `links`. */
  readonly entry?: Link;
  /** Links that end after the stretch begins, in order. */
  readonly links: readonly Link[];
  /**
   * Periods that batches have looked at and that end after the stretch, in order. Where no link says anything, all was
   * normal; what was read of one is a stretch.
   */
  readonly later: readonly (Period | Stretch)[];
  /** What is known before a stretch, by its start, where it was asked for. */
  readonly before: ReadonlyMap<number, Before>;
}

export type Reworked =
  | { readonly need: 'before'; readonly atMs: number }
  | { readonly need: 'stretch'; readonly period: Period }
  | (Chained & { readonly need?: never });

export interface Chained {
  /** Links to write, instead of those that begin at `drop`. */
  readonly put: readonly Link[];
  readonly drop: readonly number[];
  /** Alarms as they are now. */
  readonly alarms: readonly FoundAlarm[];
  /** Alarms that were, and are in `alarms` if they still are: as often as there were such. */
  readonly replaced: readonly AlarmKey[];
  /** Something is carried out of the newest link. */
  readonly live: boolean;
}

export function rework(work: Rework, rule: AlarmRule, shape: WindowShape): Reworked {
  const { stretch, entry, links, before } = work;
  const put: Link[] = [];
  const alarms: FoundAlarm[] = [];
  let state = entry?.state;
  let toMs = stretch.fromMs;
  let converged = false;
  const pieces = piecesOf(work);
  const unread = unreadBefore(work, pieces[0]!);
  if (unread) return { need: 'stretch', period: unread };
  for (const piece of pieces) {
    if (piece.fromMs >= stretch.toMs && isAsBefore(work, state, piece, rule, shape)) {
      converged = true;
      break;
    }
    if (!('items' in piece)) {
      toMs = piece.toMs;
      if (state === undefined) continue;
      return { need: 'stretch', period: { fromMs: piece.fromMs, toMs: piece.toMs } };
    }
    const asks = state === undefined && needsBefore(piece, rule, shape);
    const known = asks ? before.get(piece.fromMs) : undefined;
    if (asks && known === undefined) return { need: 'before', atMs: piece.fromMs };
    const folded = fold(state, piece, rule, shape, known);
    alarms.push(...folded.ended);
    if (state !== undefined || saysSomething(piece, folded)) put.push(linkOf(piece, folded));
    state = folded.state;
    toMs = piece.toMs;
  }
  const gone = links.filter((link) => link.fromMs < toMs);
  return {
    put,
    drop: gone.map((link) => link.fromMs),
    // Where folding came to the state of before, what is open there goes on as it is on record.
    alarms: converged ? alarms : [...alarms, ...openAlarms(state)],
    replaced: without(
      [...openKeys(entry?.state), ...gone.flatMap(({ raised }) => raised)],
      converged ? openKeys(state) : [],
    ),
    live: (converged ? (links.at(-1) ?? entry)?.state : state) !== undefined,
  };
}

/**
 * Abnormal windows too few for an alarm leave no link: where a batch begins in the middle of another one, with an
 * abnormal window, those just before it are read back.
 */
function unreadBefore({ entry, later }: Rework, first: Period | Stretch): Period | undefined {
  if (!('items' in first) || !beginsAbnormal(first.items)) return undefined;
  const { fromMs } = first;
  const around = later.filter((period) => period.fromMs < fromMs && period.toMs > fromMs);
  const sinceMs = Math.max(entry?.toMs ?? -Infinity, Math.min(...around.map((period) => period.fromMs)));
  return sinceMs < fromMs ? { fromMs: sinceMs, toMs: fromMs } : undefined;
}

/** From here on nothing is other than it was: the state is the same, and what comes next does not look further back. */
function isAsBefore(
  { links, entry }: Rework,
  state: TrackState | undefined,
  piece: Period | Stretch,
  rule: AlarmRule,
  shape: WindowShape,
): boolean {
  const next = placeOf(links, piece.fromMs);
  // The rest of a link that was cut has no state of before to compare with.
  if (next < links.length && links[next]!.fromMs < piece.fromMs) return false;
  if (state === undefined && 'items' in piece && needsBefore(piece, rule, shape)) return false;
  const last = links[next - 1] ?? entry;
  return JSON.stringify(state) === JSON.stringify(last?.state);
}

/**
 * The stretches to fold, in order and disjoint: what is left of links before and after the new one, and what follows.
 */
function piecesOf({ stretch, links, later }: Rework): (Period | Stretch)[] {
  const parts: (Period | Stretch)[] = [stretch];
  const add = (piece: Period | Stretch): void => {
    for (const { fromMs, toMs } of uncovered(piece, parts)) {
      const part = 'items' in piece ? within(piece, { fromMs, toMs }) : { fromMs, toMs };
      parts.splice(placeOf(parts, fromMs), 0, part);
    }
  };
  for (const piece of later) if ('items' in piece) add(piece);
  for (const { state: _, raised: __, ...link } of links) add(link);
  for (const piece of later)
    if (!('items' in piece) && piece.toMs > stretch.toMs)
      add({ fromMs: Math.max(piece.fromMs, stretch.toMs), toMs: piece.toMs });
  return parts;
}

/** Of parts that are in order and disjoint the first that ends after a time: a sensor may have thousands. */
function placeOf(parts: readonly Period[], ms: number): number {
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

const openKeys = (state: TrackState | undefined): AlarmKey[] =>
  openAlarms(state).map(({ kind, facts }) => ({ kind, sinceMs: facts.sinceMs }));

/**
 * Each of the others takes one away: two alarms may begin at the same time, where a batch looked past one that had
 * ended before. @param others few: what is open at one time
 */
function without(keys: readonly AlarmKey[], others: readonly AlarmKey[]): AlarmKey[] {
  const left = [...others];
  return keys.filter(({ kind, sinceMs }) => {
    const at = left.findIndex((key) => key.kind === kind && key.sinceMs === sinceMs);
    if (at !== -1) left.splice(at, 1);
    return at === -1;
  });
}

/** Of abnormal windows that gave no alarm those at its end are in the state. */
const saysSomething = ({ items, verdict }: Stretch, { state, raised }: Folded): boolean =>
  state !== undefined || raised.length > 0 || verdict !== 'scored' || beginsAbnormal(items);

const linkOf = (piece: Stretch, { state, raised }: Folded): Link => ({ ...piece, raised, ...(state ? { state } : {}) });
