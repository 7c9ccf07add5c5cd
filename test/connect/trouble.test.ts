/**
 * Every way in which a connection to Temporal fails has its own cause and its own remedy: against a local server
 * with TLS and without, with certificates that are right, expired, of another authority and for another name.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import {
  createServer as createHttp2,
  createSecureServer,
  type Http2Server,
  type SecureServerOptions,
} from 'node:http2';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { devNull } from 'node:os';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import type { Env } from '../../config.ts';
import { connectClient } from '../../connect/temporal.ts';
import { runCli } from '../support/cli.ts';
import { sideBySide } from '../support/side-by-side.ts';
import { tempDir } from '../support/temp.ts';
import { makeAuthority, makePair, type Pair } from './certificates.ts';

const dir = tempDir('trouble');
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const servers: (Http2Server | Server)[] = [];
const sockets = new Set<Socket>();

let authority: Pair;
let otherAuthority: Pair;
let client: Pair;
const address: Record<string, string> = { nowhere: '127.0.0.1:1', unknown: 'temporal.invalid:7233' };
/** By the first column of the table: all of it is tried side by side, for each try lasts some seconds. */
const troubles = new Map<string, Promise<unknown>>();

/** What a frontend says to a client without rights: a gRPC status in the trailers, no message. */
function refuse(server: Http2Server, code: number, message: string): Http2Server {
  server.on('stream', (stream) => {
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(code), 'grpc-message': message },
      { endStream: true },
    );
  });
  return server;
}

async function listen(name: string, server: Http2Server | Server): Promise<void> {
  servers.push(server);
  server.on('error', () => {});
  server.on('connection', (socket: Socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  address[name] = `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const secure = (pair: Pair, more: SecureServerOptions = {}): Http2Server =>
  createSecureServer({ cert: pair.cert, key: pair.key, ...more });

beforeAll(async () => {
  if (!hasOpenssl) return;
  authority = makeAuthority(dir, 'authority');
  otherAuthority = makeAuthority(dir, 'other-authority');
  client = makePair(dir, 'client', authority, 2);
  makePair(dir, 'client-expired', authority, -1);
  makePair(dir, 'client-of-another', otherAuthority, 2);
  const mutual = { requestCert: true, rejectUnauthorized: true, ca: authority.cert };
  await listen('tls', refuse(secure(makePair(dir, 'server', authority, 2)), 7, 'Request unauthorized.'));
  await listen('mutual', secure(makePair(dir, 'server-2', authority, 2), mutual));
  await listen('mutual-1.2', secure(makePair(dir, 'server-3', authority, 2), { ...mutual, maxVersion: 'TLSv1.2' }));
  await listen('expired', secure(makePair(dir, 'server-expired', authority, -1)));
  await listen('other-name', secure(makePair(dir, 'server-other', authority, 2, 'temporal.plant')));
  await listen('plain', refuse(createHttp2(), 16, 'Request unauthorized.'));
  await listen(
    'web',
    createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  );
  await listen(
    'silent',
    createServer((socket) => void socket.on('error', () => {})),
  );
  for (const [row, trouble] of sideBySide(TABLE, troubleOf)) troubles.set(row[0], trouble);
});

afterAll(() => {
  for (const server of servers) server.close();
  for (const socket of sockets) socket.destroy();
});

const ca = (): Env => ({ TEMPORAL_TLS: 'true', TEMPORAL_TLS_SERVER_CA_CERT_PATH: join(dir, 'authority.pem') });
const withClient = (name: string): Env => ({
  ...ca(),
  TEMPORAL_TLS_CLIENT_CERT_PATH: join(dir, `${name}.pem`),
  TEMPORAL_TLS_CLIENT_KEY_PATH: join(dir, `${name}.key`),
});
const MISSING = /wants a client certificate\)\. Set TEMPORAL_TLS_CLIENT_CERT_PATH/;

/** What is wrong, the server that is asked, the settings, and what is said. */
const TABLE: readonly (readonly [string, string, () => Env, string, RegExp])[] = [
  ['no server', 'nowhere', () => ({}), 'TEMPORAL_UNAVAILABLE', /connection refused\)\. Start the laptop stack/],
  [
    'an unknown host',
    'unknown',
    () => ({}),
    'TEMPORAL_UNAVAILABLE',
    /no such host\)\. Check the host in TEMPORAL_ADDRESS/,
  ],
  ['a server that says nothing', 'silent', () => ({}), 'TEMPORAL_UNAVAILABLE', /no answer\)\..*firewall/],
  [
    'the port of something else',
    'web',
    () => ({}),
    'TEMPORAL_TLS',
    /no Temporal server\)\. Check the port in TEMPORAL_ADDRESS/,
  ],
  ['a plain client', 'tls', () => ({}), 'TEMPORAL_TLS', /speaks TLS only\)\. Set TEMPORAL_TLS=true/],
  ['a plain client where certificates are wanted', 'mutual', () => ({}), 'TEMPORAL_TLS', /speaks TLS only\)/],
  ['TLS where there is none', 'plain', ca, 'TEMPORAL_TLS', /speaks no TLS\)\. Set TEMPORAL_TLS=false/],
  [
    'an API key, which switches TLS on',
    'plain',
    () => ({ TEMPORAL_API_KEY: 'k' }),
    'TEMPORAL_TLS',
    /speaks no TLS\).* In use: TEMPORAL_ADDRESS, TEMPORAL_API_KEY/,
  ],
  ['no client certificate', 'mutual', ca, 'TEMPORAL_TLS', MISSING],
  ['no client certificate, TLS 1.2', 'mutual-1.2', ca, 'TEMPORAL_TLS', MISSING],
  [
    'an expired client certificate',
    'mutual',
    () => withClient('client-expired'),
    'TEMPORAL_TLS',
    /the client certificate has expired on \d{4}-\d\d-\d\d\)/,
  ],
  [
    'a client certificate of another authority',
    'mutual',
    () => withClient('client-of-another'),
    'TEMPORAL_TLS',
    /client certificate.*of an authority the server knows/,
  ],
  [
    'no authority',
    'tls',
    () => ({ TEMPORAL_TLS: 'true' }),
    'TEMPORAL_TLS',
    /authority that is not known here .*Set TEMPORAL_TLS_SERVER_CA_CERT_PATH/,
  ],
  [
    'another authority',
    'tls',
    () => ({ ...ca(), TEMPORAL_TLS_SERVER_CA_CERT_PATH: join(dir, 'other-authority.pem') }),
    'TEMPORAL_TLS',
    /authority that is not known here/,
  ],
  [
    'a certificate for another name',
    'other-name',
    ca,
    'TEMPORAL_TLS',
    /not for 127\.0\.0\.1\)\. Set TEMPORAL_TLS_SERVER_NAME/,
  ],
  [
    'the wrong server name',
    'other-name',
    () => ({ ...ca(), TEMPORAL_TLS_SERVER_NAME: 'temporal.mine' }),
    'TEMPORAL_TLS',
    /not for temporal\.mine\)/,
  ],
  [
    'an expired server certificate',
    'expired',
    ca,
    'TEMPORAL_TLS',
    /certificate of the server has expired\)\. Whoever runs the server renews it/,
  ],
  [
    'a key that the server refuses',
    'tls',
    () => ({ ...ca(), TEMPORAL_API_KEY: 'k' }),
    'TEMPORAL_REFUSED',
    /refuses this client \(Request unauthorized\.\)\. The key or certificate in use is not known/,
  ],
  ['no key', 'plain', () => ({}), 'TEMPORAL_REFUSED', /refuses this client/],
  [
    'a key without its certificate',
    'mutual',
    () => ({ ...ca(), TEMPORAL_TLS_CLIENT_KEY_PATH: client.keyFile }),
    'INVALID_CONFIG',
    /not the certificate; set TEMPORAL_TLS_CLIENT_CERT_PATH/,
  ],
  [
    'a certificate without its key',
    'mutual',
    () => ({ ...ca(), TEMPORAL_TLS_CLIENT_CERT_PATH: client.certFile }),
    'INVALID_CONFIG',
    /not its key; set TEMPORAL_TLS_CLIENT_KEY_PATH/,
  ],
  ['a certificate that is not there', 'mutual', () => withClient('nobody'), 'INVALID_CONFIG', /ENOENT.*nobody\.pem/],
  [
    'a configuration file that is not there',
    'tls',
    () => ({ TEMPORAL_CONFIG_FILE: join(dir, 'none.toml') }),
    'INVALID_CONFIG',
    /TEMPORAL_CONFIG_FILE names .*none\.toml, which is not there/,
  ],
  [
    'a profile that is not there',
    'tls',
    () => ({ TEMPORAL_PROFILE: 'prod' }),
    'INVALID_CONFIG',
    /TEMPORAL_PROFILE names prod, and there is no profile/,
  ],
];

/** Tries a row of the table; what is wrong with it. */
function troubleOf([, server, env]: (typeof TABLE)[number]): Promise<unknown> {
  return connectClient({ TEMPORAL_CONFIG_FILE: devNull, TEMPORAL_ADDRESS: address[server], ...env() }).then(
    () => undefined,
    (error: unknown) => error,
  );
}

(hasOpenssl ? test : test.skip).each(TABLE)(
  '%s',
  async (what, _server, _env, code, message) => {
    const trouble = (await troubles.get(what)) as { message: string } | undefined;
    expect(trouble).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(trouble!.message).not.toContain('\n');
  },
  60_000,
);

(hasOpenssl ? test : test.skip)(
  'a command says it in one line, and names the profile it was told by',
  async () => {
    const file = join(dir, 'temporal.toml');
    writeFileSync(file, `[profile.default]\naddress = "${address.tls!}"\n`);
    const result = await runCli(join(dir, 'home'), ['schedule', 'list'], { TEMPORAL_CONFIG_FILE: file });
    expect(result.code).toBe(1);
    expect(result.stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^error: .*the server speaks TLS only.* In use: .*temporal\.toml\.$/),
    ]);
  },
  60_000,
);
