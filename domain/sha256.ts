/** The SHA-256 by which models, packs, predictions files and plans are named and checked. */
import { createHash } from 'node:crypto';

/** In lower-case hexadecimal, 64 characters. A text is hashed as UTF-8. */
export const sha256Of = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');
