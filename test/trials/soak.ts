/**
 * A long run: the sample plant sends readings all the time, a schedule scores every minute on a pool, and what is older
 * than a sixth of the run is pruned. Every batch is checked when it has ended. At the end every reading is in the
 * windows; memory of every process, blobs and index are flat; and the stack stops, starts again in about the time of
 * its first start, and scores on.
 *
 *   npm run soak -- --minutes 60
 *
 * Writes its section of bench/RESULTS.md. Exit code 1 when anything is lost, or grows.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { mendHoles } from '../../batches/holes.ts';
import { orUsage } from '../../bench/flags.ts';
import { writeSection } from '../../bench/results-file.ts';
import { openContext, type Context } from '../../cli/frame/context.ts';
import { loadConfig, type Env } from '../../config.ts';
import { openProducer } from '../../connect/event-hubs.ts';
import { createSchedule } from '../../connect/schedules.ts';
import { DEFAULT_OVERLAP } from '../../domain/overlap.ts';
import { messageOf } from '../../domain/errors.ts';
import { sendReadings } from '../../ingest/send-readings.ts';
import { waitIngested } from '../../ingest/wait-ingested.ts';
import { startStack, type Stack } from '../../local/stack.ts';
import { SAMPLE_FLEET, SAMPLE_MODELS_DIR } from '../../samples/fleet.ts';
import { sampleFeed } from '../../samples/readings.ts';
import { publishModels } from '../../scoring/publish.ts';
import { hasEnded } from '../../storage/store.ts';
import { cleanEnv, TOOLS } from '../support/cli.ts';
import { findings } from '../support/run-batch.ts';
import { PARTS, pidsOf, residentMiB, type Part } from '../support/stack-pids.ts';
import { blobsByContainer, roomOf, type Room } from './soak-room.ts';
import { soakSection, type Starts } from './soak-section.ts';
import { trend } from './soak-trend.ts';

const options = {
  minutes: { type: 'string', default: '20' },
  'dry-run': { type: 'boolean', default: false },
} as const;
const { flags, minutes } = orUsage('npm run soak -- [--minutes N] [--dry-run]', () => {
  const { values } = parseArgs({ options });
  const time = Number(values.minutes);
  if (!(time >= 1)) throw new Error(`--minutes must be a number from 1, got ${values.minutes}`);
  return { flags: values, minutes: time };
});

const EVERY_MS = 60_000;
const FEED_MS = 1_000;
const SAMPLE_EVERY_MS = 5_000;
const FLAT_MIB = 24;
/** Rows of the index that the logs of an hour may add, which are kept by the day. */
const FLAT_BLOBS = 150;
const FLAT_INDEX_MIB = 8;
/** A start may take so many times as long as the first, which had no data; and so long in any case. */
const SLOWER_START = 2;
const START_SLACK_MS = 10_000;
const KEEP = `${Math.max(4, Math.round(minutes / 6))}m`;
const SCHEDULE = 'soak';
const RESULTS = fileURLToPath(new URL('../../bench/RESULTS.md', import.meta.url));

const say = (line: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
const problems: string[] = [];
const home = mkdtempSync(join(tmpdir(), 'fleetscore-soak-'));
const ports = Object.fromEntries(
  ['TEMPORAL', 'UI', 'BLOB', 'EVENT_HUBS'].map((part) => [`FLEETSCORE_${part}_PORT`, 'auto']),
);
const env: Env = {
  ...cleanEnv(),
  FLEETSCORE_HOME: home,
  FLEETSCORE_TOOLS_DIR: TOOLS,
  FLEETSCORE_OUT_OF_ORDER: '10s',
  FLEETSCORE_KEEP_WINDOWS: KEEP,
  FLEETSCORE_KEEP_BATCHES: KEEP,
  ...ports,
};
let stopped = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (stopped = true));

const memory = new Map<Part, number[]>();
/** As it was before the second start. */
let measured: [Part, number[]][] = [];
const pids = new Map<Part, string>();
const rooms: Room[] = [];
/** Batches that were checked, and what was in them. */
const checked = new Map<string, { readonly rows: number; readonly failed: number }>();
let sent = 0;
/** Readings are sent up to here, epoch ms. */
let through = Date.now();
let last: Readonly<Record<string, number>> = {};
let late = 0;
let startedAt = Date.now();

let stack: Stack | undefined;
try {
  const firstMs = await timed(start);
  await within(async (context) => {
    await prepare(context);
    await run(context, Date.now() + minutes * 60_000);
    await settle(context);
  });
  const stopMs = await timed(stop);
  const againMs = await timed(start);
  await within(goesOn);
  const starts = { firstMs, stopMs, againMs };
  const limitMs = Math.max(firstMs * SLOWER_START, firstMs + START_SLACK_MS);
  if (againMs > limitMs) problems.push(`the second start took ${seconds(againMs)} s, the first ${seconds(firstMs)} s`);
  const text = report(starts);
  console.log(`\n${text}`);
  if (!flags['dry-run'] && !stopped) writeSection(RESULTS, 'soak', text);
} catch (error) {
  problems.push(messageOf(error));
} finally {
  await stop();
  if (problems.length === 0) rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  else say(`logs and data are kept in ${home}`);
}
for (const problem of problems) say(`FOUND ${problem}`);
process.exit(problems.length === 0 ? 0 : 1);

async function start(): Promise<void> {
  stack = await startStack({ config: loadConfig(env), env, log: say, scoringWorkers: 'pool' });
  stack.broken.catch((error: unknown) => {
    problems.push(messageOf(error));
    stopped = true;
  });
}

async function stop(): Promise<void> {
  await stack?.stop();
  stack = undefined;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function within(work: (context: Context) => Promise<void>): Promise<void> {
  const context = openContext({ home }, cleanEnv());
  try {
    await work(context);
  } finally {
    await context.close();
  }
}

async function prepare(context: Context): Promise<void> {
  const store = await context.store();
  await store.registerSensors(SAMPLE_FLEET.map(({ device, sensor, unit }) => ({ device, sensor, unit })));
  await publishModels(fileURLToPath(SAMPLE_MODELS_DIR), { store, blobs: context.blobs(), nowMs: Date.now() });
  await createSchedule(await context.client(), SCHEDULE, {
    everyMs: EVERY_MS,
    request: { period: '1m', waitForReadings: '2m' },
    overlap: DEFAULT_OVERLAP,
    catchupWindowMs: 10 * EVERY_MS,
    paused: false,
  });
  startedAt = Date.now();
  through = startedAt;
  say(`soak of ${minutes} minutes: ${SAMPLE_FLEET.length} sensors, all kept for ${KEEP}, home ${home}`);
}

/** Sends readings until `until`, samples, and checks batches as they end. */
async function run(context: Context, until: number): Promise<void> {
  const producer = openProducer(context.config);
  let [sampledAt, told] = [0, Date.now()];
  const feed = async (): Promise<void> => {
    const now = Date.now();
    const result = await sendReadings(sampleFeed(through, now), { producer });
    sent += result.sent;
    last = { ...last, ...result.lastSequenceNumbers };
    through = now;
  };
  while (Date.now() < until && !stopped) {
    await sleep(FEED_MS);
    await feed();
    const now = Date.now();
    if (now - sampledAt >= SAMPLE_EVERY_MS) sampleMemory();
    if (now - sampledAt >= SAMPLE_EVERY_MS) sampledAt = now;
    if (now - told < 60_000) continue;
    told = now;
    await checkEnded(context);
    const room = roomOf(home, now);
    if (room) rooms.push(room);
    say(
      `${Math.round((now - startedAt) / 60_000)} min: ${sent} readings, ${checked.size} batches ended; MiB ${[...memory].map(([part, samples]) => `${part} ${Math.round(samples.at(-1)!)}`).join(', ')}; ${room?.blobs} blobs of ${room?.pieces} pieces, index ${room?.indexMiB.toFixed(1)} MiB, store ${room?.storeMiB.toFixed(1)} + ${room?.walMiB.toFixed(1)} MiB`,
    );
  }
  await feed();
  await producer.close();
}

/** Each batch of the schedule that has ended since the last look. */
async function checkEnded(context: Context): Promise<number> {
  const batches = await (await context.store()).listBatches({ schedule: SCHEDULE, limit: 10_000 });
  for (const batch of batches) {
    if (!hasEnded(batch) || checked.has(batch.id)) continue;
    const { text, report } = await findings(context, batch.id);
    if (text !== '') problems.push(`batch ${batch.id}: ${text}`);
    if (batch.status !== 'completed') problems.push(`batch ${batch.id} ${batch.status}: ${batch.message ?? ''}`);
    checked.set(batch.id, { rows: report.rows, failed: batch.counts.failed });
  }
  return batches.filter((batch) => !hasEnded(batch)).length;
}

/** What remains in a buffer of the schedule still runs: the last batches wait for readings of their period. */
async function settle(context: Context): Promise<void> {
  const store = await context.store();
  const endedAt = Date.now();
  await (await context.client()).schedule.getHandle(SCHEDULE).pause();
  const [progress] = await store.listProgress();
  await waitIngested({ store, source: progress!.source, lastSequenceNumbers: last });
  for (const end = Date.now() + 5 * 60_000; (await checkEnded(context)) > 0; await sleep(500))
    if (Date.now() > end) throw new Error('a batch has not ended within 5 minutes of the last readings');
  const all = await store.listProgress();
  const sum = (of: (one: (typeof all)[number]) => number): number => all.reduce((total, one) => total + of(one), 0);
  late = sum((one) => one.late);
  if (sum((one) => one.readings) !== sent || sum((one) => one.dead) > 0)
    problems.push(
      `${sent} readings were sent, ${sum((one) => one.readings)} are in the windows, ${sum((one) => one.dead)} are dead letters`,
    );
  const expected = Math.floor(endedAt / EVERY_MS) - Math.floor(startedAt / EVERY_MS);
  if (!stopped && Math.abs(checked.size - expected) > 1)
    problems.push(`${expected} batches were to start in ${minutes} minutes, ${checked.size} did`);
}

/** After the second start: nothing is missing, and the schedule scores again. */
async function goesOn(context: Context): Promise<void> {
  const store = await context.store();
  const { manifests, holes } = await mendHoles(
    { store, blobs: context.blobs() },
    await store.listBatches({ limit: 1_000 }),
  );
  if (manifests.length + holes.length > 0)
    problems.push(`after the second start ${manifests.length} manifests and files of ${holes.length} batches are gone`);
  const before = checked.size;
  await (await context.client()).schedule.getHandle(SCHEDULE).unpause();
  // The processes are others now.
  pids.clear();
  measured = [...memory].map(([part, values]): [Part, number[]] => [part, [...values]]);
  for (const end = Date.now() + 6 * 60_000; checked.size < before + 2; await run(context, Date.now() + 5_000)) {
    await checkEnded(context);
    if (Date.now() > end) throw new Error('the schedule scored nothing within 6 minutes of the second start');
  }
}

function sampleMemory(): void {
  for (const part of Object.keys(PARTS) as Part[]) {
    const found = pidsOf(home, part);
    const known = pids.get(part);
    // Nodes of the pool come and go.
    if (part !== 'scoring' && known !== undefined && known !== found.join())
      problems.push(`${part} was started anew: process ${known} became ${found.join()}`);
    pids.set(part, found.join());
    const mib = found.map((pid) => residentMiB(pid) ?? 0).reduce((total, value) => total + value, 0);
    memory.set(part, [...(memory.get(part) ?? []), mib]);
  }
}

function report(starts: Starts): string {
  const grown = <T>(what: string, values: readonly number[], slack: number, more: T) => {
    const one = { what, ...trend(values, slack), ...more };
    if (!one.flat) problems.push(`${what} grew from ${Math.round(one.first)} to ${Math.round(one.last)}`);
    return one;
  };
  return soakSection({
    minutes,
    keep: KEEP,
    sent,
    late,
    batches: checked.size,
    rows: [...checked.values()].reduce((total, { rows }) => total + rows, 0),
    failed: [...checked.values()].reduce((total, { failed }) => total + failed, 0),
    whole: problems.length === 0,
    starts,
    memory: measured.map(([part, values]) => grown(part, values, FLAT_MIB, { unit: 'MiB' })),
    rooms: [
      grown(
        'blobs',
        rooms.map((room) => room.blobs),
        FLAT_BLOBS,
        { unit: '' },
      ),
      grown(
        'pieces of blobs',
        rooms.map((room) => room.pieces),
        FLAT_BLOBS,
        { unit: '' },
      ),
      grown(
        'index of the Blob server',
        rooms.map((room) => room.indexMiB),
        FLAT_INDEX_MIB,
        { unit: 'MiB' },
      ),
      grown(
        'SQLite store',
        rooms.map((room) => room.storeMiB),
        FLAT_INDEX_MIB,
        { unit: 'MiB' },
      ),
      grown(
        'its log',
        rooms.map((room) => room.walMiB),
        FLAT_INDEX_MIB,
        { unit: 'MiB' },
      ),
    ],
    containers: blobsByContainer(home),
  });
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}
