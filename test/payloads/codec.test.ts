/** Keys and the codec: what is sent is unreadable, what comes back is what went, and whatever is wrong has a name. */
import { expect, test } from '@jest/globals';
import { test as propertyTest, fc } from '@fast-check/jest';
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { loadConfig } from '../../config.ts';
import { createPayloadCodec, ENCRYPTED } from '../../payloads/codec.ts';
import { workerConverter } from '../../payloads/data-converter.ts';
import { NO_KEYS, parsePayloadKeys } from '../../payloads/keys.ts';

const newKey = (): string => randomBytes(32).toString('base64');
const [OLD, NEW] = [newKey(), newKey()];
const codecOf = (text: string) => createPayloadCodec(parsePayloadKeys(text));
const payloadOf = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);
const valueOf = (payload: Payload): unknown => defaultPayloadConverter.fromPayload(payload);
const encodingOf = (payload: Payload): string => Buffer.from(payload.metadata!['encoding']!).toString();

propertyTest.prop([fc.jsonValue()])('what was encrypted comes back as it was', async (value) => {
  const [sealed] = await codecOf(NEW).encode([payloadOf(value)]);
  expect(encodingOf(sealed!)).toBe(ENCRYPTED);
  expect(valueOf((await codecOf(NEW).decode([sealed!]))[0]!)).toEqual(valueOf(payloadOf(value)));
});

test('nothing of a payload is readable, and equal payloads differ', async () => {
  const sealed = await codecOf(NEW).encode([payloadOf({ device: 'pump-1' }), payloadOf({ device: 'pump-1' })]);
  for (const { data } of sealed) expect(Buffer.from(data!).toString('latin1')).not.toContain('pump');
  expect(sealed[0]!.data).not.toEqual(sealed[1]!.data);
});

test('after a rotation the first key encrypts and all decrypt', async () => {
  const [old] = await codecOf(OLD).encode([payloadOf(1)]);
  const rotated = codecOf(`${NEW},${OLD}`);
  const [fresh] = await rotated.encode([payloadOf(2)]);
  expect((await rotated.decode([old!, fresh!])).map(valueOf)).toEqual([1, 2]);
  expect(valueOf((await codecOf(NEW).decode([fresh!]))[0]!)).toBe(2);
});

test('what is not encrypted passes through, and what is encrypted is not encrypted twice', async () => {
  const plain = payloadOf({ period: '15m' });
  expect(await codecOf(NEW).decode([plain])).toEqual([plain]);
  const sealed = await codecOf(NEW).encode([plain]);
  expect(await codecOf(OLD).encode(sealed)).toEqual(sealed);
});

test('without keys, and with none in the first place, payloads go as they are', async () => {
  const plain = payloadOf('x');
  expect(await createPayloadCodec(NO_KEYS).encode([plain])).toEqual([plain]);
  const leaving = codecOf(`none,${OLD}`);
  expect(await leaving.encode([plain])).toEqual([plain]);
  expect((await leaving.decode(await codecOf(OLD).encode([plain]))).map(valueOf)).toEqual(['x']);
});

test('a key that is not here is named, with those that are', async () => {
  const sealed = await codecOf(OLD).encode([payloadOf(1)]);
  const { id: wanted } = parsePayloadKeys(OLD).encrypting!;
  const { id: here } = parsePayloadKeys(NEW).encrypting!;
  await expect(codecOf(NEW).decode(sealed)).rejects.toMatchObject({
    code: 'PAYLOAD_KEY_UNKNOWN',
    retryable: true,
    message: expect.stringMatching(`key ${wanted}, .* has ${here}.*FLEETSCORE_PAYLOAD_KEYS`),
  });
  await expect(createPayloadCodec(NO_KEYS).decode(sealed)).rejects.toThrow('it has none');
});

test('in a worker that is an attempt to be made later, and the worker is told', async () => {
  const { dataConverter, blind } = workerConverter(parsePayloadKeys(NEW));
  const sealed = await codecOf(OLD).encode([payloadOf(1)]);
  await expect(dataConverter.payloadCodecs![0]!.decode(sealed)).rejects.toMatchObject({
    type: 'PAYLOAD_KEY_UNKNOWN',
    nonRetryable: false,
    nextRetryDelay: '1m',
  });
  expect((await blind).code).toBe('PAYLOAD_KEY_UNKNOWN');
});

propertyTest.prop([fc.nat(), fc.integer({ min: 1, max: 255 })])(
  'a changed byte is found out, in data and in the key id',
  async (at, flip) => {
    const [sealed] = await codecOf(NEW).encode([payloadOf({ a: 1 })]);
    const data = Uint8Array.from(sealed!.data!);
    data[at % data.length]! ^= flip;
    await expect(codecOf(NEW).decode([{ ...sealed, data }])).rejects.toMatchObject({ code: 'PAYLOAD_DAMAGED' });
    await expect(codecOf(NEW).decode([{ ...sealed, data: data.subarray(0, at % 28) }])).rejects.toMatchObject({
      code: 'PAYLOAD_DAMAGED',
    });
  },
);

test.each([
  ['short', Buffer.alloc(31, 7).toString('base64'), /entry 1 is not 32 bytes in base64/],
  ['no base64', 'my secret key, which is long enough to be one', /entry 1 is not 32 bytes/],
  ['a placeholder', Buffer.alloc(32).toString('base64'), /entry 1 is not random enough/],
  ['a second one that is cut', `${NEW},${OLD.slice(0, 20)}`, /entry 2 .*it has 20 characters/],
  ['twice the same', `${NEW},${NEW}`, /entry 2 is the same key/],
  ['none in the middle', `${NEW},none`, /entry 2 is `none`/],
])('a wrong key is refused without being shown: %s', (_, text, message) => {
  expect(() => parsePayloadKeys(text)).toThrow(message);
  const refuse = (): unknown => loadConfig({ FLEETSCORE_PAYLOAD_KEYS: text });
  expect(refuse).toThrow(message);
  for (const entry of text.split(',').filter((part) => part.length > 10))
    expect(refuse).toThrow(expect.objectContaining({ message: expect.not.stringContaining(entry) }));
});

test('keys do not show when they are printed', () => {
  const keys = parsePayloadKeys(NEW);
  const shown = inspect(keys, { depth: 9, showHidden: true }) + JSON.stringify([...keys.byId]);
  const bytes = Buffer.from(NEW, 'base64');
  for (const form of [NEW.slice(0, 20), bytes.toString('hex').slice(0, 20), [...bytes.subarray(0, 4)].join(', ')])
    expect(shown).not.toContain(form);
});
