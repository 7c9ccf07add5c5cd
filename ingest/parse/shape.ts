/**
 * The shape of a JSON text, counted before anything is made of it: each value takes memory of its own, up to 60 bytes
 * for 3 of text, and a nested one more. One pass over the bytes, without memory.
 */
import type { Problem } from './problems.ts';

export interface ShapeLimits {
  /** Items of an array that are taken; one with more is refused as a whole. */
  readonly maxItems: number;
}

/** JSON values in a body. */
const MAX_VALUES = 1_000_000;
/** Arrays and objects in each other. */
const MAX_DEPTH = 128;
/** A smaller body takes little, whatever its shape. */
const SMALL_BYTES = 64 * 1024;

export const tooManyItems = (items: number, { maxItems }: ShapeLimits): Problem => ({
  reason: 'too_large',
  message: `the event holds ${items} items, at most ${maxItems} are taken: send them in several events`,
});

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Why a text is not parsed; undefined when its shape is one that readings have. What is no JSON has some shape, too.
 */
export function shapeProblem(bytes: Uint8Array, limits: ShapeLimits): Problem | undefined {
  if (bytes.length <= SMALL_BYTES) return undefined;
  let depth = 0;
  let values = 1;
  let commasOfArray = 0;
  let first = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) i = endOfText(bytes, i);
    else if (byte === COMMA) {
      values++;
      if (depth === 1 && first === OPEN_ARRAY) commasOfArray++;
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      values++;
      if (depth++ === 0 && first === 0) first = byte;
      if (depth > MAX_DEPTH)
        return { reason: 'too_large', message: `the body is nested more than ${MAX_DEPTH} values deep` };
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--;
  }
  if (commasOfArray >= limits.maxItems) return tooManyItems(commasOfArray + 1, limits);
  return values > MAX_VALUES
    ? { reason: 'too_large', message: `the body holds more than ${MAX_VALUES} JSON values` }
    : undefined;
}

/** The place of the quote that ends the text which begins at `at`; the end of the bytes where there is none. */
function endOfText(bytes: Uint8Array, at: number): number {
  for (let i = at + 1; i < bytes.length; i++) {
    if (bytes[i] === BACKSLASH) i++;
    else if (bytes[i] === QUOTE) return i;
  }
  return bytes.length;
}
