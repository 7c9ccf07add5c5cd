/**
 * Properties of an event (application properties, annotations, AMQP's own) as every place holds them. Capture files
 * know fewer types than AMQP, and dead letters fewer than capture files: what live ingest, a rebuild and a replay see
 * must be the same value, or they would make different readings of one event.
 */
import { jsonText } from './json-text.ts';

export type PlainProperty = string | number | bigint | Uint8Array | null;

/**
 * As a capture file holds it: whole numbers of 64 bits and times (epoch milliseconds) as `long`, other numbers as
 * `double`, bytes, nothing, and everything else as text.
 */
export function plainProperty(value: unknown): PlainProperty {
  switch (typeof value) {
    case 'number':
    case 'string':
      return value;
    case 'bigint':
      if (Number.isSafeInteger(Number(value))) return Number(value);
      return BigInt.asIntN(64, value) === value ? value : String(value);
    case 'object':
      if (value === null || value instanceof Uint8Array) return value;
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.getTime();
      return jsonText(value);
    default:
      return value === undefined ? null : String(value);
  }
}

/** What a mapping sees of a property: bytes that are UTF-8 as text, as Kafka's headers arrive; absent: undefined. */
export function propertyValue(value: unknown): string | number | bigint | undefined {
  const plain = plainProperty(value);
  if (!(plain instanceof Uint8Array)) return plain ?? undefined;
  return utf8(plain) ?? Buffer.from(plain).toString('base64');
}

/** The text of bytes; undefined when they are not UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
