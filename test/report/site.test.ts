/**
 * The site, from a real store and Blob server to pages: written to the container as batches write it, fetched into
 * a folder, opened from the disk and from a web server. Without a Chromium the last part is skipped, and says so.
 */
import { PAGE_STYLE } from '../../report/page/style.ts';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, normalize, posix } from 'node:path';
import fc from 'fast-check';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createControlActivities } from '../../activities/control.ts';
import { publishSite, folderTarget, blobTarget } from '../../report/index.ts';
import { SITE_POLICY } from '../../report/site/layout.ts';
import { healthSpan } from '../../report/site/health-data.ts';
import { deviceFile } from '../../report/site/paths.ts';
import { recordNodes } from '../../pool/ledger.ts';
import { decodePredictions } from '../../scoring/predictions-file.ts';
import { openStore } from '../../storage/open-store.ts';
import type { ChallengedSensor } from '../../domain/challenge.ts';
import type { Store } from '../../storage/store.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { findings } from './axe.ts';
import { findChromium, startBrowser, type Browser } from './browser.ts';
import { FROM_MS, QUARTER_MS } from './fixture.ts';
import { hostileText } from './names.ts';
import { writeBatch, type Written } from './written-batch.ts';

const EVIL = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>/../..%2f';
const DEVICES = [
  'pump-1',
  'Pump-1',
  'pump-2',
  'Kühler 7',
  EVIL,
  ...Array.from({ length: 8 }, (_, i) => `fan-${i + 1}`),
];
const SENSORS = ['flow', 'vibration'];
const NOW_MS = FROM_MS + 10 * QUARTER_MS;

const folder = mkdtempSync(join(tmpdir(), 'fleetscore-site-'));
const local = join(folder, 'site');
const server = useBlobServer(join(folder, 'blobs'));
let store: Store;
let keys: { id: number; device: string; sensor: string }[] = [];

const source = () => ({ store, blobs: server.blobs, decodePredictions, now: () => NOW_MS });
const publish = (ids: readonly string[], maxSensors = 500): ReturnType<typeof publishSite> =>
  publishSite(source(), blobTarget(server.blobs), ids, { maxSensors });
const batchUrl = (id: string, quarter: number): string =>
  `batches/${new Date(FROM_MS + quarter * QUARTER_MS).toISOString().replace(/[-:]|\.000/g, '')}/${id}/`;

/** Half an hour of windows; one device in each batch has a bad time, one sensor fails, one has no data. */
const labelsIn = (quarter: number): Written[] =>
  keys.map((key, i) => {
    const labels = Array.from({ length: 60 }, (_, at): 0 | 1 =>
      key.device === DEVICES[quarter % 5] && at > 30 && at < 45 ? 1 : 0,
    );
    return { ...key, labels: i === 7 ? 'model_corrupt' : i === 12 ? 'no_data' : labels };
  });

async function read(): Promise<Map<string, string>> {
  const pages = new Map<string, string>();
  for await (const { name } of server.blobs.list('site', ''))
    pages.set(name, new TextDecoder().decode(await server.blobs.get('site', name)));
  return pages;
}

beforeAll(async () => {
  store = await openStore(`sqlite:${join(folder, 'store.db')}`);
  await store.migrate();
  const named = DEVICES.flatMap((device) => SENSORS.map((sensor) => ({ device, sensor, unit: 'm3/h' })));
  keys = (await store.registerSensors(named)).map((id, i) => ({ ...named[i]!, id }));
  await store.createRelease('r1', 1, [], []);
  await store.createRelease('<b>v2', 2, [], []);
  await recordNodes(
    server.blobs,
    { name: 'scoring', vmSize: 'Standard_D2s_v5', priority: 'dedicated' },
    [{ id: 'n1', state: 'ready', requestedAtMs: FROM_MS, readyAtMs: FROM_MS + 1_000 }],
    NOW_MS,
  );
  for (const quarter of [0, 1, 2])
    await writeBatch({ store, blobs: server.blobs }, `b${quarter}`, quarter, labelsIn(quarter), {
      schedule: 'every-15m',
    });
});
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

test('batches that end at the same moment are all on the page of the fleet', async () => {
  await Promise.all(['b0', 'b1', 'b2'].map((id) => publish([id])));
  const pages = await read();
  for (const quarter of [0, 1, 2])
    expect(pages.get('index.html')).toContain(`href="${batchUrl(`b${quarter}`, quarter)}index.html"`);
  expect([...pages.keys()].filter((name) => name.startsWith(batchUrl('b1', 1)))).toHaveLength(DEVICES.length + 5);
});

test('every address on every page leads to a page, a file or a place that is there', async () => {
  await publish(['b1', 'b2']);
  const pages = await read();
  let links = 0;
  for (const [name, text] of pages) {
    if (!name.endsWith('.html')) continue;
    expect([name, /Content-Security-Policy" content="([^"]*)"/.exec(text)?.[1]]).toEqual([name, SITE_POLICY]);
    for (const [, address] of text.matchAll(/(?:href|src)="([^"]*)"/g)) {
      if (address!.startsWith('data:image/svg+xml,')) continue;
      links += 1;
      const [path, anchor] = address!.split('#');
      const to = path === '' ? name : posix.normalize(posix.join(posix.dirname(name), path!));
      if (!pages.has(to)) throw new Error(`${name} links to ${address}, which is not there`);
      if (anchor !== undefined && !pages.get(to)!.includes(`id="${anchor}"`))
        throw new Error(`${name} links to ${address}, but there is no such place`);
    }
  }
  expect(links).toBeGreaterThan(500);
  expect(pages.get(`${batchUrl('b2', 2)}devices/pump-2.html`)).toContain(
    `href="../../../../${batchUrl('b1', 1)}devices/pump-2.html"`,
  );
});

test('pages say what the store says: failures with their cause, models, node time', async () => {
  const pages = await read();
  const batch = batchUrl('b2', 2);
  expect(pages.get(`${batch}failures.html`)).toMatch(/model_corrupt<\/span>: model of vibration is corrupt/);
  expect(pages.get(`${batch}failures.html`)).toContain('no_data');
  expect(pages.get(`${batch}index.html`)).toMatch(/<dt>Anomalies<\/dt><dd class="big">28<\/dd>/);
  expect(pages.get(`${batch}health.html`)).toContain('there is no earlier time to compare with yet');
  expect(pages.get(`${batch}cost.html`)).toMatch(/<dt>Scoring<\/dt>/);
  expect(pages.get('index.html')).toContain('model_corrupt');
});

test('the same batch gives the same pages again', async () => {
  const before = await read();
  await publish(['b2']);
  const after = await read();
  expect([...after.keys()]).toEqual([...before.keys()]);
  for (const [name, text] of after) if (text !== before.get(name)) throw new Error(`${name} differs`);
});

test('the challenger of a batch has its place on the page of models, whatever it is called', async () => {
  expect((await read()).get(`${batchUrl('b2', 2)}health.html`)).not.toContain('Challenger');
  const shown = async (id: string, sensors: readonly ChallengedSensor[]): Promise<string> => {
    await store.setChallenger({ release: '<b>v2', share: 0.5, sinceMs: 1 });
    await writeBatch({ store, blobs: server.blobs }, id, 5, labelsIn(5), { schedule: 'challenged' });
    await store.setChallenger(undefined);
    await store.commitChallenge(id, sensors);
    await publishSite(source(), folderTarget(join(folder, id)), [id], { maxSensors: 500 });
    return readFileSync(join(folder, id, batchUrl(id, 5), 'health.html'), 'utf8');
  };
  const said = { status: 'scored', windows: 60, both: 1, onlyBase: 2, onlyChallenger: 3 } as const;
  const page = await shown('told', [
    { ...said, sensorId: keys[8]!.id },
    { ...said, sensorId: keys[0]!.id, onlyBase: 0, onlyChallenger: 0 },
    {
      ...said,
      sensorId: keys[1]!.id,
      status: 'failed',
      class: 'timeout',
      windows: 0,
      both: 0,
      onlyBase: 0,
      onlyChallenger: 0,
    },
  ]);
  expect(page).toContain('<h2 id="challenger">Challenger &lt;b&gt;v2</h2>');
  expect(page).toMatch(
    /On 50% of the sensors, counted and not served: 2 scored, 0 skipped, 1 failed\. 96% of 120 windows have the same label; 3\.3% are anomalous with r1, 4\.2% with &lt;b&gt;v2\./,
  );
  expect(page).toMatch(
    new RegExp(
      `<a href="devices/${deviceFile(EVIL)}">.*</a> / <bdi>flow</bdi></td><td class="num">60</td><td ` +
        'class="num">2</td><td class="num">3</td>',
    ),
  );
  expect(await shown('untold', [])).toMatch(
    /counted and not served\. Nothing was recorded\.[\s\S]*No sensor's labels differ\./,
  );
});

test('of a fleet above the limit, the sensors that need attention have pages, and the pages say so', async () => {
  await writeBatch({ store, blobs: server.blobs }, 'large', 3, labelsIn(3), { schedule: 'large' });
  await publishSite(source(), folderTarget(join(folder, 'large')), ['large'], { maxSensors: 3 });
  const page = readFileSync(join(folder, 'large', batchUrl('large', 3), 'index.html'), 'utf8');
  expect(page).toContain('23 sensors are counted here, and not drawn');
  expect(page).toContain('Kühler 7');
  expect(page).toMatch(/<dt>Sensors<\/dt><dd class="big">26<\/dd>/);
  expect(readFileSync(join(folder, 'large', batchUrl('large', 3), 'health.html'), 'utf8')).toContain(
    'too large to do this with every batch',
  );
});

test('pages that take too long are given up, and nothing leads to them', async () => {
  await writeBatch({ store, blobs: server.blobs }, 'slow', 4, labelsIn(4), { schedule: 'every-15m' });
  let clock = NOW_MS;
  const slow = publishSite({ ...source(), now: () => (clock += 1_000) }, blobTarget(server.blobs), ['slow'], {
    maxSensors: 500,
    giveUpMs: 2_500,
  });
  await expect(slow).rejects.toMatchObject({
    code: 'SITE_TOO_SLOW',
    message: expect.stringMatching(/pages of batch slow .* FLEETSCORE_SITE_SENSORS/),
  });
  await publish(['b2']);
  expect((await read()).get('index.html')).not.toContain('/slow/');
});

test('a folder is written without a limit, as report --site and npm start do', async () => {
  const options = { maxSensors: 3, giveUpMs: Number.POSITIVE_INFINITY };
  expect(
    (await publishSite(source(), folderTarget(join(folder, 'no-limit')), ['large'], options)).pages,
  ).toBeGreaterThan(0);
});

test('a batch ends as well as ever when its pages cannot be written; a running one has none', async () => {
  await writeBatch({ store, blobs: server.blobs }, 'open', 5, labelsIn(5), { manifest: false });
  await expect(publish(['open'])).rejects.toMatchObject({ code: 'BATCH_RUNNING' });
  const warnings: string[] = [];
  const { finishBatch } = createControlActivities({
    store,
    blobs: server.blobs,
    codeVersion: 'test',
    worker: 'control@test#1',
    now: () => NOW_MS,
    warn: (message) => void warnings.push(message),
    publish: () => Promise.reject(new Error('the disk is full')),
  });
  const result = await new MockActivityEnvironment().run(finishBatch, {
    batchId: 'open',
    fromMs: FROM_MS + 5 * QUARTER_MS,
    toMs: FROM_MS + 6 * QUARTER_MS,
    ending: 'done' as const,
    toleratedFailurePercentage: 10,
  });
  expect(result).toMatchObject({ status: 'completed', planned: 26 });
  expect(warnings).toEqual(['batch open has no pages on the site: the disk is full']);
});

test('names of files are plain, short, and never the same for two devices, also where case does not count', () => {
  expect(deviceFile('pump-1')).toBe('pump-1.html');
  for (const name of ['con', 'COM1', '..', 'a/b', ''])
    expect(deviceFile(name)).toMatch(/^[a-z0-9-]*_[0-9a-f]{20}\.html$/);
  fc.assert(
    fc.property(hostileText, hostileText, (a, b) => {
      expect(deviceFile(a)).toMatch(/^[a-z0-9_-]{1,61}\.html$/);
      return a === b || deviceFile(a) !== deviceFile(b);
    }),
  );
});

test('short batches are judged by a day of labels; readings are compared when a batch is hours long', () => {
  const HOUR = 3_600_000;
  const at = NOW_MS;
  const every = (span: number, from: number, to: number) =>
    Array.from({ length: (to - from) / span }, (_, i) => ({
      fromMs: from + i * span,
      toMs: from + (i + 1) * span,
      manifest: 'm',
    }));
  const batch = (span: number, planned = 60) => ({
    fromMs: at - span,
    toMs: at,
    planned,
    counts: { scored: 0, skipped: 0, failed: 0, cancelled: 0, windows: 1, anomalies: 0 },
  });
  const days = every(QUARTER_MS, at - 48 * HOUR, at);
  expect(healthSpan(batch(QUARTER_MS), days, 300_000)).toEqual({
    period: { fromMs: at - 24 * HOUR, toMs: at },
    baseline: { fromMs: at - 48 * HOUR, toMs: at - 24 * HOUR },
    readings: false,
  });
  expect(healthSpan(batch(QUARTER_MS), days.slice(-90), 300_000)).toEqual({
    period: { fromMs: at - 24 * HOUR, toMs: at },
    readings: false,
  });
  expect(healthSpan(batch(8 * HOUR), every(8 * HOUR, at - 48 * HOUR, at), 300_000)).toEqual({
    period: { fromMs: at - 8 * HOUR, toMs: at },
    baseline: { fromMs: at - 32 * HOUR, toMs: at - 24 * HOUR },
    readings: true,
  });
  // What is read stays bounded, and never less than the batch itself.
  const { period } = healthSpan(batch(QUARTER_MS, 10_000), days, 300_000);
  expect(days.filter((one) => one.fromMs >= period.fromMs).length * 2 * 10_000).toBeLessThanOrEqual(300_000);
  expect(healthSpan(batch(QUARTER_MS, 1_000_000), days, 300_000).period.fromMs).toBeLessThanOrEqual(at - QUARTER_MS);
});

const executable = findChromium();
const inBrowser = executable === undefined ? describe.skip : describe;

inBrowser(`in Chromium${executable === undefined ? ' (skipped: none found, set CHROME_BIN)' : ''}`, () => {
  let browser: Browser;
  const web: Server = createServer();
  const homes = { disk: `file://${local}/`, web: '' };
  const PAGES = [
    'index.html',
    'cost.html',
    ...[
      'index',
      'failures',
      'health',
      'cost',
      `devices/pump-2`,
      `devices/${deviceFile(EVIL).replace('.html', '')}`,
    ].map((name) => `${batchUrl('b2', 2)}${name}.html`),
  ];
  const TYPES = {
    html: 'text/html; charset=utf-8',
    css: 'text/css; charset=utf-8',
    js: 'text/javascript; charset=utf-8',
  } as Record<string, string>;

  beforeAll(async () => {
    for (const [name, text] of await read()) {
      mkdirSync(dirname(join(local, name)), { recursive: true });
      writeFileSync(join(local, name), text);
    }
    web.on('request', (request, response) => {
      const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://site').pathname));
      try {
        const body = readFileSync(join(local, path));
        // As strict as a host may be: nothing inline runs.
        response
          .writeHead(200, {
            'content-type': TYPES[path.split('.').at(-1)!] ?? 'application/json',
            'content-security-policy': "default-src 'self'; img-src data:",
            'x-content-type-options': 'nosniff',
          })
          .end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    homes.web = `http://127.0.0.1:${(web.address() as AddressInfo).port}/`;
    browser = await startBrowser(executable!);
  });
  afterAll(async () => {
    await browser?.close();
    web.closeAllConnections();
    await new Promise((resolve) => web.close(resolve));
  });

  const active = (of: string): Promise<unknown> => browser.evaluate(`document.activeElement.${of}`);
  const text = (selector: string): Promise<unknown> =>
    browser.evaluate(`document.querySelector(${JSON.stringify(selector)}).textContent`);

  test.each([
    ['disk', { width: 1280, height: 900 }],
    ['disk', { width: 390, height: 844, dark: true }],
    ['web', { width: 390, height: 844 }],
    ['web', { width: 1280, height: 900, dark: true }],
  ] as const)('every page loads without a complaint and is no wider than the screen: %s, %j', async (home, view) => {
    for (const page of PAGES) {
      await browser.open(homes[home] + page, view);
      expect([page, await browser.evaluate('document.documentElement.dataset.ready'), browser.complaints]).toEqual([
        page,
        'yes',
        [],
      ]);
      expect([page, await browser.evaluate('document.documentElement.scrollWidth > innerWidth')]).toEqual([
        page,
        false,
      ]);
      // Of a heat map too: a pixel more is a scroll bar under it for ever.
      const sideways = '[...document.querySelectorAll(".rows")].filter((e) => e.scrollWidth > e.clientWidth).length';
      expect([page, await browser.evaluate(sideways)]).toEqual([page, 0]);
      // Both colour schemes, once each: the rules are the same on a phone.
      if (view.width === 1280) expect([page, await findings(browser)]).toEqual([page, []]);
      expect(await browser.evaluate('document.title')).not.toBe('owned');
      expect(await browser.evaluate('getComputedStyle(document.body).fontVariantNumeric')).toBe('tabular-nums');
    }
  });

  test('a name full of markup is text, on its own page and on those that name it', async () => {
    await browser.open(homes.disk + PAGES.at(-1)!, { width: 1280, height: 900 });
    expect(await text('h1 bdi')).toBe(EVIL);
    expect(await browser.evaluate('document.images.length')).toBe(0);
    expect(await browser.evaluate('document.querySelectorAll(".chart svg").length')).toBe(2);
  });

  test('with the keyboard alone: to the content, through the heat map, to a device, along its chart', async () => {
    await browser.open(`${homes.web}index.html`, { width: 1280, height: 900 });
    await browser.press('Tab');
    expect(await active('textContent')).toBe('Skip to the content');
    expect(await browser.evaluate('document.activeElement.getBoundingClientRect().left >= 0')).toBe(true);
    await browser.press('Enter');
    expect(await active('id')).toBe('main');
    await browser.press('Tab');
    expect(await active('className')).toBe('rows');
    expect(await browser.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    await browser.press('ArrowDown');
    expect(await text('#say')).toBe('All devices: 28 of 1440 windows anomalous, 2026-11-23 14:30 – 14:45 UTC');
    for (const key of ['ArrowDown', 'ArrowDown', 'Home', 'End'] as const) await browser.press(key);
    expect(await text('#say')).toMatch(/^fan-1: 0 of 120 windows anomalous, 2026-11-23 14:30 – 14:45 UTC$/);
    for (let i = 0; i < 40 && !String(await text('#say')).startsWith('pump-2:'); i++) await browser.press('ArrowDown');
    expect(await text('#say')).toMatch(/^pump-2: 28 of 120 windows anomalous/);
    const left = browser.evaluate("new Promise((done) => addEventListener('pagehide', done))").catch(() => undefined);
    await browser.press('Enter');
    await left;
    for (
      let i = 0;
      i < 200 &&
      (await browser.evaluate(
        "document.readyState === 'complete' && document.documentElement.dataset.ready === 'yes' && " +
          '/pump-2/.test(location.pathname)',
      )) !== true;
      i++
    )
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await browser.evaluate('location.pathname')).toBe(`/${batchUrl('b2', 2)}devices/pump-2.html`);
    for (let i = 0; i < 40 && (await active('className')) !== 'chart'; i++) {
      await browser.press('Tab');
      expect(await browser.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    }
    await browser.evaluate('new Promise((done) => setTimeout(done, 100))');
    await browser.press('n');
    expect(await text('#say')).toMatch(/^8(\.0*)? m3\/h, 14:32:35 UTC, anomaly, score -0\.5/);
    expect(browser.complaints).toEqual([]);
  });

  test('the list of devices filters and sorts by key', async () => {
    await browser.open(`${homes.disk}${batchUrl('b2', 2)}index.html`, { width: 1280, height: 900 });
    const names = (): Promise<unknown> =>
      browser.evaluate(
        "[...document.querySelectorAll('#list tbody tr')].filter((row) => !row.hidden).map((row) => row.dataset.d)",
      );
    await browser.press('/');
    expect(await active('id')).toBe('find');
    await browser.evaluate(
      "{ const find = document.getElementById('find'); find.value = 'PUMP'; find.dispatchEvent(new Event('input')); }",
    );
    expect(await names()).toEqual(['pump-2', 'pump-1', 'Pump-1']);
    expect(await text('#shown')).toBe('3 of 13 devices');
    await browser.press('Escape');
    expect(await names()).toHaveLength(13);
    await browser.evaluate("document.querySelector('#list th button').focus()");
    await browser.press('Enter');
    expect(((await names()) as string[]).slice(1, 5)).toEqual(['fan-1', 'fan-2', 'fan-3', 'fan-4']);
    await browser.press('Enter');
    expect(await browser.evaluate("document.querySelector('#list th').getAttribute('aria-sort')")).toBe('descending');
    expect(((await names()) as string[])[0]).toBe('pump-2');
  });
});

test.each([
  ['where nothing can be made', '/proc/nope/site', 'nothing can be made at'],
  ['below a file', join(import.meta.filename, 'site'), 'is a file'],
])('a folder %s is refused at once', (_, place, why) => {
  expect(() => folderTarget(place)).toThrow(why);
});

test('neighbouring steps of a heat map can be told apart without their colour', () => {
  const palettes = [...PAGE_STYLE.matchAll(/--h0:(?:#[0-9a-f]{6};--h\d:){5}#[0-9a-f]{6}/g)].map(([text]) =>
    [...text.matchAll(/#([0-9a-f]{6})/g)].map(([, hex]) => luminance(hex!)),
  );
  expect(palettes).toHaveLength(3);
  for (const steps of palettes)
    steps.slice(1).forEach((step, i) => {
      // An anomaly beside none as WCAG wants signs to stand out; the steps above it say how much by their height, too.
      expect((Math.max(step, steps[i]!) + 0.05) / (Math.min(step, steps[i]!) + 0.05)).toBeGreaterThan(
        i === 0 ? 3 : 1.35,
      );
    });
});

/** Relative luminance of WCAG 2.2. */
function luminance(hex: string): number {
  const [r, g, b] = [0, 2, 4]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}
