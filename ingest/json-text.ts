/**
 * JSON of what a client has parsed, which never throws and knows the values of AMQP that JSON does not: big integers
 * as texts, bytes as base64.
 */
import { messageOf } from '../domain/errors.ts';

/** What cannot be written, because it is nested too deep, is told in its place. */
export function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value, plainJson) ?? 'null';
  } catch (error) {
    return JSON.stringify({ unwritable: messageOf(error) });
  }
}

/** A Buffer has a JSON form of its own, an object of a number for every byte: it is told as base64. */
function plainJson(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  const { type, data } = (value ?? {}) as { readonly type?: unknown; readonly data?: unknown };
  return type === 'Buffer' && Array.isArray(data) ? Buffer.from(data as number[]).toString('base64') : value;
}
