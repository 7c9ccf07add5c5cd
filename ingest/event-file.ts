/**
 * Events of a file, for `ingest try`: what a hub holds is seldom at hand, a copy of a payload is. A file is one event,
 * or JSON lines with an event each; an event with properties is `{"event": {...}}`, as `az iot hub monitor-events`
 * prints it too; capture files and dead letters are taken as they lie in Blob.
 */
import { defined } from '../domain/defined.ts';
import { shown } from '../domain/describe.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { tryParseTime } from '../domain/time.ts';
import { readCapture } from './capture-file.ts';
import { eventOfLetter, type DeadLetter } from './dead-letters.ts';
import type { IngestEvent } from './event.ts';

const KEYS = [
  'body',
  'bodyBase64',
  'properties',
  'systemProperties',
  'partitionKey',
  'enqueuedTime',
  'contentEncoding',
] as const;
type Json = Readonly<Record<string, unknown>>;

/**
 * @param name for errors
 * @param nowMs when events came that do not say it
 * @throws FleetscoreError `INVALID_ARGUMENT`, `CAPTURE_UNREADABLE`
 */
export function readEventFile(bytes: Uint8Array, name: string, nowMs: number): IngestEvent[] {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.subarray(0, 4).toString('latin1') === 'Obj\u0001') return readCapture(file, name);
  const bodies = linesOf(file) ?? [file];
  const events = bodies.flatMap((body) => eventsOf(body, name, nowMs));
  return events.map((event, i) => (event.seq < 0 ? { ...event, seq: i } : event));
}

/** The lines of a file of JSON lines: more than one, each an object or array of its own. */
function linesOf(file: Buffer): readonly Buffer[] | undefined {
  const text = file.toString('utf8').replace(/^\uFEFF/, '');
  if (isJson(text)) return undefined;
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const whole = (line: string): boolean => /^\s*(\{.*\}|\[.*\])\s*$/.test(line);
  return lines.length > 1 && whole(lines[0]!) ? lines.map((line) => Buffer.from(line)) : undefined;
}

/** Of one body, or one line: the event, or those that it wraps. @throws FleetscoreError `INVALID_ARGUMENT` */
export function eventsOf(body: Buffer, name: string, nowMs: number): IngestEvent[] {
  const plain: IngestEvent = { seq: -1, offset: '', enqueuedMs: nowMs, body };
  const json = parsed(body.toString('utf8'));
  if (Array.isArray(json) && json.length > 0) {
    const items = (json as unknown[]).map((item) => wrapped(item, name, nowMs));
    return items.every((item) => item !== undefined) ? items : [plain];
  }
  return [wrapped(json, name, nowMs) ?? plain];
}

const isJson = (text: string): boolean => parsed(text) !== undefined;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** An event that is written with its properties; undefined for what is a body. */
function wrapped(json: unknown, name: string, nowMs: number): IngestEvent | undefined {
  if (!isObject(json)) return undefined;
  if (isLetter(json)) return eventOfLetter(json);
  const { event } = json;
  if (!isObject(event) || Object.keys(json).length > 1) return undefined;
  if ('payload' in event) return ofAz(event, nowMs);
  const unknown = Object.keys(event).filter((key) => !(KEYS as readonly string[]).includes(key));
  if (unknown.length > 0)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `the event in ${name} has ${unknown.map(shown).join(', ')}: it takes ${KEYS.join(', ')}.`,
    );
  const { bodyBase64, properties, systemProperties, partitionKey, contentEncoding, enqueuedTime } = event;
  return {
    seq: -1,
    offset: '',
    enqueuedMs: timeOf(enqueuedTime, name, nowMs),
    body: typeof bodyBase64 === 'string' ? Buffer.from(bodyBase64, 'base64') : bodyOf(event.body),
    ...defined({
      properties: isObject(properties) ? properties : undefined,
      systemProperties: isObject(systemProperties) ? systemProperties : undefined,
      partitionKey: typeof partitionKey === 'string' ? partitionKey : undefined,
      contentEncoding: typeof contentEncoding === 'string' ? contentEncoding : undefined,
    }),
  };
}

/** As `az iot hub monitor-events` prints it: origin, payload, and with --properties all annotations and properties. */
function ofAz(event: Json, nowMs: number): IngestEvent {
  const properties = isObject(event.properties) ? event.properties : {};
  const annotations = isObject(event.annotations) ? event.annotations : {};
  const { system, application } = properties;
  const enqueued = annotations['x-opt-enqueued-time'];
  const own = Object.entries(properties).filter(([key]) => !['system', 'application'].includes(key));
  return {
    seq: -1,
    offset: '',
    enqueuedMs: typeof enqueued === 'number' ? enqueued : nowMs,
    body: bodyOf(event.payload),
    properties: { ...Object.fromEntries(own), ...(isObject(application) ? application : {}) },
    systemProperties: {
      ...(isObject(system) ? system : {}),
      // Without `--annotations` only the origin says which device it is.
      ...(typeof event.origin === 'string' ? { 'iothub-connection-device-id': event.origin } : {}),
      ...annotations,
    },
  };
}

/** A text is a body as it is; anything else is one as JSON. */
const bodyOf = (body: unknown): string => (typeof body === 'string' ? body : JSON.stringify(body ?? null));

function timeOf(text: unknown, name: string, nowMs: number): number {
  if (text === undefined) return nowMs;
  const ms = typeof text === 'string' ? tryParseTime(text) : undefined;
  if (ms !== undefined) return ms;
  throw new FleetscoreError(
    'INVALID_ARGUMENT',
    `enqueuedTime of the event in ${name} is ${shown(text)}: it takes a time in ISO 8601.`,
  );
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isLetter = (json: Json): json is Json & DeadLetter =>
  typeof json.sequenceNumber === 'number' &&
  typeof json.enqueuedTime === 'string' &&
  typeof json.body === 'string' &&
  Array.isArray(json.problems);
