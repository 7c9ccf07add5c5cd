/**
 * Inputs made from good ones by changes that a seed decides: the same seed gives the same input, so whatever is found
 * can be looked at again. Bytes are changed, cut, doubled, swapped for numbers and tokens that parsers trip over.
 */

/** Numbers from 0 up to below 1, by a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

// prettier-ignore
const TOKENS = [
  '[', ']', '{', '}', '"', '\\', ',', ';', '\n', '\r\n', '\t', '\0', '\u202e', '\u0085', '\ufeff', '../', '%00',
  'null', 'NaN', '1e999', '-0', '9'.repeat(40), '__proto__', '=1+1', '\\ud800', '['.repeat(2_000), '"'.repeat(99),
].map((token) => Buffer.from(token));
const NUMBERS = [0, 1, 0x7f, 0x80, 0xff].map((byte) => Buffer.of(byte));
const LENGTHS = [0x7f_ff_ff_ff, 0x80_00_00_00, 0xff_ff_ff_ff].map((value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
});
/** No input grows beyond this, bytes. */
export const LARGEST = 256 * 1024;

/** One input: a good one, or parts of two, with one to sixteen changes. */
export function mutated(seeds: readonly Uint8Array[], seed: number): Uint8Array {
  const random = randomOf(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)]!;
  let bytes: Buffer = Buffer.from(pick(seeds));
  for (let changes = 1 + below(2 ** below(5)); changes > 0; changes--) {
    const at = below(bytes.length + 1);
    const length = 1 + below(2 ** below(12));
    const insert = (part: Uint8Array): Buffer => Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at)]);
    const replace = (part: Uint8Array): Buffer =>
      Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at + part.length)]);
    switch (below(9)) {
      case 0:
        if (bytes.length > 0) bytes[Math.min(at, bytes.length - 1)]! ^= 1 << below(8);
        break;
      case 1:
        bytes = replace(pick(NUMBERS));
        break;
      case 2:
        bytes = replace(pick(LENGTHS));
        break;
      case 3:
        bytes = insert(pick(TOKENS));
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 5:
        bytes = bytes.subarray(0, at);
        break;
      case 6:
        bytes = insert(bytes.subarray(below(bytes.length + 1)).subarray(0, length));
        break;
      case 7:
        bytes = insert(Buffer.from(pick(seeds)).subarray(at).subarray(0, length));
        break;
      default:
        bytes = insert(Buffer.from(Array.from({ length: Math.min(length, 64) }, () => below(256))));
    }
    if (bytes.length > LARGEST) bytes = bytes.subarray(0, LARGEST);
  }
  return Uint8Array.from(bytes);
}
