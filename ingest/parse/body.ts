/**
 * Body of an event -> JSON. Bounded before anything is made of it: bytes as sent, bytes after inflating (and how many
 * times as many those may be), values in them. Text is UTF-8 and nothing else: other bytes would make other names.
 */
import { isUtf8 } from 'node:buffer';
import { gunzipSync } from 'node:zlib';
import { messageOf } from '../../domain/errors.ts';
import type { Problem } from './problems.ts';
import { shapeProblem, tooManyItems, type ShapeLimits } from './shape.ts';
import { encodingProblem, looksLikeUtf16 } from './utf8.ts';

export interface BodyLimits extends ShapeLimits {
  /** Largest body as sent, bytes. */
  readonly maxBodyBytes: number;
  /** Largest body after inflating, bytes: a small gzip can hide gigabytes. */
  readonly maxInflatedBytes: number;
}

/** What parsing needs of an event. */
export interface EventBody {
  /** Bytes, text, or what a client has parsed already. */
  readonly body: unknown;
  readonly enqueuedMs: number;
  /** Why the client could not decode the event; its body is the whole message then. */
  readonly unreadable?: string;
  /** `gzip`, or absent; gzip is also recognised by its first bytes. */
  readonly contentEncoding?: string;
  readonly partitionKey?: string;
  /** Set by the sender. */
  readonly properties?: Readonly<Record<string, unknown>>;
  /** Set by the service and the protocol, without those that have a field of their own. */
  readonly systemProperties?: Readonly<Record<string, unknown>>;
}

/** Readings shrink to a tenth or a fiftieth; what shrinks further holds the same few bytes again and again. */
const MAX_RATIO = 200;
/** Up to here a body may inflate whatever its ratio. */
const SMALL_BYTES = 1024 * 1024;
/** `NaN` and its like in a body. */
const MAX_NON_FINITE = 100_000;

export type DecodedText = { readonly json: unknown } | Problem;

/** `lines`: a body of JSON texts, one a line, each with its own fate. */
export type Decoded = DecodedText | { readonly lines: readonly DecodedText[] };

/** The JSON value of a body, or what is wrong with it. */
export function decodeBody(event: EventBody, limits: BodyLimits): Decoded {
  const { body } = event;
  if (typeof body === 'string') {
    if (body.length > limits.maxBodyBytes) return tooLarge(body.length, limits);
    return shapeProblem(Buffer.from(body), limits) ?? parsed(body, limits);
  }
  if (!(body instanceof Uint8Array)) return { json: body };
  if (body.length > limits.maxBodyBytes) return tooLarge(body.length, limits);
  const zipped = event.contentEncoding?.toLowerCase() === 'gzip' || (body[0] === 0x1f && body[1] === 0x8b);
  const bytes = zipped ? inflated(body, limits) : body;
  if ('reason' in bytes) return bytes;
  const shape = shapeProblem(bytes, limits);
  if (shape) return shape;
  if (!isUtf8(bytes)) return { reason: 'bad_encoding', message: `the body is not UTF-8: ${encodingProblem(bytes)}` };
  const content = parsed(bufferOf(bytes).toString('utf8'), limits);
  // Plain letters as UTF-16 are UTF-8 as well, with a NUL after each.
  const utf16 = 'reason' in content ? looksLikeUtf16(bytes) : undefined;
  return utf16 ? { reason: 'bad_encoding', message: `the body is not UTF-8: it looks like ${utf16}` } : content;
}

const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const tooLarge = (length: number, { maxBodyBytes }: BodyLimits): Problem => ({
  reason: 'too_large',
  message: `the body has ${length} bytes, at most ${maxBodyBytes} are taken`,
});

function inflated(body: Uint8Array, { maxInflatedBytes }: BodyLimits): Uint8Array | Problem {
  const most = Math.min(maxInflatedBytes, Math.max(SMALL_BYTES, body.length * MAX_RATIO));
  try {
    return gunzipSync(body, { maxOutputLength: most });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      ? {
          reason: 'too_large',
          message:
            `the gzip body of ${body.length} bytes inflates to more than ${most} bytes; ` +
            `at most ${MAX_RATIO} times its size and ${maxInflatedBytes} bytes are taken`,
        }
      : { reason: 'bad_encoding', message: `the gzip body cannot be inflated: ${messageOf(error).slice(0, 200)}` };
  }
}

function parsed(text: string, limits: BodyLimits): Decoded {
  // Some senders begin with a byte order mark, which JSON.parse refuses.
  const plain = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  const one = jsonOf(plain);
  return 'reason' in one ? (linesOf(plain, limits) ?? one) : one;
}

function jsonOf(text: string): DecodedText {
  try {
    return { json: JSON.parse(text) as unknown };
  } catch (error) {
    const quoted = quoteNonFinite(text);
    if (quoted !== undefined) {
      try {
        return { json: JSON.parse(quoted) as unknown };
      } catch {
        // The first error speaks of the body as it was sent.
      }
    }
    return { reason: 'not_json', message: `the body is not JSON: ${messageOf(error).slice(0, 200)}` };
  }
}

/** JSON within the body, as a text: bounded as a body is. @throws Error that says what is wrong */
export function parseInside(text: string, limits: ShapeLimits): unknown {
  const problem = shapeProblem(Buffer.from(text), limits);
  const read = problem ?? jsonOf(text);
  if ('json' in read) return read.json;
  throw new Error(read.message.replace('the body is not JSON', 'it is not JSON'));
}

/**
 * Several JSON texts, one a line, as Stream Analytics, Fluent Bit and others write them (jsonlines.org, ndjson). Told
 * by the first line, which is a whole object or array; undefined when it is not. A line that is no JSON costs itself.
 */
function linesOf(text: string, limits: BodyLimits): Decoded | undefined {
  const end = text.indexOf('\n');
  if (end < 0) return undefined;
  const first = jsonOf(text.slice(0, end));
  if ('reason' in first || typeof first.json !== 'object' || first.json === null) return undefined;
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length > limits.maxItems) return tooManyItems(lines.length, limits);
  return { lines: lines.map((line) => jsonOf(line)) };
}

/** Word and what stands for it: each once, as there may be many. */
const NON_FINITE = [
  ['NaN', '"NaN"'],
  ['Infinity', '"Infinity"'],
  ['-Infinity', '"-Infinity"'],
] as const;

/**
 * Python's json and others write NaN and Infinity, which JSON does not know: as texts they cost the reading they stand
 * in and not the whole event. Undefined when there are none outside of texts, or too many.
 */
function quoteNonFinite(text: string): string | undefined {
  if (!text.includes('NaN') && !text.includes('Infinity')) return undefined;
  const parts: string[] = [];
  let from = 0;
  let inText = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (inText) {
      if (c === '\\') i++;
      else if (c === '"') inText = false;
    } else if (c === '"') inText = true;
    else if (c === 'N' || c === 'I' || c === '-') {
      const found = NON_FINITE.find(([word]) => text.startsWith(word, i));
      if (found === undefined) continue;
      if (parts.length >= 2 * MAX_NON_FINITE) return undefined;
      parts.push(text.slice(from, i), found[1]);
      i += found[0].length - 1;
      from = i + 1;
    }
  }
  return parts.length === 0 ? undefined : parts.join('') + text.slice(from);
}
