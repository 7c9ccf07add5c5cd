/** The SHA-256 by which models, packs, predictions files and plans are named and checked. */
import { createHash } from 'node:crypto';
import { inTurns } from './turns.ts';

/** In lower-case hexadecimal, 64 characters. A text is hashed as UTF-8. */
export const sha256Of = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');

/** Bytes hashed a turn: some 10 ms. */
const BYTES_PER_TURN = 4 * 1024 * 1024;

/** The same of what may be hundreds of megabytes, while others have their turn. */
export async function sha256InTurns(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for await (const { from, to } of inTurns(bytes.byteLength, BYTES_PER_TURN)) hash.update(bytes.subarray(from, to));
  return hash.digest('hex');
}
