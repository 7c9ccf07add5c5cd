/** How long the period of a batch is: a fixed time, calendar months, or since the time before of its schedule. Pure. */
import { parseDuration } from './time.ts';

/** Period of a request that means: since the time before in the schedule. */
export const SINCE_LAST = 'schedule';

/** Length of a period: since the time before, so many calendar months, or so many milliseconds. */
export type PeriodLength =
  | { readonly kind: 'since-last' }
  | { readonly kind: 'months'; readonly months: number }
  | { readonly kind: 'time'; readonly ms: number };

/**
 * `schedule`, `1mo`, `15m`.
 * @throws FleetscoreError `INVALID_DURATION`
 */
export function parseLength(text: string): PeriodLength {
  if (text === SINCE_LAST) return { kind: 'since-last' };
  const months = /^([1-9]\d?)mo$/.exec(text);
  return months ? { kind: 'months', months: Number(months[1]) } : { kind: 'time', ms: parseDuration(text, 'period') };
}

/** The same time of day so many calendar months earlier, or on the last day of a month that is too short. */
export function monthsBefore(wallMs: number, months: number): number {
  const date = new Date(wallMs);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() - months);
  const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, lastDay));
  return date.getTime();
}
