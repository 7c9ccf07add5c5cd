/** Nothing that the Blob server answered is lost when it is killed, and homes of azurite go on with all they had. */
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { lokiDocuments } from '../../../local/blob-server/loki-json.ts';
import { startAzurite } from '../../support/azurite.ts';
import { startOwnBlobServer } from '../../support/own-blob-server.ts';
import { tempDir } from '../../support/temp.ts';

const containerOf = (connectionString: string, name = 'raw'): ContainerClient =>
  BlobServiceClient.fromConnectionString(connectionString, { retryOptions: { maxTries: 1 } }).getContainerClient(name);

const filesIn = (dir: string): string[] =>
  existsSync(dir)
    ? readdirSync(dir, { recursive: true, withFileTypes: true })
        .filter((e) => e.isFile())
        .map((e) => e.name)
    : [];

test('killed in the middle of writing, it has every blob that it answered for, and nothing of the others', async () => {
  const dir = join(tempDir('blob-kill'), 'blobs');
  const written = new Map<string, Buffer>();
  const tried = new Map<string, Buffer>();
  for (let round = 0; round < 4; round++) {
    const server = await startOwnBlobServer(dir);
    const container = containerOf(server.connectionString);
    await container.createIfNotExists();
    let stop = false;
    const writers = Array.from({ length: 6 }, async (_, writer) => {
      for (let i = 0; !stop; i++) {
        // Small in the index, large in files.
        const body = randomBytes(i % 3 === 2 ? 300_000 : 500);
        const name = `${round}/${writer}/${i}`;
        tried.set(name, body);
        try {
          await container.getBlockBlobClient(name).upload(body, body.length);
          written.set(name, body);
        } catch {
          return;
        }
      }
    });
    while (written.size < (round + 1) * 60) await new Promise((resolve) => setTimeout(resolve, 5));
    await server.stop('SIGKILL');
    stop = true;
    await Promise.all(writers);
  }
  const server = await startOwnBlobServer(dir);
  try {
    const container = containerOf(server.connectionString);
    for (const [name, body] of written)
      expect((await container.getBlobClient(name).downloadToBuffer()).equals(body)).toBe(true);
    let files = 0;
    for await (const { name, properties } of container.listBlobsFlat()) {
      // Stored, its answer lost: whole as well.
      expect((await container.getBlobClient(name).downloadToBuffer()).equals(tried.get(name)!)).toBe(true);
      if (properties.contentLength === 300_000) files += 1;
    }
    // No file is left of uploads that were cut off.
    expect(filesIn(join(dir, 'files'))).toHaveLength(files);
    for await (const { name } of container.listBlobsFlat()) await container.deleteBlob(name);
  } finally {
    await server.stop();
  }
  await (await startOwnBlobServer(dir)).stop();
  expect(filesIn(join(dir, 'files'))).toEqual([]);
});

test('what an azurite stored is taken over once, byte for byte; what it lost is named', async () => {
  const home = tempDir('blob-import');
  const azuriteDir = join(home, 'azurite');
  const bodies: Record<string, Buffer> = {
    small: Buffer.from('small'),
    empty: Buffer.alloc(0),
    'large/one': randomBytes(3 * 1024 * 1024),
    'name "with {[quotes]}': Buffer.from('odd'),
  };
  const azurite = await startAzurite(azuriteDir);
  {
    const container = containerOf(azurite.connectionString);
    await container.createIfNotExists();
    for (const [name, body] of Object.entries(bodies))
      await container.getBlockBlobClient(name).uploadData(body, {
        maxSingleShotSize: 1024 * 1024,
        blockSize: 1024 * 1024,
        metadata: { offset: '7' },
        blobHTTPHeaders: { blobContentType: 'text/plain' },
      });
    const log = container.getAppendBlobClient('log');
    await log.create();
    for (const text of ['one ', 'two ', 'three']) await log.appendBlock(text, text.length);
    await container.getBlockBlobClient('staged only').stageBlock(Buffer.from('1').toString('base64'), 'x', 1);
  }
  await azurite.stop();

  const dir = join(home, 'blobs');
  const first = await startOwnBlobServer(dir, azuriteDir);
  const container = containerOf(first.connectionString);
  for (const [name, body] of Object.entries(bodies)) {
    const blob = container.getBlobClient(name);
    expect((await blob.downloadToBuffer()).equals(body)).toBe(true);
    expect(await blob.getProperties()).toMatchObject({ metadata: { offset: '7' }, contentType: 'text/plain' });
  }
  const log = container.getAppendBlobClient('log');
  await log.appendBlock(', four', 6, { conditions: { appendPosition: 13 } });
  expect((await log.downloadToBuffer()).toString()).toBe('one two three, four');
  expect(await container.getBlobClient('staged only').exists()).toBe(false);
  await container.getBlockBlobClient('small').upload('newer', 5);
  await first.stop('SIGKILL');

  // A second start takes nothing over again.
  const second = await startOwnBlobServer(dir, azuriteDir);
  expect((await containerOf(second.connectionString).getBlobClient('small').downloadToBuffer()).toString()).toBe(
    'newer',
  );
  await second.stop();

  // Bytes that azurite lost: the rest comes over.
  rmSync(dir, { recursive: true });
  rmSync(join(azuriteDir, '__blobstorage__'), { recursive: true });
  const third = await startOwnBlobServer(dir, azuriteDir);
  const names: string[] = [];
  for await (const { name } of containerOf(third.connectionString).listBlobsFlat()) names.push(name);
  await third.stop();
  expect(names).toEqual(['empty']);
});

test('the documents of an index come one by one, wherever its pieces are cut', async () => {
  const dir = tempDir('loki');
  const text = JSON.stringify({
    filename: 'x{["',
    collections: [
      {
        name: '$A$',
        data: [{ a: '}]"\\', list: [{ b: 1 }] }, { c: 2 }],
        binaryIndices: { x: { values: [1] } },
        other: [{ no: 1 }],
      },
      { name: '$B$', data: [], transforms: {} },
      { name: '$C$', data: [{ ü: '𝛼' }] },
    ],
    engineVersion: 1.5,
  });
  const { writeFileSync } = await import('node:fs');
  const found: unknown[] = [];
  // Padding of every length up to a chunk's would take long; what matters is a cut within a document.
  for (const pad of [0, 1024 * 1024 - 60, 1024 * 1024 - 90, 1024 * 1024 - 130]) {
    const file = join(dir, `${pad}.json`);
    writeFileSync(file, `${' '.repeat(pad)}${text}`);
    const documents = [];
    for await (const one of lokiDocuments(file)) documents.push(one);
    found.push(documents);
  }
  for (const documents of found)
    expect(documents).toEqual([
      { collection: '$A$', document: { a: '}]"\\', list: [{ b: 1 }] } },
      { collection: '$A$', document: { c: 2 } },
      { collection: '$C$', document: { ü: '𝛼' } },
    ]);
  const cut = join(dir, 'cut.json');
  writeFileSync(cut, text.slice(0, 100));
  await expect(async () => {
    for await (const _ of lokiDocuments(cut));
  }).rejects.toThrow(SyntaxError);
});
