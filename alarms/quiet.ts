/**
 * When a notice goes out: at once, at the end of quiet hours, or with the next digest. Quiet hours are those of the
 * plant's zone, also in the night in which its clocks change. Pure.
 */
import { DAY_MS } from '../domain/time.ts';
import { instantOf, wallTime } from '../domain/zone.ts';

export interface QuietHours {
  /** Time of day in ms; from after to: over midnight. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly zone: string;
  /** From this severity on somebody is told all the same; absent: never. */
  readonly severity?: number;
}

/** End of the quiet hours that an instant lies in, epoch ms; undefined outside of them. */
export function quietUntil({ fromMs, toMs, zone }: QuietHours, atMs: number): number | undefined {
  const wall = wallTime(atMs, zone);
  const midnight = Math.floor(wall / DAY_MS) * DAY_MS;
  const clock = wall - midnight;
  const overMidnight = fromMs > toMs;
  const within = overMidnight ? clock >= fromMs || clock < toMs : clock >= fromMs && clock < toMs;
  if (!within) return undefined;
  const end = instantOf(midnight + toMs + (overMidnight && clock >= fromMs ? DAY_MS : 0), zone);
  // Where clocks are put back the end comes twice, and this is after the first.
  return end > atMs ? end : end + DAY_MS / 24;
}

/** When a notice of this severity is to go out, epoch ms. */
export function dueMs(
  { quiet, digestMs }: { readonly quiet?: QuietHours; readonly digestMs?: number },
  severity: number,
  nowMs: number,
): number {
  const breaks = quiet?.severity !== undefined && severity >= quiet.severity;
  if (breaks) return nowMs;
  const gathered = digestMs === undefined ? nowMs : Math.ceil(nowMs / digestMs) * digestMs;
  return (quiet && quietUntil(quiet, gathered)) ?? gathered;
}
