/** What every Avro container file begins with, and its numbers of 64 bits without loss. */
import avro from 'avsc';

export interface AvroHeader {
  readonly magic: Uint8Array;
  readonly meta: Readonly<Record<string, Uint8Array | undefined>>;
  readonly sync: Uint8Array;
}

export const AVRO_HEADER = avro.Type.forSchema({
  type: 'record',
  name: 'Header',
  fields: [
    { name: 'magic', type: { type: 'fixed', name: 'Magic', size: 4 } },
    { name: 'meta', type: { type: 'map', values: 'bytes' } },
    { name: 'sync', type: { type: 'fixed', name: 'Sync', size: 16 } },
  ],
});

/**
 * 64 bits, exactly: a number where that holds the value, else a bigint. What .NET calls ticks is beyond 2^53, and the
 * library's own type refuses a whole file for one such property.
 */
// oxlint-disable-next-line no-underscore-dangle -- the name that the library gives it
export const EXACT_LONG = avro.types.LongType.__with({
  fromBuffer(bytes: Buffer): number | bigint {
    const value = bytes.readBigInt64LE();
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  },
  toBuffer(value: number | bigint): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return bytes;
  },
  fromJSON: Number,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint' || Number.isSafeInteger(value),
  compare: (a: number | bigint, b: number | bigint) => Number(a > b) - Number(a < b),
});
