/**
 * A Temporal server that says no, to commands: without rights, without the namespace, with too many requests. A
 * stand-in answers every method with one gRPC status; what is looked at is what a person then reads.
 */
import { afterAll, expect, test } from '@jest/globals';
import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { clientTrouble } from '../../connect/temporal-trouble.ts';
import { connectClient } from '../../connect/temporal.ts';
import { runCli, type CliResult } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const home = tempDir('refused');
const servers: Http2Server[] = [];
const sockets = new Set<Socket>();

afterAll(() => {
  for (const server of servers) server.close();
  for (const socket of sockets) socket.destroy();
});

/** Address of a frontend that lets clients in and answers all else with this status; undefined: never. */
async function frontend(code: number | undefined, message = ''): Promise<string> {
  const server = createServer();
  servers.push(server);
  server.on('connection', (socket: Socket) => void sockets.add(socket));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const hello = String(headers[':path']).endsWith('/GetSystemInfo');
    if (hello) {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.alloc(5)); // a message of no bytes
    } else if (code !== undefined)
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(code), 'grpc-message': message },
        { endStream: true },
      );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const ask = (address: string, ...args: string[]): Promise<CliResult> =>
  runCli(home, args, { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'plant' });

const READ_ONLY = [7, 'Request unauthorized.'] as const;
const NO_NAMESPACE = [5, 'Namespace plant is not found.'] as const;
const CREATE = /no namespace plant\..*temporal operator namespace create --namespace plant/;

test.each([
  [['schedule', 'list'], READ_ONLY, /the Temporal server refuses \(Request unauthorized\)\. .*right to write/],
  [['pool', 'status'], READ_ONLY, /the Temporal server refuses \(Request unauthorized\)/],
  [['schedule', 'list'], NO_NAMESPACE, CREATE],
  [['workers', 'status'], NO_NAMESPACE, CREATE],
  [['workers', 'promote'], NO_NAMESPACE, CREATE],
  [['schedule', 'list'], [3, 'page token is wrong'] as const, /does not take this: page token is wrong\./],
])(
  '%j answered with %j',
  async (args, [code, message], said) => {
    const result = await ask(await frontend(code, message), ...args);
    expect(result.code).toBeGreaterThan(0);
    expect(result.stdout).toBe('');
    expect(result.stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(said)]);
  },
  60_000,
);

test('doctor survives a server that takes no more requests, and says it', async () => {
  const result = await ask(await frontend(8, 'namespace rate limit exceeded'), 'doctor');
  expect(result.code).toBe(1);
  expect(result.stderr).toBe('');
  expect(result.stdout).toMatch(/^!! +Temporal +.*(no answer within \d+ s|rate limit exceeded)/m);
  expect(result.stdout).toMatch(/\d problems? found\.$/m);
}, 90_000);

test('doctor names a namespace that is missing, and how to make it', async () => {
  expect((await ask(await frontend(...NO_NAMESPACE), 'doctor')).stdout).toMatch(CREATE);
}, 60_000);

test('a call that is never answered ends, and is told as that', async () => {
  const client = await connectClient(
    { TEMPORAL_CONFIG_FILE: '/dev/null', TEMPORAL_ADDRESS: await frontend(undefined) },
    500,
  );
  const trouble = await client.workflow
    .getHandle('x')
    .describe()
    .then(
      () => undefined,
      (error: unknown) => clientTrouble(error),
    );
  expect(trouble).toMatchObject({
    code: 'TEMPORAL_UNAVAILABLE',
    message: expect.stringMatching(/did not answer in time/),
  });
  await client.connection.close();
}, 30_000);

test('without a stack and without a server that is named, nobody is asked', async () => {
  const result = await runCli(tempDir('no-stack'), ['schedule', 'list']);
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(
    /^error: there is no laptop stack in .*no-stack.*\. Start it with `fleetscore up`, name .* --home/,
  );
});
