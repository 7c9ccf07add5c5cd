/** Models and packs on their way into a process: checked once on each, and packs handed over as they came. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { FleetscoreError } from '../../domain/errors.ts';
import { createModelCache, type ModelCache } from '../../scoring/model-cache.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { tempDir } from '../support/temp.ts';
import { sha256Of } from './fleet.ts';

const PACK = Buffer.from('a pack');

/** A cache over a Blob storage that has only these bytes, whatever is asked for. */
async function cacheIn(dir: string, bytes: Uint8Array): Promise<{ cache: ModelCache; asked: string[] }> {
  const asked: string[] = [];
  const get: BlobStore['get'] = async (_, name, read) => {
    asked.push(name);
    const memory = read?.isShared ? new SharedArrayBuffer(bytes.length) : new ArrayBuffer(bytes.length);
    const body = new Uint8Array(memory);
    body.set(bytes);
    return body;
  };
  const cache = await createModelCache({
    blobs: { get } as BlobStore,
    dir,
    maxBytes: 1_000,
    maxModelBytes: 1_000,
    maxPackBytes: 1_000,
    warn: (message) => expect(message).toBeUndefined(),
  });
  return { cache, asked };
}

test('a pack that has just arrived goes on as it is; the next process gets its file', async () => {
  const dir = tempDir('model-cache');
  const sha256 = sha256Of(PACK);
  const { cache, asked } = await cacheIn(dir, PACK);
  const bytes = await cache.bytes('pack', sha256);
  const file = await cache.file('pack', sha256);
  expect(file).toEqual({ sha256, bytes });
  // The same memory, which a thread gets without a copy.
  expect(file.bytes!.buffer).toBe(bytes.buffer);
  expect(bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(asked).toHaveLength(1);
  const next = await cacheIn(dir, PACK);
  const { path, ...rest } = await next.cache.file('pack', sha256);
  expect(rest).toEqual({ sha256 });
  expect(readFileSync(path!)).toEqual(PACK);
  // Where it is read for its index it is checked, and goes to the threads from there.
  const read = await next.cache.bytes('pack', sha256);
  expect(Buffer.from(read)).toEqual(PACK);
  expect((await next.cache.file('pack', sha256)).bytes!.buffer).toBe(read.buffer);
  expect(read.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(next.asked).toEqual([]);
  // What became of it on the disk does not come in: it is fetched anew.
  writeFileSync(path!, 'a pace');
  expect(Buffer.from(await next.cache.bytes('pack', sha256))).toEqual(PACK);
  writeFileSync(path!, 'a');
  expect(Buffer.from(await next.cache.bytes('pack', sha256))).toEqual(PACK);
  expect(next.asked).toHaveLength(2);
});

test('models go to their processes as files', async () => {
  const { cache } = await cacheIn(tempDir('model-cache-models'), PACK);
  const sha256 = sha256Of(PACK);
  const { path } = await cache.file('model', sha256);
  expect(await cache.file('model', sha256)).toEqual({ sha256, path });
});

test('what does not fit its name is neither handed over nor kept', async () => {
  const dir = tempDir('model-cache-damaged');
  const { cache, asked } = await cacheIn(dir, PACK);
  const failure = await cache.file('pack', sha256Of(Buffer.from('another'))).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(FleetscoreError);
  expect(failure).toMatchObject({ code: 'MODEL_CORRUPT' });
  expect(asked).toHaveLength(2);
  expect(readdirSync(dir, { recursive: true }).filter((name) => String(name).endsWith('.onnx'))).toEqual([]);
});
