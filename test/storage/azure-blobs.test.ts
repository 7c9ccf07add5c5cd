/** Blob storage against the Blob server of the laptop stack. */
import { createHash, randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { asActivity } from '../../activities/failures.ts';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import type { BlobInfo } from '../../storage/blobs.ts';
import { freePort } from '../../local/ports.ts';
import { makeAuthority, makePair } from '../connect/certificates.ts';
import { cleanEnv } from '../support/cli.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { startBlobProxy, type BlobFault } from '../support/blob-proxy.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('azure-blobs');
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const collect = async (list: AsyncIterable<BlobInfo>): Promise<BlobInfo[]> => {
  const all: BlobInfo[] = [];
  for await (const blob of list) all.push(blob);
  return all;
};
const failure = async (work: Promise<unknown>): Promise<FleetscoreError> => {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(FleetscoreError);
  return error as FleetscoreError;
};

let server: BlobServer;
beforeAll(async () => {
  server = await startBlobServer(dir);
});
afterAll(() => server?.stop());

test('a blob comes back as it was put, and the last one put stays', async () => {
  const { blobs } = server;
  await blobs.put('models', 'a/b.onnx', text('first'), 'application/octet-stream');
  await blobs.put('models', 'a/b.onnx', text('second'), 'application/octet-stream');
  expect(new TextDecoder().decode(await blobs.get('models', 'a/b.onnx'))).toBe('second');
  expect(await blobs.exists('models', 'a/b.onnx')).toBe(true);
  expect(await blobs.exists('models', 'a/c.onnx')).toBe(false);
});

test('an empty blob is a blob', async () => {
  await server.blobs.put('logs', 'empty', new Uint8Array(), 'text/plain');
  expect(await server.blobs.get('logs', 'empty')).toHaveLength(0);
});

test('of many that write the same new name one wins, and its bytes stay', async () => {
  const { blobs } = server;
  const bodies = Array.from({ length: 8 }, (_, i) => text(`writer ${i}`));
  const won = await Promise.all(bodies.map((body) => blobs.putIfAbsent('predictions', 'race.csv', body, 'text/csv')));
  expect(won.filter(Boolean)).toHaveLength(1);
  expect(Buffer.from(await blobs.get('predictions', 'race.csv'))).toEqual(Buffer.from(bodies[won.indexOf(true)]!));
});

test('a blob in several blocks is written whole, and only when new', async () => {
  const { blobs } = server;
  const body = randomBytes(40 * 1024 * 1024);
  const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  expect(await blobs.putIfAbsent('models', 'large', body, 'application/octet-stream')).toBe(true);
  expect(await blobs.putIfAbsent('models', 'large', text('small'), 'text/plain')).toBe(false);
  expect(hash(await blobs.get('models', 'large'))).toBe(hash(body));
  const shared = await blobs.get('models', 'large', { isShared: true });
  expect(shared.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(hash(shared)).toBe(hash(body));
});

test('lists in order of name, with sizes, under a prefix only', async () => {
  const { blobs } = server;
  for (const name of ['list/c', 'list/a', 'list/b/x', 'other']) await blobs.put('raw', name, text(name), 'text/plain');
  const listed = await collect(blobs.list('raw', 'list/'));
  expect(listed).toEqual([
    { name: 'list/a', bytes: 6 },
    { name: 'list/b/x', bytes: 8 },
    { name: 'list/c', bytes: 6 },
  ]);
});

test('deleting is final, and deleting nothing is fine', async () => {
  const { blobs } = server;
  await blobs.put('logs', 'gone', text('x'), 'text/plain');
  await blobs.delete('logs', 'gone');
  await blobs.delete('logs', 'gone');
  expect(await blobs.exists('logs', 'gone')).toBe(false);
});

test('a missing blob is named', async () => {
  const error = await failure(server.blobs.get('models', 'no/such.onnx'));
  expect(error).toMatchObject({ code: 'BLOB_MISSING', retryable: false });
  expect(error.message).toContain('models/no/such.onnx');
});

test('preparing twice is fine, and makes every container', async () => {
  await server.blobs.prepare();
  for (const container of Object.values(CONTAINERS)) expect(await server.blobs.exists(container, 'x')).toBe(false);
});

test('a wrong key is refused at once, and no key is told', async () => {
  const wrong = Buffer.from('a wrong key, but well formed').toString('base64');
  const blobs = createBlobStore({
    connectionString: server.connectionString.replace(/AccountKey=[^;]+/, `AccountKey=${wrong}`),
  });
  const error = await failure(blobs.put('models', 'x', text('x'), 'text/plain'));
  // A role or a key that was just given takes minutes: who has time tries again, a command says so at once.
  expect(error).toMatchObject({ code: 'BLOB_FORBIDDEN', retryable: true });
  expect(error.message).not.toContain(wrong);
});

test('an account that does not answer is unavailable, and worth another try', async () => {
  const connectionString = server.connectionString.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${await freePort()}`);
  const blobs = createBlobStore({ connectionString, retry: { tries: 2, delayMs: 10 } });
  const calls = [
    () => blobs.get('models', 'x'),
    () => blobs.put('models', 'x', text('x'), 'text/plain'),
    () => collect(blobs.list('models', 'x')),
  ];
  for (const call of calls) {
    const error = await failure(call());
    expect(error).toMatchObject({ code: 'BLOB_UNAVAILABLE', retryable: true });
    expect(error.message).toMatch(/models\/x/);
    expect(error.message).not.toMatch(/AccountKey|Eby8/);
  }
});

test('when a throttled account says how long to wait, the activity is tried again after that', async () => {
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(server.connectionString)![1]);
  const proxy = await startBlobProxy(port);
  try {
    const blobs = createBlobStore({
      connectionString: server.connectionString.replace(`127.0.0.1:${port}`, `127.0.0.1:${proxy.port}`),
      retry: { tries: 1 },
    });
    const failed = async (fault: BlobFault): Promise<unknown> => {
      proxy.plan(() => fault);
      return asActivity(() => blobs.get('models', 'x')).catch((error: unknown) => error);
    };
    expect(await failed({ kind: 'status', status: 429, retryAfterSeconds: 7 })).toMatchObject({
      type: 'BLOB_UNAVAILABLE',
      nonRetryable: false,
      nextRetryDelay: 7_000,
    });
    expect(await failed({ kind: 'status', status: 503, retryAfterSeconds: 86_400 })).toMatchObject({
      nextRetryDelay: 300_000,
    });
    expect(
      ((await failed({ kind: 'status', status: 503 })) as { nextRetryDelay?: unknown }).nextRetryDelay,
    ).toBeUndefined();
  } finally {
    await proxy.stop();
  }
});

test.each([
  ['', ''],
  ['a half connection string', 'AccountName=x;AccountKey='],
  ['no connection string', 'hello'],
])('%s is refused without repeating it', (_what, connectionString) => {
  expect(() => createBlobStore({ connectionString })).toThrow(expect.objectContaining({ code: 'BLOB_CONFIG_INVALID' }));
});

test('an account URL is asked with a token of the machine, for storage, and with no key', async () => {
  // The managed identity of an App Service, and an account that keeps what it is asked with.
  const asked: Record<string, unknown>[] = [];
  const identity = createServer((request, response) => {
    const { searchParams } = new URL(request.url!, 'http://identity');
    asked.push({ resource: searchParams.get('resource'), secret: request.headers['x-identity-header'] });
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ access_token: 'of-the-machine', expires_on: '4102444800', token_type: 'Bearer' }));
  });
  const authority = makeAuthority(dir, 'authority');
  const { cert, key } = makePair(dir, 'account', authority, 2);
  const account = createSecureServer({ cert, key }, ({ url, headers: { authorization } }, response) => {
    asked.push({ url, authorization });
    response.setHeader('content-length', '5').setHeader('etag', '"1"');
    response.end('bytes');
  });
  const portOf = async (one: Server): Promise<number> => {
    await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
    return (one.address() as AddressInfo).port;
  };
  try {
    const url = `https://127.0.0.1:${await portOf(account)}`;
    const module = new URL('../../storage/azure-blobs.ts', import.meta.url);
    const code =
      `const { createBlobStore } = await import(${JSON.stringify(module)});` +
      `console.log(Buffer.from(await createBlobStore({ accountUrl: '${url}' }).get('models', 'a')).toString());`;
    const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', code];
    const env = {
      ...cleanEnv(),
      IDENTITY_ENDPOINT: `http://127.0.0.1:${await portOf(identity)}/token`,
      IDENTITY_HEADER: 'of this app',
      NODE_EXTRA_CA_CERTS: authority.certFile,
    };
    expect((await promisify(execFile)(process.execPath, args, { env })).stdout).toBe('bytes\n');
    expect(asked).toEqual([
      { resource: 'https://storage.azure.com', secret: 'of this app' },
      { url: '/models/a', authorization: 'Bearer of-the-machine' },
    ]);
  } finally {
    for (const one of [identity, account]) {
      one.closeAllConnections();
      one.close();
    }
  }
}, 60_000);

test('an account under an address of its own is named by that', async () => {
  const blobs = createBlobStore({ accountUrl: 'http://127.0.0.1:1' });
  expect((await failure(blobs.get('models', 'a'))).message).toContain('of storage account 127.0.0.1:1 ');
});
