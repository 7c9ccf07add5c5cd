/** Typed values of Parquet and Avro -> cells, exactly: decimals and times are whole numbers there, with a scale. */
import type { TimeCell } from '../table/cells.ts';

/** What a column holds, as far as its values do not say it. */
export type ColumnKind =
  | { readonly kind: 'plain' }
  | { readonly kind: 'decimal'; readonly scale: number }
  /** `zoned`: an instant; else what a clock showed. */
  | { readonly kind: 'timestamp'; readonly perMs: bigint | 'days'; readonly zoned: boolean }
  /** Of a day. */
  | { readonly kind: 'time'; readonly perSecond: bigint };

/** Whole numbers of a unit as a time; digits past the millisecond are cut, as in text. */
export function timeCell(value: number | bigint, perMs: bigint | 'days', zoned: boolean): TimeCell {
  if (perMs === 'days') return { ms: Number(value) * 86_400_000, zoned };
  const whole = BigInt(value);
  // Divides downwards, so that a time before 1970 is not moved past it.
  const ms = whole / perMs - (whole % perMs < 0n ? 1n : 0n);
  return { ms: Number(ms), zoned };
}

/** `10:14:33.25`, as the second half of a time in two columns. */
export function timeOfDay(value: number | bigint, perSecond: bigint): string {
  const whole = BigInt(value);
  const seconds = Number(whole / perSecond);
  const two = (n: number): string => String(n).padStart(2, '0');
  const rest = String(whole % perSecond).padStart(String(perSecond).length - 1, '0');
  const text = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return perSecond === 1n || /^0*$/.test(rest) ? text : `${text}.${rest}`;
}

/**
 * The double nearest to unscaled / 10^scale. By way of text, which JavaScript reads correctly rounded; a division is
 * off in the last bit for whole numbers beyond 2^53.
 */
export const decimalValue = (unscaled: bigint, scale: number): number => Number(`${unscaled}e${-scale}`);

/** A whole number of any length in two's complement, the highest byte first. */
export function bigEndian(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
}
