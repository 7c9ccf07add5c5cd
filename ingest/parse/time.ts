/**
 * Event time of a reading. Text is ISO 8601; a number counts in one unit, which the setting FLEETSCORE_FIELD_TS_UNIT
 * names. Without that setting it is milliseconds, and then a number that would lie before September 2001 is refused
 * with a hint rather than stored: it is seconds, a date written as digits or a day of a spreadsheet. The size of a
 * number never chooses its unit.
 */
import { shown } from '../../domain/describe.ts';
import { DAY_MS, isOtherYear, isoTime, MAX_TIME_MS, type TimeUnit, tryParseTime } from '../../domain/time.ts';

const PER_MS: Readonly<Record<TimeUnit, number>> = { s: 1e-3, ms: 1, us: 1e3, ns: 1e6 };

/**
 * Milliseconds since 1970 of 13 digits: from 2001-09-09 to 2286-11-20. Below it a number without a unit is in doubt.
 */
export const FIRST_CERTAIN_MS = 1e12;

const NUMBER = /^-?\d{1,25}(\.\d{1,25})?$/;

/** Epoch milliseconds, rounded; or why it is no time. Bounds of what may be stored are the caller's. */
export function wireTime(ts: unknown, unit: TimeUnit | undefined): number | string {
  if (typeof ts === 'number') return timeOfNumber(ts, unit, ts);
  if (typeof ts === 'string') {
    const ms = isoMs(ts);
    if (ms !== undefined) return ms;
    return NUMBER.test(ts) ? timeOfNumber(Number(ts), unit, ts) : notATime(ts);
  }
  // Clients of AMQP hand over typed values.
  if (ts instanceof Date && !Number.isNaN(ts.getTime())) return ts.getTime();
  return typeof ts === 'bigint' ? timeOfNumber(Number(ts), unit, ts) : notATime(ts);
}

const notATime = (ts: unknown): string =>
  typeof ts === 'string' && isOtherYear(ts)
    ? `the time ${shown(ts)} is before 1970: times from 1970 to 9999 are taken`
    : `the time ${shown(ts)} is neither ISO 8601 text nor a number of milliseconds since 1970 ` +
      '(FLEETSCORE_FIELD_TS_UNIT names another unit)';

function timeOfNumber(number: number, unit: TimeUnit | undefined, ts: unknown): number | string {
  if (!Number.isFinite(number)) return notATime(ts);
  if (unit === undefined && number >= 0 && number < FIRST_CERTAIN_MS)
    return (
      `the time ${shown(ts)} would be ${isoTime(number)} as milliseconds since 1970, which is ` +
      `doubtful${numberHint(number, 'set FLEETSCORE_FIELD_TS_UNIT=s')}; ` +
      'send times before 2001 as ISO 8601 text, or set FLEETSCORE_FIELD_TS_UNIT=ms'
    );
  return inUnit(number, unit ?? 'ms');
}

/** Numbers in a unit that is known, `1700000000` and `s`: epoch milliseconds, rounded. */
export const inUnit = (number: number, unit: TimeUnit): number =>
  Math.round(unit === 's' ? number * 1000 : number / PER_MS[unit]);

/** Days of spreadsheets count from 1899-12-30. */
const SPREADSHEET_DAY_0 = Date.UTC(1899, 11, 30);

/**
 * ` (...)`: what a number that is no time of its unit seems to be; empty when nothing. @param seconds what to do for
 * seconds
 */
export function numberHint(number: number, seconds: string): string {
  const digits = String(Math.trunc(number));
  const date = /^(19|20)(\d{2})(\d{2})(\d{2})(\d{2})?(\d{2})?(\d{2})?$/.exec(digits);
  if (date) {
    const [, century, year, month, day, hour = '00', minute = '00', second = '00'] = date;
    const text = `${century}${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
    if (tryParseTime(text) !== undefined) return ` (a date written as digits? write ${text})`;
  }
  if (number >= 20_000 && number < 80_000) {
    const day = new Date(SPREADSHEET_DAY_0 + Math.round(number * DAY_MS));
    return ` (a day of a spreadsheet? as a time it is ${day.toISOString().slice(0, 19)}Z)`;
  }
  if (number >= 1e9 && number < 1e10) return ` (seconds? then ${isoTime(Math.round(number * 1000))}: ${seconds})`;
  if (number >= 1e15 && number < 1e16) return ' (microseconds?)';
  return number >= 1e18 && number < 1e19 ? ' (nanoseconds?)' : '';
}

/**
 * As `tryParseTime`; the form that programs write, `2026-11-23T14:00:00.000Z` with or without milliseconds, costs a
 * few additions instead of a regular expression and two dates.
 */
export function isoMs(text: string): number | undefined {
  const { length } = text;
  if ((length !== 24 && length !== 20) || text.charCodeAt(length - 1) !== 0x5a) return tryParseTime(text);
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  const second = digits(text, 17, 2);
  const ms = length === 24 ? digits(text, 20, 3) : 0;
  // 29 and more of a month: leave it to the general rule whether that day exists.
  if (
    !hasMarks(text) ||
    !(month >= 1 && month <= 12 && day >= 1 && day <= 28 && hour < 24 && minute < 60 && second < 60 && ms >= 0)
  )
    return tryParseTime(text);
  const time = Date.UTC(year, month - 1, day, hour, minute, second, ms);
  return time >= 0 && time <= MAX_TIME_MS && year >= 1970 ? time : tryParseTime(text);
}

/** NaN where one is no digit. */
function digits(text: string, from: number, count: number): number {
  let n = 0;
  for (let i = from; i < from + count; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    n = n * 10 + digit;
  }
  return n;
}

/** The dashes, the T, the colons and the point of `2026-11-23T14:00:00.000Z`. */
const hasMarks = (text: string): boolean =>
  text.charCodeAt(4) === 0x2d &&
  text.charCodeAt(7) === 0x2d &&
  text.charCodeAt(10) === 0x54 &&
  text.charCodeAt(13) === 0x3a &&
  text.charCodeAt(16) === 0x3a &&
  (text.length === 20 || text.charCodeAt(19) === 0x2e);
