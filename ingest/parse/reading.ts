/** One item of an event's body -> a reading, or why it is none. */
import { shown } from '../../domain/describe.ts';
import { settled } from '../../domain/number.ts';
import type { Reading } from '../../domain/reading.ts';
import { nameProblem } from '../../domain/sensor.ts';
import { isoTime, MIN_TIME_MS, type TimeUnit } from '../../domain/time.ts';
import { boundedMap } from '../bounded-map.ts';
import type { Problem } from './problems.ts';
import { numberHint, wireTime } from './time.ts';

export type Quality = string | number | boolean;

export interface ParsedReading extends Reading {
  readonly quality?: Quality;
}

/** Names of the JSON fields; for each the first one present is taken. */
export interface FieldNames {
  readonly ts: readonly string[];
  readonly device: readonly string[];
  readonly sensor: readonly string[];
  readonly value: readonly string[];
  readonly quality: readonly string[];
}

export interface ReadingRules {
  readonly fields: FieldNames;
  /** What numbers in the time's field count; see `wireTime`. */
  readonly timeUnit?: TimeUnit;
  /** Device of readings that name none. */
  readonly defaultDevice?: string;
}

export type ReadingOrProblem = ParsedReading | Problem;

/** The parts of a reading as they were sent; all but the quality are there. */
export type CheckReading = (
  ts: unknown,
  device: unknown,
  sensor: unknown,
  value: unknown,
  quality: unknown,
  latestMs: number,
  unit: TimeUnit | undefined,
) => ReadingOrProblem;

const KNOWN_NAMES = 100_000;

/** Remembers names it has found good, so that each is checked once and not per reading. */
export function createReadingCheck(): CheckReading {
  const good = boundedMap<true>(KNOWN_NAMES);
  const problemOf = (what: 'device' | 'sensor', name: unknown): string | undefined => {
    if (typeof name === 'string' && good.get(name)) return undefined;
    const problem = nameProblem(what, name);
    if (problem === undefined) good.set(name as string, true);
    return problem;
  };
  return (ts, device, sensor, value, quality, latestMs, unit) => {
    const badName = problemOf('device', device) ?? problemOf('sensor', sensor);
    if (badName !== undefined) return { reason: 'bad_name', message: badName };
    const tsMs = wireTime(ts, unit);
    if (typeof tsMs === 'string') return { reason: 'bad_time', message: tsMs };
    if (tsMs < MIN_TIME_MS) return { reason: 'time_out_of_range', message: `the time ${shown(ts)} is before 1970` };
    if (tsMs > latestMs)
      return {
        reason: 'time_out_of_range',
        message:
          `the time ${shown(ts)} is later than ${isoTime(latestMs)}, the time of arrival plus the ` +
          `clock skew allowed (FLEETSCORE_CLOCK_SKEW)${unitHint(ts)}`,
      };
    if (typeof value !== 'number' || !Number.isFinite(value))
      return {
        reason: 'bad_value',
        message: `the value must be a finite number, got ${shown(value)}${valueHint(value)}`,
      };
    const reading = { tsMs, device: device as string, sensor: sensor as string, value: settled(value) };
    return typeof quality === 'string' || typeof quality === 'number' || typeof quality === 'boolean'
      ? { ...reading, quality }
      : reading;
  };
}

/** What a number that lies too far in the future seems to count. */
function unitHint(ts: unknown): string {
  const hint = typeof ts === 'number' ? numberHint(ts, 'set FLEETSCORE_FIELD_TS_UNIT=s') : '';
  return hint === '' ? '' : `${hint}; FLEETSCORE_FIELD_TS_UNIT says what numbers count`;
}

/** A mapping can take what is nearly a number; without one nothing is guessed. */
function valueHint(value: unknown): string {
  if (typeof value === 'boolean') return ' ("booleans": true in a mapping takes it as 1 or 0: FLEETSCORE_MAPPING)';
  return typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))
    ? ' ("texts": true in a mapping takes numbers in texts: FLEETSCORE_MAPPING)'
    : '';
}

/** Reads items with one field each for time, device, sensor, value and quality. */
export function createReadingParser({
  fields,
  timeUnit,
  defaultDevice,
}: ReadingRules): (item: unknown, latestMs: number) => ReadingOrProblem {
  const check = createReadingCheck();
  return (item, latestMs) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item))
      return { reason: 'not_a_reading', message: `a reading must be a JSON object, got ${shown(item)}` };
    const record = item as Record<string, unknown>;
    const ts = pick(record, fields.ts);
    const device = pick(record, fields.device) ?? defaultDevice;
    const sensor = pick(record, fields.sensor);
    const value = pick(record, fields.value);
    if (ts === undefined || device === undefined || sensor === undefined || value === undefined)
      return { reason: 'missing_field', message: missing(record, fields, defaultDevice) };
    return check(ts, device, sensor, value, pick(record, fields.quality), latestMs, timeUnit);
  };
}

function missing(
  record: Readonly<Record<string, unknown>>,
  fields: FieldNames,
  defaultDevice: string | undefined,
): string {
  const absent = (['ts', 'device', 'sensor', 'value'] as const).filter(
    (field) => pick(record, fields[field]) === undefined && !(field === 'device' && defaultDevice !== undefined),
  );
  return (
    `missing ${absent.map((field) => `"${fields[field][0]}"`).join(', ')}; ${membersOf(record)} ` +
    '(FLEETSCORE_FIELD_* name the fields; FLEETSCORE_MAPPING is for other forms of events' +
    `${absent.length === 1 && absent[0] === 'device' ? '; FLEETSCORE_DEFAULT_DEVICE names a device for all' : ''})`
  );
}

/** `it has "a", "b", ...`: the names of the members of an object, for messages. */
export function membersOf(record: object): string {
  const names = Object.keys(record);
  const there = names.length === 0 ? 'it has none' : `it has ${names.slice(0, 6).map(shown).join(', ')}`;
  return `${there}${names.length > 6 ? ', ...' : ''}`;
}

function pick(record: Readonly<Record<string, unknown>>, names: readonly string[]): unknown {
  for (const name of names) {
    const value = record[name];
    if (value !== undefined && value !== null && Object.hasOwn(record, name)) return value;
  }
  return undefined;
}
