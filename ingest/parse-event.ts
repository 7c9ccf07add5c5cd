/**
 * Body of an event -> readings, or the reason why not. Pure, and decided by the event alone: "now" is the time
 * the event was enqueued, so redelivery and a rebuild from raw capture accept exactly the same readings.
 */
import { gunzipSync } from 'node:zlib';
import { messageOf } from '../domain/errors.ts';
import type { Reading } from '../domain/reading.ts';
import { nameProblem } from '../domain/sensor.ts';
import { isoTime, MIN_TIME_MS, tryParseTime } from '../domain/time.ts';
import { settled } from '../domain/number.ts';

/** Stable text that people filter by. */
export type PoisonReason =
  | 'too_large'
  | 'bad_encoding' //   gzip that does not inflate
  | 'not_json'
  | 'not_a_reading' //  JSON, but not an object
  | 'missing_field'
  | 'bad_time'
  | 'time_out_of_range'
  | 'bad_name'
  | 'bad_value';

export interface Problem {
  readonly reason: PoisonReason;
  readonly message: string;
  /** Position in the array, when the body is one. */
  readonly index?: number;
}

export type Quality = string | number | boolean;

export interface ParsedReading extends Reading {
  readonly quality?: Quality;
}

export interface ParsedEvent {
  readonly readings: readonly ParsedReading[];
  /** Empty when all of the event was taken. */
  readonly problems: readonly Problem[];
}

/** Names of the JSON fields; for each the first one present is taken. */
export interface FieldNames {
  readonly ts: readonly string[];
  readonly device: readonly string[];
  readonly sensor: readonly string[];
  readonly value: readonly string[];
  readonly quality: readonly string[];
}

export interface ParseSettings {
  readonly fields: FieldNames;
  /** Readings later than the event's enqueued time plus this are refused, ms. */
  readonly clockSkewMs: number;
  /** Largest body as sent, bytes. */
  readonly maxBodyBytes: number;
  /** Largest body after inflating, bytes: a small gzip can hide gigabytes. */
  readonly maxInflatedBytes: number;
}

export const PARSE_DEFAULTS: ParseSettings = {
  fields: {
    ts: ['ts', 'TS'],
    device: ['device', 'Device'],
    sensor: ['sensor', 'Sensor'],
    value: ['value', 'Value'],
    quality: ['quality', 'Quality'],
  },
  clockSkewMs: 3_600_000,
  maxBodyBytes: 1024 * 1024,
  maxInflatedBytes: 16 * 1024 * 1024,
};

/** What parsing needs of an event. */
export interface EventBody {
  /** Bytes, text, or what a client has parsed already. */
  readonly body: unknown;
  readonly enqueuedMs: number;
  /** `gzip`, or absent; gzip is also recognised by its first bytes. */
  readonly contentEncoding?: string;
}

export type EventParser = (event: EventBody) => ParsedEvent;

/** Numbers below this are seconds (up to the year 5138), from it on milliseconds (from March 1973). */
const FIRST_MILLISECONDS = 1e11;
const KNOWN_NAMES = 100_000;

/** A parser remembers names it has found good, so that each is checked once and not per reading. */
export function createEventParser(settings: ParseSettings = PARSE_DEFAULTS): EventParser {
  const good = new Set<string>();
  const problemOf = (what: 'device' | 'sensor', name: unknown): string | undefined => {
    if (typeof name === 'string' && good.has(name)) return undefined;
    const problem = nameProblem(what, name);
    if (problem === undefined) {
      if (good.size >= KNOWN_NAMES) good.clear();
      good.add(name as string);
    }
    return problem;
  };
  const { fields } = settings;

  const readOne = (item: unknown, latestMs: number): ParsedReading | Problem => {
    if (typeof item !== 'object' || item === null || Array.isArray(item))
      return { reason: 'not_a_reading', message: `a reading must be a JSON object, got ${shown(item)}` };
    const record = item as Record<string, unknown>;
    const ts = pick(record, fields.ts);
    const device = pick(record, fields.device);
    const sensor = pick(record, fields.sensor);
    const value = pick(record, fields.value);
    if (ts === undefined || device === undefined || sensor === undefined || value === undefined) {
      const missing = (['ts', 'device', 'sensor', 'value'] as const).filter(
        (field) => pick(record, fields[field]) === undefined,
      );
      return {
        reason: 'missing_field',
        message: `missing ${missing.map((field) => `"${fields[field][0]}"`).join(', ')}`,
      };
    }
    const badName = problemOf('device', device) ?? problemOf('sensor', sensor);
    if (badName !== undefined) return { reason: 'bad_name', message: badName };
    const tsMs = eventTime(ts);
    if (tsMs === undefined)
      return {
        reason: 'bad_time',
        message: `the time ${shown(ts)} is neither ISO 8601 nor seconds or milliseconds since 1970`,
      };
    if (tsMs < MIN_TIME_MS) return { reason: 'time_out_of_range', message: `the time ${shown(ts)} is before 1970` };
    if (tsMs > latestMs)
      return {
        reason: 'time_out_of_range',
        message: `the time ${shown(ts)} is later than ${isoTime(latestMs)}, the time of arrival plus the clock skew allowed`,
      };
    if (typeof value !== 'number' || !Number.isFinite(value))
      return {
        reason: 'bad_value',
        message: `the value must be a finite number, got ${typeof value === 'number' ? String(value) : shown(value)}`,
      };
    const quality = pick(record, fields.quality);
    const reading = { tsMs, device: device as string, sensor: sensor as string, value: settled(value) };
    return typeof quality === 'string' || typeof quality === 'number' || typeof quality === 'boolean'
      ? { ...reading, quality }
      : reading;
  };

  return (event) => {
    const content = decodeBody(event, settings);
    if ('reason' in content) return { readings: [], problems: [content] };
    const latestMs = event.enqueuedMs + settings.clockSkewMs;
    const readings: ParsedReading[] = [];
    const problems: Problem[] = [];
    if (Array.isArray(content.json)) {
      for (let index = 0; index < content.json.length; index++) {
        const item = readOne(content.json[index], latestMs);
        if ('reason' in item) problems.push({ ...item, index });
        else readings.push(item);
      }
    } else {
      const item = readOne(content.json, latestMs);
      if ('reason' in item) problems.push(item);
      else readings.push(item);
    }
    return { readings, problems };
  };
}

function decodeBody(event: EventBody, settings: ParseSettings): { readonly json: unknown } | Problem {
  const { body } = event;
  if (!(body instanceof Uint8Array) && typeof body !== 'string') return { json: body };
  let bytes: Uint8Array | string = body;
  if (bytes.length > settings.maxBodyBytes)
    return {
      reason: 'too_large',
      message: `the body has ${bytes.length} bytes, at most ${settings.maxBodyBytes} are taken`,
    };
  if (
    typeof bytes !== 'string' &&
    (event.contentEncoding?.toLowerCase() === 'gzip' || (bytes[0] === 0x1f && bytes[1] === 0x8b))
  ) {
    try {
      bytes = gunzipSync(bytes, { maxOutputLength: settings.maxInflatedBytes });
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
        ? { reason: 'too_large', message: `the gzip body inflates to more than ${settings.maxInflatedBytes} bytes` }
        : { reason: 'bad_encoding', message: `the gzip body cannot be inflated: ${messageOf(error)}` };
    }
  }
  try {
    return { json: JSON.parse(typeof bytes === 'string' ? bytes : textOf(bytes)) as unknown };
  } catch (error) {
    return { reason: 'not_json', message: `the body is not JSON: ${messageOf(error).slice(0, 200)}` };
  }
}

function textOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  // Some senders begin with a byte order mark, which JSON.parse refuses.
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

function pick(record: Record<string, unknown>, names: readonly string[]): unknown {
  for (const name of names) {
    const value = record[name];
    if (value !== undefined && value !== null && Object.hasOwn(record, name)) return value;
  }
  return undefined;
}

/**
 * Event time in epoch ms: ISO 8601 text (UTC when it has no zone), or a number, also as text: below 1e11
 * seconds, fractions allowed, otherwise milliseconds. Rounded to the millisecond. Undefined when it is neither.
 */
export function eventTime(ts: unknown): number | undefined {
  if (typeof ts === 'string') {
    const number = /^-?\d+(\.\d+)?$/.test(ts) ? Number(ts) : undefined;
    return number === undefined ? tryParseTime(ts) : eventTime(number);
  }
  if (typeof ts !== 'number' || !Number.isFinite(ts)) return undefined;
  return Math.round(Math.abs(ts) < FIRST_MILLISECONDS ? ts * 1000 : ts);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
