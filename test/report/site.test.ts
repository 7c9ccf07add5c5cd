/**
 * The site, from a real store and Blob server to pages, written to the container as batches write it. In a browser:
 * site-browser.test.ts.
 */
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createControlActivities } from '../../activities/control.ts';
import type { ChallengedSensor } from '../../domain/challenge.ts';
import { blobTarget, folderTarget, publishSite } from '../../report/index.ts';
import { SITE_POLICY } from '../../report/site/layout.ts';
import { deviceFile } from '../../report/site/paths.ts';
import { FROM_MS, QUARTER_MS } from './fixture.ts';
import { batchUrl, DEVICES, EVIL, NOW_MS, useSitePlant } from './site-plant.ts';
import { writeBatch } from './written-batch.ts';

const plant = useSitePlant('site');
const { folder, labelsIn, publish, read, source } = plant;

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
    await plant.store.setChallenger({ release: '<b>v2', share: 0.5, sinceMs: 1 });
    await writeBatch(plant, id, 5, labelsIn(5), { schedule: 'challenged' });
    await plant.store.setChallenger(undefined);
    await plant.store.commitChallenge(id, sensors);
    await publishSite(source(), folderTarget(join(folder, id)), [id], { maxSensors: 500 });
    return readFileSync(join(folder, id, batchUrl(id, 5), 'health.html'), 'utf8');
  };
  const said = { status: 'scored', windows: 60, both: 1, onlyBase: 2, onlyChallenger: 3 } as const;
  const page = await shown('told', [
    { ...said, sensorId: plant.keys[8]!.id },
    { ...said, sensorId: plant.keys[0]!.id, onlyBase: 0, onlyChallenger: 0 },
    {
      ...said,
      sensorId: plant.keys[1]!.id,
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
  await writeBatch(plant, 'large', 3, labelsIn(3), { schedule: 'large' });
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
  await writeBatch(plant, 'slow', 4, labelsIn(4), { schedule: 'every-15m' });
  let clock = NOW_MS;
  const slow = publishSite({ ...source(), now: () => (clock += 1_000) }, blobTarget(plant.blobs), ['slow'], {
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
  await writeBatch(plant, 'open', 5, labelsIn(5), { manifest: false });
  await expect(publish(['open'])).rejects.toMatchObject({ code: 'BATCH_RUNNING' });
  const warnings: string[] = [];
  const { finishBatch } = createControlActivities({
    store: plant.store,
    blobs: plant.blobs,
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
