/** Times and periods that commands take: a period that has no time in it is a slip, never an empty answer. */
import { FleetscoreError } from '../../domain/errors.ts';
import { isoTime, parseDuration, parseTime, type Period } from '../../domain/time.ts';

/** @throws FleetscoreError `INVALID_ARGUMENT` where the end is not later than the start */
export function periodOf({ from, to }: { readonly from: number; readonly to: number }): Period {
  if (to <= from)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `--to (${isoTime(to)}) must be later than --from (${isoTime(from)}).`,
    );
  return { fromMs: from, toMs: to };
}

/** A duration back from now, or a time. @throws FleetscoreError `INVALID_TIME`, `INVALID_DURATION` */
export function timeAgo(text: string, option: string, nowMs: number): number {
  return /^\d+(\.\d+)?\s*[a-z]+$/i.test(text.trim()) ? nowMs - parseDuration(text, option) : parseTime(text, option);
}
