/**
 * The usual event read straight from its bytes: annotations of the service, a content type, properties that are texts,
 * one body of bytes. The client's decoder (rhea) makes several objects of every value, which costs as much as the rest
 * of receiving an event. Anything else is left to it: what comes out here is what it makes of the same bytes
 * (test/ingest/amqp.test.ts). Encodings: AMQP 1.0 part 1, section 1.6; sections of a message: part 3, section 3.2.
 */

export interface QuickMessage {
  readonly annotations: Readonly<Record<string, string | number | Date>>;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  /** Application properties; one object for all messages that follow each other with the same ones. */
  readonly application: Readonly<Record<string, string>> | undefined;
  /** Part of the bytes of the message. */
  readonly body: Buffer;
}

/** What the service sets on every event, as bytes to compare with. */
const KEYS = ['x-opt-sequence-number', 'x-opt-offset', 'x-opt-enqueued-time', 'x-opt-partition-key'].map((name) => ({
  name,
  bytes: Buffer.from(name),
}));

const ANNOTATIONS = 0x72;
const PROPERTIES = 0x73;
const APPLICATION = 0x74;
const DATA = 0x75;
const NULL = 0x40;
const SMALL_LONG = 0x55;
const LONG = 0x81;
const TIMESTAMP = 0x83;
const BINARY_8 = 0xa0;
const STRING_8 = 0xa1;
const SYMBOL_8 = 0xa3;
const BINARY_32 = 0xb0;
const LIST_8 = 0xc0;
const LIST_32 = 0xd0;
const MAP_8 = 0xc1;
const MAP_32 = 0xd1;

/** Places of the two properties of a message that are read here: `content-type` and `content-encoding`. */
const CONTENT_TYPE = 6;
const CONTENT_ENCODING = 7;
/** A high word past which a number is no exact one: the decoder gives bytes. */
const EXACT = 2 ** 21;
/** Of ECMAScript, ms. */
const LAST_DATE = 8.64e15;

/** A message of the usual shape; undefined for any other, and for bytes that are no message. Never throws. */
export function quickDecode(bytes: Buffer): QuickMessage | undefined {
  const cursor: Cursor = { bytes, at: 0 };
  const annotations = isSection(cursor, ANNOTATIONS) ? readAnnotations(cursor) : undefined;
  if (annotations === undefined) return undefined;
  const content = isSection(cursor, PROPERTIES) ? readProperties(cursor) : NO_CONTENT;
  if (content === undefined) return undefined;
  const hasApplication = isSection(cursor, APPLICATION);
  const application = hasApplication ? readApplication(cursor) : undefined;
  if ((hasApplication && application === undefined) || !isSection(cursor, DATA)) return undefined;
  const { contentType, contentEncoding } = content;
  const body = readBody(cursor);
  return body && { annotations, contentType, contentEncoding, application, body };
}

interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

type Content = Pick<QuickMessage, 'contentType' | 'contentEncoding'>;
const NO_CONTENT: Content = { contentType: undefined, contentEncoding: undefined };

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
  const end = at + 1 + width + bytes.readUIntBE(at + 1, width);
  cursor.at = first;
  return end > bytes.length ? undefined : { count: bytes.readUIntBE(at + 1 + width, width), end };
}

function readAnnotations(cursor: Cursor): QuickMessage['annotations'] | undefined {
  const map = readCompound(cursor, MAP_8, MAP_32);
  if (map === undefined) return undefined;
  const { count, end } = map;
  if (count > 2 * KEYS.length || count % 2 !== 0) return undefined;
  const found: Record<string, string | number | Date> = {};
  for (let i = 0; i < count; i += 2) {
    const name = readKey(cursor);
    if (name === undefined) return undefined;
    const value = readValue(cursor);
    if (value === undefined) return undefined;
    found[name] = value;
  }
  return cursor.at === end ? found : undefined;
}

function readKey(cursor: Cursor): string | undefined {
  const { bytes, at } = cursor;
  if (bytes[at] !== SYMBOL_8) return undefined;
  const length = bytes[at + 1];
  for (const key of KEYS) {
    if (key.bytes.length !== length || !holds(bytes, at + 2, key.bytes)) continue;
    cursor.at = at + 2 + length;
    return key.name;
  }
  return undefined;
}

function readValue(cursor: Cursor): string | number | Date | undefined {
  const { bytes, at } = cursor;
  const code = bytes[at];
  if (code === STRING_8) return readText(cursor, 'utf8');
  if (code === SMALL_LONG && at + 2 <= bytes.length) {
    cursor.at = at + 2;
    return bytes.readInt8(at + 1);
  }
  if ((code !== LONG && code !== TIMESTAMP) || at + 9 > bytes.length) return undefined;
  const high = bytes.readInt32BE(at + 1);
  if (high >= EXACT || high <= -EXACT) return undefined;
  cursor.at = at + 9;
  const number = high * 2 ** 32 + bytes.readUInt32BE(at + 5);
  if (code === LONG) return number;
  return Math.abs(number) > LAST_DATE ? undefined : new Date(number);
}

/** A text of up to 255 bytes, whatever its type code. */
function readText(cursor: Cursor, encoding: 'utf8' | 'ascii'): string | undefined {
  const { bytes, at } = cursor;
  const end = at + 2 + (bytes[at + 1] ?? bytes.length);
  if (end > bytes.length) return undefined;
  cursor.at = end;
  return bytes.toString(encoding, at + 2, end);
}

const readProperties = remembered((cursor): Content | undefined => {
  const { bytes } = cursor;
  const list = readCompound(cursor, LIST_8, LIST_32);
  if (list === undefined) return undefined;
  const { count, end } = list;
  const found: { -readonly [K in keyof Content]: Content[K] } = { ...NO_CONTENT };
  for (let i = 0; i < count; i++) {
    if (bytes[cursor.at] === NULL) {
      cursor.at += 1;
      continue;
    }
    if ((i !== CONTENT_TYPE && i !== CONTENT_ENCODING) || bytes[cursor.at] !== SYMBOL_8) return undefined;
    const text = readText(cursor, 'ascii');
    if (text === undefined) return undefined;
    found[i === CONTENT_TYPE ? 'contentType' : 'contentEncoding'] = text;
  }
  return cursor.at === end ? found : undefined;
});

/** Application properties that are all texts. */
const readApplication = remembered((cursor): QuickMessage['application'] => {
  const map = readCompound(cursor, MAP_8, MAP_32);
  if (map === undefined || map.count % 2 !== 0) return undefined;
  const application: Record<string, string> = {};
  for (let i = 0; i < map.count; i += 2) {
    const key = cursor.bytes[cursor.at] === STRING_8 ? readText(cursor, 'utf8') : undefined;
    const value = key !== undefined && cursor.bytes[cursor.at] === STRING_8 ? readText(cursor, 'utf8') : undefined;
    if (key === undefined || value === undefined) return undefined;
    application[key] = value;
  }
  return cursor.at === map.end ? application : undefined;
});

/** The rest of the message: one section of bytes. */
function readBody({ bytes, at }: Cursor): Buffer | undefined {
  const width = widthOf(bytes[at], BINARY_8, BINARY_32);
  const from = at + 1 + width;
  if (width === 0 || from > bytes.length) return undefined;
  return from + bytes.readUIntBE(at + 1, width) === bytes.length ? bytes.subarray(from) : undefined;
}
