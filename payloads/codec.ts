/**
 * Encrypts payloads on their way to Temporal and decrypts them on their way back, so that Temporal's server, its
 * database and whoever reads them see ciphertext. AES-256-GCM with a random nonce for each payload; the form is the
 * one of Temporal's own samples: metadata `encoding` and `encryption-key-id`, data = nonce, ciphertext, tag. The
 * metadata is authenticated too. What is not encrypted passes through `decode`, so plain JSON of the stock
 * `temporal` command works beside it, and encryption can be switched on while batches run.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import { FleetscoreError, PAYLOAD_KEY_UNKNOWN } from '../domain/errors.ts';
import type { PayloadKey, PayloadKeys } from './keys.ts';

/** Value of the metadata `encoding`. */
export const ENCRYPTED = 'binary/encrypted';
const ENCODING = 'encoding';
const KEY_ID = 'encryption-key-id';
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const { Payload: PayloadMessage } = proto.temporal.api.common.v1;

/**
 * `decode` throws FleetscoreError `PAYLOAD_KEY_UNKNOWN` (names the key and those that are here; retryable: another
 * process may have it) and `PAYLOAD_DAMAGED`.
 */
export function createPayloadCodec(keys: PayloadKeys): PayloadCodec {
  const { encrypting } = keys;
  return {
    encode: async (payloads) =>
      encrypting ? payloads.map((payload) => (isEncrypted(payload) ? payload : seal(payload, encrypting))) : payloads,
    decode: async (payloads) => payloads.map((payload) => (isEncrypted(payload) ? unseal(payload, keys) : payload)),
  };
}

const textOf = (payload: Payload, name: string): string | undefined => {
  const bytes = payload.metadata?.[name];
  return bytes ? Buffer.from(bytes).toString('utf8') : undefined;
};

const isEncrypted = (payload: Payload): boolean => textOf(payload, ENCODING) === ENCRYPTED;

const metadataBound = (keyId: string): Buffer => Buffer.from(`${ENCRYPTED}\0${keyId}`);

function seal(payload: Payload, { id, key }: PayloadKey): Payload {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(metadataBound(id));
  const data = Buffer.concat([
    nonce,
    cipher.update(PayloadMessage.encode(payload).finish()),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  return { metadata: { [ENCODING]: Buffer.from(ENCRYPTED), [KEY_ID]: Buffer.from(id) }, data };
}

function unseal(payload: Payload, keys: PayloadKeys): Payload {
  const id = textOf(payload, KEY_ID) ?? '';
  const found = keys.byId.get(id);
  if (!found) throw keyUnknown(id, keys);
  const data = Buffer.from(payload.data ?? []);
  if (data.length < NONCE_BYTES + TAG_BYTES) throw damaged(id);
  try {
    const decipher = createDecipheriv(CIPHER, found.key, data.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
      .setAAD(metadataBound(id))
      .setAuthTag(data.subarray(-TAG_BYTES));
    const { metadata, data: plain } = PayloadMessage.decode(
      Buffer.concat([decipher.update(data.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]),
    );
    return { metadata, data: plain };
  } catch (cause) {
    throw damaged(id, cause);
  }
}

function keyUnknown(id: string, { byId }: PayloadKeys): FleetscoreError {
  const shown = /^[\w.:/-]{1,80}$/.test(id) ? id : '(unreadable)';
  const here = byId.size === 0 ? 'it has none' : `it has ${[...byId.keys()].join(', ')}`;
  return new FleetscoreError(
    PAYLOAD_KEY_UNKNOWN,
    `a payload is encrypted with the key ${shown}, which this process does not have (${here}). ` +
      'Add that key to FLEETSCORE_PAYLOAD_KEYS, behind the first one, and start again.',
    { retryable: true },
  );
}

function damaged(id: string, cause?: unknown): FleetscoreError {
  return new FleetscoreError(
    'PAYLOAD_DAMAGED',
    `a payload encrypted with the key ${id} has been changed or cut on its way: it does not decrypt.`,
    { cause },
  );
}
