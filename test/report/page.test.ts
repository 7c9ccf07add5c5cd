/** The page in a real browser. Without a Chromium on this machine the tests are skipped, and say so. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderReport } from '../../report/page/html.ts';
import { findings } from './axe.ts';
import { findChromium, startBrowser, type Browser, type View } from './browser.ts';
import { makeData } from './fixture.ts';

const executable = findChromium();
const inBrowser = executable === undefined ? describe.skip : describe;

inBrowser(`in Chromium${executable === undefined ? ' (skipped: none found, set CHROME_BIN)' : ''}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'fleetscore-page-'));
  const file = join(folder, 'report.html');
  const hostile = join(folder, 'hostile.html');
  let browser: Browser;
  beforeAll(async () => {
    const data = makeData();
    writeFileSync(file, renderReport(data));
    const evil = '</script><script>document.title="owned"</script><img src=x onerror="document.title=1">';
    writeFileSync(
      hostile,
      renderReport({
        ...data,
        sensors: data.sensors.slice(0, 10).map((sensor) => ({ ...sensor, device: evil, unit: evil })),
        faults: data.sensors
          .slice(0, 10)
          .map(({ sensor }) => ({ device: evil, sensor, kind: evil, fromMs: data.fromMs, toMs: data.toMs })),
        problems: [evil],
      }),
    );
    browser = await startBrowser(executable!);
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const settle =
    'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))';
  const ready = (): Promise<unknown> => browser.evaluate('document.documentElement.dataset.ready');
  const key = (name: string): Promise<unknown> =>
    browser.evaluate(
      `document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: ${JSON.stringify(name)}, ` +
        'bubbles: true, cancelable: true }))',
    );

  test.each([
    ['desktop, light', { width: 1280, height: 900 }],
    ['desktop, dark', { width: 1280, height: 900, dark: true }],
    ['phone', { width: 390, height: 844 }],
    ['print', { width: 800, height: 1100, print: true }],
  ])(
    'loads without a complaint, fetches nothing, is no wider than the screen, axe finds nothing: %s',
    async (_name, view: View) => {
      await browser.open(file, view);
      expect(await ready()).toBe('yes');
      await browser.evaluate(`document.getElementById('devices').scrollIntoView(); ${settle}`);
      expect(await browser.evaluate(`document.querySelectorAll('.chart svg').length`)).toBeGreaterThan(0);
      expect(await browser.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(view.width);
      expect(browser.complaints).toEqual([]);
      if (!view.print) expect(await findings(browser)).toEqual([]);
    },
  );

  test('hostile names stay text', async () => {
    await browser.open(hostile, { width: 1280, height: 900 });
    await browser.evaluate(`document.getElementById('devices').scrollIntoView(); ${settle}`);
    expect(await ready()).toBe('yes');
    expect(await browser.evaluate('document.title')).toMatch(/^Batch report/);
    expect(
      await browser.evaluate(`document.querySelectorAll('img').length + document.querySelectorAll('script').length`),
    ).toBe(2);
    expect(browser.complaints).toEqual([]);
  });

  test('the policy holds: an inline script or style added to the page is refused', async () => {
    await browser.open(file, { width: 1280, height: 900 });
    await browser.evaluate(
      `{ const s = document.createElement('script'); s.textContent = 'document.title = "owned"'; ` +
        'document.body.append(s); }',
    );
    await browser.evaluate(settle);
    expect(await browser.evaluate('document.title')).toMatch(/^Batch report/);
    expect(browser.complaints.join()).toMatch(/Content Security Policy/);
  });

  test('the filter shows the sensors that fit, and opens their devices', async () => {
    await browser.open(file, { width: 1280, height: 900 });
    const find = (text: string, which: string): Promise<unknown> =>
      browser.evaluate(`{
      const input = document.getElementById('find'), select = document.getElementById('which');
      input.value = ${JSON.stringify(text)}; select.value = ${JSON.stringify(which)};
      input.dispatchEvent(new Event('input'));
      [...document.querySelectorAll('.card')].filter((c) => !c.closest('[hidden]')).map((c) => c.dataset.d + ' ' + c.dataset.n);
    }`);
    expect(await find('PUMP-2 flow', 'all')).toEqual(['pump-2 flow']);
    expect(await find('', 'trouble')).toEqual(['conveyor-1 gearbox-vibration', 'pump-3 bearing-temperature']);
    expect(await find('no such thing', 'all')).toEqual([]);
    expect(await browser.evaluate(`document.getElementById('none').hidden`)).toBe(false);
    expect(await find('', 'all')).toHaveLength(60);
  });

  test('keys reach the filter and walk from anomaly to anomaly', async () => {
    await browser.open(file, { width: 1280, height: 900 });
    await key('/');
    expect(await browser.evaluate('document.activeElement.id')).toBe('find');
    await browser.evaluate(`{
      const chart = [...document.querySelectorAll('.card')].find((c) => c.dataset.d === 'pump-1' && c.dataset.n === 'flow').querySelector('.chart');
      chart.scrollIntoView({ block: 'center' }); chart.focus();
    } ${settle}`);
    await key('n');
    expect(await browser.evaluate(`document.getElementById('say').textContent`)).toMatch(
      / m3\/h, 14:\d\d:\d\d UTC, anomaly, score -/,
    );
    expect(await browser.evaluate(`document.getElementById('tip').hidden`)).toBe(false);
    await key('Home');
    expect(await browser.evaluate(`document.getElementById('say').textContent`)).toMatch(
      /, 14:00:00 UTC, normal, score /,
    );
    await key('Escape');
    expect(await browser.evaluate(`document.getElementById('tip').hidden`)).toBe(true);
  });
});
