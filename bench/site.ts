/**
 * What a batch's pages cost: a store and a Blob server with one closed batch, its pages written to the container
 * and to a folder, and, where there is a Chromium, how long they take to open from the disk. Prints a table.
 *
 *   npm run bench:site -- --fleets 1000x180,100000x15 --results bench/RESULTS.md
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { loadConfig } from '../config.ts';
import { formatCount } from '../report/format.ts';
import { blobTarget, folderTarget, publishSite } from '../report/index.ts';
import { batchPath } from '../report/site/paths.ts';
import { decodePredictions } from '../scoring/predictions-file.ts';
import { openStore } from '../storage/open-store.ts';
import { findChromium, startBrowser } from '../test/report/browser.ts';
import { writeBatch } from '../test/report/written-batch.ts';
import { startBlobServer } from '../test/support/own-blob-server.ts';
import { endWithUsage, orUsage } from './flags.ts';
import { load } from './machine.ts';
import { writeSection } from './results-file.ts';

const USAGE = 'npm run bench:site -- [--fleets SENSORSxWINDOWS,...] [--results FILE]';
const options = { fleets: { type: 'string', default: '1000x180' }, results: { type: 'string' } } as const;
const flags = orUsage(USAGE, () => parseArgs({ options }).values);
/** Sensors, and windows of each. */
const fleets = flags.fleets
  .split(',')
  .map((fleet) => fleet.split('x').map(Number) as [sensors: number, windows: number]);
if (!fleets.every((fleet) => fleet.length === 2 && fleet.every((n) => Number.isInteger(n) && n > 0)))
  endWithUsage(`--fleets takes such as 1000x180,100000x15, got ${JSON.stringify(flags.fleets)}`, USAGE);

const SENSORS_PER_DEVICE = 5;
/** Rows of one predictions file, about those of a real chunk. */
const ROWS_PER_FILE = 30_000;
const MAX_SENSORS = loadConfig({}).site.maxSensors;
const ROUNDS = 3;

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
};
const least = async (work: () => Promise<unknown>): Promise<number> => {
  const rounds: number[] = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push(await seconds(work));
  return Math.min(...rounds);
};

async function measure(sensors: number, windows: number): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'fleetscore-bench-site-'));
  const server = await startBlobServer(join(folder, 'blobs'));
  const store = await openStore(`sqlite:${join(folder, 'store.db')}`);
  try {
    await store.migrate();
    const keys = Array.from({ length: sensors }, (_, i) => ({
      device: `unit-${Math.floor(i / SENSORS_PER_DEVICE) + 1}`,
      sensor: `s${i % SENSORS_PER_DEVICE}`,
      unit: 'bar',
    }));
    const ids = await store.registerSensors(keys);
    await store.createRelease('r1', 1, [], []);
    // One sensor in fifty has a bad stretch.
    const written = keys.map((key, i) => ({
      ...key,
      id: ids[i]!,
      labels: Array.from({ length: windows }, (_, at): 0 | 1 => (i % 50 === 7 && at % 12 > 8 ? 1 : 0)),
    }));
    // Making the fleet held this thread: connections that the server closed meanwhile must be noticed.
    await sleep(200);
    await writeBatch({ store, blobs: server.blobs }, 'bench', 0, written, {
      perFile: Math.max(1, Math.floor(ROWS_PER_FILE / windows)),
    });
    const source = { store, blobs: server.blobs, decodePredictions, now: Date.now };
    const toBlob = await least(() =>
      publishSite(source, blobTarget(server.blobs), ['bench'], { maxSensors: MAX_SENSORS }),
    );
    const site = join(folder, 'site');
    const cpuBefore = process.cpuUsage();
    const toFolder = await least(() => publishSite(source, folderTarget(site), ['bench'], { maxSensors: MAX_SENSORS }));
    const { user, system } = process.cpuUsage(cpuBefore);
    let pages = 0;
    let bytes = 0;
    for await (const blob of server.blobs.list('site', '')) {
      pages += 1;
      bytes += blob.bytes;
    }
    const batch = (await store.findBatch('bench'))!;
    const opened = await openTimes(site, batchPath(batch));
    return [
      formatCount(sensors),
      formatCount(windows),
      formatCount(pages),
      (bytes / 1e6).toFixed(1),
      toBlob.toFixed(2),
      toFolder.toFixed(2),
      ((user + system) / 1e6 / ROUNDS).toFixed(2),
      ...opened,
    ];
  } finally {
    await store.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Milliseconds from navigation to the load event: fleet, batch, device. */
async function openTimes(site: string, path: string): Promise<string[]> {
  const executable = findChromium();
  if (executable === undefined) return ['', '', ''];
  const browser = await startBrowser(executable);
  try {
    const times: string[] = [];
    for (const page of [
      'index.html',
      `${path}index.html`,
      `${path}devices/${readdirSync(join(site, path, 'devices'))[0]}`,
    ]) {
      let fastest = Number.POSITIVE_INFINITY;
      for (let i = 0; i < ROUNDS; i++) {
        await browser.open(join(site, page), { width: 1280, height: 900 });
        fastest = Math.min(
          fastest,
          Number(await browser.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")),
        );
      }
      times.push(fastest.toFixed(0));
    }
    return times;
  } finally {
    await browser.close();
  }
}

const before = load();
const rows: string[][] = [];
for (const [sensors, windows] of fleets) {
  process.stderr.write(`${formatCount(sensors)} sensors ...\n`);
  rows.push(await measure(sensors, windows));
}
const heads = [
  'sensors',
  'windows',
  'blobs',
  'MB',
  'to Blob (s)',
  'to a folder (s)',
  'CPU (s)',
  'fleet opens (ms)',
  'batch opens (ms)',
  'device opens (ms)',
];
const text = `## The site

Made by \`npm run bench:site -- --fleets ${flags.fleets}\` on ${new Date().toISOString().slice(0, 10)}: the pages of one batch, ${SENSORS_PER_DEVICE} sensors a device, fastest of ${ROUNDS}. At most ${formatCount(MAX_SENSORS)} sensors are drawn, from at most half a million rows of predictions. Blob is the laptop stack's server on the same cores; pages open in headless Chromium from the disk. Load of the machine before: ${before}.

| ${heads.join(' | ')} |
| ${heads.map(() => '---:').join(' | ')} |
${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}
`;
process.stdout.write(text);
if (flags.results !== undefined) writeSection(flags.results, 'site', text);
