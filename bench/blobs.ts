/**
 * `npm run bench -- --blobs`: how many blobs a batch of the sample plant leaves in Blob storage, and how many times it
 * appends to one, by container: what a year of batches costs a laptop's Blob server and a bill. Another checkout can be
 * counted beside it. Writes the section `blobs` of bench/RESULTS.md.
 *
 *   npm run bench -- --blobs [--batches 5] [--against FOLDER] [--results FILE]
 */
import { BlobServiceClient } from '@azure/storage-blob';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { isoTime } from '../domain/time.ts';
import { SAMPLE_FLEET, SAMPLE_MODELS_DIR } from '../samples/fleet.ts';
import { cleanEnv, TOOLS } from '../test/support/cli.ts';
import { writeSection } from './results-file.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const HOP_MS = 5_000;
const PERIOD_MS = 120_000;
/** Lines of workers and pages of the site come after a batch has ended. */
const SETTLE_MS = 15_000;
/** A child workflow for each sensor, as small fleets have it, and one for all of them. */
const SHAPES = { 'a child a sensor': [], 'one child': ['--sensors-per-child', String(SAMPLE_FLEET.length)] } as const;

interface Room {
  readonly blobs: number;
  readonly appends: number;
}

type Rooms = ReadonlyMap<string, Room>;

async function roomsOf(connection: string): Promise<Rooms> {
  const service = BlobServiceClient.fromConnectionString(connection);
  const rooms = new Map<string, Room>();
  for await (const { name } of service.listContainers()) {
    const container = service.getContainerClient(name);
    let [blobs, appends] = [0, 0];
    for await (const blob of container.listBlobsFlat()) {
      blobs += 1;
      if (blob.properties.blobType !== 'AppendBlob') continue;
      appends += (await container.getBlobClient(blob.name).getProperties()).blobCommittedBlockCount ?? 0;
    }
    rooms.set(name, { blobs, appends });
  }
  return rooms;
}

/** Of each shape: by container, what one batch adds. */
async function countedIn(folder: string, batches: number): Promise<ReadonlyMap<string, Rooms>> {
  const home = mkdtempSync(join(tmpdir(), 'fleetscore-bench-blobs-'));
  // The stack knows its own server; an older build does not read an empty configuration of Temporal's.
  const env = Object.fromEntries(
    Object.entries({ ...cleanEnv(), FLEETSCORE_HOME: home, FLEETSCORE_TOOLS_DIR: TOOLS }).filter(
      ([name]) => !name.startsWith('TEMPORAL_'),
    ),
  ) as NodeJS.ProcessEnv;
  const run = promisify(execFile);
  const cli = (...args: string[]) =>
    run(process.execPath, ['--disable-warning=ExperimentalWarning', join(folder, 'bin/fleetscore.js'), ...args], {
      env,
    });
  await cli('up', '--detach', '--ports', 'auto');
  try {
    const { env: ofStack } = JSON.parse(readFileSync(join(home, 'stack.json'), 'utf8')) as {
      env: Readonly<Record<string, string>>;
    };
    await cli('models', 'publish', fileURLToPath(SAMPLE_MODELS_DIR));
    const fromMs = Math.floor((Date.now() - 3_600_000) / PERIOD_MS) * PERIOD_MS;
    const periods = 1 + Object.keys(SHAPES).length * batches;
    const readings = join(home, 'readings.csv');
    writeFileSync(readings, readingsFrom(fromMs, fromMs + periods * PERIOD_MS));
    await cli('send', readings, '--wait');
    let next = fromMs;
    const batch = async (shape: readonly string[]): Promise<void> => {
      const period = ['--from', isoTime(next), '--to', isoTime(next + PERIOD_MS)];
      next += PERIOD_MS;
      await cli('batch', 'run', ...period, ...shape, '--wait-for-readings', '0s', '--wait');
    };
    await batch([]);
    const found = new Map<string, Rooms>();
    for (const [name, shape] of Object.entries(SHAPES)) {
      await sleep(SETTLE_MS);
      const before = await roomsOf(ofStack['FLEETSCORE_BLOB_CONNECTION_STRING']!);
      for (let i = 0; i < batches; i++) await batch(shape);
      await sleep(SETTLE_MS);
      const after = await roomsOf(ofStack['FLEETSCORE_BLOB_CONNECTION_STRING']!);
      const added = (container: string, of: keyof Room): number =>
        ((after.get(container)?.[of] ?? 0) - (before.get(container)?.[of] ?? 0)) / batches;
      found.set(
        name,
        new Map([...after.keys()].map((key) => [key, { blobs: added(key, 'blobs'), appends: added(key, 'appends') }])),
      );
    }
    return found;
  } finally {
    await cli('down').catch(() => {});
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

function readingsFrom(fromMs: number, toMs: number): string {
  const lines = ['TS,Device,Sensor,Value'];
  for (let at = fromMs; at < toMs; at += HOP_MS)
    for (const { device, sensor } of SAMPLE_FLEET) lines.push(`${isoTime(at)},${device},${sensor},20`);
  return `${lines.join('\n')}\n`;
}

const shown = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(1));

export async function benchBlobs(argv: readonly string[]): Promise<void> {
  const { values: flags } = parseArgs({
    args: argv.filter((arg) => arg !== '--blobs'),
    options: {
      batches: { type: 'string', default: '5' },
      against: { type: 'string' },
      results: { type: 'string', default: fileURLToPath(new URL('RESULTS.md', import.meta.url)) },
    },
  });
  const batches = Number(flags.batches);
  if (!(Number.isInteger(batches) && batches > 0)) throw new Error('--batches takes a whole number from 1');
  const own = await countedIn(ROOT, batches);
  const other = flags.against === undefined ? undefined : await countedIn(resolve(flags.against), batches);
  const rows: string[] = [];
  for (const [shape, rooms] of own)
    for (const [container, room] of rooms) {
      const before = other?.get(shape)?.get(container) ?? { blobs: 0, appends: 0 };
      if (room.blobs + room.appends + before.blobs + before.appends === 0) continue;
      const cells = [room.blobs, room.appends, ...(other ? [before.blobs, before.appends] : [])].map(shown);
      rows.push(`| ${[shape, container, ...cells].join(' | ')} |`);
    }
  const text = [
    '## Blobs a batch leaves',
    '',
    `\`npm run bench -- --blobs --batches ${batches}${other ? ' --against FOLDER' : ''}\` on ` +
      `${isoTime(Date.now()).slice(0, 10)}: a batch of the ${SAMPLE_FLEET.length} sensors of the sample plant, ` +
      `mean of ${batches}, ${SETTLE_MS / 1_000} s after the last one.` +
      (other ? ' The other build is the one before files were merged.' : ''),
    '',
    `| workflows | container | blobs | appends |${other ? ' before: blobs | appends |' : ''}`,
    `| --- | --- | ---: | ---: |${other ? ' ---: | ---: |' : ''}`,
    ...rows,
  ].join('\n');
  writeSection(flags.results, 'blobs', text);
  process.stdout.write(`${text}\n`);
}
