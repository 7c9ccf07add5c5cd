/**
 * The web application in a browser: what people see and do. Without a Chromium this is skipped, and says so.
 */
import { FROM_MS, QUARTER_MS } from '../report/fixture.ts';
import { findings } from '../report/axe.ts';
import { findChromium, startBrowser, type Browser } from '../report/browser.ts';
import { addAlarm, EVIL, NOW_MS } from './plant.ts';
import { useSite } from './site.ts';

const site = useSite();
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
    await browser.open(site.server.url, WIDE);
    expect(await text('#alarms h2')).toBe('Anomalous now');
    expect(await text('#alarms tbody tr')).toMatch(
      /pump-1 \/ vibration.*8.*0\.50 above normal \(6\.50 to 7\.50\).*Still going on/,
    );
  });

  test('the first screen says what is wrong, since when, how bad, and whether it goes on', async () => {
    const vibration = site.plant.sensors.find(({ device, sensor }) => device === 'pump-1' && sensor === 'vibration')!;
    const flow = site.plant.sensors.find(({ device, sensor }) => device === 'pump-2' && sensor === 'flow')!;
    const evil = site.plant.sensors.find(({ device }) => device === EVIL)!;
    const since = FROM_MS + 2 * QUARTER_MS + 31 * 5_000;
    await addAlarm(site.plant.store, vibration, 'anomaly', {
      sinceMs: since,
      lastMs: FROM_MS + 4 * QUARTER_MS,
      peakValue: 8,
      severity: 850,
    });
    await addAlarm(site.plant.store, flow, 'anomaly', {
      sinceMs: FROM_MS + QUARTER_MS + 155_000,
      lastMs: FROM_MS + QUARTER_MS + 225_000,
      clearedMs: FROM_MS + QUARTER_MS + 240_000,
      severity: 500,
    });
    await addAlarm(site.plant.store, evil, 'silent', { sinceMs: since, lastMs: since + 60_000, severity: 650 });
    await browser.open(site.server.url, WIDE);
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
    await browser.open(site.server.url, WIDE);
    await browser.evaluate(`document.querySelector('#alarms tbody tr button').focus()`);
    await browser.press('Enter');
    await until(`document.querySelector('.said') !== null`);
    expect(await text('.said')).toBe('Done: pump-1 / vibration: acknowledged');
    expect(await text('#alarms tbody tr')).toMatch(/acknowledged by ann@desk/);
    await browser.open(`${site.server.url}/log`, WIDE);
    expect(await text('tbody tr')).toMatch(/ann@desk.*alarm\.ack.*pump-1 \/ vibration: acknowledged.*done/);
    const [alarm] = await site.plant.store.listAlarms({ device: 'pump-1' }, NOW_MS);
    expect(alarm).toMatchObject({ acked: true, marks: { ackedBy: 'ann@desk' } });
  });

  test('an alarm is commented on and shelved from its page, and leaves the first screen', async () => {
    const [alarm] = await site.plant.store.listAlarms({ device: 'pump-1' }, NOW_MS);
    await browser.open(`${site.server.url}/alarms/${alarm!.id}`, WIDE);
    await browser.evaluate(
      `document.getElementById('why').value = 'bearing ordered'; ` +
        `document.querySelector('form[action$="/comment"] button').click()`,
    );
    await until(`document.querySelector('.said') !== null`);
    expect(await text('.facts2')).toMatch(/Comment *bearing ordered/);
    await browser.evaluate(`document.querySelector('form[action$="/shelve"] button').click()`);
    await until(`document.querySelector('form[action$="/unshelve"]') !== null`);
    await browser.open(site.server.url, WIDE);
    expect(await text('#alarms tbody')).not.toMatch(/pump-1/);
    await browser.open(`${site.server.url}/?state=shelved`, WIDE);
    expect(await text('#alarms tbody tr')).toMatch(/pump-1.*shelved until/);
    await site.plant.store.actOnAlarm({ do: 'unshelve', id: alarm!.id, user: 'ann@desk', atMs: NOW_MS });
  });

  test('what cannot be done is said and on record: Temporal does not answer here', async () => {
    await browser.open(`${site.server.url}/batches/b3`, WIDE);
    expect(await text('.facts')).toMatch(/completed.*every-15m/);
    // The day is said once; so it is in the zone of whoever looks.
    expect(await text('h1')).toMatch(/^Nov 23, 2026, 14:45 – 15:00$/);
    expect(await browser.evaluate(`document.querySelector('a[href*=":1/workflows/b3"]') !== null`)).toBe(true);
    await browser.evaluate(`document.querySelector('form[action$="/redrive"] button').click()`);
    await until(`document.querySelector('.said') !== null`);
    expect(await text('.said')).toBe('Not done: no Temporal server is named.');
    expect((await site.plant.store.listAudit({ target: 'b3' }))[0]).toMatchObject({
      action: 'batch.redrive',
      by: 'ann@desk',
      result: 'no Temporal server is named.',
    });
  });

  test('a sensor over time: value in its normal band, anomalies, alarm; keys walk, zoom and explain', async () => {
    await browser.open(`${site.server.url}/devices/pump-1/vibration?span=hour`, WIDE);
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
    await browser.open(`${site.server.url}/devices/pump-1/vibration`, WIDE);
    expect(await text('.seg [aria-current]')).toBe('Hour');
    await browser.open(`${site.server.url}/devices/pump-1/vibration/explain`, WIDE);
    expect(await text('[aria-labelledby="why"] tbody')).toMatch(/8 m3\/h/);
  });

  test('a week is drawn in slices, with what batches counted', async () => {
    await browser.open(`${site.server.url}/devices/pump-1?span=week`, WIDE);
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
    const [alarm] = await site.plant.store.listAlarms({ device: 'pump-1' }, NOW_MS);
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
      await browser.open(site.server.url + path, view);
      expect([path, await findings(browser)]).toEqual([path, []]);
      expect([path, await browser.evaluate('document.documentElement.scrollWidth')]).toEqual([path, view.width]);
      expect(await browser.evaluate('document.title')).not.toBe('owned');
    }
    if (name !== 'on a phone') return;
    // Rows are cards there: no cell keeps the space around it of a table.
    await browser.open(site.server.url, view);
    expect(await browser.evaluate(`getComputedStyle(document.querySelector('#alarms tbody td')).paddingTop`)).toBe(
      '0px',
    );
    for (const path of all.slice(1)) {
      await browser.open(site.server.url + path, view);
      expect([path, await browser.evaluate('document.documentElement.scrollWidth')]).toEqual([path, view.width]);
    }
  });
});
