/** The bytes of an Avro container file as they come: values and blocks, with no more in memory than one of them. */
import avro from 'avsc';
import { endOfAvro } from '../avro-bounds.ts';

const LONG = avro.Type.forSchema('long');

export interface AvroBytes {
  /** The next value of a type. @throws Error when it is longer than `most` bytes or not all there */
  value(type: avro.Type, most: number): Promise<unknown>;
  /** The next block; undefined at the end of the file. @throws Error when it is damaged or not all there */
  block(sync: Uint8Array, most: number): Promise<{ readonly count: number; readonly bytes: Buffer } | undefined>;
}

export function avroBytes(chunks: AsyncIterator<Buffer>): AvroBytes {
  let held: Buffer = Buffer.alloc(0);
  const more = async (): Promise<boolean> => {
    const next = await chunks.next();
    if (next.done === true) return false;
    held = held.length === 0 ? next.value : Buffer.concat([held, next.value]);
    return true;
  };
  const need = async (length: number): Promise<void> => {
    const parts = [held];
    let bytes = held.length;
    while (bytes < length) {
      const next = await chunks.next();
      if (next.done === true) throw new Error('it ends too early');
      parts.push(next.value);
      bytes += next.value.length;
    }
    if (parts.length > 1) held = Buffer.concat(parts);
  };
  const take = (length: number): Buffer => {
    const taken = held.subarray(0, length);
    held = held.subarray(length);
    return taken;
  };
  const value = async (type: avro.Type, most: number): Promise<unknown> => {
    for (;;) {
      let end: number;
      try {
        end = endOfAvro(type, held, 0);
      } catch (error) {
        if (held.length > most || !(await more())) throw error;
        continue;
      }
      return type.decode(take(end), 0).value;
    }
  };
  return {
    value,
    async block(sync, most) {
      if (held.length === 0 && !(await more())) return undefined;
      const count = (await value(LONG, 16)) as number;
      const size = (await value(LONG, 16)) as number;
      if (!(size >= 0 && size <= most && count >= 0)) throw new Error(`a block of ${size} bytes is more than is taken`);
      await need(size + 16);
      const bytes = take(size);
      if (!take(16).equals(sync)) throw new Error('a block is damaged');
      return { count, bytes };
    },
  };
}
