/**
 * Typed values of AMQP -> what JavaScript, JSON and Avro hold: numbers, texts, bytes, dates. The client's decoder
 * gives 64-bit numbers, UUIDs and decimals as bytes and described values as its own objects; what they were is only
 * known here. Described types are those of Microsoft's AMQP library, which .NET clients send.
 */
import { jsonText } from '../json-text.ts';

/** A value of the decoder that still knows its type. */
export interface Typed {
  readonly type: { readonly name: string };
  readonly value: unknown;
  readonly descriptor?: { readonly value: unknown };
}

export type Plain = string | number | bigint | boolean | null | Date | Buffer;

const DECIMALS: Readonly<
  Record<string, { readonly bytes: number; readonly exponentBits: number; readonly bias: number }>
> = {
  Decimal32: { bytes: 4, exponentBits: 8, bias: 101 },
  Decimal64: { bytes: 8, exponentBits: 10, bias: 398 },
  Decimal128: { bytes: 16, exponentBits: 14, bias: 6176 },
};

export function plainValue(typed: Typed): Plain {
  const { value } = typed;
  const { name } = typed.type;
  if (typed.descriptor) return describedValue(String(typed.descriptor.value), typed);
  if (name === 'Null') return null;
  if (name === 'Timestamp') return new Date(Number(value instanceof Uint8Array ? int64(value, true) : value));
  if (name === 'CharUTF32')
    return typeof value === 'number' && value <= 0x10ffff ? String.fromCodePoint(value) : String(value);
  if (value instanceof Uint8Array) {
    const bytes = Buffer.from(value);
    if (name === 'Uuid') return uuidText(bytes);
    if (name === 'Long' || name === 'Ulong') return int64(bytes, name === 'Long');
    return DECIMALS[name] ? decimalText(bytes, DECIMALS[name]) : bytes;
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : jsonText(untyped(typed));
}

/**
 * A value or sequence as the body of an event, as its JSON would be: maps are objects, lists arrays, decimals numbers;
 * times stay dates.
 */
export function bodyValue(typed: Typed): unknown {
  const { value } = typed;
  const { name } = typed.type;
  if (typed.descriptor === undefined && Array.isArray(value)) {
    const items = (value as Typed[]).map((item) => (isTyped(item) ? bodyValue(item) : item));
    if (!name.startsWith('Map')) return items;
    return Object.fromEntries(items.flatMap((key, i) => (i % 2 === 0 ? [[String(key), items[i + 1]]] : [])));
  }
  const plain = plainValue(typed);
  return DECIMALS[name] && typeof plain === 'string' ? Number(plain) : plain;
}

const isTyped = (value: unknown): value is Typed =>
  typeof value === 'object' && value !== null && 'type' in value && 'value' in value;

function untyped(typed: unknown): unknown {
  if (Array.isArray(typed)) return typed.map(untyped);
  const { type, value } = (typed ?? {}) as Partial<Typed>;
  if (type === undefined) return typed;
  return Array.isArray(value) ? value.map(untyped) : plainValue(typed as Typed);
}

/** Ticks are 100 ns; those of dates count from the year 1. */
const TICKS_PER_MS = 10_000n;
const TICKS_AT_1970 = 621_355_968_000_000_000n;

function describedValue(descriptor: string, { type, value }: Typed): Plain {
  const plain = plainValue({ type, value });
  const ticks = typeof plain === 'number' || typeof plain === 'bigint' ? BigInt(plain) : undefined;
  if (ticks === undefined) return plain;
  if (descriptor === 'com.microsoft:datetime-offset') {
    const since1970 = ticks - TICKS_AT_1970;
    const date = new Date(Number(since1970 / TICKS_PER_MS));
    return Number.isNaN(date.getTime()) ? String(ticks) : date;
  }
  return descriptor === 'com.microsoft:timespan' ? timeSpanText(ticks) : plain;
}

/** As .NET writes it: `1.02:03:04.5000000`. */
function timeSpanText(ticks: bigint): string {
  const abs = ticks < 0n ? -ticks : ticks;
  const two = (n: bigint): string => String(n).padStart(2, '0');
  const seconds = abs / 10_000_000n;
  const days = seconds / 86_400n;
  const rest = abs % 10_000_000n;
  return (
    `${ticks < 0n ? '-' : ''}${days > 0n ? `${days}.` : ''}${two((seconds / 3_600n) % 24n)}:` +
    `${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}${rest > 0n ? `.${String(rest).padStart(7, '0')}` : ''}`
  );
}

function int64(bytes: Uint8Array, signed: boolean): number | bigint {
  const buffer = Buffer.from(bytes);
  const value = signed ? buffer.readBigInt64BE() : buffer.readBigUInt64BE();
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

const uuidText = (bytes: Buffer): string => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');

/** IEEE 754-2008 decimal in binary integer encoding, as AMQP has it: sign, exponent, coefficient. */
function decimalText(bytes: Buffer, form: { readonly exponentBits: number; readonly bias: number }): string {
  const bits = BigInt(`0x${bytes.toString('hex')}`);
  const width = BigInt(bytes.length * 8);
  const exponentBits = BigInt(form.exponentBits);
  const sign = bits >> (width - 1n) === 1n ? '-' : '';
  const top = (bits >> (width - 6n)) & 0b11111n;
  if (top === 0b11110n) return `${sign}Infinity`;
  if (top === 0b11111n) return 'NaN';
  // Large coefficients have two bits set where the exponent begins, and an implicit 100 before them.
  const large = top >> 3n === 0b11n;
  const shift = width - 1n - exponentBits - (large ? 2n : 0n);
  const exponent = Number((bits >> shift) & ((1n << exponentBits) - 1n)) - form.bias;
  const coefficient = (bits & ((1n << shift) - 1n)) + (large ? 0b100n << shift : 0n);
  return sign + plainDecimal(String(coefficient), exponent);
}

/** Places that are written out; beyond, an exponent. */
const MAX_PLACES = 40;

function plainDecimal(digits: string, exponent: number): string {
  if (exponent === 0) return digits;
  if (exponent > MAX_PLACES || exponent < -MAX_PLACES) return `${digits}E${exponent}`;
  if (exponent > 0) return digits === '0' ? '0' : digits + '0'.repeat(exponent);
  const padded = digits.padStart(1 - exponent, '0');
  return `${padded.slice(0, exponent)}.${padded.slice(exponent)}`;
}
