/**
 * The service's own mapping of partition keys: Bob Jenkins' lookup3 (hashlittle2) over the UTF-8 bytes, the two
 * words folded to a signed 16-bit number. Producers that choose partitions themselves (the buffered producer)
 * use the same hash, so this must agree with it bit for bit or one key would live in two partitions.
 */
import { Buffer } from 'node:buffer';

const rotate = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));

/** The index of the partition for a key, 0 to `partitionCount` - 1. */
export function partitionForKey(key: string, partitionCount: number): number {
  const bytes = Buffer.from(key, 'utf8');
  let a = (0xdeadbeef + bytes.length) | 0;
  let b = a;
  let c = a;
  let at = 0;
  for (; bytes.length - at > 12; at += 12) {
    a = (a + bytes.readInt32LE(at)) | 0;
    b = (b + bytes.readInt32LE(at + 4)) | 0;
    c = (c + bytes.readInt32LE(at + 8)) | 0;
    a = ((a - c) ^ rotate(c, 4)) | 0;
    c = (c + b) | 0;
    b = ((b - a) ^ rotate(a, 6)) | 0;
    a = (a + c) | 0;
    c = ((c - b) ^ rotate(b, 8)) | 0;
    b = (b + a) | 0;
    a = ((a - c) ^ rotate(c, 16)) | 0;
    c = (c + b) | 0;
    b = ((b - a) ^ rotate(a, 19)) | 0;
    a = (a + c) | 0;
    c = ((c - b) ^ rotate(b, 4)) | 0;
    b = (b + a) | 0;
  }
  if (at < bytes.length) {
    const tail = Buffer.alloc(12);
    bytes.copy(tail, 0, at);
    a = (a + tail.readInt32LE(0)) | 0;
    b = (b + tail.readInt32LE(4)) | 0;
    c = (c + tail.readInt32LE(8)) | 0;
    c = ((c ^ b) - rotate(b, 14)) | 0;
    a = ((a ^ c) - rotate(c, 11)) | 0;
    b = ((b ^ a) - rotate(a, 25)) | 0;
    c = ((c ^ b) - rotate(b, 16)) | 0;
    a = ((a ^ c) - rotate(c, 4)) | 0;
    b = ((b ^ a) - rotate(a, 14)) | 0;
    c = ((c ^ b) - rotate(b, 24)) | 0;
  }
  return Math.abs((((c ^ b) << 16) >> 16) % partitionCount);
}
