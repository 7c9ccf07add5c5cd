/** The Blob server with many blobs: its start, and calls, must not feel them. */
import { BlobServiceClient } from '@azure/storage-blob';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openIndex } from '../local/blob-server/index-db.ts';
import { startOwnBlobServer } from '../test/support/own-blob-server.ts';
import type { Figure } from './year-figure.ts';

const BODY = Buffer.alloc(2_048, 'x');
const PER_FOLDER = 500;
const PUTS = 300;

export async function blobFigures(dir: string, blobs: number): Promise<Figure[]> {
  mkdirSync(dir, { recursive: true });
  await fill(dir, blobs);
  const startedAt = performance.now();
  const server = await startOwnBlobServer(dir);
  const figures: Figure[] = [
    { what: 'blobs', unit: 'count', value: blobs },
    {
      what: 'size of the index, content of small blobs included',
      unit: 'bytes',
      value: statSync(join(dir, 'index.db')).size,
    },
    { what: 'start of the server', unit: 'ms', value: performance.now() - startedAt },
  ];
  try {
    const container = BlobServiceClient.fromConnectionString(server.connectionString).getContainerClient('predictions');
    const times: number[] = [];
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const from = performance.now();
      await work();
      return performance.now() - from;
    };
    for (let i = 0; i < PUTS; i++)
      times.push(await timed(() => container.getBlockBlobClient(`new/${i}`).upload(BODY, BODY.length)));
    times.sort((a, b) => a - b);
    const list = async (): Promise<void> => {
      for await (const _ of container.listBlobsFlat({ prefix: 'folder-000000/' }));
    };
    const get = (): Promise<Buffer> => container.getBlobClient('folder-000000/blob-7').downloadToBuffer();
    await get();
    figures.push(
      { what: `put of 2 KiB, on disk when answered: median of ${PUTS}`, unit: 'ms', value: times[PUTS / 2]! },
      { what: 'the same: longest', unit: 'ms', value: times.at(-1)! },
      { what: `list of a folder of ${PER_FOLDER}`, unit: 'ms', value: await timed(list) },
      { what: 'read of a blob', unit: 'ms', value: await timed(get) },
    );
  } finally {
    await server.stop();
  }
  return figures;
}

/** Rows as the server writes them. */
async function fill(dir: string, blobs: number): Promise<void> {
  const db = openIndex(dir);
  const headers = JSON.stringify({ 'content-type': 'text/csv' });
  await db.write(() => db.run("INSERT INTO containers VALUES ('predictions', 'x', 0, '{}')"));
  for (let from = 0; from < blobs; from += 5_000)
    await db.write(() => {
      for (let i = from; i < Math.min(blobs, from + 5_000); i++) {
        const name = `folder-${String(Math.floor(i / PER_FOLDER)).padStart(6, '0')}/blob-${i}`;
        const piece = db.run('INSERT INTO pieces (bytes, body, file) VALUES (?, ?, NULL)', BODY.length, BODY).id;
        const { id } = db.run(
          `INSERT INTO blobs (container, name, type, bytes, etag, created_ms, modified_ms, headers, metadata, blocks)
           VALUES ('predictions', ?, 'BlockBlob', ?, 'x', 0, 0, ?, '{}', 0)`,
          name,
          BODY.length,
          headers,
        );
        db.run("INSERT INTO parts VALUES (?, 0, '', ?)", id, piece);
      }
    });
  db.close();
}
