/**
 * Texts of a CSV field -> time or value; strict, because what is nearly a number is another number. A time is ISO 8601
 * text or a number of the unit that was said. Where none was said, ten digits are seconds and thirteen milliseconds,
 * in all rows of a file alike, and anything else is refused with what it seems to be.
 */
import { isoTime, MAX_TIME_MS, tryParseTime, type TimeUnit } from '../../domain/time.ts';
import { inUnit, isoMs, numberHint } from '../parse/time.ts';

const PLAIN_NUMBER = /^-?(\d{1,25})(?:\.\d{1,25})?$/;
/** Digits before the point of a time in seconds (2001 to 2286) and in milliseconds (the same years). */
const UNIT_OF_DIGITS: ReadonlyMap<number, TimeUnit> = new Map([
  [10, 's'],
  [13, 'ms'],
]);

const NAMES: Readonly<Record<TimeUnit, string>> = {
  s: 'seconds',
  ms: 'milliseconds',
  us: 'microseconds',
  ns: 'nanoseconds',
};

export type ReadTime = (text: string) => number | string;

/**
 * Reads the times of one file: epoch milliseconds, or why a text is none. @param said unit of numbers, from the user
 */
export function createTimeReader(said: TimeUnit | undefined): ReadTime {
  let unit = said;
  return (text) => {
    const iso = isoMs(text);
    if (iso !== undefined) return iso;
    const digits = PLAIN_NUMBER.exec(text)?.[1];
    if (digits === undefined) return notATime(text);
    const number = Number(text);
    if (said === undefined) {
      const seems = UNIT_OF_DIGITS.get(digits.length);
      if (seems === undefined || number < 0)
        return (
          `TS ${JSON.stringify(text)} is a number without a unit${numberHint(number, 'say --time-unit s')}; ` +
          'write ISO 8601, or say --time-unit s, ms, us or ns'
        );
      unit ??= seems;
      if (unit !== seems)
        return (
          `TS ${JSON.stringify(text)} seems to be ${NAMES[seems]}, the rows before are ${NAMES[unit]}; ` +
          'say --time-unit where one unit holds for all'
        );
    }
    const ms = inUnit(number, unit!);
    if (ms < 0) return `TS ${JSON.stringify(text)} is before 1970`;
    return ms <= MAX_TIME_MS ? ms : `TS ${JSON.stringify(text)} is after the year 9999 as ${NAMES[unit!]}`;
  };
}

function notATime(text: string): string {
  const shown = JSON.stringify(text.slice(0, 60));
  if (text === '') return 'TS is empty';
  return (
    `TS ${shown} is not a time${reading(text)}; use ISO 8601 such as 2026-11-23T14:00:00Z, or seconds or ` +
    'milliseconds since 1970'
  );
}

/** What a person may have meant: never taken, because day and month could be the other way round. */
function reading(text: string): string {
  const year = /^(\d{4})[/.](\d{1,2})[/.](\d{1,2})(.*)$/.exec(text);
  if (year) {
    const [, y, m, d, rest] = year as unknown as [string, string, string, string, string];
    const ms = tryParseTime(`${y}-${m.padStart(2, '0')}-${d.padStart(2, '0')}${rest}`);
    if (ms !== undefined) return ` (${isoTime(ms)}?)`;
  }
  return /^\d{1,2}[/.]\d{1,2}[/.]\d{2,4}/.test(text) ? ' (day and month could be either way round)' : '';
}

const NUMBERS: Readonly<Record<Decimal, RegExp>> = {
  '.': /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?$/,
  ',': /^[+-]?(?:\d+,?\d*|,\d+)(?:[eE][+-]?\d{1,4})?$/,
};

/** What separates the digits behind the whole ones. */
export type Decimal = '.' | ',';

/** A finite decimal number, or why the text is none. */
export function readValue(text: string, decimal: Decimal): number | string {
  if (text === '') return 'Value is empty';
  const plain = NUMBERS[decimal].test(text);
  const value = plain ? Number(decimal === ',' ? text.replace(',', '.') : text) : Number.NaN;
  if (Number.isFinite(value)) return value;
  const shown = `Value ${JSON.stringify(text.slice(0, 60))}`;
  if (plain) return `${shown} is larger than a number of 64 bits holds`;
  if (NUMBERS[decimal === '.' ? ',' : '.'].test(text))
    return `${shown} has a decimal ${decimal === '.' ? 'comma: say --decimal ,' : 'point: say --decimal .'}`;
  return /^[+-]?\d{1,3}([.,' ]\d{3})+([.,]\d+)?$/.test(text)
    ? `${shown} has separators of thousands: write it without`
    : `${shown} is not a finite decimal number`;
}
