/**
 * Raw events as Avro container files, in the schema of Azure Event Hubs Capture: whatever reads Azure's files
 * reads ours, and `readCapture` reads both.
 */
import avro from 'avsc';
import { inflateRawSync, zstdDecompressSync } from 'node:zlib';
import { shown } from '../domain/describe.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { endOfAvro } from './avro-bounds.ts';
import { AVRO_HEADER, EXACT_LONG, type AvroHeader } from './avro-parts.ts';
import { checkFormat } from '../domain/format.ts';
import { tryParseTime } from '../domain/time.ts';
import { createCaptureBlocks, FORMAT_KEY } from './capture-blocks.ts';
import type { IngestEvent } from './event.ts';

type Property = { long: number | bigint } | { double: number } | { string: string } | { bytes: Uint8Array } | null;

interface EventData {
  readonly SequenceNumber: number | bigint;
  readonly Offset: string;
  readonly EnqueuedTimeUtc: string;
  readonly SystemProperties: Readonly<Record<string, Property>>;
  readonly Properties: Readonly<Record<string, Property>>;
  readonly Body: { readonly bytes: Uint8Array } | null;
}

const SHORTER: ReadonlySet<string> = new Set(['x-opt-enqueued-time', 'x-opt-partition-key']);

/** A whole file. */
export function writeCapture(events: readonly IngestEvent[]): Promise<Uint8Array> {
  const blocks = createCaptureBlocks();
  for (const event of events) blocks.add(event);
  return blocks.file();
}

/**
 * Events of a capture file, ours or Azure's, in the order of the file.
 * @throws FleetscoreError `CAPTURE_UNREADABLE`, `FORMAT_TOO_NEW`
 */
export function readCapture(bytes: Uint8Array, name = 'capture file'): IngestEvent[] {
  // Azure writes a file of no bytes or no records when nothing came.
  if (bytes.length === 0) return [];
  try {
    return readContainer(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), name).map(toEvent);
  } catch (error) {
    if (error instanceof FleetscoreError) throw error;
    throw new FleetscoreError(
      'CAPTURE_UNREADABLE',
      `${name} is not a capture file that can be read: ${messageOf(error)}. ` +
        'It must be an Avro container file (codec null, deflate or zstandard) with the EventData schema of ' +
        'Event Hubs Capture.',
      { cause: error },
    );
  }
}

const LONG = avro.Type.forSchema('long');

// By blocks rather than by avsc's stream, which takes a file that was cut off for a whole one.
function readContainer(file: Buffer, name: string): EventData[] {
  if (file.subarray(0, 4).toString('latin1') !== 'Obj\u0001') throw new Error('it does not begin as one');
  let at = 0;
  const read = (type: avro.Type, from: Buffer, position: number): { value: unknown; offset: number } => {
    endOfAvro(type, from, position);
    const { value, offset } = type.decode(from, position);
    if (offset < 0) throw new Error('it ends too early');
    return { value, offset };
  };
  const next = (type: avro.Type): unknown => {
    const { value, offset } = read(type, file, at);
    at = offset;
    return value;
  };
  const header = next(AVRO_HEADER) as AvroHeader;
  const text = (key: string): string | undefined =>
    header.meta[key] ? Buffer.from(header.meta[key]).toString() : undefined;
  checkFormat('capture', text(FORMAT_KEY), name);
  const type = avro.Type.forSchema(
    JSON.parse(text('avro.schema') ?? 'null') as Parameters<typeof avro.Type.forSchema>[0],
    { wrapUnions: true, registry: { long: EXACT_LONG } },
  );
  const codec = text('avro.codec') ?? 'null';
  const expand = expanderOf(codec);
  const events: EventData[] = [];
  while (at < file.length) {
    const count = next(LONG) as number;
    const size = next(LONG) as number;
    const end = at + size;
    if (size < 0 || !file.subarray(end, end + 16).equals(header.sync))
      throw new Error('it ends too early or is damaged');
    const raw = file.subarray(at, end);
    const block = expand(raw);
    for (let i = 0, position = 0; i < count; i++) {
      const record = read(type, block, position);
      // A schema without fields makes records of no bytes, as many as the file says.
      if (record.offset <= position) throw new Error('its records are empty');
      events.push(record.value as EventData);
      position = record.offset;
    }
    at = end + 16;
  }
  return events;
}

/**
 * Largest block after inflating: more, and more times the block's own size, than any writer makes of events of 1 MiB.
 */
const BLOCK_LIMIT = 64 * 1024 * 1024;
const MAX_RATIO = 200;

type Expand = (raw: Buffer) => Buffer;

/**
 * How blocks of a codec are made as long as they were. Azure writes null or deflate; tools that join files zstandard.
 */
function expanderOf(codec: string): Expand {
  if (codec === 'null') return (raw) => raw;
  if (codec === 'deflate') return bounded(inflateRawSync);
  if (codec === 'zstandard') return bounded(zstdDecompressSync);
  throw new Error(`its codec is ${codec}`);
}

function bounded(expand: (raw: Buffer, options: { maxOutputLength: number }) => Buffer): Expand {
  return (raw) => {
    try {
      return expand(raw, {
        maxOutputLength: Math.min(8 * BLOCK_LIMIT, Math.max(BLOCK_LIMIT, raw.length * MAX_RATIO)),
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') throw error;
      throw new Error(`a block of ${raw.length} bytes inflates to more than is taken`, { cause: error });
    }
  };
}

function toEvent(record: EventData): IngestEvent {
  const system = plain(record.SystemProperties);
  const exact = system['x-opt-enqueued-time'];
  const key = system['x-opt-partition-key'];
  const encoding = system.contentEncoding ?? system['content-encoding'] ?? plain(record.Properties)['content-encoding'];
  const rest = Object.fromEntries(Object.entries(system).filter(([name]) => !SHORTER.has(name)));
  const properties = plain(record.Properties);
  return {
    seq: sequenceNumber(record.SequenceNumber),
    offset: record.Offset,
    // The text has whole seconds only.
    enqueuedMs: typeof exact === 'number' ? exact : parseCaptureTime(record.EnqueuedTimeUtc),
    body: record.Body?.bytes ?? null,
    ...(typeof key === 'string' ? { partitionKey: key } : undefined),
    ...(typeof encoding === 'string' ? { contentEncoding: encoding } : undefined),
    ...(Object.keys(rest).length > 0 ? { systemProperties: rest } : undefined),
    ...(Object.keys(properties).length > 0 ? { properties } : undefined),
  };
}

function sequenceNumber(value: number | bigint): number {
  if (typeof value === 'number') return value;
  throw new Error(`there is a SequenceNumber of ${value}`);
}

/** Azure's schema also knows properties without a value. */
function plain(properties: Readonly<Record<string, Property | null>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [
      name,
      value === null ? null : (Object.values(value)[0] as unknown),
    ]),
  );
}

/**
 * Azure's form, with any kind of space before AM (today's ICU writes a narrow one), and .NET's without AM, of 24 hours.
 */
const CAPTURE_TIME = /^(\d{1,2})\/(\d{1,2})\/(\d{4})\s(\d{1,2}):(\d{2}):(\d{2})(?:\s(AM|PM))?$/;
/** .NET's "R": `Sun, 01 Nov 2026 10:00:01 GMT`. */
const RFC1123 = /^\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

function parseCaptureTime(text: string): number {
  const ms = usTime(text) ?? (RFC1123.test(text) ? Date.parse(text) : tryParseTime(text));
  if (ms === undefined || !Number.isFinite(ms))
    throw new Error(
      `EnqueuedTimeUtc ${shown(text)} is not a time such as 8/31/2017 7:12:14 PM or 2017-08-31T19:12:14Z`,
    );
  return ms;
}

function usTime(text: string): number | undefined {
  const match = CAPTURE_TIME.exec(text);
  if (!match) return undefined;
  const [month, day, year, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const half = match[7];
  const hours = half === undefined ? hour : (hour % 12) + (half === 'PM' ? 12 : 0);
  return Date.UTC(year, month - 1, day, hours, minute, second);
}
