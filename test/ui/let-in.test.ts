/** Who is let in: requests to the web application, without a browser. */
import { startUi } from '../../ui/server.ts';
import { ask, FORM, tokenIn, useSite, type Answered } from './site.ts';

const site = useSite();

test('pages come with a policy that runs nothing foreign, and nowhere in a frame', async () => {
  const { status, headers } = await ask(site.server.url);
  expect(status).toBe(200);
  expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
  expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
  expect(headers['cache-control']).toBe('no-store');
});

test('a page of the web that lets its own name point here gets nothing', async () => {
  const { status, body } = await ask(site.server.url, { host: 'evil.example' });
  expect([status, body.includes('pump-1')]).toEqual([421, false]);
  expect(body).toContain('--name NAME');
});

test('an address that is not there, and a name that is none, are one sentence each', async () => {
  expect(await ask(`${site.server.url}/nothing`)).toMatchObject({
    status: 404,
    body: expect.stringContaining('/nothing'),
  });
  expect(await ask(`${site.server.url}/%E0%A4%A`)).toMatchObject({ status: expect.any(Number) });
});

test('an action must come from a form of this server: token, origin and place are all asked for', async () => {
  const token = tokenIn((await ask(`${site.server.url}/batches`)).body);
  const own = { ...FORM, origin: site.server.url, 'sec-fetch-site': 'same-origin' };
  const post = async (headers: Record<string, string>, given: string): Promise<number> =>
    (await ask(`${site.server.url}/batches/b3/pause`, headers, { token: given })).status;
  expect(await post(own, 'f'.repeat(64))).toBe(403);
  expect(await post({ ...own, origin: 'http://evil.example' }, token)).toBe(403);
  expect(await post({ ...own, 'sec-fetch-site': 'cross-site' }, token)).toBe(403);
  expect(await post(FORM, token)).toBe(403);
  expect(await site.plant.store.listAudit()).toEqual([]);
  const done = await ask(`${site.server.url}/batches/b3/pause`, own, { token, back: 'https://evil.example/' });
  expect(done).toMatchObject({
    status: 303,
    headers: { location: expect.stringMatching(/^\/batches\/b3\?did=\d+$/) },
  });
  expect(await site.plant.store.listAudit({ target: 'b3' })).toMatchObject([
    { action: 'batch.pause', result: 'batch b3 has ended already (completed).' },
  ]);
});

test('behind a proxy that speaks https, actions are taken from the address that was set alone', async () => {
  const publicOrigin = 'https://plant.example';
  const shared = { deps: site.deps, host: '127.0.0.1', port: 0, user: 'ann@desk' };
  const token = 'a'.repeat(40);
  const proxied = await startUi({ ...shared, token, publicOrigin });
  const unaware = await startUi(shared);
  try {
    const host = 'plant.example';
    expect((await ask(unaware.url, { host })).status).toBe(421);
    const first = await ask(proxied.url, { host });
    expect(first.status).toBe(401);
    const signIn = (origin: string): Promise<Answered> =>
      ask(
        `${proxied.url}/sign-in`,
        // A proxy says how it was asked; nobody who can reach the port is believed.
        { ...FORM, host, origin, 'sec-fetch-site': 'same-origin', 'x-forwarded-proto': 'https' },
        { secret: token, token: tokenIn(first.body) },
      );
    expect((await signIn('https://evil.example')).status).toBe(403);
    const inside = await signIn(publicOrigin);
    expect(inside.status).toBe(303);
    expect(String(inside.headers['set-cookie'])).toMatch(/; Secure$/);
    const local = await ask(unaware.url);
    const { host: own } = new URL(unaware.url);
    const forwarded = {
      ...FORM,
      origin: `https://${own}`,
      'sec-fetch-site': 'same-origin',
      'x-forwarded-proto': 'https',
    };
    expect((await ask(`${unaware.url}/batches/b3/pause`, forwarded, { token: tokenIn(local.body) })).status).toBe(403);
  } finally {
    await Promise.all([proxied.close(), unaware.close()]);
  }
});

test('beyond loopback a token is asked for; a session lasts, a wrong token does not begin one', async () => {
  const token = 'a'.repeat(40);
  const guarded = await startUi({ deps: site.deps, host: '127.0.0.1', port: 0, user: 'ann@desk', token });
  try {
    const first = await ask(guarded.url);
    expect(first.status).toBe(401);
    expect(first.body).not.toContain('pump-1');
    const signIn = (secret: string): Promise<Answered> =>
      ask(
        `${guarded.url}/sign-in`,
        { ...FORM, origin: guarded.url, 'sec-fetch-site': 'same-origin' },
        { secret, token: tokenIn(first.body) },
      );
    expect((await signIn('b'.repeat(40))).status).toBe(401);
    const inside = await signIn(token);
    const cookie = String(inside.headers['set-cookie']);
    expect([inside.status, cookie]).toEqual([303, expect.stringMatching(/; HttpOnly; SameSite=Strict/)]);
    expect((await ask(guarded.url, { cookie: cookie.split(';')[0]! })).status).toBe(200);
    expect((await ask(guarded.url, { cookie: 'fleetscore_session=00' })).status).toBe(401);
    expect((await ask(guarded.url, { authorization: `Bearer ${token}` })).status).toBe(200);
  } finally {
    await guarded.close();
  }
});
