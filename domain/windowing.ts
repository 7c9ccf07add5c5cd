/**
 * Windows in time. They start every hop, aligned to the epoch, and each is `windowMs` long. With a hop of the same
 * length they follow each other (tumbling); with a shorter hop they overlap, and a reading is in
 * `windowMs / hopMs` of them. A window belongs to the period that it starts in, so a window is in exactly one of
 * the periods of a schedule, and the last ones of a period end after it. A sensor can have longer windows of its own,
 * made of the fleet's; such a window belongs to the period that the last of these starts in. Pure.
 */
import { DAY_MS, formatDuration, windowStart, type Period } from './time.ts';

export interface WindowShape {
  /** Length of a window, ms: a whole multiple of the hop. */
  readonly windowMs: number;
  /** From the start of one window to the start of the next, ms. */
  readonly hopMs: number;
  /** Of a sensor with windows of its own: from their start to that of the last of the fleet's windows in them, ms. */
  readonly leadMs?: number;
}

/** Longest window of a sensor of its own, and most of the fleet's windows in one: what has to be read for one row. */
const MAX_OWN_WINDOW_MS = 7 * DAY_MS;
const MAX_WINDOWS_PER_OWN = 200_000;

/** A reading costs as many windows as it is in: more overlap than this is a mistake more often than a wish. */
const MAX_WINDOWS_PER_READING = 60;

/** In how many windows every reading is. */
export const windowsPerReading = ({ windowMs, hopMs }: WindowShape): number => windowMs / hopMs;

/** Start of the oldest window that holds a time. There are none before the epoch. */
export function firstWindowStart(ms: number, { windowMs, hopMs }: WindowShape): number {
  return Math.max(0, windowStart(ms, hopMs) - windowMs + hopMs);
}

/** What a hop that does not fit takes instead, undefined when it fits. */
export function hopProblem({ windowMs, hopMs }: WindowShape): string | undefined {
  if (windowMs % hopMs === 0 && windowMs / hopMs <= MAX_WINDOWS_PER_READING) return undefined;
  return (
    `takes a duration that goes into the window of ${formatDuration(windowMs)} a whole number of times, at ` +
    `most ${MAX_WINDOWS_PER_READING}`
  );
}

/** When the windows of a period are complete: the end of the last one that starts in it. */
export function lastWindowEnd({ fromMs, toMs }: Period, { windowMs, hopMs }: WindowShape): number {
  const lastStart = windowStart(toMs - 1, hopMs);
  return lastStart < fromMs ? toMs : lastStart + windowMs;
}

/** `5s`, or `1m every 10s` when windows overlap. */
export function describeWindows({ windowMs, hopMs }: WindowShape): string {
  return hopMs === windowMs ? formatDuration(windowMs) : `${formatDuration(windowMs)} every ${formatDuration(hopMs)}`;
}

/** What a window of a sensor's own that does not fit takes instead, undefined when it fits. */
export function ownWindowProblem(ownMs: number, { windowMs, hopMs }: WindowShape): string | undefined {
  if (ownMs % windowMs === 0 && ownMs > 0 && ownMs <= MAX_OWN_WINDOW_MS && ownMs / hopMs <= MAX_WINDOWS_PER_OWN)
    return undefined;
  return (
    `a window of a sensor's own is a whole number of the fleet's windows of ${formatDuration(windowMs)}, at most ` +
    formatDuration(Math.min(MAX_OWN_WINDOW_MS, MAX_WINDOWS_PER_OWN * hopMs))
  );
}

/**
 * The windows that a sensor is scored in: the fleet's, or those of its own length, which follow each other and are made
 * of the fleet's windows that lie in them side by side.
 */
export function windowsOfSensor(fleet: WindowShape, ownMs: number | undefined): WindowShape {
  return ownMs === undefined ? fleet : { windowMs: ownMs, hopMs: ownMs, leadMs: ownMs - fleet.windowMs };
}

/**
 * Where the windows start that belong to a period: those whose last fleet window starts in it. So a window is in
 * exactly one of the periods of a schedule, and complete when the fleet's windows of that period are.
 */
export function startsIn(period: Period, { leadMs = 0 }: WindowShape): Period {
  return leadMs === 0 ? period : { fromMs: period.fromMs - leadMs, toMs: period.toMs - leadMs };
}

/** Whether any window of this shape belongs to the period. */
export function isDue(period: Period, shape: WindowShape): boolean {
  const { fromMs, toMs } = startsIn(period, shape);
  return Math.ceil(Math.max(0, fromMs) / shape.hopMs) * shape.hopMs < toMs;
}
