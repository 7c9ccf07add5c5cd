/**
 * An event as a record of Azure's capture schema, in Avro's binary encoding, written straight into bytes: the library
 * (avsc) wants an object of every value first, and these cost more than all else of capture. What is written is what
 * the library writes of the same values (test/ingest/capture-record.test.ts).
 * Encodings: Apache Avro 1.12 specification, "Binary encoding"; the schema: capture-file.ts.
 */
import { bodyBytes, type IngestEvent } from './event.ts';
import { plainProperty, type PlainProperty } from './property.ts';

/** Bytes that grow: what is before `at` is written. */
export interface Growing {
  bytes: Buffer;
  at: number;
}

/** Branches of the union of a property's value, and of a body, by their place in the schema. */
const LONG = 0;
const DOUBLE = 1;
const TEXT = 2;
const BYTES = 3;
const NULL = 4;
const NO_BODY = 0;
const BODY = 1;

/** Bytes of the longest varint. */
const LONGEST_NUMBER = 10;
/** Numbers below it are shifted as 32-bit integers: four groups of seven bits. */
const FOUR_GROUPS = 2 ** 28;
/** Numbers whose zigzag form is no longer exact as a double. */
const EXACT = 2 ** 52;
/** A text of one byte a letter is written letter by letter up to here: a call into the runtime costs more. */
const SHORT_TEXT = 64;

export function writeRecord(out: Growing, event: IngestEvent): void {
  writeLong(out, event.seq);
  writeText(out, event.offset);
  writeText(out, captureTime(event.enqueuedMs));
  writeSystem(out, event);
  writeProperties(out, event.properties);
  const body = bodyBytes(event.body);
  writeSmall(out, body === null ? NO_BODY : BODY);
  if (body !== null) writeBytes(out, body);
}

/** A map: the number of its entries, the entries, and an empty block that ends it; of no entries only that. */
function writeSystem(out: Growing, { enqueuedMs, partitionKey, systemProperties = NONE }: IngestEvent): void {
  let entries = partitionKey === undefined ? 1 : 2;
  for (const name in systemProperties) if (isKept(systemProperties, name)) entries += 1;
  writeLong(out, entries);
  writeEntry(out, ENQUEUED, enqueuedMs);
  if (partitionKey !== undefined) writeEntry(out, PARTITION_KEY, partitionKey);
  for (const name in systemProperties)
    if (isKept(systemProperties, name)) writeEntry(out, name, plainProperty(systemProperties[name]));
  writeSmall(out, 0);
}

const NONE: Readonly<Record<string, unknown>> = {};
const ENQUEUED = 'x-opt-enqueued-time';
const PARTITION_KEY = 'x-opt-partition-key';

/** The schema has no null here, and nothing is what an absent one says as well. */
const isKept = (values: Readonly<Record<string, unknown>>, name: string): boolean =>
  values[name] != null && name !== ENQUEUED && name !== PARTITION_KEY && Object.hasOwn(values, name);

function writeProperties(out: Growing, properties: IngestEvent['properties'] = NONE): void {
  let entries = 0;
  for (const name in properties) if (Object.hasOwn(properties, name)) entries += 1;
  if (entries > 0) writeLong(out, entries);
  for (const name in properties)
    if (Object.hasOwn(properties, name)) writeEntry(out, name, plainProperty(properties[name]));
  writeSmall(out, 0);
}

/** As Event Hubs Capture types them; see `plainProperty`. */
function writeEntry(out: Growing, name: string, value: PlainProperty): void {
  writeText(out, name);
  switch (typeof value) {
    case 'string':
      writeSmall(out, TEXT);
      writeText(out, value);
      break;
    case 'number':
      writeSmall(out, Number.isSafeInteger(value) ? LONG : DOUBLE);
      if (Number.isSafeInteger(value)) writeLong(out, value);
      else writeDouble(out, value);
      break;
    case 'bigint':
      writeSmall(out, LONG);
      writeBig(out, value);
      break;
    default:
      writeSmall(out, value === null ? NULL : BYTES);
      if (value !== null) writeBytes(out, value);
  }
}

/** A number from 0 to 63. */
function writeSmall(out: Growing, value: number): void {
  room(out, 1);
  out.bytes[out.at++] = value * 2;
}

/** Zigzag, then seven bits a byte, the lowest first. @param value a safe integer */
function writeLong(out: Growing, value: number): void {
  if (value >= EXACT || value < -EXACT) {
    writeBig(out, BigInt(value));
    return;
  }
  room(out, LONGEST_NUMBER);
  const { bytes } = out;
  let { at } = out;
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  while (rest >= FOUR_GROUPS) {
    const low = rest % FOUR_GROUPS;
    bytes[at++] = (low & 127) | 128;
    bytes[at++] = ((low >>> 7) & 127) | 128;
    bytes[at++] = ((low >>> 14) & 127) | 128;
    bytes[at++] = (low >>> 21) | 128;
    rest = Math.floor(rest / FOUR_GROUPS);
  }
  while (rest > 127) {
    bytes[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  out.at = at;
}

/** As {@link writeLong}, of 64 bits. */
function writeBig(out: Growing, value: bigint): void {
  room(out, LONGEST_NUMBER);
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  for (; rest > 127n; rest >>= 7n) out.bytes[out.at++] = Number(rest & 127n) | 128;
  out.bytes[out.at++] = Number(rest);
}

function writeDouble(out: Growing, value: number): void {
  room(out, 8);
  out.at = out.bytes.writeDoubleLE(value, out.at);
}

function writeBytes(out: Growing, value: Uint8Array): void {
  writeLong(out, value.length);
  room(out, value.length);
  out.bytes.set(value, out.at);
  out.at += value.length;
}

function writeText(out: Growing, text: string): void {
  if (writeShort(out, text)) return;
  const length = Buffer.byteLength(text, 'utf8');
  writeLong(out, length);
  room(out, length);
  out.at += out.bytes.write(text, out.at, 'utf8');
}

/** A text of few letters, all of one byte; false for any other, of which nothing is written. */
function writeShort(out: Growing, text: string): boolean {
  const { length } = text;
  if (length >= SHORT_TEXT) return false;
  room(out, 1 + length);
  const { bytes, at } = out;
  for (let i = 0; i < length; i++) {
    const letter = text.charCodeAt(i);
    if (letter > 127) return false;
    bytes[at + 1 + i] = letter;
  }
  bytes[at] = length * 2;
  out.at = at + 1 + length;
  return true;
}

function room(out: Growing, more: number): void {
  const needed = out.at + more;
  if (needed <= out.bytes.length) return;
  const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * out.bytes.length));
  out.bytes.copy(grown, 0, 0, out.at);
  out.bytes = grown;
}

let lastSecond = Number.NaN;
let lastText = '';

/** Azure's form of a time: `8/31/2017 7:12:14 PM`. Events mostly come in the second of the one before. */
function captureTime(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== lastSecond) {
    lastText = textOfTime(new Date(ms));
    lastSecond = second;
  }
  return lastText;
}

function textOfTime(time: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const hour = time.getUTCHours();
  return (
    `${time.getUTCMonth() + 1}/${time.getUTCDate()}/${time.getUTCFullYear()} ` +
    `${hour % 12 || 12}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())} ${hour < 12 ? 'AM' : 'PM'}`
  );
}
