/**
 * The keys that payloads of workflows are encrypted with. A key's id is derived from the key, so two keys can never
 * go under one name, and a worker that lacks a key can say which. Keys never appear in errors, logs or `inspect`.
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { FleetscoreError } from '../domain/errors.ts';

export interface PayloadKey {
  /** 16 hexadecimal digits, safe to show. */
  readonly id: string;
  /** 32 bytes. */
  readonly key: KeyObject;
}

export interface PayloadKeys {
  /** Encrypts what is sent; absent: it goes as it is. */
  readonly encrypting?: PayloadKey;
  /** By id: all that can be decrypted with. */
  readonly byId: ReadonlyMap<string, PayloadKey>;
}

export const NO_KEYS: PayloadKeys = { byId: new Map() };

const KEY_BYTES = 32;
/** 32 bytes are 43 digits and a filler, in either alphabet. */
const BASE64 = /^([A-Za-z0-9+/]{43}=?|[A-Za-z0-9_-]{43}=?)$/;
/** 32 random bytes have about 30 different values; a placeholder or a sentence has few. */
const LEAST_DIFFERENT = 16;
const PLAIN = 'none';

/** What the variable takes, for messages. */
const KEYS_HELP =
  'takes keys of 32 random bytes in base64 (`openssl rand -base64 32` makes one) with a comma in between: ' +
  'the first encrypts, all decrypt; `none` in the first place encrypts nothing any more';

/**
 * @param text value of FLEETSCORE_PAYLOAD_KEYS; nothing for no encryption
 * @throws FleetscoreError `INVALID_PAYLOAD_KEYS` that names the entry by its place, never by its value
 */
export function parsePayloadKeys(text: string | undefined): PayloadKeys {
  if (text === undefined || text.trim() === '') return NO_KEYS;
  const entries = text.split(',').map((entry) => entry.trim());
  const plain = entries[0] === PLAIN;
  const byId = new Map<string, PayloadKey>();
  for (const [i, entry] of entries.entries()) {
    if (i === 0 && plain) continue;
    const key = parseKey(entry, i + 1);
    if (byId.has(key.id)) throw invalid(`entry ${i + 1} is the same key as an earlier one`);
    byId.set(key.id, key);
  }
  const [first] = byId.values();
  return { byId, ...(plain || first === undefined ? {} : { encrypting: first }) };
}

function parseKey(entry: string, place: number): PayloadKey {
  if (entry === PLAIN) throw invalid(`entry ${place} is \`${PLAIN}\`, which is only for the first place`);
  if (!BASE64.test(entry))
    throw invalid(`entry ${place} is not 32 bytes in base64 (it has ${entry.length} characters; 44 are wanted)`);
  const bytes = Buffer.from(entry, 'base64');
  if (bytes.length !== KEY_BYTES || new Set(bytes).size < LEAST_DIFFERENT)
    throw invalid(`entry ${place} is not random enough for a key`);
  const key = createSecretKey(bytes);
  return { id: createHmac('sha256', key).update('fleetscore payload key').digest('hex').slice(0, 16), key };
}

function invalid(problem: string): FleetscoreError {
  return new FleetscoreError('INVALID_PAYLOAD_KEYS', `FLEETSCORE_PAYLOAD_KEYS ${KEYS_HELP}: ${problem}.`);
}
