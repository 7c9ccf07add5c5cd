/**
 * Time is UTC milliseconds since the epoch everywhere inside; text only at the edges. A time without a
 * zone is UTC. Pure, so that workflows can use it.
 */
import { FleetscoreError } from './errors.ts';

/** A half-open span of event time, [from, to), in epoch milliseconds. */
export interface Period {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What a number that is a time may count. */
export const TIME_UNITS = ['s', 'ms', 'us', 'ns'] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

/** One hour and one day of 24 hours, milliseconds. */
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: HOUR_MS,
  d: DAY_MS,
  w: 7 * DAY_MS,
};
const DURATION = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)$/;
const TIME = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i;

/** A date whose year is too early for an event. */
const OTHER_YEAR = /^(?:0\d{3}|1[0-8]\d{2}|19[0-6]\d)-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?![\d-])/;

/** Earliest and latest event time taken: years 1970 to 9999, what SQL and ISO text can hold. */
export const MIN_TIME_MS = 0;
export const MAX_TIME_MS = 253_402_300_799_999;

/**
 * Longest time that a timer of Node waits, 24 days: one that is given more fires at once, and a loop around it never
 * rests.
 */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * `'15m'`, `'5s'`, `'1.5h'` in milliseconds, at most {@link MAX_TIME_MS}.
 * @throws FleetscoreError `INVALID_DURATION`
 */
export function parseDuration(text: string, what = 'duration'): number {
  const match = DURATION.exec(text.trim());
  const ms = match ? Number(match[1]) * (UNITS[match[2]!] ?? Number.NaN) : Number.NaN;
  if (ms === 0)
    throw new FleetscoreError(
      'INVALID_DURATION',
      `${what} ${JSON.stringify(text)} is no time at all. Use 1ms or more.`,
    );
  if (ms > MAX_TIME_MS)
    throw new FleetscoreError(
      'INVALID_DURATION',
      `${what} ${JSON.stringify(text)} is longer than time is taken for: years 1970 to 9999.`,
    );
  if (!Number.isInteger(ms))
    throw new FleetscoreError(
      'INVALID_DURATION',
      `${what} ${JSON.stringify(text)} is not a duration. Use a number and a unit: 500ms, 5s, 15m, 2h, 1d, 1w.`,
    );
  return ms;
}

/** As {@link parseDuration}, and `0`, `0s`, `0m` for none. */
export function parseDurationOrZero(text: string, what = 'duration'): number {
  return /^0(ms|[smhdw])?$/.test(text) ? 0 : parseDuration(text, what);
}

/** Milliseconds as the largest unit that divides them: 900000 is `15m`. */
export function formatDuration(ms: number): string {
  for (const unit of ['w', 'd', 'h', 'm', 's'] as const) {
    const size = UNITS[unit]!;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

/**
 * ISO 8601 date or date and time, `T` or a space between, zone optional (UTC when missing).
 * Digits past the millisecond are cut. @throws FleetscoreError `INVALID_TIME`
 */
export function parseTime(text: string, what = 'time'): number {
  const ms = tryParseTime(text);
  if (ms === undefined && isOtherYear(text))
    throw new FleetscoreError(
      'INVALID_TIME',
      `${what} ${JSON.stringify(text)} is before 1970: times from 1970 to 9999 are taken.`,
    );
  if (ms === undefined)
    throw new FleetscoreError(
      'INVALID_TIME',
      `${what} ${JSON.stringify(text)} is not a time. Use ISO 8601, for example 2026-11-23T14:00:00Z (UTC ` +
        'when no zone is given).',
    );
  return ms;
}

/** Whether a text begins as a date of a year that is too early for an event: `0001-01-01T00:00:00` of .NET. */
export const isOtherYear = (text: string): boolean => OTHER_YEAR.test(text.trim());

/** As {@link parseTime}, undefined instead of an error. */
export function tryParseTime(text: string): number | undefined {
  const match = TIME.exec(text.trim());
  if (!match) return undefined;
  const [, date, minutes = '00:00', seconds = '00', fraction = '', zone = 'Z'] = match;
  const offset = zone.toUpperCase().replace(/^(...)(\d\d)$/, '$1:$2');
  const ms = Date.parse(`${date}T${minutes}:${seconds}.${fraction.slice(0, 3).padEnd(3, '0')}${offset}`);
  if (!(ms >= MIN_TIME_MS && ms <= MAX_TIME_MS)) return undefined;
  // Date.parse rolls 30 February over to March: refuse what does not read back as written.
  return new Date(Date.parse(`${date}T00:00:00Z`)).toISOString().startsWith(date!) ? ms : undefined;
}

/** `2026-11-23T14:00:00.000Z` */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** `20261123T140000Z`, `20261123T140000.250Z` when there are milliseconds: sorts as text, safe in names. */
export function compactTime(ms: number): string {
  return isoTime(ms).replace(/[-:]/g, '').replace('.000Z', 'Z');
}

/** `2026-11-23 14:00:00`, for people; milliseconds only when there are any. UTC. */
export function plainTime(ms: number): string {
  return isoTime(ms)
    .replace('T', ' ')
    .replace(/(\.000)?Z$/, '');
}

/**
 * The multiple of `hopMs` at or before `ms`: where the newest window that holds `ms` starts, when windows start that
 * often.
 */
export function windowStart(ms: number, hopMs: number): number {
  return Math.floor(ms / hopMs) * hopMs;
}
