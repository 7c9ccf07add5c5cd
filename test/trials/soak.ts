/**
 * A long run: the sample plant sends readings all the time, a schedule scores every minute. At the end every
 * batch is checked, every reading is in the windows, and the memory of every process is flat.
 *
 *   npm run soak -- --minutes 20
 *
 * Writes its section of bench/RESULTS.md. Exit code 1 when anything is lost, or memory grows.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openContext } from '../../cli/frame/context.ts';
import { loadConfig, type Env } from '../../config.ts';
import { startStack } from '../../local/stack.ts';
import { sendReadings } from '../../ingest/send-readings.ts';
import { waitIngested } from '../../ingest/wait-ingested.ts';
import { SAMPLE_FLEET, SAMPLE_MODELS_DIR } from '../../samples/fleet.ts';
import { sampleFeed } from '../../samples/readings.ts';
import { publishModels } from '../../scoring/publish.ts';
import { openProducer } from '../../connect/event-hubs.ts';
import { createSchedule } from '../../connect/schedules.ts';
import { DEFAULT_OVERLAP } from '../../domain/overlap.ts';
import { cleanEnv, TOOLS } from '../support/cli.ts';
import { findings } from '../support/run-batch.ts';
import { PARTS, pidsOf, residentMiB, type Part } from '../support/stack-pids.ts';
import { writeSection } from '../../bench/results-file.ts';
import { hasEnded } from '../../storage/store.ts';

const { values: flags } = parseArgs({
  options: { minutes: { type: 'string', default: '20' }, 'dry-run': { type: 'boolean', default: false } },
});
const minutes = Number(flags.minutes);
if (!(minutes >= 1)) throw new Error(`--minutes must be a number from 1, got ${flags.minutes}`);

const EVERY_MS = 60_000;
const FEED_MS = 1_000;
const SAMPLE_EVERY_MS = 5_000;
/** Before it, caches fill and code is compiled. */
const WARM_UP_SHARE = 0.3;
/** Growth, from the first third after the warm-up to the last, that still counts as flat: the swing of caches and garbage collectors. */
const FLAT_SHARE = 0.15;
const FLAT_MIB = 24;
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
  ...ports,
};
const stack = await startStack({ config: loadConfig(env), env, log: say });
const context = openContext({ home }, cleanEnv());
const memory = new Map<Part, { readonly atMs: number; readonly mib: number }[]>();
const pids = new Map<Part, string>();
let stopped = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (stopped = true));

try {
  const store = await context.store();
  await store.registerSensors(SAMPLE_FLEET.map(({ device, sensor, unit }) => ({ device, sensor, unit })));
  await publishModels(fileURLToPath(SAMPLE_MODELS_DIR), { store, blobs: context.blobs(), nowMs: Date.now() });
  const producer = openProducer(context.config);
  const startedAt = Date.now();
  const until = startedAt + minutes * 60_000;
  let sent = 0;
  let through = startedAt;
  let last: Readonly<Record<string, number>> = {};
  await createSchedule(await context.client(), 'soak', {
    everyMs: EVERY_MS,
    request: { period: '1m', waitForReadings: '2m' },
    overlap: DEFAULT_OVERLAP,
    catchupWindowMs: 10 * EVERY_MS,
    paused: false,
  });
  say(`soak of ${minutes} minutes: ${SAMPLE_FLEET.length} sensors, home ${home}`);
  let sampledAt = 0;
  let told = 0;
  while (Date.now() < until && !stopped) {
    await sleep(FEED_MS);
    const now = Date.now();
    const readings = sampleFeed(through, now);
    const result = await sendReadings(readings, { producer });
    sent += result.sent;
    last = result.lastSequenceNumbers;
    through = now;
    if (now - sampledAt >= SAMPLE_EVERY_MS) {
      sampledAt = now;
      sampleMemory(now);
    }
    if (now - told >= 60_000) {
      told = now;
      const batches = await store.listBatches({ schedule: 'soak', limit: 10_000 });
      say(
        `${Math.round((now - startedAt) / 60_000)} min: ${sent} readings, ${batches.filter(hasEnded).length} batches ended; MiB ${[...memory].map(([part, samples]) => `${part} ${Math.round(samples.at(-1)!.mib)}`).join(', ')}`,
      );
    }
  }
  await context.client().then((client) => client.schedule.getHandle('soak').pause());
  // What remains in a buffer of the schedule still runs: the last batches wait for readings of their period.
  const closing = await sendReadings(sampleFeed(through, Date.now()), { producer });
  sent += closing.sent;
  last = { ...last, ...closing.lastSequenceNumbers };
  await producer.close();
  const [progress] = await store.listProgress();
  await waitIngested({ store, source: progress!.source, lastSequenceNumbers: last });
  for (
    const end = Date.now() + 5 * 60_000;
    (await store.listBatches({ schedule: 'soak', status: 'running' })).length > 0 && Date.now() < end;
  )
    await sleep(500);

  const ingested = (await store.listProgress()).reduce(
    (sum, p) => ({ readings: sum.readings + p.readings, dead: sum.dead + p.dead, late: sum.late + p.late }),
    { readings: 0, dead: 0, late: 0 },
  );
  if (ingested.readings !== sent || ingested.dead > 0)
    problems.push(
      `${sent} readings were sent, ${ingested.readings} are in the windows, ${ingested.dead} are dead letters`,
    );
  const batches = await store.listBatches({ schedule: 'soak', limit: 10_000 });
  const expected = Math.floor(until / EVERY_MS) - Math.floor(startedAt / EVERY_MS);
  if (!stopped && Math.abs(batches.length - expected) > 1)
    problems.push(`${expected} batches were to start in ${minutes} minutes, ${batches.length} did`);
  let rows = 0;
  let failed = 0;
  for (const batch of batches) {
    if (batch.status === 'running') {
      problems.push(`batch ${batch.id} has not ended`);
      continue;
    }
    const { text, report } = await findings(context, batch.id);
    if (text !== '') problems.push(`batch ${batch.id}: ${text}`);
    if (batch.status !== 'completed') problems.push(`batch ${batch.id} ${batch.status}: ${batch.message ?? ''}`);
    rows += report.rows;
    failed += batch.counts.failed;
  }
  const parts = [...memory].map(([part, samples]) => ({ part, ...trend(samples) }));
  for (const { part, first, last, flat } of parts)
    if (!flat) problems.push(`the memory of ${part} grew from ${Math.round(first)} to ${Math.round(last)} MiB`);
  const text = section({ sent, late: ingested.late, batches: batches.length, rows, failed, parts });
  console.log(`\n${text}`);
  if (!flags['dry-run'] && !stopped) writeSection(RESULTS, 'soak', text);
} finally {
  await context.close();
  await stack.stop();
  if (problems.length === 0) rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  else say(`logs and data are kept in ${home}`);
}
for (const problem of problems) say(`FOUND ${problem}`);
process.exit(problems.length === 0 ? 0 : 1);

function sampleMemory(nowMs: number): void {
  for (const part of Object.keys(PARTS) as Part[]) {
    const found = pidsOf(home, part);
    const mib = found
      .map(residentMiB)
      .filter((value) => value !== undefined)
      .reduce((sum, value) => sum + value, 0);
    const known = pids.get(part);
    if (known !== undefined && known !== found.join())
      problems.push(`${part} was started anew: process ${known} became ${found.join()}`);
    pids.set(part, found.join());
    const samples = memory.get(part);
    if (samples) samples.push({ atMs: nowMs, mib });
    else memory.set(part, [{ atMs: nowMs, mib }]);
  }
}

/** Medians of the first and the last third after the warm-up. */
function trend(samples: readonly { readonly mib: number }[]): {
  first: number;
  last: number;
  peak: number;
  flat: boolean;
} {
  const warm = samples.slice(Math.floor(samples.length * WARM_UP_SHARE)).map(({ mib }) => mib);
  const third = Math.max(1, Math.floor(warm.length / 3));
  const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
  const first = median(warm.slice(0, third));
  const last = median(warm.slice(-third));
  return {
    first,
    last,
    peak: Math.max(...samples.map(({ mib }) => mib)),
    flat: last <= first * (1 + FLAT_SHARE) || last - first <= FLAT_MIB,
  };
}

interface Result {
  readonly sent: number;
  readonly late: number;
  readonly batches: number;
  readonly rows: number;
  readonly failed: number;
  readonly parts: readonly {
    readonly part: Part;
    readonly first: number;
    readonly last: number;
    readonly peak: number;
    readonly flat: boolean;
  }[];
}

function section({ sent, late, batches, rows, failed, parts }: Result): string {
  return [
    '## Soak',
    '',
    `\`npm run soak -- --minutes ${minutes}\` on ${new Date().toISOString().slice(0, 10)}, ${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), load ${loadavg()[0]!.toFixed(1)}, Node ${process.version}.`,
    '',
    `${sent} readings of ${SAMPLE_FLEET.length} sensors, all of them in the windows (${late} late); ${batches} batches with ${rows} predictions, ${failed} failed sensors. The checker found ${problems.filter((p) => p.startsWith('batch')).length === 0 ? 'nothing' : 'problems'}.`,
    '',
    `Resident memory, medians of the first and the last third after the warm-up (${WARM_UP_SHARE * 100} % of the time). The run fails when a process grows by more than ${FLAT_SHARE * 100} % and ${FLAT_MIB} MiB. Temporal runs as its dev server here, whose memory is not ours to bound.`,
    '',
    '| process | MiB, first third | MiB, last third | change | peak |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...parts.map(
      (p) =>
        `| ${p.part} | ${Math.round(p.first)} | ${Math.round(p.last)} | ${p.last >= p.first ? '+' : ''}${Math.round((p.last / p.first - 1) * 100)} % | ${Math.round(p.peak)} |`,
    ),
  ].join('\n');
}
