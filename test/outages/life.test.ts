/**
 * Worker processes whose services accept and never answer: a start can be ended, and waits for what passes. Temporal's
 * client: a call ends by its deadline.
 */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { fork, type ChildProcess } from 'node:child_process';
import { createServer as createHttp2, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectClient } from '../../connect/temporal.ts';
import { codeFile } from '../../paths.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { startBlobProxy, type BlobProxy } from '../support/blob-proxy.ts';
import { cleanEnv } from '../support/cli.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/until.ts';

const dir = tempDir('outage-life');
let azurite: BlobServer;
let proxy: BlobProxy;
let mute: Server;
const sockets = new Set<Socket>();

beforeAll(async () => {
  azurite = await startBlobServer(join(dir, 'azurite'));
  proxy = await startBlobProxy(Number(/127\.0\.0\.1:(\d+)/.exec(azurite.connectionString)![1]));
  // Accepts, reads, never answers.
  mute = createServer((socket) => {
    sockets.add(socket.on('error', () => {}).resume());
  });
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
});
afterEach(() => proxy.plan());
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  mute?.close();
  await proxy?.stop();
  await azurite?.stop();
});

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | string | null>;
}

function startWorker(role: 'ingest' | 'control'): Started {
  const port = (mute.address() as AddressInfo).port;
  const child = fork(codeFile(`workers/${role}`), [], {
    env: {
      ...cleanEnv(),
      FLEETSCORE_HOME: dir,
      FLEETSCORE_SQL_URL: `sqlite:${join(dir, `${role}.db`)}`,
      FLEETSCORE_BLOB_CONNECTION_STRING: azurite.connectionString.replace(
        /127\.0\.0\.1:\d+/,
        `127.0.0.1:${proxy.port}`,
      ),
      FLEETSCORE_EVENT_HUBS_CONNECTION_STRING: `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true`,
      TEMPORAL_ADDRESS: `127.0.0.1:${port}`,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (data: Buffer) => (output += data.toString()));
  const ended = new Promise<number | string | null>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? code)),
  );
  return { child, output: () => output, ended };
}

test('a start whose container request is never answered ends when it is asked to', async () => {
  proxy.plan(() => ({ kind: 'black hole' }));
  const before = proxy.requests.length;
  const worker = startWorker('ingest');
  await until(() => proxy.requests.length > before);
  const askedAtMs = performance.now();
  worker.child.kill('SIGTERM');
  expect([await worker.ended, worker.output()]).toEqual([
    0,
    expect.stringContaining('asked to end before it was ready'),
  ]);
  // One try alone would take longer.
  expect(performance.now() - askedAtMs).toBeLessThan(10_000);
}, 120_000);

test('a start waits for containers that are on their way out', async () => {
  const before = proxy.requests.length;
  let refused = 0;
  proxy.plan(({ path }) =>
    path.includes('restype=container') && refused++ < 6
      ? { kind: 'status', status: 409, code: 'ContainerBeingDeleted' }
      : undefined,
  );
  const worker = startWorker('ingest');
  await until(() => /waiting for a service: .*is being deleted/.test(worker.output()));
  // It goes on by itself, to what comes after the containers.
  const created = (): number =>
    proxy.requests.slice(before).filter(({ path }) => path.includes('restype=container')).length;
  await until(() => created() > 12);
  worker.child.kill('SIGTERM');
  expect(await worker.ended).toBe(0);
}, 120_000);

test('a worker whose Temporal accepts and never answers says so and ends', async () => {
  const worker = startWorker('control');
  expect(await worker.ended).toBe(1);
  expect(worker.output()).toMatch(/no Temporal server answers/);
}, 120_000);

/** Answers what a connection to Temporal begins with, and nothing else. */
async function startGreeter(): Promise<{ readonly port: number; close(): void }> {
  const sessions = new Set<ServerHttp2Session>();
  const server: Http2Server = createHttp2();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    if (!String(headers[':path']).endsWith('/GetSystemInfo')) return;
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.alloc(5));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}

test('a call of Temporal that is never answered ends by its deadline', async () => {
  const server = await startGreeter();
  const client = await connectClient({ TEMPORAL_ADDRESS: `127.0.0.1:${server.port}` }, 500);
  try {
    await expect(client.workflow.getHandle('any').describe()).rejects.toMatchObject({
      cause: { message: expect.stringMatching(/DEADLINE_EXCEEDED/) },
    });
  } finally {
    await client.connection.close();
    server.close();
  }
}, 60_000);

test('a client whose connection was made anew in a black hole calls again when that is over', async () => {
  const server = await startGreeter();
  const network = await startTcpProxy(server.port);
  const times = { everyMs: 20, longMs: 100, answerMs: 300, restMs: 0 };
  const client = await connectClient({ TEMPORAL_ADDRESS: `127.0.0.1:${network.port}` }, 2_000, times);
  const call = (): Promise<boolean> =>
    client.workflowService.getSystemInfo({}).then(
      () => true,
      () => false,
    );
  try {
    expect(await call()).toBe(true);
    await network.fault('reset');
    await network.fault('black hole');
    expect(await call()).toBe(false);
    await network.fault();
    // The client by itself waits for the first word of that connection for ever.
    while (!(await call())) await sleep(20);
  } finally {
    await client.connection.close();
    await network.stop();
    server.close();
  }
}, 60_000);
