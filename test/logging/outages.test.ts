/** Logs in Blob while it is in trouble: two writers of one blob, and reading on where a connection broke. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { ContainerClient } from '@azure/storage-blob';
import { createAppendSink } from '../../logging/append-blob.ts';
import { openLogs } from '../../logging/read.ts';
import { blobService } from '../../storage/blob-service.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { startBlobProxy, type BlobProxy } from '../support/blob-proxy.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('log-outages');
const DAY = Date.parse('2026-11-23T10:00:00Z');
const RETRY = { tries: 2, delayMs: 20, tryTimeoutMs: 500 };
let server: BlobServer;
let proxy: BlobProxy;
let direct: ContainerClient;
let through: ContainerClient;

beforeAll(async () => {
  server = await startBlobServer(dir);
  proxy = await startBlobProxy(Number(/127\.0\.0\.1:(\d+)/.exec(server.connectionString)![1]));
  const { connectionString } = server;
  direct = blobService({ connectionString }).getContainerClient('logs');
  through = blobService(
    { connectionString: connectionString.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${proxy.port}`) },
    RETRY,
  ).getContainerClient('logs');
});
afterEach(() => proxy.plan());
afterAll(async () => {
  await proxy?.stop();
  await server?.stop();
});

const linesOf = async (name: string): Promise<string[]> =>
  Buffer.from(await server.blobs.get('logs', name))
    .toString()
    .trim()
    .split('\n');

test('a lost answer behind which another writer wrote is not written twice', async () => {
  const name = '2026-11-23/shared.jsonl';
  const [one, other] = [createAppendSink(through), createAppendSink(direct)];
  await one.append(name, Buffer.from('first of one\n'));
  let lost = false;
  let between: Promise<void> | undefined;
  proxy.plan(({ method, path }) => {
    if (method === 'PUT' && path.includes('comp=appendblock') && !lost) {
      lost = true;
      return { kind: 'answer lost' };
    }
    // The next request of the one: the other has written meanwhile.
    if (lost && !between) between = other.append(name, Buffer.from('a longer line of the other writer\n'));
    return between ? { kind: 'slow', ms: 300 } : undefined;
  });
  await one.append(name, Buffer.from('second of one\n'));
  await between;
  await one.append(name, Buffer.from('third of one\n'));
  expect(await linesOf(name)).toEqual([
    'first of one',
    'second of one',
    'a longer line of the other writer',
    'third of one',
  ]);
});

test('a look whose connection breaks goes on there, and a reader that is used again gives each line once', async () => {
  const name = '2026-11-23/scoring-h-9.jsonl';
  const sink = createAppendSink(direct);
  const put = (from: number, to: number): Promise<void> =>
    sink.append(
      name,
      Buffer.from(
        Array.from({ length: to - from }, (_, i) => JSON.stringify({ level: 30, time: DAY, msg: `line ${from + i}` }))
          .map((line) => `${line}\n`)
          .join(''),
      ),
    );
  await put(0, 2_000);
  await put(2_000, 4_000);
  const found: string[] = [];
  const reader = openLogs(through);
  const look = (): Promise<void> =>
    reader.read({ fromMs: DAY - 1, toMs: DAY + 1, worker: 'h-9' }, ({ message }) => void found.push(message));
  const isBody = ({ method, path }: { method: string; path: string }): boolean =>
    method === 'GET' && !path.includes('comp=list');

  // One break: taken up again inside of the look, though a line was added meanwhile.
  let broken = 0;
  proxy.plan((request) => {
    if (!isBody(request) || broken++ > 0) return undefined;
    void put(4_000, 4_010);
    return { kind: 'cut', after: 100_000 };
  });
  await look();
  // For good: the look fails, and the next one goes on after what was found.
  await put(4_010, 8_000);
  proxy.plan((request) => (isBody(request) ? { kind: 'cut', after: 30_000 } : undefined));
  await look().catch(() => {});
  proxy.plan();
  await look();
  expect(found).toEqual(Array.from({ length: 8_000 }, (_, i) => `line ${i}`));
}, 60_000);
