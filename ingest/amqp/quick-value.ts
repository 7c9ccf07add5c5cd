/**
 * Plain values of AMQP, read where they stand, as the client's decoder (rhea) gives them; values of other types are
 * left to it. Encodings: AMQP 1.0 part 1, section 1.6.
 */

export type Simple = string | number | boolean | Date;

/** A place in the bytes of a message. */
export interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

/** Type codes of fixed width. */
const TRUE = 0x41;
const FALSE = 0x42;
const BOOLEAN = 0x56;
const UINT_0 = 0x43;
const ULONG_0 = 0x44;
const SMALL_UINT = 0x52;
const SMALL_ULONG = 0x53;
const SMALL_INT = 0x54;
const SMALL_LONG = 0x55;
const UINT = 0x70;
const INT = 0x71;
const ULONG = 0x80;
const LONG = 0x81;
const DOUBLE = 0x82;
export const TIMESTAMP = 0x83;
export const STRING_8 = 0xa1;
export const SYMBOL_8 = 0xa3;

/** A high word past which a number is no exact one: the decoder gives bytes. */
const EXACT = 2 ** 21;
/** Of ECMAScript, ms. */
const LAST_DATE = 8.64e15;

/** Bytes of a value, by the high half of its type code (section 1.2); texts say themselves how many they have. */
const WIDTHS: Readonly<Record<number, number>> = { 4: 0, 5: 1, 7: 4, 8: 8 };

/** The value of a type that is read here, and a step behind it; undefined for any other. */
export function readSimple(cursor: Cursor): Simple | undefined {
  const { bytes, at } = cursor;
  const code = bytes[at] ?? 0;
  if (code === STRING_8) return readText(cursor, 'utf8');
  const width = WIDTHS[code >> 4];
  return width !== undefined && has(cursor, 1 + width) ? fixedValue(bytes, at + 1, code) : undefined;
}

function fixedValue(bytes: Buffer, at: number, code: number): Simple | undefined {
  switch (code) {
    case LONG:
    case ULONG:
    case TIMESTAMP:
      return wideValue(bytes, at, code);
    case SMALL_INT:
    case SMALL_LONG:
      return bytes.readInt8(at);
    case SMALL_UINT:
    case SMALL_ULONG:
      return bytes[at];
    case UINT:
      return bytes.readUInt32BE(at);
    case INT:
      return bytes.readInt32BE(at);
    case UINT_0:
    case ULONG_0:
      return 0;
    case DOUBLE:
      return bytes.readDoubleBE(at);
    case TRUE:
    case FALSE:
      return code === TRUE;
    case BOOLEAN:
      return bytes[at]! > 1 ? undefined : bytes[at] === 1;
    default:
      return undefined;
  }
}

function wideValue(bytes: Buffer, at: number, code: number): number | Date | undefined {
  const high = code === ULONG ? bytes.readUInt32BE(at) : bytes.readInt32BE(at);
  if (high >= EXACT || high <= -EXACT) return undefined;
  const number = high * 2 ** 32 + bytes.readUInt32BE(at + 4);
  if (code !== TIMESTAMP) return number;
  return Math.abs(number) > LAST_DATE ? undefined : new Date(number);
}

/** A text of up to 255 bytes, whatever its type code. */
export function readText(cursor: Cursor, encoding: 'utf8' | 'ascii'): string | undefined {
  const { bytes, at } = cursor;
  const length = bytes[at + 1];
  return length !== undefined && has(cursor, 2 + length) ? bytes.toString(encoding, at + 2, cursor.at) : undefined;
}

/** Steps over so many bytes; false when they are not all there. */
function has(cursor: Cursor, length: number): boolean {
  const end = cursor.at + length;
  if (end > cursor.bytes.length) return false;
  cursor.at = end;
  return true;
}
