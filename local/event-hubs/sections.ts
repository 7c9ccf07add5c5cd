/**
 * AMQP 1.0 messages at the level of bytes. An event is never decoded: the sections that the sender owns are
 * copied as they are, and the annotations that the broker owns are written in front of them. What comes out is
 * the delivery form of an event: what the log stores and what every consumer receives, byte for byte.
 * Section layout: OASIS AMQP 1.0, part 3.2 "Message format"; encodings: part 1.6.
 */
import { Buffer } from 'node:buffer';

const FIRST_SECTION = 0x70;
const MESSAGE_ANNOTATIONS = 0x72;
const DATA = 0x75;
const FIRST_BARE_SECTION = 0x73;
const LAST_SECTION = 0x78;

/** Descriptors of descriptors, beyond which bytes are taken for hostile. */
const MAX_DESCRIPTORS = 32;

const SEQUENCE_NUMBER = 'x-opt-sequence-number';
const OFFSET = 'x-opt-offset';
const ENQUEUED_TIME = 'x-opt-enqueued-time';
const PARTITION_KEY = 'x-opt-partition-key';
const BROKER_OWNED: ReadonlySet<string> = new Set([SEQUENCE_NUMBER, OFFSET, ENQUEUED_TIME]);

/** The bytes are not an AMQP message. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

/** A batch envelope (message format 0x80013700) taken apart. */
export interface Batch {
  /** The encoded events, views into the envelope. */
  readonly events: readonly Buffer[];
  /** The partition key of the batch. */
  readonly partitionKey?: string;
  /** The same, as the encoded key-value pair of an annotations map. */
  readonly partitionKeyPair?: Buffer;
}

/** Where the broker put an event. */
export interface Placement {
  readonly sequence: number;
  readonly offset: number;
  readonly timeMs: number;
  /** Of a namespace with geo-replication. */
  readonly geoEpoch?: number;
}

/**
 * As clients see it: with geo-replication `{epoch}:{offset}:{sequence number}` (Event Hubs documentation,
 * "Geo-replication").
 */
export const offsetText = ({ geoEpoch, offset, sequence }: Placement): string =>
  geoEpoch === undefined || offset < 0 ? String(offset) : `${geoEpoch}:${offset}:${sequence}`;

/** The end of the value whose constructor is at `at`. */
function valueEnd(bytes: Buffer, at: number, depth = 0): number {
  const code = bytes[at] ?? 0xff;
  let end = Number.NaN;
  switch (code >> 4) {
    case 0x0:
      if (code === 0 && depth < MAX_DESCRIPTORS) return valueEnd(bytes, valueEnd(bytes, at + 1, depth + 1), depth + 1);
      break;
    case 0x4:
      end = at + 1;
      break;
    case 0x5:
      end = at + 2;
      break;
    case 0x6:
      end = at + 3;
      break;
    case 0x7:
      end = at + 5;
      break;
    case 0x8:
      end = at + 9;
      break;
    case 0x9:
      end = at + 17;
      break;
    case 0xa:
    case 0xc:
    case 0xe:
      end = at + 2 + (bytes[at + 1] ?? Number.NaN);
      break;
    default:
      if (at + 5 <= bytes.length) end = at + 5 + bytes.readUInt32BE(at + 1);
  }
  if (end <= bytes.length) return end;
  throw new MalformedMessage(`a value at byte ${at} does not end within the ${bytes.length} bytes of the message`);
}

/** The code of the section at `at`. */
function sectionCode(bytes: Buffer, at: number): number {
  const descriptor = bytes[at] === 0x00 ? bytes[at + 1] : undefined;
  // A smallulong (0x53) has one byte, a ulong (0x80) eight: AMQP 1.0, part 1.
  const code = (descriptor === 0x53 && bytes[at + 2]) || (descriptor === 0x80 && bytes[at + 9]) || 0;
  if (code >= FIRST_SECTION && code <= LAST_SECTION) return code;
  throw new MalformedMessage(`no AMQP section begins at byte ${at}`);
}

const sectionValue = (bytes: Buffer, at: number): number => at + (bytes[at + 1] === 0x53 ? 3 : 10);

/** The first key of the map whose constructor is at `at`. */
function firstKey(bytes: Buffer, at: number): number {
  if (bytes[at] === 0xc1) return at + 3;
  if (bytes[at] === 0xd1) return at + 9;
  throw new MalformedMessage(`the annotations at byte ${at} are not a map`);
}

/** The text of a symbol or a string between two positions. */
function text(bytes: Buffer, start: number, end: number): string {
  const wide = ((bytes[start] ?? 0) & 0xf0) === 0xb0;
  return bytes.toString('utf8', start + (wide ? 5 : 2), end);
}

function binary(bytes: Buffer, start: number, end: number): Buffer {
  if (bytes[start] === 0xa0) return bytes.subarray(start + 2, end);
  if (bytes[start] === 0xb0) return bytes.subarray(start + 5, end);
  throw new MalformedMessage(`the data section at byte ${start} is not binary`);
}

/**
 * Takes a batch envelope apart without copying.
 *
 * @throws {MalformedMessage} when the bytes are not an AMQP message of data sections.
 */
export function readBatch(bytes: Buffer): Batch {
  const events: Buffer[] = [];
  let key: Pick<Batch, 'partitionKey' | 'partitionKeyPair'> = {};
  for (let at = 0; at < bytes.length;) {
    const code = sectionCode(bytes, at);
    const value = sectionValue(bytes, at);
    const end = valueEnd(bytes, value);
    if (code === DATA) events.push(binary(bytes, value, end));
    else if (code === MESSAGE_ANNOTATIONS) key = partitionKeyIn(bytes, value, end);
    at = end;
  }
  return { events, ...key };
}

function partitionKeyIn(bytes: Buffer, map: number, end: number): Pick<Batch, 'partitionKey' | 'partitionKeyPair'> {
  for (let key = firstKey(bytes, map); key < end;) {
    const value = valueEnd(bytes, key);
    const next = valueEnd(bytes, value);
    if (text(bytes, key, value) === PARTITION_KEY && (bytes[value] === 0xa1 || bytes[value] === 0xb1)) {
      return { partitionKey: text(bytes, value, next), partitionKeyPair: bytes.subarray(key, next) };
    }
    key = next;
  }
  return {};
}

const symbol = (name: string): Buffer => Buffer.from([0xa3, name.length, ...Buffer.from(name, 'ascii')]);

/** A message-annotations section up to the digits of the offset; sizes and values are filled in per event. */
const TEMPLATE = Buffer.concat([
  Buffer.from([0x00, 0x53, MESSAGE_ANNOTATIONS, 0xd1, 0, 0, 0, 0, 0, 0, 0, 0]),
  symbol(SEQUENCE_NUMBER),
  Buffer.from([0x81, 0, 0, 0, 0, 0, 0, 0, 0]),
  symbol(ENQUEUED_TIME),
  Buffer.from([0x83, 0, 0, 0, 0, 0, 0, 0, 0]),
  symbol(OFFSET),
  Buffer.from([0xa1, 0]),
]);
const SIZE_AT = 4;
const COUNT_AT = 8;
const SEQUENCE_AT = 12 + symbol(SEQUENCE_NUMBER).length + 1;
const TIME_AT = SEQUENCE_AT + 8 + symbol(ENQUEUED_TIME).length + 1;
const MAX_OFFSET_DIGITS = 48;

function writeLong(out: Buffer, value: number, at: number): void {
  out.writeInt32BE(Math.floor(value / 2 ** 32), at);
  out.writeUInt32BE(value >>> 0, at + 4);
}

/** The most bytes that the delivery form of an event can take. */
export function deliveryBound(event: Buffer, partitionKeyPair: Buffer | undefined): number {
  return event.length + TEMPLATE.length + MAX_OFFSET_DIGITS + (partitionKeyPair?.length ?? 0);
}

/**
 * Writes the delivery form of an event at `at` and returns its end. The header and the delivery annotations
 * are the business of the producer's hop and are left out; annotations of the producer's own are kept.
 *
 * @throws {MalformedMessage} when the event is not an AMQP message.
 */
export function writeDelivery(
  out: Buffer,
  at: number,
  event: Buffer,
  placement: Placement,
  partitionKeyPair: Buffer | undefined,
): number {
  TEMPLATE.copy(out, at);
  writeLong(out, placement.sequence, at + SEQUENCE_AT);
  writeLong(out, placement.timeMs, at + TIME_AT);
  let end = at + TEMPLATE.length;
  const digits = out.write(offsetText(placement), end, 'latin1');
  out[end - 1] = digits;
  end += digits;

  let entries = 6;
  let ownKey = false;
  let bareStart = event.length;
  for (let section = 0; section < event.length;) {
    const code = sectionCode(event, section);
    const value = sectionValue(event, section);
    const sectionEnd = valueEnd(event, value);
    if (code >= FIRST_BARE_SECTION) bareStart = Math.min(bareStart, section);
    else if (code === MESSAGE_ANNOTATIONS) {
      for (let key = firstKey(event, value); key < sectionEnd;) {
        const keyEnd = valueEnd(event, key);
        const next = valueEnd(event, keyEnd);
        const name = text(event, key, keyEnd);
        if (!BROKER_OWNED.has(name)) {
          ownKey ||= name === PARTITION_KEY;
          end += event.copy(out, end, key, next);
          entries += 2;
        }
        key = next;
      }
    }
    section = sectionEnd;
  }
  if (partitionKeyPair !== undefined && !ownKey) {
    end += partitionKeyPair.copy(out, end);
    entries += 2;
  }
  out.writeUInt32BE(end - at - COUNT_AT, at + SIZE_AT);
  out.writeUInt32BE(entries, at + COUNT_AT);
  return end + event.copy(out, end, bareStart);
}

const LAST_SEQUENCE = symbol('last_enqueued_sequence_number');
const LAST_OFFSET = symbol('last_enqueued_offset');
const LAST_TIME = symbol('last_enqueued_time_utc');
const RETRIEVED = symbol('runtime_info_retrieval_time_utc');

function long(code: number, value: number): Buffer {
  const bytes = Buffer.alloc(9, code);
  writeLong(bytes, value, 1);
  return bytes;
}

/** The delivery annotations that carry the runtime metrics of a partition; they go in front of the delivery form. */
export function runtimeMetrics(last: Placement, retrievedMs: number): Buffer {
  const offset = Buffer.from(offsetText(last), 'latin1');
  const pairs = Buffer.concat([
    LAST_SEQUENCE,
    long(0x81, last.sequence),
    LAST_OFFSET,
    Buffer.from([0xa1, offset.length]),
    offset,
    LAST_TIME,
    long(0x83, last.timeMs),
    RETRIEVED,
    long(0x83, retrievedMs),
  ]);
  const head = Buffer.from([0x00, 0x53, 0x71, 0xd1, 0, 0, 0, 0, 0, 0, 0, 8]);
  head.writeUInt32BE(pairs.length + 4, 4);
  return Buffer.concat([head, pairs]);
}
