/** Times and periods that commands take: a period that has no time in it is a slip, never an empty answer. */
import { FleetscoreError } from '../../domain/errors.ts';
import { formatMs } from '../../report/format.ts';
import { isoTime, parseDuration, parseTime, type Period } from '../../domain/time.ts';

/**
 * @param of what the names of its options begin with: `baseline-` for --baseline-from and --baseline-to
 * @throws FleetscoreError `INVALID_ARGUMENT` where the end is not later than the start
 */
export function periodOf({ from, to }: { readonly from: number; readonly to: number }, of = ''): Period {
  if (to <= from)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `--${of}to (${isoTime(to)}) must be later than --${of}from (${isoTime(from)}).`,
    );
  return { fromMs: from, toMs: to };
}

/**
 * A period whose readings can all be there: one that has not ended is a slip of the year, or means to wait.
 * @param remedy what to do other than give an earlier time
 * @throws FleetscoreError `INVALID_ARGUMENT`
 */
export function endedPeriod(span: { readonly from: number; readonly to: number }, remedy: string): Period {
  const period = periodOf(span);
  const left = period.toMs - Date.now();
  if (left > 0)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `--to (${isoTime(period.toMs)}) lies in the future, in ${formatMs(left)}. Give an earlier time, or ${remedy}.`,
    );
  return period;
}

/**
 * A duration back from now, or a time that is over.
 * @throws FleetscoreError `INVALID_TIME`, `INVALID_DURATION`, `INVALID_ARGUMENT`
 */
export function timeAgo(text: string, option: string, nowMs: number): number {
  if (/^\d+(\.\d+)?\s*[a-z]+$/i.test(text.trim())) return nowMs - parseDuration(text, option);
  const time = parseTime(text, option);
  if (time <= nowMs) return time;
  throw new FleetscoreError(
    'INVALID_ARGUMENT',
    `${option} (${isoTime(time)}) lies in the future. Give an earlier time.`,
  );
}
