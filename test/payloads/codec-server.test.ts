/** The codec server: Temporal's protocol for those who have the token, on pages that may; nothing for anybody else. */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { createPayloadCodec } from '../../payloads/codec.ts';
import { startCodecServer, type CodecRequest, type CodecServer } from '../../payloads/codec-server.ts';
import { parsePayloadKeys } from '../../payloads/keys.ts';
import { runCli, startCli } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const TOKEN = 'token-of-the-test-0123456789-abcdefgh';
const UI = 'http://127.0.0.1:8233';
const codec = createPayloadCodec(parsePayloadKeys(randomBytes(32).toString('base64')));
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const PLAIN = { metadata: { encoding: base64('json/plain') }, data: base64('{"device":"pump-1"}') };

let server: CodecServer;
const seen: CodecRequest[] = [];
beforeAll(async () => {
  server = await startCodecServer({
    codec,
    token: TOKEN,
    origins: [UI],
    host: '127.0.0.1',
    port: 0,
    onRequest: (request) => void seen.push(request),
  });
});
afterAll(() => server.close());
beforeEach(() => void (seen.length = 0));

const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${server.port}${path}`, {
    method: 'POST',
    body: JSON.stringify({ payloads: [PLAIN] }),
    ...init,
  });
const bearer = (token: string): RequestInit => ({
  headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'x-namespace': 'default' },
});

test('encodes and decodes for the bearer of the token, at any depth of the path', async () => {
  const encoded = (await (await ask('/default/encode', bearer(TOKEN))).json()) as { payloads: (typeof PLAIN)[] };
  expect(JSON.stringify(encoded)).not.toContain(PLAIN.data);
  const decoded = await ask('/decode', { ...bearer(TOKEN), body: JSON.stringify(encoded) });
  expect(await decoded.json()).toEqual({ payloads: [PLAIN] });
  expect(decoded.headers.get('cache-control')).toBe('no-store');
  expect(await (await ask('/decode', { ...bearer(TOKEN), body: '{}' })).json()).toEqual({ payloads: [] });
});

test('the token may be a part of the path: the Web UI knows no other way without a login of its own', async () => {
  expect((await ask(`/${TOKEN}/decode`)).status).toBe(200);
  expect((await ask(`/${TOKEN}x/decode`)).status).toBe(401);
});

test.each([
  {},
  bearer(''),
  bearer(TOKEN.slice(0, -1)),
  bearer(`${TOKEN}x`),
  { headers: { authorization: TOKEN } },
  { headers: { authorization: `Basic ${TOKEN}` } },
])('without the token there is no answer: %j', async (init) => {
  const response = await ask('/decode', init);
  expect(response.status).toBe(401);
  expect(await response.text()).not.toContain('pump');
});

test('the token is asked for before anything else is told', async () => {
  expect((await ask('/nowhere')).status).toBe(401);
  expect((await ask('/decode', { method: 'GET', body: null })).status).toBe(401);
  expect((await ask('/nowhere', bearer(TOKEN))).status).toBe(404);
  expect((await ask('/decode', { ...bearer(TOKEN), method: 'PUT' })).status).toBe(405);
});

test('browsers may ask on pages of the Web UI only', async () => {
  const preflight = await ask('/decode', {
    method: 'OPTIONS',
    body: null,
    headers: {
      origin: UI,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,x-namespace',
    },
  });
  expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, UI]);
  for (const name of ['authorization', 'content-type', 'x-namespace'])
    expect(preflight.headers.get('access-control-allow-headers')).toContain(name);
  const good = await ask('/decode', { headers: { ...(bearer(TOKEN).headers as object), origin: UI } });
  expect([good.status, good.headers.get('access-control-allow-origin'), good.headers.get('vary')]).toEqual([
    200,
    UI,
    'origin',
  ]);
  for (const origin of ['http://evil.example', 'null', `${UI}.evil.example`, 'https://127.0.0.1:8233'])
    for (const method of ['POST', 'OPTIONS']) {
      const bad = await ask('/decode', {
        method,
        ...(method === 'OPTIONS' ? { body: null } : {}),
        headers: { ...(bearer(TOKEN).headers as object), origin },
      });
      expect([origin, bad.status, bad.headers.get('access-control-allow-origin')]).toEqual([origin, 403, null]);
    }
});

test.each(['', 'no json', '[]', '{"payloads":3}', '{"payloads":[{"metadata":3}]}'])(
  'a request that is none is told so: %j',
  async (body) => {
    const response = await ask('/decode', { ...bearer(TOKEN), body });
    expect(response.status).toBe(400);
  },
);

test('a payload of an unknown key is an error that names the key', async () => {
  const foreign = createPayloadCodec(parsePayloadKeys(randomBytes(32).toString('base64')));
  const [sealed] = await foreign.encode([
    { metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from('1') },
  ]);
  const id = Buffer.from(sealed!.metadata!['encryption-key-id']!).toString();
  const json = {
    metadata: Object.fromEntries(
      Object.entries(sealed!.metadata!).map(([k, v]) => [k, Buffer.from(v).toString('base64')]),
    ),
    data: Buffer.from(sealed!.data!).toString('base64'),
  };
  const response = await ask('/decode', { ...bearer(TOKEN), body: JSON.stringify({ payloads: [json] }) });
  expect([response.status, await response.json()]).toEqual([400, { message: expect.stringContaining(id) }]);
});

test('what is logged says who and how much, never what, and never the token', async () => {
  await ask('/decode', bearer(TOKEN));
  await ask(`/${TOKEN}/decode`);
  await ask('/decode', { ...bearer(TOKEN), body: `secret ${PLAIN.data}` });
  expect(seen.map(({ action, status, payloads }) => [action, status, payloads])).toEqual([
    ['decode', 200, 1],
    ['decode', 200, 1],
    ['decode', 400, 0],
  ]);
  expect(seen[0]).toMatchObject({ from: expect.stringContaining('127.0.0.1'), namespace: 'default' });
  for (const secret of [TOKEN, PLAIN.data, 'pump']) expect(JSON.stringify(seen)).not.toContain(secret);
});

test('a weak token starts nothing', async () => {
  await expect(
    startCodecServer({ codec, token: 'short', origins: [], host: '127.0.0.1', port: 0 }),
  ).rejects.toMatchObject({ code: 'CODEC_TOKEN_WEAK' });
});

/** Sends raw bytes, and gives what came back until the server closed the connection or said all it says. */
function raw(bytes: string, then?: (socket: Socket) => void): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    const socket = connect(server.port, '127.0.0.1', () => {
      socket.write(bytes);
      then?.(socket);
    });
    socket.on('data', (chunk) => (said += chunk.toString()));
    socket.on('error', () => {});
    socket.on('close', () => resolve(said));
  });
}
const head = (length: number, host = '127.0.0.1'): string =>
  `POST /decode HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: ${length}\r\n` +
  `Connection: close\r\n\r\n`;

test('a request that is too large, or breaks off, ends itself only', async () => {
  const tooLarge = 33 * 1024 * 1024;
  const said = await raw(head(tooLarge), (socket) => socket.write(Buffer.alloc(tooLarge, ' ')));
  // The answer may be lost where the client still sends: that is its own loss.
  if (said !== '') expect(said).toMatch(/^HTTP\/1\.1 413 /);
  expect(await raw(head(100), (socket) => socket.write('{"pay', () => socket.destroy()))).toBe('');
  await raw('POST /decode HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-', (socket) => socket.end());
  for (let tries = 0; tries < 100 && !seen.some(({ status }) => status === 413); tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 100));
  expect(seen).toContainEqual(expect.objectContaining({ action: 'decode', status: 413, from: '127.0.0.1' }));
  expect((await ask('/decode', { ...bearer(TOKEN), body: '{}' })).status).toBe(200);
});

test('a name that a page made resolve to this machine is not answered', async () => {
  expect(await raw(`${head(2, 'codec.evil.example:80')}{}`)).toMatch(/^HTTP\/1\.1 421 /);
  expect(await raw(`${head(2, 'localhost:1')}{}`)).toMatch(/^HTTP\/1\.1 200 /);
  expect(await raw(`${head(2, '[::1]:1')}{}`)).toMatch(/^HTTP\/1\.1 200 /);
});

test('the command serves with keys, a token and a loopback address only, and Ctrl-C ends it', async () => {
  const home = tempDir('codec-server');
  const env = { FLEETSCORE_PAYLOAD_KEYS: randomBytes(32).toString('base64'), FLEETSCORE_CODEC_TOKEN: TOKEN };
  const args = ['codec-server', '--port', '0', '--json'];
  expect(await runCli(home, args, { ...env, FLEETSCORE_PAYLOAD_KEYS: '' })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no keys to decrypt with. Set FLEETSCORE_PAYLOAD_KEYS'),
  });
  expect(await runCli(home, args, { ...env, FLEETSCORE_CODEC_TOKEN: '' })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('export FLEETSCORE_CODEC_TOKEN='),
  });
  expect(await runCli(home, [...args, '--host', '0.0.0.0'], env)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--host 0.0.0.0 is not loopback'),
  });
  const child = startCli(home, [...args, '--origin', UI], env);
  const ended = once(child, 'exit');
  for await (const line of createInterface(child.stdout)) {
    const { url, origins, keys } = JSON.parse(line) as { url: string; origins: string[]; keys: string[] };
    expect([origins, keys.length]).toEqual([[UI], 1]);
    const post = (path: string, init: RequestInit): Promise<Response> =>
      fetch(`${url}${path}`, { method: 'POST', ...init });
    const body = JSON.stringify({ payloads: [PLAIN] });
    expect((await post('/decode', { body })).status).toBe(401);
    const encoded = await (await post('/encode', { ...bearer(TOKEN), body })).text();
    expect(encoded).not.toContain(PLAIN.data);
    const decoded = await post('/decode', { ...bearer(TOKEN), body: encoded });
    expect(await decoded.json()).toEqual({ payloads: [PLAIN] });
    break;
  }
  child.kill('SIGINT');
  expect(await ended).toEqual([0, null]);
}, 120_000);
