/**
 * `npm run bench`: every figure of the project in one run, side by side on one machine. Prints a table, and
 * writes a JSON file and bench/RESULTS.md.
 *
 *   npm run bench -- --sizes 1000,10000 --peers none|all|ray,dask --json FILE
 *   npm run bench -- --year [--days 30] [--sensors 500]   a store after months, beside one of a day (year.ts)
 *   npm run bench -- --forests [--sensors 2000]            isolation forests from cold workers (forests.ts)
 *   npm run bench -- --kinds [--rows 100000]               every kind of model beside its library (kinds.ts)
 *   npm run bench -- --alarms [--sensors 100000]          CPU of a batch without and with alarms (alarms.ts)
 *   npm run bench -- --alarms --whole                     of all its processes (alarms-whole.ts)
 *   npm run bench -- --against WORKTREE | --temporal ADDRESS | --sql URL    other builds and servers (elsewhere.ts)
 *   npm run bench -- --ui [--days 30] [--sensors 10000]   pages of the web application on a plant of a month (ui.ts)
 *   npm run bench -- --blobs [--against FOLDER]           blobs and appends that a batch leaves (blobs.ts)
 *   npm run bench -- --chunks [--sensors 50000]            CPU of scoring activities without workflows (chunks.ts)
 *   npm run bench -- --growth [--sizes 100000,3000000]    planning of fleets of millions (growth.ts)
 *   npm run bench -- --one-sensor [--windows 3000000]     a batch with millions of windows of a sensor (one-sensor.ts)
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { loadConfig } from '../config.ts';
import { messageOf } from '../domain/errors.ts';
import { findTemporal } from '../local/temporal-binary.ts';
import { benchAlarms } from './alarms.ts';
import { benchBlobs } from './blobs.ts';
import { type ChildMode, runChildMode } from './children.ts';
import { benchChunks } from './chunks.ts';
import { benchElsewhere, isElsewhere } from './elsewhere.ts';
import { endWithUsage, orUsage, withUsage } from './flags.ts';
import { type EndToEnd, runEndToEnd } from './end-to-end.ts';
import { type BenchFleet, startFleet } from './fleet.ts';
import { benchForests } from './forests.ts';
import { benchKinds } from './kinds.ts';
import { benchGrowth } from './growth.ts';
import { describeMachine, load } from './machine.ts';
import { PEER_FLEET, PEER_NAMES, type PeerName, type PeerResult, runPeer } from './peers.ts';
import { dropSection, writeSection } from './results-file.ts';
import { benchOneSensor } from './one-sensor.ts';
import { benchUi } from './ui.ts';
import { benchYear } from './year.ts';
import { runWorkerShapes, type WorkerShapes } from './worker-shapes.ts';
import { markdown } from './results-markdown.ts';
import { QUIET_LOAD, type Results, type ScoringAlone } from './results.ts';
import { targetsOf } from './targets.ts';

const run = promisify(execFile);
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const ALL_SIZES = '1000,10000,100000,1000000';
const WINDOWS = 15;
const CHILDREN = 500;

const USAGE =
  'npm run bench -- ...\n' +
  '  (nothing)                            every figure of bench/RESULTS.md\n' +
  '  --sizes 1000,10000|none              batches of fleets of these sizes, beside the bare loop\n' +
  '  --peers none|all|ray,dask,...        other tools; --rounds N; --only-sizes; --json FILE; --results FILE\n' +
  '  --against WORKTREE                   beside another build, in turns; --sizes, --children N, --rounds\n' +
  '  --temporal ADDRESS | --sql URL       on servers of your own\n' +
  '  --chunks [--sensors 50000]           CPU of scoring activities in one process, without workflows\n' +
  '  --growth [--sizes 100000,3000000]    planning of fleets of millions\n' +
  '  --year | --forests | --kinds | --alarms | --ui | --blobs | --one-sensor    each by itself';

/** Measurements that stand alone, by their flag. */
const ALONE: Readonly<Record<string, (argv: readonly string[]) => Promise<void>>> = {
  '--year': benchYear,
  '--forests': benchForests,
  '--kinds': benchKinds,
  '--alarms': benchAlarms,
  '--ui': benchUi,
  '--blobs': benchBlobs,
  '--one-sensor': benchOneSensor,
  '--chunks': benchChunks,
  '--growth': benchGrowth,
};
const alone = orUsage(USAGE, () => Object.keys(ALONE).find((flag) => process.argv.includes(flag)));
if (alone !== undefined) {
  await withUsage(USAGE, () => ALONE[alone]!(process.argv.slice(2)));
  process.exit();
}

if (isElsewhere(process.argv)) {
  await benchElsewhere(process.argv.slice(2)).catch((error: unknown) => {
    say(messageOf(error));
    process.exitCode = 1;
  });
  process.exit();
}

const flags = orUsage(
  USAGE,
  () =>
    parseArgs({
      options: {
        sizes: { type: 'string', default: ALL_SIZES },
        peers: { type: 'string', default: 'all' },
        rounds: { type: 'string', default: '3' },
        'only-sizes': { type: 'boolean', default: false },
        json: { type: 'string' },
        results: { type: 'string' },
      },
    }).values,
);
const sizes =
  flags.sizes === 'none'
    ? []
    : flags.sizes.split(',').map((text) => {
        const size = Number(text);
        return Number.isInteger(size) && size >= 1 && size <= 10_000_000
          ? size
          : endWithUsage(`--sizes takes whole numbers from 1 to 10,000,000, got ${JSON.stringify(text)}`, USAGE);
      });
const peers =
  flags.peers === 'none'
    ? []
    : flags.peers === 'all'
      ? PEER_NAMES
      : flags.peers
          .split(',')
          .map((text) =>
            PEER_NAMES.includes(text as PeerName)
              ? (text as PeerName)
              : endWithUsage(`--peers knows ${PEER_NAMES.join(', ')}, not ${JSON.stringify(text)}`, USAGE),
          );
const rounds = Number(flags.rounds);
if (!Number.isInteger(rounds) || rounds < 1)
  endWithUsage(`--rounds takes a whole number from 1, got ${JSON.stringify(flags.rounds)}`, USAGE);
// Figures of a part do not replace those of the whole in RESULTS.md.
const whole = flags.sizes === ALL_SIZES && flags.peers === 'all' && !flags['only-sizes'];
const jsonFile = flags.json ?? here('../.tools/bench.json');
const resultsFile = flags.results ?? (whole ? here('./RESULTS.md') : undefined);

const { toolsDir } = loadConfig({ FLEETSCORE_TOOLS_DIR: here('../.tools/cli') });
const temporal = await findTemporal(toolsDir, say);
const startedAt = performance.now();
const before = load();
if (before > QUIET_LOAD) say(`The machine is busy (load ${before}): expect lower rates, and read the ratios.`);

const measured: EndToEnd[] = [];
const peerResults: PeerResult[] = [];
const notMeasured: string[] = [];
let children: ChildMode | undefined;
let scoring: ScoringAlone | undefined;
let shapes: WorkerShapes | undefined;
/** Worker processes are compared on the largest fleet that does not take minutes. */
const shapesAt = flags['only-sizes'] ? undefined : sizes.filter((size) => size <= 100_000).toSorted((a, b) => b - a)[0];
const resultsNow = (): Results => ({
  date: new Date().toISOString().slice(0, 10),
  command: ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
  machine: describeMachine(temporal),
  load: { before, after: load() },
  seconds: (performance.now() - startedAt) / 1000,
  sizes: measured,
  peers: peerResults,
  notMeasured,
  ...(shapes ? { shapes } : {}),
  ...(children ? { children } : {}),
  ...(scoring ? { scoring } : {}),
});
const save = (): void => {
  const results = resultsNow();
  writeFileSync(jsonFile, `${JSON.stringify({ ...results, targets: targetsOf(results) }, null, 2)}\n`);
};
/** What a part measured is saved at once, and a part that fails is told and takes no other with it. */
async function part(title: string, work: () => Promise<void>): Promise<void> {
  say(`${title}:`);
  try {
    await work();
  } catch (error) {
    notMeasured.push(`${title}: ${messageOf(error).split('\n')[0]!}`);
    say(`  not measured: ${messageOf(error)}`);
  }
  save();
}
async function withFleet(sensors: number, work: (fleet: BenchFleet) => Promise<void>): Promise<void> {
  const fleet = await startFleet(sensors, WINDOWS, toolsDir, say);
  try {
    await work(fleet);
  } finally {
    await fleet.stop();
  }
}

for (const size of sizes)
  await part(`${size} sensors`, () =>
    withFleet(size, async (fleet) => {
      say(`  simulated in ${fleet.simulateSeconds.toFixed(1)} s`);
      // A million sensors take their time, and their noise is small.
      measured.push(await runEndToEnd(fleet, size > 200_000 ? Math.min(rounds, 1) : rounds, say));
      save();
      if (size === shapesAt)
        await part(
          '  few large workers or many small ones',
          async () => void (shapes = await runWorkerShapes(fleet, rounds, say)),
        );
    }),
  );

if (!flags['only-sizes'])
  await part(`a child workflow per sensor, ${CHILDREN} sensors`, () =>
    withFleet(CHILDREN, async (fleet) => void (children = await runChildMode(fleet, rounds, say))),
  );

if (peers.length > 0)
  await part('peers', () =>
    withFleet(PEER_FLEET, async (fleet) => {
      // The batch that the peers' anomalies are held against.
      await runEndToEnd(fleet, 1, () => {});
      for (const peer of peers) {
        peerResults.push(await runPeer(peer, fleet, toolsDir, say));
        save();
      }
    }),
  );

if (!flags['only-sizes'])
  await part('scoring alone', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'fleetscore-bench-'));
    try {
      const file = join(dir, 'scoring.json');
      await run(process.execPath, [
        '--disable-warning=ExperimentalWarning',
        here('./scoring.ts'),
        '--sensors',
        '1000',
        '--windows',
        String(WINDOWS),
        '--json',
        file,
      ]);
      scoring = JSON.parse(readFileSync(file, 'utf8')) as ScoringAlone;
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

save();
const page = markdown(resultsNow());
process.stdout.write(page);
if (resultsFile !== undefined) {
  writeSection(resultsFile, 'bench', page);
  // What earlier runs measured in parts is in this one as a whole.
  if (whole && notMeasured.length === 0)
    for (const name of ['bench-million', 'bench-children', 'bench-peers']) dropSection(resultsFile, name);
}
say(`\nFigures as data: ${jsonFile}`);
if (notMeasured.length > 0) process.exitCode = 1;
