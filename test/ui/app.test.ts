/**
 * The web application, on a real store and Blob server: what it lets in, and what people do with it in a browser.
 * Without a Chromium the last part is skipped, and says so.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FleetscoreError } from '../../domain/errors.ts';
import { EMPTY_TALLY } from '../../domain/send-tally.ts';
import type { UiDeps } from '../../ui/deps.ts';
import { startUi, type UiServer } from '../../ui/server.ts';
import { FROM_MS, QUARTER_MS } from '../report/fixture.ts';
import { findings } from '../report/axe.ts';
import { findChromium, startBrowser, type Browser } from '../report/browser.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { addAlarm, EVIL, makePlant, NOW_MS, type Plant } from './plant.ts';

const folder = mkdtempSync(join(tmpdir(), 'fleetscore-ui-'));
const blobServer = useBlobServer(join(folder, 'blobs'));
let plant: Plant;
let server: UiServer;
const problems: string[] = [];

const depsOf = (): UiDeps => ({
  config: plant.config,
  store: async () => plant.store,
  blobs: async () => blobServer.blobs,
  client: async () => {
    throw new FleetscoreError('NO_STACK', 'no Temporal server is named.');
  },
  workflowPage: (id) => `http://127.0.0.1:1/workflows/${id}`,
  now: () => NOW_MS,
});

beforeAll(async () => {
  plant = await makePlant(folder, blobServer.blobs);
  server = await startUi({
    deps: depsOf(),
    host: '127.0.0.1',
    port: 0,
    user: 'ann@desk',
    onError: (problem) => problems.push(problem),
  });
});
afterAll(async () => {
  await server?.close();
  await plant?.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => expect(problems.splice(0)).toEqual([]));

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** A request whose every header is ours: `fetch` sets some by itself. */
function ask(url: string, headers: Record<string, string> = {}, form?: Record<string, string>): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method: form ? 'POST' : 'GET', headers }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    });
    request.once('error', reject);
    request.end(form && new URLSearchParams(form).toString());
  });
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const tokenIn = (body: string): string => /name="token" value="([0-9a-f]{64})"/.exec(body)?.[1] ?? '';

describe('who is let in', () => {
  test('pages come with a policy that runs nothing foreign, and nowhere in a frame', async () => {
    const { status, headers } = await ask(server.url);
    expect(status).toBe(200);
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect(headers['cache-control']).toBe('no-store');
  });

  test('a page of the web that lets its own name point here gets nothing', async () => {
    const { status, body } = await ask(server.url, { host: 'evil.example' });
    expect([status, body.includes('pump-1')]).toEqual([421, false]);
    expect(body).toContain('--name NAME');
  });

  test('an address that is not there, and a name that is none, are one sentence each', async () => {
    expect(await ask(`${server.url}/nothing`)).toMatchObject({
      status: 404,
      body: expect.stringContaining('/nothing'),
    });
    expect(await ask(`${server.url}/%E0%A4%A`)).toMatchObject({ status: expect.any(Number) });
  });

  test('an action must come from a form of this server: token, origin and place are all asked for', async () => {
    const token = tokenIn((await ask(`${server.url}/batches`)).body);
    const own = { ...FORM, origin: server.url, 'sec-fetch-site': 'same-origin' };
    const post = async (headers: Record<string, string>, given: string): Promise<number> =>
      (await ask(`${server.url}/batches/b3/pause`, headers, { token: given })).status;
    expect(await post(own, 'f'.repeat(64))).toBe(403);
    expect(await post({ ...own, origin: 'http://evil.example' }, token)).toBe(403);
    expect(await post({ ...own, 'sec-fetch-site': 'cross-site' }, token)).toBe(403);
    expect(await post(FORM, token)).toBe(403);
    expect(await plant.store.listAudit()).toEqual([]);
    const done = await ask(`${server.url}/batches/b3/pause`, own, { token, back: 'https://evil.example/' });
    expect(done).toMatchObject({
      status: 303,
      headers: { location: expect.stringMatching(/^\/batches\/b3\?did=\d+$/) },
    });
    expect(await plant.store.listAudit({ target: 'b3' })).toMatchObject([
      { action: 'batch.pause', result: 'batch b3 has ended already (completed).' },
    ]);
  });

  test('behind a proxy that speaks https, actions are taken from the address that was set alone', async () => {
    const publicOrigin = 'https://plant.example';
    const shared = { deps: depsOf(), host: '127.0.0.1', port: 0, user: 'ann@desk' };
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
      expect((await ask(`${unaware.url}/batches/b3/pause`, forwarded, { token: tokenIn(local.body) })).status).toBe(
        403,
      );
    } finally {
      await Promise.all([proxied.close(), unaware.close()]);
    }
  });

  test('predictions and readings come as files for spreadsheets', async () => {
    const span = '?from=2026-11-23T14:30:00Z&to=2026-11-23T14:45:00Z';
    const predictions = await ask(`${server.url}/devices/pump-1/vibration/predictions.csv${span}`);
    const lines = predictions.body.trim().split('\r\n');
    expect(predictions.headers['content-disposition']).toContain('pump-1-vibration-predictions.csv');
    expect([lines[0], lines.length]).toEqual(['TS,Device,Sensor,Val,Prediction,Score', 181]);
    expect(lines[32]).toBe('2026-11-23T14:32:35.000Z,pump-1,vibration,8,1,-0.5');
    const readings = await ask(`${server.url}/devices/${encodeURIComponent(EVIL)}/flow/readings.csv${span}`);
    expect(readings.body.split('\r\n')[1]).toBe(`2026-11-23T14:30:00.000Z,"${EVIL.replaceAll('"', '""')}",flow,7`);
  });

  test('files of the drop are listed with what became of them, and a failed one can be read again', async () => {
    const { store } = plant;
    const version = { etag: '"1"', form: 'f', bytes: 2_048 };
    const claim = { source: 's', holder: 'h', nowMs: NOW_MS, untilMs: NOW_MS + 60_000, sendId: 'x' };
    const nothing = { ...EMPTY_TALLY, readings: 0 };
    for (const [name, state, result] of [
      ['lab/air.csv', 'done', { read: 1_500, tally: { ...EMPTY_TALLY, readings: 1_500 }, readAs: '--wide' }],
      [`lab/${EVIL}`, 'failed', { read: 0, tally: nothing, reason: 'day or month <first>?' }],
    ] as const) {
      expect(await store.claimDropped({ name, ...version }, claim)).toBeDefined();
      await store.endDropped(name, 'h', { state, endedMs: NOW_MS, result: { ...result, missing: 0, notGood: 0 } });
    }
    const { body } = await ask(`${server.url}/files`);
    expect(body).toMatch(/lab\/air\.csv[^]*2(\.0)? KiB[^]*1,500[^]*Read as [^]*--wide/);
    expect(body).toContain('day or month &lt;first&gt;?');
    expect(body).not.toContain(EVIL);
    expect((await ask(`${server.url}/files?state=failed`)).body).not.toContain('air.csv');
    expect((await ask(server.url)).body).toMatch(/1 file of the drop<\/a> could not be read/);
    const own = { ...FORM, origin: server.url, 'sec-fetch-site': 'same-origin' };
    const retry = () => ask(`${server.url}/files/retry`, own, { token: tokenIn(body), name: `lab/${EVIL}` });
    expect((await retry()).headers.location).toMatch(/^\/files\?did=\d+$/);
    await retry();
    expect((await store.listAudit({ target: `lab/${EVIL}` })).map(({ action, result }) => [action, result])).toEqual([
      ['drop.retry', expect.stringContaining('was read to its end')],
      ['drop.retry', 'done'],
    ]);
    expect((await ask(server.url)).body).not.toContain('could not be read');
  });

  test('the page of a sensor says that it is out of service, since when, by whom and why', async () => {
    const { id } = (await plant.store.findSensor({ device: 'pump-1', sensor: 'vibration' }))!;
    const page = async (): Promise<string | undefined> =>
      /<b>Out of service<[^]*?<\/div>/.exec((await ask(`${server.url}/devices/pump-1/vibration`)).body)?.[0];
    expect(await page()).toBeUndefined();
    await plant.store.retireSensors([id], { atMs: Date.UTC(2026, 10, 23, 13), by: 'ann@desk', comment: '<scrapped>' });
    try {
      expect(await page()).toMatch(
        /<b>Out of service<\/b> since [^]*2026-11-23[^]*, by ann@desk: &lt;scrapped&gt;\. Batches leave/,
      );
    } finally {
      await plant.store.restoreSensors([id]);
    }
  });

  test('beyond loopback a token is asked for; a session lasts, a wrong token does not begin one', async () => {
    const token = 'a'.repeat(40);
    const guarded = await startUi({ deps: depsOf(), host: '127.0.0.1', port: 0, user: 'ann@desk', token });
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
});

const executable = findChromium();
const inBrowser = executable === undefined ? describe.skip : describe;

inBrowser(`in Chromium${executable === undefined ? ' (skipped: none found, set CHROME_BIN)' : ''}`, () => {
  let browser: Browser;
  const WIDE = { width: 1280, height: 900 };
  const text = (selector: string): Promise<unknown> =>
    browser.evaluate(`document.querySelector(${JSON.stringify(selector)})?.textContent`);
  const until = async (expression: string): Promise<void> => {
    for (let tries = 0; (await browser.evaluate(expression)) !== true; tries++) {
      if (tries > 600) throw new Error(`never true: ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  beforeAll(async () => {
    browser = await startBrowser(executable!);
  });
  afterAll(() => browser?.close());

  test('before any batch looked for alarms, the first screen shows anomalous stretches from predictions', async () => {
    await browser.open(server.url, WIDE);
    expect(await text('#alarms h2')).toBe('Anomalous now');
    expect(await text('#alarms tbody tr')).toMatch(
      /pump-1 \/ vibration.*8.*0\.50 above normal \(6\.50 to 7\.50\).*Still going on/,
    );
  });

  test('the first screen says what is wrong, since when, how bad, and whether it goes on', async () => {
    const vibration = plant.sensors.find(({ device, sensor }) => device === 'pump-1' && sensor === 'vibration')!;
    const flow = plant.sensors.find(({ device, sensor }) => device === 'pump-2' && sensor === 'flow')!;
    const evil = plant.sensors.find(({ device }) => device === EVIL)!;
    const since = FROM_MS + 2 * QUARTER_MS + 31 * 5_000;
    await addAlarm(plant.store, vibration, 'anomaly', {
      sinceMs: since,
      lastMs: FROM_MS + 4 * QUARTER_MS,
      peakValue: 8,
      severity: 850,
    });
    await addAlarm(plant.store, flow, 'anomaly', {
      sinceMs: FROM_MS + QUARTER_MS + 155_000,
      lastMs: FROM_MS + QUARTER_MS + 225_000,
      clearedMs: FROM_MS + QUARTER_MS + 240_000,
      severity: 500,
    });
    await addAlarm(plant.store, evil, 'silent', { sinceMs: since, lastMs: since + 60_000, severity: 650 });
    await browser.open(server.url, WIDE);
    expect(browser.complaints).toEqual([]);
    const rows = (await browser.evaluate(
      `[...document.querySelectorAll('#alarms tbody tr')].map((row) => row.textContent)`,
    )) as string[];
    expect(rows).toHaveLength(3);
    expect(rows[0]).toMatch(
      /High 850.*pump-1 \/ vibration.*8 m3\/h, 0\.50 above normal.*14:32.*27 min 25 s.*Still going on.*not acknowledged/,
    );
    expect(rows[1]).toMatch(/Medium 650.*No readings/);
    expect(rows[2]).toMatch(/Low 500.*pump-2 \/ flow.*Ended/);
    expect(await text('#tiles')).toMatch(/Alarms2active, 3 not acknowledged.*Silent sensors2.*Not scored1/);
    expect(await browser.evaluate('document.title')).toBe('Now – fleetscore');
  });

  test('acknowledging from the first screen is one press, is on record, and is said', async () => {
    await browser.open(server.url, WIDE);
    await browser.evaluate(`document.querySelector('#alarms tbody tr button').focus()`);
    await browser.press('Enter');
    await until(`document.querySelector('.said') !== null`);
    expect(await text('.said')).toBe('Done: pump-1 / vibration: acknowledged');
    expect(await text('#alarms tbody tr')).toMatch(/acknowledged by ann@desk/);
    await browser.open(`${server.url}/log`, WIDE);
    expect(await text('tbody tr')).toMatch(/ann@desk.*alarm\.ack.*pump-1 \/ vibration: acknowledged.*done/);
    const [alarm] = await plant.store.listAlarms({ device: 'pump-1' }, NOW_MS);
    expect(alarm).toMatchObject({ acked: true, marks: { ackedBy: 'ann@desk' } });
  });

  test('an alarm is commented on and shelved from its page, and leaves the first screen', async () => {
    const [alarm] = await plant.store.listAlarms({ device: 'pump-1' }, NOW_MS);
    await browser.open(`${server.url}/alarms/${alarm!.id}`, WIDE);
    await browser.evaluate(
      `document.getElementById('why').value = 'bearing ordered'; ` +
        `document.querySelector('form[action$="/comment"] button').click()`,
    );
    await until(`document.querySelector('.said') !== null`);
    expect(await text('.facts2')).toMatch(/Comment *bearing ordered/);
    await browser.evaluate(`document.querySelector('form[action$="/shelve"] button').click()`);
    await until(`document.querySelector('form[action$="/unshelve"]') !== null`);
    await browser.open(server.url, WIDE);
    expect(await text('#alarms tbody')).not.toMatch(/pump-1/);
    await browser.open(`${server.url}/?state=shelved`, WIDE);
    expect(await text('#alarms tbody tr')).toMatch(/pump-1.*shelved until/);
    await plant.store.actOnAlarm({ do: 'unshelve', id: alarm!.id, user: 'ann@desk', atMs: NOW_MS });
  });

  test('what cannot be done is said and on record: Temporal does not answer here', async () => {
    await browser.open(`${server.url}/batches/b3`, WIDE);
    expect(await text('.facts')).toMatch(/completed.*every-15m/);
    // The day is said once; so it is in the zone of whoever looks.
    expect(await text('h1')).toMatch(/^Nov 23, 2026, 14:45 – 15:00$/);
    expect(await browser.evaluate(`document.querySelector('a[href*=":1/workflows/b3"]') !== null`)).toBe(true);
    await browser.evaluate(`document.querySelector('form[action$="/redrive"] button').click()`);
    await until(`document.querySelector('.said') !== null`);
    expect(await text('.said')).toBe('Not done: no Temporal server is named.');
    expect((await plant.store.listAudit({ target: 'b3' }))[0]).toMatchObject({
      action: 'batch.redrive',
      by: 'ann@desk',
      result: 'no Temporal server is named.',
    });
  });

  test('a sensor over time: value in its normal band, anomalies, alarm; keys walk, zoom and explain', async () => {
    await browser.open(`${server.url}/devices/pump-1/vibration?span=hour`, WIDE);
    await until(`document.querySelector('.big-chart svg') !== null`);
    expect(browser.complaints).toEqual([]);
    expect(await text('.plot .why')).toBe('Normal: 6.50 to 7.50 m3/h.');
    const drawn = (kind: string): Promise<unknown> =>
      browser.evaluate(`document.querySelectorAll('.big-chart .${kind}').length`);
    expect([await drawn('band'), await drawn('alarm-span'), await drawn('hit'), await drawn('score')]).toEqual([
      1, 1, 1, 1,
    ]);
    await browser.evaluate(`document.querySelector('.big-chart').focus()`);
    await browser.press('n');
    expect(await text('#say')).toMatch(/^8 m3\/h, .*14:32:35, anomaly, score -0.5, alarm: anomalous, severity 850$/);
    await browser.press('Enter');
    await until(`location.pathname.endsWith('/explain') && document.getElementById('why') !== null`);
    expect(await text('[aria-labelledby="why"] tbody')).toMatch(
      /mean.*8 m3\/h.*6\.50 to 7\.50.*0\.50 m3\/h above normal/,
    );
    expect(await text('.alarm-line')).toMatch(
      /High 850.*anomalous since.*14:32:35.*(not acknowledged|acknowledged by ann@desk)/,
    );
    expect(await text('[aria-labelledby="moved"] tbody tr')).toMatch(/flow.*it did not vary before/);
    expect(await text('[aria-labelledby="readings"]')).toMatch(/14:32:35.*8 m3\/h/);
  });

  test('a plant of an hour is drawn over its hour, not at the edge of a day', async () => {
    await browser.open(`${server.url}/devices/pump-1/vibration`, WIDE);
    expect(await text('.seg [aria-current]')).toBe('Hour');
    await browser.open(`${server.url}/devices/pump-1/vibration/explain`, WIDE);
    expect(await text('[aria-labelledby="why"] tbody')).toMatch(/8 m3\/h/);
  });

  test('a week is drawn in slices, with what batches counted', async () => {
    await browser.open(`${server.url}/devices/pump-1?span=week`, WIDE);
    await until(`document.querySelectorAll('.big-chart svg').length === 2`);
    expect(await text('.plot .why')).toMatch(/drawn in slices/);
    expect(await browser.evaluate(`document.querySelectorAll('.big-chart .env').length`)).toBe(2);
    expect(await browser.evaluate(`document.querySelector('[rel=next]').textContent`)).toMatch(/pump-2|Later/);
  });

  test.each([
    ['light', { width: 1280, height: 900 }],
    ['dark', { width: 1280, height: 900, dark: true }],
    ['on a phone', { width: 390, height: 844 }],
  ])('axe finds nothing on any page, no page is wider than the screen: %s', async (name, view) => {
    const [alarm] = await plant.store.listAlarms({ device: 'pump-1' }, NOW_MS);
    const sensor = `/devices/${encodeURIComponent(EVIL)}/flow`;
    const all = [
      '/',
      '/?state=all&q=pump&sort=since',
      `/alarms/${alarm!.id}`,
      '/devices',
      '/devices/pump-1',
      `${sensor}?span=hour`,
      `/devices/pump-1/vibration/explain?at=2026-11-23T14:50:00Z`,
      '/batches',
      '/batches/b3',
      '/files',
      '/log',
      '/nothing',
    ];
    for (const path of name === 'on a phone' ? all.slice(0, 1) : all) {
      await browser.open(server.url + path, view);
      expect([path, await findings(browser)]).toEqual([path, []]);
      expect([path, await browser.evaluate('document.documentElement.scrollWidth')]).toEqual([path, view.width]);
      expect(await browser.evaluate('document.title')).not.toBe('owned');
    }
    if (name !== 'on a phone') return;
    // Rows are cards there: no cell keeps the space around it of a table.
    await browser.open(server.url, view);
    expect(await browser.evaluate(`getComputedStyle(document.querySelector('#alarms tbody td')).paddingTop`)).toBe(
      '0px',
    );
    for (const path of all.slice(1)) {
      await browser.open(server.url + path, view);
      expect([path, await browser.evaluate('document.documentElement.scrollWidth')]).toEqual([path, view.width]);
    }
  });
});
