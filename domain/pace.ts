/**
 * Whether readings come more slowly than windows follow each other. Then most windows are empty, and a model that looks
 * back finds no window before its own: nothing is wrong that could fail, so it has to be said. Pure.
 */
import { DAY_MS, formatDuration, HOUR_MS } from './time.ts';

const MINUTE_MS = 60_000;
const WINDOWS = [1, 2, 5, 10, 15, 30]
  .map((s) => s * 1000)
  .concat([1, 2, 5, 10, 15, 30].map((m) => m * MINUTE_MS))
  .concat(
    [1, 2, 3, 4, 6, 8, 12].map((h) => h * HOUR_MS),
    DAY_MS,
  );

/** Clocks jitter: what is slower by less is as fast as the windows. */
const TOLERANCE = 1.1;

/** A window that holds a reading that comes so often, ms; the longest one that is usual where none does. */
export const windowFor = (everyMs: number): number =>
  WINDOWS.find((ms) => ms >= everyMs / TOLERANCE) ?? WINDOWS.at(-1)!;

/** An interval for people: `5m`, `61s`, `1.5s`. */
export const formatPace = (everyMs: number): string =>
  everyMs < 10_000
    ? formatDuration(Math.round(everyMs / 100) * 100)
    : formatDuration(Math.round(everyMs / 1000) * 1000);

/** Undefined where readings come at least once a window. @param everyMs between two readings of a sensor */
export function slowHint(everyMs: number, windowMs: number): string | undefined {
  if (!(everyMs > windowMs * TOLERANCE)) return undefined;
  return (
    `Readings come every ${formatPace(everyMs)}, windows are ${formatDuration(windowMs)}: most windows are empty, ` +
    'and models that look back (lags) find no window before theirs. Publish such models with windows of their own: ' +
    `models publish --window ${formatDuration(windowFor(everyMs))}.`
  );
}
