/**
 * The site in a browser, opened from the disk and from a web server that allows nothing inline: read by eye, by
 * keyboard and by axe. Without a Chromium it is skipped, and says so.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join, normalize } from 'node:path';
import { deviceFile } from '../../report/site/paths.ts';
import { findings } from './axe.ts';
import { findChromium, startBrowser, type Browser } from './browser.ts';
import { batchUrl, EVIL, useSitePlant } from './site-plant.ts';

const plant = useSitePlant('site-browser');
const local = join(plant.folder, 'site');
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
    await plant.publish(['b0', 'b1', 'b2']);
    for (const [name, text] of await plant.read()) {
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
