/**
 * Windows in time. They start every hop, aligned to the epoch, and each is `windowMs` long. With a hop of the same
 * length they follow each other (tumbling); with a shorter hop they overlap, and a reading is in
 * `windowMs / hopMs` of them. A window belongs to the period that it starts in, so a window is in exactly one of
 * the periods of a schedule, and the last ones of a period end after it. Pure.
 */
import { formatDuration, windowStart, type Period } from './time.ts';

export interface WindowShape {
  /** Length of a window, ms: a whole multiple of the hop. */
  readonly windowMs: number;
  /** From the start of one window to the start of the next, ms. */
  readonly hopMs: number;
}

/** A reading costs as many windows as it is in: more overlap than this is a mistake more often than a wish. */
export const MAX_WINDOWS_PER_READING = 60;

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
