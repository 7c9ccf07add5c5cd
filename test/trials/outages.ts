/**
 * A laptop stack whose services are taken away one after the other, each in every way that services have: all workers
 * talk to Blob, SQL, Event Hubs and Temporal through proxies. SQL is the TDS responder of the tests, with SQLite behind
 * it. Under each fault two batches are scored and readings ingested; then the service comes back, and what was to be
 * done must be done by itself. Prints a table.
 *
 *   npm run chaos -- --outages --seed 7 --seconds 20 --sensors 24 [--only blob] [--fault 503,40613] [--against FOLDER]
 *
 * The seed fixes the order of the faults and the moment at which each begins. `--against` tries the workers of another
 * checkout afterwards, and puts what became of them beside. Exit code 1 when anything is lost or twice, a batch does
 * not end or needs a person, a worker takes a fifth more memory than without a fault, or work does not go on in time.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { orUsage } from '../../bench/flags.ts';
import { messageOf } from '../../domain/errors.ts';
import { uniformAt } from '../../samples/random.ts';
import { loadFleet } from '../support/fault-stack.ts';
import { startOutageStack, type OutageStack } from '../support/outage-stack.ts';
import { findings, startBatch, untilEnded } from '../support/run-batch.ts';
import { FAULTS, type ServiceFault } from './service-faults.ts';

const USAGE =
  'npm run chaos -- --outages [--seed N] [--seconds N] [--sensors N] [--only SERVICE] [--fault NAME] ' +
  '[--against WORKTREE] [--rows FILE] [--keep]';
const options = {
  outages: { type: 'boolean' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  seconds: { type: 'string', default: '20' },
  sensors: { type: 'string', default: '24' },
  only: { type: 'string', default: '' },
  fault: { type: 'string', default: '' },
  against: { type: 'string' },
  rows: { type: 'string' },
  keep: { type: 'boolean', default: false },
} as const;
const flags = orUsage(USAGE, () => parseArgs({ options }).values);
const seed = Number(flags.seed);
const seconds = Number(flags.seconds);
const sensors = Number(flags.sensors);
orUsage(USAGE, () => {
  for (const [name, value] of Object.entries({ seed, seconds, sensors }))
    if (!(Number.isFinite(value) && value >= 1)) throw new Error(`--${name} must be a number from 1`);
});

const PERIOD = { fromMs: Date.parse('2026-03-02T10:00:00Z'), toMs: Date.parse('2026-03-02T10:05:00Z') };
/** Work has to go on within it once a service is back. */
const GOES_ON_MS = 30_000;
/** A request without an answer may cost no more. */
const NO_ANSWER_MS = 60_000;
/** Given up, for the table's sake: what waited in a long outage takes its time. */
const END_MS = Math.max(150_000, seconds * 300);
/** Sent at once without a fault: memory is bounded by what a worker takes at once, and so much has to wait for that. */
const BURST = 8_000;
/** Without a fault, to see what memory workers have: rounds until one adds less than this share to any. */
const WARM_SECONDS = 20;
const SETTLED = 1.03;
const MOST_WARM_ROUNDS = 8;
/** Of what a worker has without a fault. */
const MOST_MEMORY = 1.2;

const say = (line: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
const seconds1 = (ms: number): string => (ms / 1_000).toFixed(1);

interface Row {
  readonly service: string;
  readonly fault: string;
  /** From the return of the service on. */
  readonly batchMs: number;
  readonly goesOnMs: number;
  readonly ingestMs: number;
  /** Sensors without a prediction. */
  readonly unscored: number;
  readonly sent: number;
  /** Readings in the windows too often or missing. */
  readonly off: number;
  /** Resident memory of each worker, by role, MiB. */
  readonly memory: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

const NO_FAULT = { service: 'none', name: 'no fault', begin: async () => {}, end: async () => {} } as const;

async function meet(stack: OutageStack, fault: ServiceFault | typeof NO_FAULT, number: number): Promise<Row> {
  const { context } = stack;
  const problems: string[] = [];
  const before = stack.feed.sent();
  const shape = { sensorsPerChild: Math.ceil(sensors / 3), sensorsPerActivity: 4 };
  // One that is under way when the fault comes, slowed down for it, and one that starts in the middle of it.
  stack.blob.plan(() => ({ kind: 'slow', ms: 150 }));
  const ids = [await startBatch(context, PERIOD, shape)];
  await sleep(100 + Math.round(uniformAt(seed, number) * 900));
  await fault.begin(stack);
  const lastsMs = 1_000 * (fault === NO_FAULT ? Math.min(seconds, WARM_SECONDS) : seconds);
  await sleep(lastsMs / 2);
  ids.push(await startBatch(context, PERIOD, shape));
  await sleep(lastsMs / 2);
  await fault.end(stack);
  const backAtMs = performance.now();
  const sent = stack.feed.sent();

  const goesOn = untilMore(stack).then((atMs) => atMs - backAtMs);
  const ingested = stack.feed.untilIngested(END_MS).then(
    () => performance.now() - backAtMs,
    (error: unknown) => (problems.push(messageOf(error)), END_MS),
  );
  let unscored = ids.length * sensors;
  const ended = ids.map((id) =>
    untilEnded(context, id, END_MS).then(
      ({ counts }) => {
        unscored -= counts.scored;
        if (counts.scored < sensors) problems.push(`${id}: ${JSON.stringify(counts)}, a person has to drive it again`);
        return performance.now() - backAtMs;
      },
      (error: unknown) => (problems.push(messageOf(error)), END_MS),
    ),
  );
  const [goesOnMs, ingestMs, ...batches] = await Promise.all([goesOn, ingested, ...ended]);
  const batchMs = Math.max(...batches);
  for (const id of ids) {
    const { text } = await findings(context, id).catch((error: unknown) => ({ text: messageOf(error) }));
    if (text !== '') problems.push(`${id}: ${text}`);
  }
  if (batchMs > GOES_ON_MS) problems.push(`a batch ended ${seconds1(batchMs)} s after the service was back`);
  if (goesOnMs > GOES_ON_MS) problems.push(`ingest went on ${seconds1(goesOnMs)} s after the service was back`);
  const off = await stack.feed.off();
  if (off !== 0) problems.push(`${off} readings too many in the windows`);
  const { service, name } = fault;
  const memory = stack.memory();
  return { service, fault: name, batchMs, goesOnMs, ingestMs, unscored, sent: sent - before, off, memory, problems };
}

/** When the next events are applied, on the clock of `performance`. */
async function untilMore({ feed }: OutageStack): Promise<number> {
  const endMs = performance.now() + END_MS;
  for (const before = await feed.applied(); performance.now() < endMs; await sleep(100))
    if ((await feed.applied()) > before) break;
  return performance.now();
}

/** The most that any worker has, beside what it has without a fault. */
function memoryRatio({ memory }: Row, usual: Row['memory']): number {
  return Math.max(...Object.entries(memory).map(([role, mib]) => mib / Math.max(1, usual[role] ?? mib)));
}

const home = mkdtempSync(join(tmpdir(), 'fleetscore-outages-'));
say(`seed ${seed}, ${seconds} s a fault, ${sensors} sensors, home ${home}`);
const stack = await startOutageStack(home, sensors, (context) => loadFleet(context, sensors, PERIOD));
const rows: Row[] = [];
const problems: string[] = [];
let usual: Row['memory'] = {};
const named = (name: string): boolean => flags.fault.split(',').some((part) => name.includes(part));
const faults = FAULTS.filter(({ service, name }) => service.startsWith(flags.only) && named(name))
  .map((fault, i) => ({ fault, order: uniformAt(seed, 1_000 + i) }))
  .sort((a, b) => a.order - b.order)
  .map(({ fault }) => fault);
if (faults.length === 0) throw new Error(`no fault is named so: ${flags.only} ${flags.fault}`);
try {
  // Models are read, code is compiled, caches are full, and what the driver of SQL leaves behind was collected a few
  // times: what a worker has after it is its memory.
  for (let round = 0; round < MOST_WARM_ROUNDS; round++) {
    await stack.feed.burst(round === 0 ? 0 : BURST);
    const { memory } = await meet(stack, NO_FAULT, 0);
    const before = usual;
    usual = memory;
    if (round > 1 && Object.entries(memory).every(([role, mib]) => mib <= SETTLED * (before[role] ?? 0))) break;
  }
  say(`memory without a fault: ${JSON.stringify(rounded(usual))} MiB`);
  for (const [i, fault] of faults.entries()) {
    const met = await meet(stack, fault, i);
    const ratio = memoryRatio(met, usual);
    const row =
      ratio <= MOST_MEMORY
        ? met
        : { ...met, problems: [...met.problems, `a worker had ${ratio.toFixed(2)} of its memory`] };
    rows.push(row);
    say(
      `${row.service}: ${row.fault}: batch ${seconds1(row.batchMs)} s, ingest on ${seconds1(row.goesOnMs)} s, caught up ${seconds1(row.ingestMs)} s after it was back, memory ${ratio.toFixed(2)} ${JSON.stringify(rounded(row.memory))}${row.problems.map((problem) => `\n  FOUND ${problem}`).join('')}`,
    );
    problems.push(...row.problems);
  }
  const longestMs = stack.blob.longestWaitMs();
  say(`longest wait for a request to Blob without an answer: ${seconds1(longestMs)} s`);
  if (longestMs > NO_ANSWER_MS) problems.push(`a request without an answer was waited for ${seconds1(longestMs)} s`);
  problems.push(...(await stack.feed.check()));
} catch (error) {
  problems.push(messageOf(error));
} finally {
  await stack.stop();
  if (problems.length === 0 && !flags.keep) rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  else say(`logs and data are kept in ${home}`);
}
if (flags.rows !== undefined) writeFileSync(flags.rows, JSON.stringify(rows));
const before = flags.against === undefined ? undefined : rowsOf(resolve(flags.against));
const cells = ({ batchMs, goesOnMs, ingestMs, unscored, sent, off, problems: found }: Row): string[] => [
  `${unscored} of ${2 * sensors} sensors, ${Math.abs(off)} of ${sent} readings`,
  batchMs >= END_MS ? 'never' : seconds1(batchMs),
  goesOnMs >= END_MS ? 'never' : seconds1(goesOnMs),
  ingestMs >= END_MS ? 'never' : seconds1(ingestMs),
  found.length === 0 ? 'nothing' : String(found.length),
];
const TITLES = ['lost or twice', 'last batch ends, s after', 'ingest goes on, s after', 'caught up, s after', 'found'];
const line = (of: readonly string[]): void => console.log(`| ${of.join(' | ')} |`);
console.log();
line(['service', 'fault', ...TITLES, 'memory', ...(before ? TITLES.map((title) => `before: ${title}`) : [])]);
line(Array.from({ length: before ? 13 : 8 }, () => '---'));
for (const row of [...rows].sort((a, b) => a.service.localeCompare(b.service))) {
  const other = before?.find(({ service, fault }) => service === row.service && fault === row.fault);
  line([
    row.service,
    row.fault,
    ...cells(row),
    memoryRatio(row, usual).toFixed(2),
    ...(before ? (other ? cells(other) : TITLES.map(() => 'not reached')) : []),
  ]);
}
console.log();
for (const problem of problems) say(`FOUND ${problem}`);
say(problems.length === 0 ? `seed ${seed}: nothing is lost` : `seed ${seed}: run again with --outages --seed ${seed}`);
process.exit(problems.length === 0 ? 0 : 1);

function rounded(memory: Row['memory']): object {
  return Object.fromEntries(Object.entries(memory).map(([role, mib]) => [role, Math.round(mib)]));
}

/** What becomes of another build, in a run of its own. */
function rowsOf(folder: string): Row[] {
  const dir = mkdtempSync(join(tmpdir(), 'fleetscore-other-'));
  const file = join(dir, 'rows.json');
  const own = ['seed', 'seconds', 'sensors', 'only', 'fault'] as const;
  const args = [...own.flatMap((name) => [`--${name}`, String(flags[name])]), '--outages', '--rows', file];
  const hook = new URL('./other-build.ts', import.meta.url).href;
  say(`the same with the workers of ${folder}`);
  spawnSync(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      '--import',
      hook,
      new URL('./main.ts', import.meta.url).pathname,
      ...args,
    ],
    {
      stdio: 'inherit',
      env: { ...process.env, FLEETSCORE_TRIAL_OF: folder },
    },
  );
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Row[];
  } catch {
    return [];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
