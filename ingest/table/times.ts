/**
 * A field -> a time. A time is ISO 8601 text, a text of the format that was said, a number of the unit that was said,
 * or a typed time. Where no unit was said, ten digits are seconds and thirteen milliseconds, in all rows of a file
 * alike, and anything else is refused with what it seems to be.
 */
import { isoTime, MAX_TIME_MS, tryParseTime, type TimeUnit } from '../../domain/time.ts';
import { inUnit, isoMs, numberHint } from '../parse/time.ts';
import type { Cell, TimeCell } from './cells.ts';
import { createLocalTimes } from './local-times.ts';
import { createFormatReader } from './time-format.ts';

/** What times that are numbers may count in a file; `excel`: days since 1899-12-30, as spreadsheets do. */
export type FileTimeUnit = TimeUnit | 'm' | 'h' | 'd' | 'excel';

export interface TimeRules {
  readonly timeUnit?: FileTimeUnit;
  /** Tokens of Luxon, or of strptime. ISO 8601 is taken all the same. */
  readonly timeFormat?: string;
  /** Of times without a zone: a name, or an offset such as +01:00; default UTC. */
  readonly timezone?: string;
  /** Numbers count from here, epoch milliseconds; in seconds where no unit is said. */
  readonly startMs?: number;
}

export interface TimeReader {
  /** Epoch milliseconds, or why there is no time. @param key what the row is of, for hours that came twice */
  read(cell: Cell, key?: string): number | string;
  /** Times read that clocks of the zone showed twice. */
  ambiguous(): number;
}

const PLAIN_NUMBER = /^-?(\d{1,25})(?:\.\d{1,25})?$/;
const ZONED = /(?:Z|:\d{2}(?:[.,]\d+)?\s*[+-]\d{2}:?\d{2})$/i;
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

const MS_OF: Readonly<Record<'m' | 'h' | 'd' | 'excel', number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  excel: 86_400_000,
};
const EXCEL_DAY_0 = Date.UTC(1899, 11, 30);

/** @throws FleetscoreError `INVALID_ZONE`, `INVALID_ARGUMENT` for a format that cannot be used */
export function createTimeReader(rules: TimeRules): TimeReader {
  const local = createLocalTimes(rules.timezone);
  const formatted = rules.timeFormat === undefined ? undefined : createFormatReader(rules.timeFormat);
  const number = createNumberReader(rules);
  const shownTime = (cell: TimeCell, key: string): number | string => {
    const ms = cell.zoned ? cell.ms : local.read(cell.ms, key);
    if (typeof ms === 'string') return ms;
    if (ms < 0) return `TS ${plainIso(cell.ms)} is before 1970`;
    return ms <= MAX_TIME_MS ? ms : `TS ${plainIso(cell.ms)} is after the year 9999`;
  };
  // Files hold the same time in many rows, one after the other.
  let lastText: string | undefined;
  let lastTime: TimeCell | undefined;
  const timeOf = (text: string): TimeCell | undefined => {
    if (text !== lastText) {
      lastTime = formatted?.(text) ?? isoCell(text);
      lastText = text;
    }
    return lastTime;
  };
  return {
    read(cell, key = '') {
      if (cell === null || typeof cell === 'boolean') return 'TS is empty';
      if (typeof cell === 'object') return shownTime(cell, key);
      const text = String(cell);
      if (rules.startMs === undefined) {
        const time = timeOf(text);
        if (time) return shownTime(time, key);
      }
      return number(text) ?? notATime(text, rules);
    },
    ambiguous: local.ambiguous,
  };
}

const plainIso = (ms: number): string => (Math.abs(ms) <= 8.64e15 ? isoTime(ms) : String(ms));

function isoCell(text: string): TimeCell | undefined {
  const ms = isoMs(text);
  return ms === undefined ? undefined : { ms, zoned: ZONED.test(text) };
}

/** Numbers as times; undefined where the text is no number. */
function createNumberReader({ timeUnit, startMs }: TimeRules): (text: string) => number | string | undefined {
  const said = timeUnit ?? (startMs === undefined ? undefined : 's');
  let unit: FileTimeUnit | undefined = said;
  return (text) => {
    const digits = PLAIN_NUMBER.exec(text)?.[1];
    if (digits === undefined) return undefined;
    const number = Number(text);
    if (said === undefined) {
      const seems = UNIT_OF_DIGITS.get(digits.length);
      if (seems === undefined || number < 0)
        return (
          `TS ${JSON.stringify(text)} is a number without a unit${numberHint(number, 'say --time-unit s')}; ` +
          'write ISO 8601, or say --time-unit s, ms, us, ns or excel, and --start TIME where it counts from a start'
        );
      unit ??= seems;
      if (unit !== seems)
        return (
          `TS ${JSON.stringify(text)} seems to be ${NAMES[seems]}, the rows before are ` +
          `${NAMES[unit as TimeUnit]}; say --time-unit where one unit holds for all`
        );
    }
    const ms = (startMs ?? 0) + msOf(number, unit!);
    if (ms < 0) return `TS ${JSON.stringify(text)} is before 1970`;
    return ms <= MAX_TIME_MS ? ms : `TS ${JSON.stringify(text)} is after the year 9999 as ${unitName(unit!)}`;
  };
}

function msOf(number: number, unit: FileTimeUnit): number {
  if (unit === 's' || unit === 'ms' || unit === 'us' || unit === 'ns') return inUnit(number, unit);
  return Math.round(number * MS_OF[unit]) + (unit === 'excel' ? EXCEL_DAY_0 : 0);
}

const unitName = (unit: FileTimeUnit): string => (unit in NAMES ? NAMES[unit as TimeUnit] : unit);

function notATime(text: string, { timeFormat, startMs }: TimeRules): string {
  const shown = JSON.stringify(text.slice(0, 60));
  if (text === '') return 'TS is empty';
  if (startMs !== undefined) return `TS ${shown} is no number, and times are counted from --start`;
  if (EARLIER.test(text)) return `TS ${shown} is before 1970: times from 1970 to 9999 are taken`;
  if (timeFormat !== undefined) return `TS ${shown} is not a time as ${JSON.stringify(timeFormat)} says`;
  return (
    `TS ${shown} is not a time${reading(text)}; use ISO 8601 such as 2026-11-23T14:00:00Z, or seconds or ` +
    "milliseconds since 1970, or say --time-format 'dd/MM/yyyy HH:mm'"
  );
}

/** A date whose year is too early for an event. */
const EARLIER = /^(?:0\d{3}|1[0-8]\d{2}|19[0-6]\d)-\d{2}-\d{2}(?![\d-])/;

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
