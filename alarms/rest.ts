/**
 * What need not be carried from stretch to stretch, so that a sensor at rest costs nothing: half of what makes a
 * silence or a stuck value. More than that at the start of a stretch is read back, so that nothing is missed between.
 */
import type { WindowShape } from '../domain/windowing.ts';
import { leadingFlat, type Stretch } from './evidence.ts';
import type { NextStarts } from './reconcile.ts';
import type { AlarmRule } from './rules.ts';
import type { TrackState } from './track.ts';
import { saysNothing } from './verdicts.ts';

/** When a state says no more than that of a sensor at rest. */
export function isAtRest(
  { throughMs, seenMs, pending, failing, flat, open }: TrackState,
  { silentMs = Number.POSITIVE_INFINITY, stuckMs = Number.POSITIVE_INFINITY }: AlarmRule,
  { hopMs }: WindowShape,
): boolean {
  const isOpen = Object.values(open).some((alarm) => alarm !== undefined);
  if (isOpen || pending !== undefined || failing !== undefined) return false;
  if (seenMs !== undefined && throughMs - seenMs >= silentMs / 2) return false;
  return !(flat && flat.windows * hopMs >= stuckMs / 2);
}

/** True when a stretch cannot be folded from nothing without {@link Before}. */
export function needsBefore(
  { fromMs, verdict, seen, items }: Stretch,
  rule: AlarmRule,
  { hopMs }: WindowShape,
): boolean {
  if (!rule.enabled || saysNothing(verdict)) return false;
  const [first] = items;
  if (!first) return !seen && rule.silentMs !== undefined;
  if (rule.silentMs !== undefined && first[1] - fromMs >= rule.silentMs / 2) return true;
  if (rule.stuckMs === undefined) return false;
  const flat = leadingFlat(items);
  return flat.whole || flat.windows * hopMs >= rule.stuckMs / 2;
}

/**
 * The earliest start of an alarm that is found from a time on: of what is carried there its own, and of a sensor at
 * rest what it need not carry, as {@link isAtRest} says.
 */
export function nextStarts(
  state: TrackState | undefined,
  untilMs: number,
  { silentMs = 0, stuckMs = 0 }: AlarmRule,
  { leadMs = 0 }: WindowShape,
): NextStarts {
  const ms = untilMs - leadMs;
  const { open, pending, failing, flat, seenMs } = state ?? { open: {} };
  const first = (...starts: readonly (number | undefined)[]): number =>
    Math.min(ms, ...starts.filter((one) => one !== undefined));
  return {
    anomaly: first(open.anomaly?.sinceMs, pending?.sinceMs),
    silent: first(open.silent?.sinceMs, seenMs ?? ms - silentMs / 2),
    stuck: first(open.stuck?.sinceMs, flat?.sinceMs ?? ms - stuckMs / 2),
    model: first(open.model?.sinceMs, failing?.sinceMs),
  };
}
