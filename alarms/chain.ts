/**
 * The chain of a sensor: its stretches in order of time, each with the state after it. Only stretches in which
 * something was abnormal, or was carried into or out of, have a link; between links the sensor is at rest. A batch that
 * comes late, or again, takes the place of what was there for its period, and what follows is folded again until it
 * comes to the state that it had: so the order in which batches come does not show in the end. What is much is done in
 * several turns, each of which leaves the chain as if a batch had ended there. Pure: what has to be read is asked for.
 */
import { defined } from '../domain/defined.ts';
import type { Period } from '../domain/time.ts';
import type { WindowShape } from '../domain/windowing.ts';
import { beginsAbnormal, type Stretch } from './evidence.ts';
import type { FoundAlarm } from './excursion.ts';
import { fold, openAlarms, PENDING_GAP_MS } from './fold.ts';
import { piecesOf, placeOf } from './pieces.ts';
import type { AlarmKey, Before, Folded, TrackState, Unfinished } from './track.ts';
import type { NextStarts } from './reconcile.ts';
import { needsBefore, nextStarts } from './rest.ts';
import type { AlarmRule } from './rules.ts';

export interface Link extends Stretch {
  /** After it; absent at rest. */
  readonly state?: TrackState;
  /** Alarms that became active in it. */
  readonly raised: readonly AlarmKey[];
}

export interface Rework {
  /** From where on the chain is decided on, epoch ms: everything before is as it should be. */
  readonly fromMs: number;
  /**
   * What takes the place of what was there from then on: as a batch has it, or as it is served now where batches
   * overlap. Absent where only what follows is left, which an earlier part of the work has not come to.
   */
  readonly stretch?: Stretch;
  /** The newest link that ends at or before everything in `links`. */
  readonly entry?: Link;
  /** Links that end after `fromMs`, in order; all of those that begin before `untilMs`. */
  readonly links: readonly Link[];
  /** Nothing from then on is looked at: the rest of the work is for another turn. Absent: all there is. */
  readonly untilMs?: number;
  /**
   * Periods that batches have looked at and that end after `fromMs`, in order. Where no link says anything, all was
   * normal; what was read of one is a stretch.
   */
  readonly later: readonly (Period | Stretch)[];
  /** What is known before a stretch, by its start, where it was asked for. */
  readonly before: ReadonlyMap<number, Before>;
  /** What earlier turns have left; absent in the first. */
  readonly unfinished?: Unfinished;
}

export type Reworked =
  | { readonly need: 'before'; readonly atMs: number }
  | { readonly need: 'stretch'; readonly period: Period }
  | (Chained & { readonly need?: never });

export interface Chained {
  /** Links to write, instead of those that begin at `drop`. */
  readonly put: readonly Link[];
  readonly drop: readonly number[];
  /** Alarms as they are now; where there is more to come, only those that are over. */
  readonly alarms: readonly FoundAlarm[];
  /** Alarms that were, and are in `alarms` if they still are: as often as there were such. */
  readonly replaced: readonly AlarmKey[];
  /** Whether something is carried out of the newest link; absent where that is as it was, or is not known yet. */
  readonly live?: boolean;
  /** Up to where it is decided on, where what follows is left for another turn. */
  readonly nextMs?: number;
  /** From when on that turn may find alarms to begin; with `nextMs`. */
  readonly next?: NextStarts;
  /** The state that the chain had there; absent at rest. */
  readonly was?: TrackState;
  /** From where and up to where alarms may have changed. */
  readonly span: Period;
}

export function rework(work: Rework, rule: AlarmRule, shape: WindowShape): Reworked {
  const { fromMs, entry, links, before, untilMs = Number.POSITIVE_INFINITY } = work;
  const put: Link[] = [];
  const alarms: FoundAlarm[] = [];
  let state = entry?.state;
  let toMs = fromMs;
  let end: End = untilMs < Number.POSITIVE_INFINITY ? 'left' : 'over';
  const pieces = piecesOf({ ...work, links: links.map(stretchIn) });
  const unread = unreadBefore(work, pieces[0], rule, shape);
  if (unread) return { need: 'stretch', period: unread };
  for (const piece of pieces) {
    if (piece.fromMs >= untilMs) {
      // The rest of a link that was cut is in no other place: it waits as it was, with the state that it led to.
      if ('items' in piece && isRest(links, piece)) put.push(restOf(links, piece, shape));
      break;
    }
    if (isAsBefore(work, state, piece, rule, shape)) {
      end = 'converged';
      break;
    }
    if (!('items' in piece)) {
      toMs = Math.min(piece.toMs, untilMs);
      if (state === undefined) continue;
      return { need: 'stretch', period: { fromMs: piece.fromMs, toMs } };
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
  return chainedOf(work, { put, alarms, state, toMs, end }, rule, shape);
}

/** A link without what folding came to. */
function stretchIn(link: Link): Stretch {
  const { state: _, raised: __, ...stretch } = link;
  return stretch;
}

/** How folding ended: with all there is, in the state it had before, or with more for another turn. */
type End = 'over' | 'converged' | 'left';

interface Done {
  readonly put: readonly Link[];
  readonly alarms: readonly FoundAlarm[];
  readonly state: TrackState | undefined;
  readonly toMs: number;
  readonly end: End;
}

function chainedOf(
  work: Rework,
  { put, alarms, state, toMs, end }: Done,
  rule: AlarmRule,
  shape: WindowShape,
): Chained {
  const { fromMs, entry, links, unfinished, untilMs } = work;
  const gone = links.filter((link) => link.fromMs < toMs);
  const isLeft = end === 'left';
  const open = openKeys(entry?.state);
  const raised = gone.flatMap((link) =>
    isLeft ? link.raised.filter((key) => isRaisedBefore(key, untilMs!, shape)) : link.raised,
  );
  // What is open in the state of the entry may be what was carried.
  const replaced = [...open, ...without(unfinished?.carried ?? [], open), ...raised];
  return {
    put,
    drop: gone.map((link) => link.fromMs),
    // Where folding came to the state of before, what is open there goes on as it is on record; where it is not at its
    // end, what is open is in the state.
    alarms: end === 'over' ? [...alarms, ...openAlarms(state)] : alarms,
    replaced: end === 'converged' ? without(replaced, openKeys(state)) : replaced,
    ...defined({
      live: liveOf(work, state, end),
      nextMs: isLeft ? untilMs : undefined,
      next: isLeft ? nextStarts(state, untilMs!, rule, shape) : undefined,
      was: isLeft ? stateBefore(work, untilMs!) : undefined,
    }),
    // A longer window than the fleet's begins before the stretch that it belongs to.
    span: {
      fromMs: Math.min(fromMs, put[0]?.fromMs ?? fromMs, links[0]?.fromMs ?? fromMs) - (shape.leadMs ?? 0),
      toMs,
    },
  };
}

/**
 * Abnormal windows too few for an alarm leave no link: where a batch begins in the middle of another one, with an
 * abnormal window, those just before it are read back; no further than so few can reach.
 */
function unreadBefore(
  { entry, later, unfinished }: Rework,
  first: Period | Stretch | undefined,
  { onDelay }: AlarmRule,
  { windowMs }: WindowShape,
): Period | undefined {
  // A turn that goes on knows what was before it.
  if (unfinished || !first || !('items' in first) || !beginsAbnormal(first.items)) return undefined;
  const { fromMs } = first;
  const around = later.filter((period) => period.fromMs < fromMs && period.toMs > fromMs);
  if (around.length === 0) return undefined;
  const reachMs = 'windows' in onDelay ? onDelay.windows * (PENDING_GAP_MS + windowMs) : onDelay.ms + PENDING_GAP_MS;
  const beginMs = Math.min(...around.map((period) => period.fromMs));
  const sinceMs = Math.max(entry?.toMs ?? -Infinity, beginMs, fromMs - reachMs);
  return sinceMs < fromMs ? { fromMs: sinceMs, toMs: fromMs } : undefined;
}

function liveOf({ links, entry, untilMs }: Rework, state: TrackState | undefined, end: End): boolean | undefined {
  if (end === 'over') return state !== undefined;
  // The newest link is further on, and is as it was.
  if (end === 'left' || untilMs !== undefined) return undefined;
  return (links.at(-1) ?? entry)?.state !== undefined;
}

/** Whether it is what is left of a link behind what took its place. */
function isRest(links: readonly Link[], piece: Period): boolean {
  const link = links[placeOf(links, piece.fromMs)];
  return link !== undefined && link.fromMs < piece.fromMs;
}

function restOf(links: readonly Link[], piece: Stretch, shape: WindowShape): Link {
  const { state, raised } = links[placeOf(links, piece.fromMs)]!;
  return {
    ...piece,
    raised: raised.filter((key) => !isRaisedBefore(key, piece.fromMs, shape)),
    ...defined({ state }),
  };
}

/** Whether an alarm is raised in a stretch that ends then: by a window in it, or by time that is over at its end. */
function isRaisedBefore(
  { kind, sinceMs, activeMs = sinceMs }: AlarmKey,
  ms: number,
  { windowMs, leadMs = 0 }: WindowShape,
): boolean {
  return kind === 'anomaly' || kind === 'stuck' ? activeMs - windowMs + leadMs < ms : activeMs + leadMs <= ms;
}

/** From here on nothing is other than it was: the state is the same, and what comes next does not look further back. */
function isAsBefore(
  work: Rework,
  state: TrackState | undefined,
  piece: Period | Stretch,
  rule: AlarmRule,
  shape: WindowShape,
): boolean {
  if (piece.fromMs < (work.stretch?.toMs ?? work.fromMs)) return false;
  // It has no earlier state to compare with.
  if (isRest(work.links, piece)) return false;
  if (state === undefined && 'items' in piece && needsBefore(piece, rule, shape)) return false;
  return JSON.stringify(state) === JSON.stringify(stateBefore(work, piece.fromMs));
}

/** What the chain carried over a time as it was before the work began. */
function stateBefore({ links, entry, unfinished }: Rework, ms: number): TrackState | undefined {
  const last = links[placeOf(links, ms) - 1];
  if (last) return last.state;
  return unfinished ? unfinished.was : entry?.state;
}

const openKeys = (state: TrackState | undefined): AlarmKey[] =>
  openAlarms(state).map(({ kind, facts: { sinceMs, activeMs } }) => ({ kind, sinceMs, activeMs }));

/**
 * Each of the others takes one away: two alarms may begin at the same time, where a batch looked past one that had
 * ended before. @param others few: what is open at one time
 */
function without(keys: readonly AlarmKey[], others: readonly AlarmKey[]): AlarmKey[] {
  const left = [...others];
  return keys.filter(({ kind, sinceMs, activeMs }) => {
    const at = left.findIndex(
      (key) => key.kind === kind && key.sinceMs === sinceMs && (activeMs === undefined || key.activeMs === activeMs),
    );
    if (at !== -1) left.splice(at, 1);
    return at === -1;
  });
}

/** Of abnormal windows that gave no alarm those at its end are in the state. */
const saysSomething = ({ items, verdict }: Stretch, { state, raised }: Folded): boolean =>
  state !== undefined || raised.length > 0 || verdict !== 'scored' || beginsAbnormal(items);

const linkOf = (piece: Stretch, { state, raised }: Folded): Link => ({ ...piece, raised, ...(state ? { state } : {}) });
