/** What pages say and what their forms do, as a browser without a script sees it. */
import { EMPTY_TALLY } from '../../domain/send-tally.ts';
import { stretchSection } from '../../ui/pages/now-stretches.ts';
import { EVIL, NOW_MS } from './plant.ts';
import { ask, formOf, tokenIn, useSite } from './site.ts';

const site = useSite();

test('predictions and readings come as files for spreadsheets', async () => {
  const span = '?from=2026-11-23T14:30:00Z&to=2026-11-23T14:45:00Z';
  const predictions = await ask(`${site.server.url}/devices/pump-1/vibration/predictions.csv${span}`);
  const lines = predictions.body.trim().split('\r\n');
  expect(predictions.headers['content-disposition']).toContain('pump-1-vibration-predictions.csv');
  expect([lines[0], lines.length]).toEqual(['TS,Device,Sensor,Val,Prediction,Score', 181]);
  expect(lines[32]).toBe('2026-11-23T14:32:35.000Z,pump-1,vibration,8,1,-0.5');
  const readings = await ask(`${site.server.url}/devices/${encodeURIComponent(EVIL)}/flow/readings.csv${span}`);
  expect(readings.body.split('\r\n')[1]).toBe(`2026-11-23T14:30:00.000Z,"${EVIL.replaceAll('"', '""')}",flow,7`);
});

test('files of the drop are listed with what became of them, and a failed one can be read again', async () => {
  const { store } = site.plant;
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
  const { body } = await ask(`${site.server.url}/files`);
  expect(body).toMatch(/lab\/air\.csv[^]*2(\.0)? KiB[^]*1,500[^]*Read as [^]*--wide/);
  expect(body).toContain('day or month &lt;first&gt;?');
  expect(body).not.toContain(EVIL);
  expect((await ask(`${site.server.url}/files?state=failed`)).body).not.toContain('air.csv');
  expect((await ask(site.server.url)).body).toMatch(/1 file of the drop<\/a> could not be read/);
  const own = formOf(site.server.url);
  const retry = () => ask(`${site.server.url}/files/retry`, own, { token: tokenIn(body), name: `lab/${EVIL}` });
  expect((await retry()).headers.location).toMatch(/^\/files\?did=\d+$/);
  await retry();
  expect((await store.listAudit({ target: `lab/${EVIL}` })).map(({ action, result }) => [action, result])).toEqual([
    ['drop.retry', expect.stringContaining('was read to its end')],
    ['drop.retry', 'done'],
  ]);
  expect((await ask(site.server.url)).body).not.toContain('could not be read');
});

test('a list that is empty says why', async () => {
  const { body } = await ask(`${site.server.url}/batches?status=cancelled`);
  expect(body).toContain('<b>No batch is cancelled.</b>');
  expect(stretchSection({ value: [] }, new Map(), false).markup).toContain('No batch has scored anything yet.');
});

describe('out of service', () => {
  const post = (path: string, token: string, fields: Record<string, string> = {}) =>
    ask(site.server.url + path, formOf(site.server.url), { token, ...fields });
  const page = async (path: string): Promise<string> => (await ask(site.server.url + path)).body;
  /** What the page says that an action leads to. */
  const said = async (path: string, token: string, fields: Record<string, string> = {}): Promise<string> => {
    const { status, headers } = await post(path, token, fields);
    expect(status).toBe(303);
    return /class="said[^>]*>([^]*?)<\/p>/
      .exec(await page(String(headers.location)))![1]!
      .replace(/<[^>]+>/g, '')
      .trim();
  };
  const log = async (target: string): Promise<unknown> =>
    (await site.plant.store.listAudit({ target })).map(({ action, by, detail, result }) => [
      action,
      by,
      detail,
      result,
    ]);

  test('a sensor is taken out of service and back from its page, once, and the page and the log say so', async () => {
    const own = '/devices/pump-1/vibration';
    const before = await page(own);
    expect(before).toContain(`action="${own}/retire"`);
    expect(before).not.toContain('Out of service');
    const token = tokenIn(before);
    expect((await post(`${own}/retire`, 'f'.repeat(64))).status).toBe(403);
    expect(await said(`${own}/retire`, token, { comment: ' <scrapped> ' })).toBe(
      'Done: pump-1 / vibration: taken out of service: &lt;scrapped&gt;',
    );
    const after = await page(own);
    expect(after).toMatch(
      /<b>Out of service<\/b> since [^]*2026-11-23[^]*, by ann@desk: &lt;scrapped&gt;\. Batches leave/,
    );
    expect(after).not.toContain(`action="${own}/retire"`);
    // Whoever pressed second, on a page of before, hears of it.
    expect(await said(`${own}/retire`, token)).toBe('Not done: pump-1 / vibration is out of service already.');
    expect(await page('/devices?state=retired')).toMatch(/pump-1[^]*1 out of service/);
    expect(await page('/devices/pump-1')).toMatch(
      /Out of service:<\/b> 1 of 2 sensors[^]*chip skipped">out of service/,
    );
    expect(await said(`${own}/restore`, token)).toBe('Done: pump-1 / vibration: back in service');
    expect(await said(`${own}/restore`, token)).toBe('Not done: pump-1 / vibration is in service already.');
    expect(await log('pump-1/vibration')).toEqual([
      ['sensors.restore', 'ann@desk', '', 'pump-1 / vibration is in service already.'],
      ['sensors.restore', 'ann@desk', 'pump-1 / vibration: back in service', 'done'],
      ['sensors.retire', 'ann@desk', '', 'pump-1 / vibration is out of service already.'],
      ['sensors.retire', 'ann@desk', 'pump-1 / vibration: taken out of service: <scrapped>', 'done'],
    ]);
  });

  test('a whole device is; what the newest batch said of its sensors is no news any more', async () => {
    const own = '/devices/fan-4';
    // While no batch has looked for alarms, predictions are what the first screen goes by.
    const anomalous = async (): Promise<boolean> => /Anomalous now[^]*pump-1<\/bdi>[^]*<\/table>/.test(await page('/'));
    const hot = '/devices/pump-1/vibration';
    const hotToken = tokenIn(await page(hot));
    expect(await anomalous()).toBe(true);
    await said(`${hot}/retire`, hotToken);
    expect(await anomalous()).toBe(false);
    await said(`${hot}/restore`, hotToken);
    expect(await page('/')).toMatch(/fan-4/);
    const token = tokenIn(await page(own));
    expect(await said(`${own}/retire`, token)).toBe('Done: fan-4: 2 sensors taken out of service');
    expect(await page('/')).not.toMatch(/fan-4/);
    expect(await page(own)).toMatch(/Out of service:<\/b> all 2 sensors\. Batches/);
    expect(await page(own)).not.toContain(`action="${own}/retire"`);
    expect((await site.plant.store.retiredSensors()).map(({ device, by }) => [device, by])).toEqual([
      ['fan-4', 'ann@desk'],
      ['fan-4', 'ann@desk'],
    ]);
    expect(await said(`${own}/restore`, token)).toBe('Done: fan-4: 2 sensors back in service');
    expect(await page('/')).toMatch(/fan-4/);
    expect(await log('fan-4/*')).toHaveLength(2);
  });

  test('names of others come as they are; what is not there, or cannot be done, is refused in a sentence', async () => {
    const own = `/devices/${encodeURIComponent(EVIL)}/flow`;
    const body = await page(own);
    expect(body).not.toContain(EVIL);
    const token = tokenIn(body);
    expect(await said(`${own}/retire`, token)).toContain('/ flow: taken out of service');
    expect(await said(`${own}/restore`, token)).toContain('/ flow: back in service');
    for (const [path, status, why] of [
      ['/devices/pump-99/retire', 404, 'there is no device &quot;pump-99&quot;'],
      ['/devices/pump-1/flows/retire', 404, 'there is no sensor &quot;flows&quot; of a device &quot;pump-1&quot;'],
      ['/devices/pump-1/flow/scrap', 400, 'a sensor cannot be &quot;scrap&quot;'],
    ] as const)
      expect(await post(path, token)).toMatchObject({ status, body: expect.stringContaining(why) });
    expect(await site.plant.store.countRetired()).toBe(0);
  });

  test('the page of a batch says how many sensors it left out', async () => {
    const { store, sensors } = site.plant;
    const leftOut = sensors.slice(0, 3).map(({ id }) => id);
    const period = { fromMs: NOW_MS - 60_000, toMs: NOW_MS };
    await store.createBatch({
      id: 'left',
      workflowId: 'left',
      runId: 'left',
      kind: 'score',
      release: 'r1',
      ...period,
      leftOut,
      codeVersion: 'test',
      startedAtMs: NOW_MS,
    });
    await store.finishBatch('left', { status: 'cancelled', finishedAtMs: NOW_MS });
    expect(await page('/batches/left')).toContain(
      'Left out: 3 sensors out of service, or without a model and any reading.',
    );
    expect(await page('/batches/b3')).not.toContain('Left out');
  });
});
