/**
 * Blob storage in trouble, through a proxy: every call ends by itself, what passes is tried again, what does not is
 * named.
 */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FleetscoreError } from '../../domain/errors.ts';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { BlobRetry } from '../../storage/blob-service.ts';
import { endingWith } from '../../storage/deadline.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { startBlobProxy, type BlobFault, type BlobProxy } from '../support/blob-proxy.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('blob-outages');
/** Short, so that a call that ends by itself is told from one that never does. */
const QUICK: BlobRetry = { tries: 2, delayMs: 20, tryTimeoutMs: 400 };
const BIG = randomBytes(200 * 1024);
let server: BlobServer;
let proxy: BlobProxy;
let direct: BlobStore;

beforeAll(async () => {
  server = await startBlobServer(dir);
  direct = server.blobs;
  proxy = await startBlobProxy(Number(/127\.0\.0\.1:(\d+)/.exec(server.connectionString)![1]));
  await direct.put('models', 'big', BIG, 'application/octet-stream');
  await direct.put('models', 'small', Buffer.from('small'), 'text/plain');
});
afterEach(() => proxy.plan());
afterAll(async () => {
  await proxy?.stop();
  await server?.stop();
});

const through = (retry: BlobRetry = QUICK): BlobStore =>
  createBlobStore({
    connectionString: server.connectionString.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${proxy.port}`),
    retry,
  });
const all = async (list: AsyncIterable<{ readonly name: string }>): Promise<string[]> => {
  const names: string[] = [];
  for await (const { name } of list) names.push(name);
  return names;
};
/** The first `count` requests meet the fault. */
const first = (count: number, fault: BlobFault) => (): BlobFault | undefined => (count-- > 0 ? fault : undefined);
const failed = (work: Promise<unknown>): Promise<FleetscoreError> =>
  work.then(
    () => Promise.reject(new Error('it was done')),
    (error: unknown) => error as FleetscoreError,
  );
/** Runs `work` and gives the requests it made. */
async function requestsOf<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly requests: BlobProxy['requests'] }> {
  const from = proxy.requests.length;
  const result = await work();
  return { result, requests: proxy.requests.slice(from) };
}

const CALLS: readonly [string, (blobs: BlobStore) => Promise<unknown>][] = [
  ['get', (blobs) => blobs.get('models', 'small')],
  ['put', (blobs) => blobs.put('models', 'x', Buffer.from('x'), 'text/plain')],
  ['putIfAbsent', (blobs) => blobs.putIfAbsent('models', 'y', Buffer.from('y'), 'text/plain')],
  ['exists', (blobs) => blobs.exists('models', 'small')],
  ['list', (blobs) => all(blobs.list('models', ''))],
  ['delete', (blobs) => blobs.delete('models', 'nothing')],
  ['prepare', (blobs) => blobs.prepare()],
];

test.each(CALLS)('%s that is never answered ends by itself, and works again afterwards', async (_, call) => {
  const blobs = through();
  proxy.plan(() => ({ kind: 'black hole' }));
  expect(await failed(call(blobs))).toMatchObject({
    code: 'BLOB_UNAVAILABLE',
    retryable: true,
    message: expect.stringMatching(/no answer, or no more of it, for 0\.4 s/),
  });
  proxy.plan();
  await call(blobs);
});

test('one request that is lost in a black hole costs one try, not the call', async () => {
  proxy.plan(first(1, { kind: 'black hole' }));
  expect(Buffer.from(await through().get('models', 'small')).toString()).toBe('small');
});

test.each<[string, BlobFault]>([
  ['hangs', { kind: 'hang', after: 100 }],
  ['drips', { kind: 'drip', ms: 10 }],
])('a body that %s ends by itself, and is read whole when the service is well again', async (_, fault) => {
  const blobs = through();
  proxy.plan(() => fault);
  expect(await failed(blobs.get('models', 'big'))).toMatchObject({ code: 'BLOB_UNAVAILABLE', retryable: true });
  proxy.plan(first(1, fault));
  expect(Buffer.from(await blobs.get('models', 'big')).equals(BIG)).toBe(true);
});

test('a call ends with what it is made for, with its reason', async () => {
  proxy.plan(() => ({ kind: 'black hole' }));
  const blobs = through({ tries: 4, tryTimeoutMs: 60_000 });
  for (const [, call] of CALLS) {
    const stop = new AbortController();
    const ended = failed(endingWith(stop.signal, () => call(blobs)));
    await sleep(20);
    stop.abort(new Error('the batch was cancelled'));
    expect(await ended).toMatchObject({ message: 'the batch was cancelled' });
  }
  const stop = new AbortController();
  proxy.plan(() => ({ kind: 'hang', after: 10 }));
  const reading = failed(endingWith(stop.signal, () => blobs.get('models', 'big')));
  await sleep(100);
  stop.abort(new Error('the worker ends'));
  expect(await reading).toMatchObject({ message: 'the worker ends' });
});

test('a download goes on where its connection broke, in the same version', async () => {
  const cuts = [60_000, 50_000, 40_000];
  proxy.plan(() => {
    const after = cuts.shift();
    return after === undefined ? undefined : { kind: 'cut', after };
  });
  const { result, requests } = await requestsOf(() => through().get('models', 'big'));
  expect(Buffer.from(result).equals(BIG)).toBe(true);
  expect(requests).toHaveLength(4);
  const offsets = requests.map(({ headers }) =>
    Number(/bytes=(\d+)-/.exec(String(headers['x-ms-range'] ?? headers.range))?.[1] ?? 0),
  );
  expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
  // Bytes under way are lost with the connection, what has arrived is not asked for again.
  expect(offsets[3]).toBeGreaterThan(100_000);
  expect(new Set(requests.slice(1).map(({ headers }) => headers['if-match'])).size).toBe(1);
  expect(requests[1]!.headers['if-match']).toBeDefined();
});

test('a blob that is replaced while it is read comes in one version', async () => {
  await direct.put('models', 'changing', Buffer.alloc(200_000, 1), 'text/plain');
  proxy.plan(first(1, { kind: 'cut', after: 90_000 }));
  const blobs = through({ ...QUICK, delayMs: 400 });
  const reading = blobs.get('models', 'changing');
  await sleep(120);
  await direct.put('models', 'changing', Buffer.alloc(200_000, 2), 'text/plain');
  expect(new Set(await reading).size).toBe(1);
});

test('a byte that changes on its way is noticed, and read again', async () => {
  const flip = (body: Buffer): Buffer => {
    body[7]! ^= 0xff;
    return body;
  };
  proxy.plan(first(1, { kind: 'changed', change: flip }));
  expect(Buffer.from(await through().get('models', 'big')).equals(BIG)).toBe(true);
});

test.each([408, 429, 500, 502, 503, 504])('%i passes: the call is tried again', async (status) => {
  proxy.plan(first(1, { kind: 'status', status, code: 'ServerBusy' }));
  expect(Buffer.from(await through().get('models', 'small')).toString()).toBe('small');
});

test.each<[string, Partial<BlobFault & { kind: 'status' }>, number]>([
  ['Retry-After', { retryAfterSeconds: 1 }, 1_000],
  ['x-ms-retry-after-ms', { headers: { 'x-ms-retry-after-ms': '700' } }, 700],
])('the pause that %s asks for is kept', async (_, fault, leastMs) => {
  proxy.plan(first(1, { kind: 'status', status: 503, ...fault }));
  const startedAtMs = performance.now();
  await through().get('models', 'small');
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(leastMs - 5);
});

test('a pause that is too long for a call is told to whoever made it', async () => {
  proxy.plan(() => ({ kind: 'status', status: 503, retryAfterSeconds: 120 }));
  const { result, requests } = await requestsOf(() => failed(through().get('models', 'small')));
  expect(result).toMatchObject({ code: 'BLOB_UNAVAILABLE', retryAfterMs: 120_000 });
  expect(requests).toHaveLength(1);
});

test('a list whose XML is cut, and a page that a proxy answers with, are trouble that passes', async () => {
  proxy.plan(first(1, { kind: 'changed', change: (body) => body.subarray(0, body.length / 2) }));
  expect(await all(through().list('models', 'big'))).toEqual(['big']);
  const page: BlobFault = {
    kind: 'status',
    status: 200,
    body: '<html>Sign in to the network</html>',
    headers: { 'content-type': 'text/html' },
  };
  proxy.plan(first(1, page));
  await through().put('models', 'behind-a-proxy', Buffer.from('x'), 'text/plain');
  expect(await direct.exists('models', 'behind-a-proxy')).toBe(true);
  proxy.plan(() => page);
  expect(await failed(through().put('models', 'z', Buffer.from('x'), 'text/plain'))).toMatchObject({
    code: 'BLOB_UNAVAILABLE',
    message: expect.stringMatching(/Something between here and the account/),
  });
});

test.each<[number, string, string, boolean, RegExp]>([
  [403, 'AuthorizationPermissionMismatch', 'BLOB_FORBIDDEN', true, /up to ten minutes/],
  [403, 'AuthorizationFailure', 'BLOB_FORBIDDEN', true, /firewall/],
  [403, 'AuthenticationFailed', 'BLOB_FORBIDDEN', true, /the account key, the clock/],
  [403, 'KeyBasedAuthenticationNotPermitted', 'BLOB_ERROR', false, /FLEETSCORE_BLOB_URL/],
  [403, 'AccountIsDisabled', 'BLOB_ERROR', false, /disabled/],
  [404, 'ContainerNotFound', 'BLOB_CONTAINER_MISSING', true, /create it when they start/],
  [409, 'ContainerBeingDeleted', 'BLOB_CONTAINER_MISSING', true, /is being deleted/],
  [404, 'BlobNotFound', 'BLOB_MISSING', false, /There is no blob/],
  [409, 'BlobArchived', 'BLOB_ARCHIVED', false, /rehydrate/],
  [409, 'BlobBeingRehydrated', 'BLOB_ARCHIVED', false, /takes hours/],
  [409, 'InvalidBlobType', 'BLOB_WRONG_TYPE', false, /Another kind of blob/],
  [409, 'PublicAccessNotPermitted', 'BLOB_ERROR', false, /without a key/],
  [409, 'BlobImmutableDueToPolicy', 'BLOB_IMMUTABLE', false, /immutability policy/],
  [507, 'InsufficientStorage', 'BLOB_ERROR', false, /quota/],
  [409, 'LeaseIdMissing', 'BLOB_UNAVAILABLE', true, /try again/],
  [400, 'InvalidBlockList', 'BLOB_UNAVAILABLE', true, /try again/],
  [400, 'InvalidInput', 'BLOB_ERROR', false, /InvalidInput/],
])('%i %s: %s, retryable: %s', async (status, code, ours, retryable, words) => {
  proxy.plan(() => ({ kind: 'status', status, code }));
  const { result, requests } = await requestsOf(() => failed(through().get('models', 'small')));
  expect(result).toMatchObject({ code: ours, retryable, message: expect.stringMatching(words) });
  // What does not pass at once is not asked for again and again inside of a call.
  expect(requests).toHaveLength(1);
});

test('folders of an account with a hierarchical namespace are not blobs', async () => {
  await direct.put('deadletters', 'hns/0/letter.json', Buffer.from('{}'), 'application/json');
  const folder = (name: string): string =>
    `<Blob><Name>${name}` +
    '</Name><Properties><Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType><ResourceType>directory</ResourceType></Properties><Metadata><hdi_isfolder>true</hdi_isfolder></Metadata></Blob>';
  proxy.plan(({ path }) =>
    path.includes('comp=list')
      ? {
          kind: 'changed',
          change: (body) =>
            Buffer.from(body.toString().replace('<Blobs>', `<Blobs>${folder('hns')}${folder('hns/0')}`)),
        }
      : undefined,
  );
  expect(await all(through().list('deadletters', 'hns'))).toEqual(['hns/0/letter.json']);
});

test('a name under an immutability policy is taken, for who writes only what is new', async () => {
  proxy.plan(() => ({ kind: 'status', status: 409, code: 'BlobImmutableDueToPolicy' }));
  expect(await through().putIfAbsent('predictions', 'kept', Buffer.from('x'), 'text/plain')).toBe(false);
});

test('what was in a container that is gone is deleted', async () => {
  proxy.plan(() => ({ kind: 'status', status: 404, code: 'ContainerNotFound' }));
  await expect(through().delete('logs', 'gone')).resolves.toBeUndefined();
});
