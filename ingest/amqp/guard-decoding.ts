/**
 * Puts a check before the client's decoder of AMQP messages. A message that the decoder cannot take within bounds
 * (see check.ts) would end the connection, and be the next one again after it comes back: its partition would stand
 * still. It is handed on as an event without content instead, with the place that the service gave it, and ends as a
 * dead letter. Values whose type the decoder forgets are handed on as plain ones (see plain.ts).
 */
import { createRequire } from 'node:module';
import { messageOf } from '../../domain/errors.ts';
import { endOfValue, skipValue } from './check.ts';
import { quickDecode } from './quick-decode.ts';
import { asClientReadsIt, Quick } from './quick-message.ts';
import { bodyValue, plainValue, type Typed } from './plain.ts';

type Message = Record<string, unknown>;

interface Rhea {
  readonly message: {
    decode: ((bytes: Buffer) => Message) & { [GUARDED]?: true };
    /** A body of bytes. */
    data_section(bytes: Buffer): object;
  };
  readonly types: { readonly Reader: new (bytes: Buffer) => { read(): Typed; position: number } };
}

const GUARDED = Symbol.for('fleetscore.guardedDecoding');

/** Codes of sections: AMQP 1.0 part 3, section 3.2. */
const ANNOTATIONS = 0x72;
const PROPERTIES = 0x73;
const APPLICATION_PROPERTIES = 0x74;
const SEQUENCE = 0x76;
const VALUE = 0x77;
/** All of them, from the header to the footer. */
const SECTIONS: ReadonlySet<number> = new Set([0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78]);
/** Places of the fields of the section of properties that may be of several types. */
const IDS = [
  [0, 'message_id'],
  [5, 'correlation_id'],
] as const;

/** Bodies of messages that were not decoded, with the reason. */
const unreadable = new WeakMap<object, string>();

/** Why a body stands for a message that could not be decoded; undefined for all others. */
export const unreadableBody = (body: unknown): string | undefined =>
  typeof body === 'object' && body !== null ? unreadable.get(body) : undefined;

/** Bytes of messages as they came, but those of {@link Quick}. */
const received = new WeakMap<object, number>();

/** Bytes of a message as it came, with all its properties; undefined for one that this did not see. */
export const bytesOfMessage = (message: object): number | undefined =>
  message instanceof Quick ? message.bytes : received.get(message);

/** Returns false when the client is built differently than expected, and nothing was done. */
export function guardDecoding(): boolean {
  let rhea: Rhea;
  try {
    // The very module that the SDK uses, wherever it is installed.
    const sdk = createRequire(createRequire(import.meta.url).resolve('@azure/event-hubs'));
    rhea = createRequire(sdk.resolve('rhea-promise'))('rhea') as Rhea;
  } catch {
    return false;
  }
  const { message, types } = rhea;
  const decode: unknown = message?.decode;
  if (typeof decode !== 'function' || typeof types?.Reader !== 'function') return false;
  if (typeof message.data_section !== 'function') return false;
  if (message.decode[GUARDED]) return true;
  message.decode = Object.assign(guarded(rhea, message.decode), { [GUARDED]: true as const });
  return true;
}

function guarded(rhea: Rhea, decode: (bytes: Buffer) => Message): (bytes: Buffer) => Message {
  const decoded = (bytes: Buffer): Message => {
    try {
      for (let at = 0; at < bytes.length;) at = endOfSection(bytes, at);
      const message = decode.call(rhea.message, bytes);
      if (needsTypes(message)) retype(rhea, message, bytes);
      if (hidesTypes(message.body)) retypeBody(rhea, message, bytes);
      return message;
    } catch (error) {
      return withoutContent(rhea, decode.call(rhea.message, NOTHING), bytes, messageOf(error));
    }
  };
  asClientReadsIt(decode.call(rhea.message, NOTHING), (data) => rhea.message.data_section(data));
  return (bytes) => {
    const quick = quickDecode(bytes);
    if (quick) return quick as unknown as Message;
    const message = decoded(bytes);
    received.set(message, bytes.length);
    return message;
  };
}

const NOTHING = Buffer.alloc(0);

const SYMBOL = 0xa3;
const ULONG = 0x80;
const SMALL_ULONG = 0x53;

/** Sections are described by a number or a symbol; the decoder writes a warning to the terminal for anything else. */
function endOfSection(bytes: Buffer, at: number): number {
  const descriptor = bytes[at + 1];
  const known =
    descriptor === SMALL_ULONG ? SECTIONS.has(bytes[at + 2]!) : descriptor === SYMBOL || descriptor === ULONG;
  if (bytes[at] !== 0x00 || !known) throw new Error('it is not AMQP that can be read: there is a section that is none');
  return endOfValue(bytes, at);
}

const needsTypes = ({ application_properties, message_id, correlation_id }: Message): boolean =>
  isObject(message_id) ||
  isObject(correlation_id) ||
  (isObject(application_properties) && Object.values(application_properties).some(isObject));

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Whether a value or sequence holds what the decoder left as bytes (decimals, UUIDs), or objects of its own. */
function hidesTypes(body: unknown, depth = 0): boolean {
  if (!isObject(body) || body instanceof Date) return false;
  if (body instanceof Uint8Array) return depth > 0;
  const { typecode, content } = body as { readonly typecode?: unknown; readonly content?: unknown };
  if (depth === 0 && typeof typecode === 'number') return typecode === SEQUENCE && hidesTypes(content, 1);
  if (depth > 0 && !Array.isArray(body) && Object.getPrototypeOf(body) !== Object.prototype) return true;
  return Object.values(body).some((value) => hidesTypes(value, depth + 1));
}

function retypeBody({ types }: Rhea, message: Message, bytes: Buffer): void {
  const found: unknown[] = [];
  for (const { code, at, end } of sections(bytes))
    if (code === VALUE || code === SEQUENCE) found.push(bodyValue(new types.Reader(bytes.subarray(at, end)).read()));
  if (found.length === 0) return;
  const value = found.length === 1 ? found[0] : found;
  const { body } = message as { body: { content?: unknown } };
  if (Array.isArray(value) && 'content' in body) body.content = value;
  else message.body = value;
}

/** The sections of a message that can be read alone: their code, and where each begins and ends. */
function* sections(bytes: Buffer): Generator<{ readonly code: number; readonly at: number; readonly end: number }> {
  for (let at = 0; at < bytes.length;) {
    const end = skipValue(bytes, at);
    // All clients write the code as a small ulong: 0x00 0x53 code.
    if (bytes[at] === 0x00 && bytes[at + 1] === 0x53) yield { code: bytes[at + 2]!, at: at + 3, end };
    at = end;
  }
}

/** Replaces what the decoder made of properties by plain values. */
function retype({ types }: Rhea, message: Message, bytes: Buffer): void {
  for (const { code, at, end } of sections(bytes)) {
    if (code !== PROPERTIES && code !== APPLICATION_PROPERTIES) continue;
    const { value } = new types.Reader(bytes.subarray(at, end)).read() as { readonly value: readonly Typed[] };
    if (code === PROPERTIES) {
      for (const [place, name] of IDS)
        if (isObject(message[name]) && value[place]) message[name] = plainValue(value[place]);
      continue;
    }
    const properties: [string, unknown][] = [];
    for (let i = 0; i + 1 < value.length; i += 2) properties.push([String(value[i]!.value), plainValue(value[i + 1]!)]);
    message.application_properties = Object.fromEntries(properties);
  }
}

/** The message with the simple ones of its annotations, where the service says what its place is. */
function withoutContent({ types }: Rhea, message: Message, bytes: Buffer, why: string): Message {
  const annotations: Record<string, unknown> = {};
  try {
    for (const { code, at, end } of sections(bytes)) {
      if (code !== ANNOTATIONS) continue;
      // A map: its code, size and count, the latter two of one or of four bytes.
      let position = at + (bytes[at]! >> 4 === 0xd ? 9 : 3);
      while (position < end) {
        const valueAt = skipValue(bytes, position);
        const next = skipValue(bytes, valueAt);
        // No lists, maps, arrays or described values.
        if (bytes[valueAt]! >= 0x40 && bytes[valueAt]! < 0xc0) {
          const key = new types.Reader(bytes.subarray(position, valueAt)).read();
          const value = new types.Reader(bytes.subarray(valueAt, next)).read();
          annotations[String(key.value)] = value.value;
        }
        position = next;
      }
    }
  } catch {
    // What was found until here is all there is.
  }
  const body = Buffer.from(bytes);
  unreadable.set(body, why);
  return Object.assign(message, { message_annotations: annotations, body });
}
