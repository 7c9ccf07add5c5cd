/**
 * The usual event read straight from its bytes: annotations of the service and of IoT Hub, properties of AMQP and of
 * the sender that are plain values, one body of bytes. The client's decoder (rhea) makes several objects of every
 * value, which costs as much as the rest of receiving an event. Anything else is left to it: what comes out here is
 * what it makes of the same bytes (test/ingest/amqp.test.ts).
 * Encodings: AMQP 1.0 part 1, section 1.6; sections of a message: part 3, section 3.2.
 */
import { Quick, type QuickAnnotations, type QuickFields, type QuickProperties } from './quick-message.ts';
import { readSimple, readText, SYMBOL_8, STRING_8, TIMESTAMP, type Cursor, type Simple } from './quick-value.ts';

/** What Event Hubs and IoT Hub set on their events, as bytes to compare with. */
const KNOWN = [
  'x-opt-sequence-number',
  'x-opt-offset',
  'x-opt-enqueued-time',
  'x-opt-partition-key',
  'iothub-connection-device-id',
  'iothub-connection-auth-method',
  'iothub-connection-auth-generation-id',
  'iothub-enqueuedtime',
  'iothub-message-source',
].map((name) => ({ name, bytes: Buffer.from(name) }));

const ANNOTATIONS = 0x72;
const PROPERTIES = 0x73;
const APPLICATION = 0x74;
const DATA = 0x75;
const NULL = 0x40;
const BINARY_8 = 0xa0;
const BINARY_32 = 0xb0;
const LIST_8 = 0xc0;
const LIST_32 = 0xd0;
const MAP_8 = 0xc1;
const MAP_32 = 0xd1;

/** Fields of the section of properties in their places, with the type that each is read of. */
const FIELDS: readonly { readonly name: string; readonly type: number | undefined }[] = [
  { name: 'messageId', type: STRING_8 },
  { name: 'userId', type: undefined },
  { name: 'to', type: STRING_8 },
  { name: 'subject', type: STRING_8 },
  { name: 'replyTo', type: STRING_8 },
  { name: 'correlationId', type: STRING_8 },
  { name: 'contentType', type: SYMBOL_8 },
  { name: 'contentEncoding', type: SYMBOL_8 },
  { name: 'absoluteExpiryTime', type: TIMESTAMP },
  { name: 'creationTime', type: TIMESTAMP },
  { name: 'groupId', type: STRING_8 },
];

/** A message of the usual shape; undefined for any other, and for bytes that are no message. Never throws. */
export function quickDecode(bytes: Buffer): Quick | undefined {
  const cursor: Cursor = { bytes, at: 0 };
  const annotations = isSection(cursor, ANNOTATIONS) ? readAnnotations(cursor) : undefined;
  if (annotations === undefined) return undefined;
  const fields = isSection(cursor, PROPERTIES) ? readFields(cursor) : NO_FIELDS;
  if (fields === undefined) return undefined;
  const hasApplication = isSection(cursor, APPLICATION);
  const application = hasApplication ? readApplication(cursor) : undefined;
  if ((hasApplication && application === undefined) || !isSection(cursor, DATA)) return undefined;
  const data = readBody(cursor);
  return data && new Quick(annotations, fields, application, data, bytes.length);
}

const NO_FIELDS: QuickFields = Object.freeze({});

/** A section of so many bytes is compared with that of the message before. */
const REMEMBERED = 512;

/**
 * Sections of what a sender says of its events are mostly the same for all of them. What is read of one is kept, and
 * given again while the same bytes come.
 */
function remembered<T extends object>(read: (cursor: Cursor) => T | undefined): (cursor: Cursor) => T | undefined {
  let last: Buffer | undefined;
  let value: T | undefined;
  return (cursor) => {
    const { bytes, at } = cursor;
    if (last !== undefined && holds(bytes, at, last)) {
      cursor.at = at + last.length;
      return value;
    }
    const found = read(cursor);
    if (found === undefined || cursor.at - at > REMEMBERED) return found;
    last = bytes.subarray(at, cursor.at);
    value = Object.freeze(found);
    return value;
  };
}

/** Whether the bytes from a place on begin with these. */
function holds(bytes: Buffer, at: number, part: Buffer): boolean {
  if (at + part.length > bytes.length) return false;
  for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return false;
  return true;
}

/** Steps over the descriptor of a section of this kind; stays where it is before any other. */
function isSection(cursor: Cursor, code: number): boolean {
  const { bytes, at } = cursor;
  if (bytes[at] !== 0x00 || bytes[at + 1] !== 0x53 || bytes[at + 2] !== code) return false;
  cursor.at = at + 3;
  return true;
}

/** Bytes of the sizes behind a type code; 0 for one that is neither. */
function widthOf(code: number | undefined, narrow: number, wide: number): 0 | 1 | 4 {
  if (code === narrow) return 1;
  return code === wide ? 4 : 0;
}

/** Steps to the first item of a list or map, whose type code is the narrow or the wide one. */
function readCompound(
  cursor: Cursor,
  narrow: number,
  wide: number,
): { readonly count: number; readonly end: number } | undefined {
  const { bytes, at } = cursor;
  const width = widthOf(bytes[at], narrow, wide);
  const first = at + 1 + 2 * width;
  if (width === 0 || first > bytes.length) return undefined;
  const end = at + 1 + width + sizeAt(bytes, at + 1, width);
  cursor.at = first;
  return end > bytes.length ? undefined : { count: sizeAt(bytes, at + 1 + width, width), end };
}

const sizeAt = (bytes: Buffer, at: number, width: 1 | 4): number => (width === 1 ? bytes[at]! : bytes.readUInt32BE(at));

/** Undefined also where one of those is missing that the service always sets, or is of another type. */
function readAnnotations(cursor: Cursor): QuickAnnotations | undefined {
  const map = readCompound(cursor, MAP_8, MAP_32);
  if (map === undefined || map.count % 2 !== 0) return undefined;
  let seq: Simple | undefined;
  let offset: Simple | undefined;
  let enqueuedAt: Simple | undefined;
  let partitionKey: Simple | undefined;
  let others: Record<string, Simple> | undefined;
  for (let i = 0; i < map.count; i += 2) {
    const name = readName(cursor);
    const value = name === undefined ? undefined : readSimple(cursor);
    if (name === undefined || value === undefined) return undefined;
    if (name === 'x-opt-sequence-number') seq = value;
    else if (name === 'x-opt-offset') offset = value;
    else if (name === 'x-opt-enqueued-time') enqueuedAt = value;
    else if (name === 'x-opt-partition-key') partitionKey = value;
    else (others ??= {})[name] = value;
  }
  if (cursor.at !== map.end || typeof seq !== 'number' || typeof offset !== 'string') return undefined;
  if (!(enqueuedAt instanceof Date) || (partitionKey !== undefined && typeof partitionKey !== 'string'))
    return undefined;
  return { seq, offset, enqueuedMs: enqueuedAt.getTime(), partitionKey, others };
}

function readName(cursor: Cursor): string | undefined {
  const { bytes, at } = cursor;
  if (bytes[at] !== SYMBOL_8) return undefined;
  const length = bytes[at + 1];
  for (const known of KNOWN) {
    if (known.bytes.length !== length || !holds(bytes, at + 2, known.bytes)) continue;
    cursor.at = at + 2 + length;
    return known.name;
  }
  return readText(cursor, 'ascii');
}

const readFields = remembered((cursor): QuickFields | undefined => {
  const { bytes } = cursor;
  const list = readCompound(cursor, LIST_8, LIST_32);
  if (list === undefined) return undefined;
  const { count, end } = list;
  const found: Record<string, string | number> = {};
  for (let i = 0; i < count; i++) {
    if (bytes[cursor.at] === NULL) {
      cursor.at += 1;
      continue;
    }
    const field = FIELDS[i];
    if (field === undefined || bytes[cursor.at] !== field.type) return undefined;
    const value = field.type === SYMBOL_8 ? readText(cursor, 'ascii') : readSimple(cursor);
    if (value instanceof Date) found[field.name] = value.getTime();
    else if (typeof value === 'string') found[field.name] = value;
    else return undefined;
  }
  return cursor.at === end ? found : undefined;
});

/** Application properties whose values are all plain. */
const readApplication = remembered((cursor): QuickProperties | undefined => {
  const map = readCompound(cursor, MAP_8, MAP_32);
  if (map === undefined || map.count % 2 !== 0) return undefined;
  const application: Record<string, Simple> = {};
  for (let i = 0; i < map.count; i += 2) {
    const key = cursor.bytes[cursor.at] === STRING_8 ? readText(cursor, 'utf8') : undefined;
    const value = key === undefined ? undefined : readSimple(cursor);
    // A time is an object, which the client looks into.
    if (key === undefined || value === undefined || value instanceof Date) return undefined;
    application[key] = value;
  }
  return cursor.at === map.end ? application : undefined;
});

/** The rest of the message: one section of bytes. */
function readBody({ bytes, at }: Cursor): Buffer | undefined {
  const width = widthOf(bytes[at], BINARY_8, BINARY_32);
  const from = at + 1 + width;
  if (width === 0 || from > bytes.length) return undefined;
  return from + sizeAt(bytes, at + 1, width) === bytes.length ? bytes.subarray(from) : undefined;
}
