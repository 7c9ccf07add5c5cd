/**
 * The lives of a stack: started by `fleetscore up`, killed in the middle of its work in every way in turn, started
 * again, until everything is scored. Its pool's loop continues as new within each life, its sensors have names of every
 * script, readings flow all the time, and schedules of five zones are driven through a year of their calendars.
 *
 *   npm run chaos -- --lives --minutes 60 --seed 7
 *
 * The seed fixes moments and order of the deaths. After each life: all batches have ended, `verify` finds nothing,
 * every reading is in the windows once. At the end the periods of each schedule tile the year. Exit code 1 otherwise.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Client } from '@temporalio/client';
import { orUsage } from '../../bench/flags.ts';
import { brokenLines, checkSince } from '../../cli/batch/verify-since.ts';
import { openContext, type Context } from '../../cli/frame/context.ts';
import { seamsOf } from '../../domain/schedule-expected.ts';
import { messageOf } from '../../domain/errors.ts';
import { isoTime, type Period } from '../../domain/time.ts';
import { uniformAt } from '../../samples/random.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import { svmBytes } from '../scoring/models.ts';
import { cleanEnv, runCli, TOOLS, type CliResult } from '../support/cli.ts';
import { captureProblems, lifeFeed, readingsIn } from './life-feed.ts';
import { DEATHS, hurryPool, untilGone, type Death } from './deaths.ts';
import { SCRIPTS } from './names.ts';

const USAGE = 'npm run chaos -- --lives [--seed N] [--minutes N] [--keep]';
const options = {
  lives: { type: 'boolean' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  minutes: { type: 'string', default: '20' },
  keep: { type: 'boolean', default: false },
} as const;
const flags = orUsage(USAGE, () => parseArgs({ options }).values);
const [seed, minutes] = [Number(flags.seed), Number(flags.minutes)];
orUsage(USAGE, () => {
  if (!(Number.isInteger(seed) && minutes > 0)) throw new Error('--seed takes a whole number, --minutes one above 0');
});

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_DAYS = 370;
/** The year is through before the time is: the last lives have room for what is late. */
const YEAR_SHARE = 0.85;
/** Nothing has ended for so long: then nothing will. A slow machine takes its time, and is no fault. */
const STILL_MS = 15 * 60_000;

/**
 * Schedules whose calendars are driven. The one of live readings has a child workflow a sensor, so that names become
 * ids.
 */
const SCHEDULES: readonly { readonly name: string; readonly args: readonly string[]; readonly around?: boolean }[] = [
  {
    name: 'Берлин',
    args: ['--cron', '0 2 * * *', '--timezone', 'Europe/Berlin', '--period', '1d', '--sensors-per-child', '50'],
  },
  { name: 'new-york', args: ['--cron', '30 1 * * *', '--timezone', 'America/New_York', '--sensors-per-child', '50'] },
  {
    name: 'lord-howe',
    args: ['--cron', '0 2 * * *', '--timezone', 'Australia/Lord_Howe', '--sensors-per-child', '50'],
  },
  { name: 'कोलकाता', args: ['--cron', '0 0 * * *', '--timezone', 'Asia/Kolkata', '--sensors-per-child', '50'] },
  // Every quarter of an hour of the days on which clocks change in Europe.
  {
    name: 'quarters',
    args: ['--cron', '*/15 * * * *', '--timezone', 'Europe/Berlin', '--sensors-per-child', '50'],
    around: true,
  },
];
const CHANGES = [Date.parse('2026-03-29T01:00:00Z'), Date.parse('2026-10-25T01:00:00Z')];

const say = (line: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
const problems: string[] = [];
const home = mkdtempSync(join(tmpdir(), 'fleetscore-lives-'));
const cli = (...args: string[]): Promise<CliResult> =>
  runCli(home, args, { FLEETSCORE_TOOLS_DIR: TOOLS, FLEETSCORE_CAPTURE_INTERVAL: '5s', FLEETSCORE_SITE: 'off' });
const feed = lifeFeed(SCRIPTS);
const met = new Map<string, number>();
// A period that ends after this, and before the schedules are made, is nobody's: the year ends with a whole hour.
const toHourMs = HOUR_MS - (Date.now() % HOUR_MS);
if (toHourMs < 2 * 60_000) await sleep(toHourMs);
const bornMs = Date.now();
/** Live readings are in windows from here on; the year before it was loaded. */
const liveMs = Math.ceil(bornMs / HOUR_MS) * HOUR_MS - HOUR_MS;
const yearMs = liveMs - YEAR_DAYS * DAY_MS;
let drivenMs = yearMs;
let [lives, redriven, continued] = [0, 0, 0];
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (interrupted = true));

say(`seed ${seed}, ${minutes} minutes, ${SCRIPTS.length} sensors, home ${home}`);
try {
  await up();
  await within(prepare);
  const untilMs = Date.now() + minutes * 60_000;
  for (; Date.now() < untilMs && !interrupted && problems.length === 0; lives++)
    await life(lives, (Date.now() - bornMs) / (minutes * 60_000 * YEAR_SHARE));
  if (problems.length === 0) await life(lives++, 1);
  if (problems.length === 0) await within(finish);
} catch (error) {
  problems.push(messageOf(error));
} finally {
  await cli('down').catch(() => {});
  if (problems.length === 0 && !flags.keep) rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  else say(`logs and data are kept in ${home}`);
}
say(
  `${lives} lives: ${[...met].map(([name, count]) => `${name} x ${count}`).join(', ')}; the loop of the pool continued as new ${continued} times; ${redriven} batches were driven again; ${feed.sent()} readings`,
);
for (const problem of problems) say(`FOUND ${problem}`);
say(problems.length === 0 ? `seed ${seed}: nothing is lost` : `seed ${seed}: run again with --lives --seed ${seed}`);
process.exit(problems.length === 0 ? 0 : 1);

async function up(): Promise<void> {
  const { code, stderr } = await cli('up', '--detach', '--ports', 'auto');
  if (code !== 0) throw new Error(`up ended with ${code}: ${stderr}`);
}

async function within<T>(work: (context: Context) => Promise<T>): Promise<T> {
  const context = openContext({ home }, cleanEnv());
  try {
    return await work(context);
  } finally {
    await context.close();
  }
}

/** The fleet with a model each, a window an hour for a year, and the schedules. */
async function prepare(context: Context): Promise<void> {
  const store = await context.store();
  const [first] = await store.registerSensors(SCRIPTS);
  const values = Float64Array.from(
    { length: SCRIPTS.length * YEAR_DAYS * 24 },
    (_, i) => 10 + (i % 97 === 3 ? 40 : 0.1),
  );
  await store.loadWindows({
    sensorIdFrom: first!,
    startMs: yearMs,
    stepMs: HOUR_MS,
    windowsPerSensor: YEAR_DAYS * 24,
    values,
  });
  const models = join(home, 'models');
  mkdirSync(models);
  writeFileSync(join(models, '0.onnx'), svmBytes(10));
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const rows = SCRIPTS.map(({ device, sensor }, i) => `${quoted(device)},${quoted(sensor)},${i}.onnx`);
  for (let i = 1; i < SCRIPTS.length; i++) copyFileSync(join(models, '0.onnx'), join(models, `${i}.onnx`));
  writeFileSync(join(models, 'manifest.csv'), `Device,Sensor,Model\n${rows.join('\n')}\n`);
  await must('models', 'publish', models);
  // An hour between two windows is no silence here: else every sensor has an alarm an hour, all year.
  const rules = join(home, 'rules.json');
  writeFileSync(rules, JSON.stringify({ rules: [{ silentAfter: '2h' }] }));
  await must('alarms', 'use', rules);
  for (const { name, args } of SCHEDULES)
    await must('schedule', 'create', name, ...args, '--wait-for-readings', '0s', '--rescore-late', '0s');
  await must('schedule', 'create', 'live', '--every', '1m');
}

async function must(...args: string[]): Promise<void> {
  const { code, stderr } = await cli(...args);
  if (code !== 0) throw new Error(`fleetscore ${args.join(' ')} ended with ${code}: ${stderr}`);
}

/** Works, dies, comes back, ends its work. @param share of the year that is to be driven after it */
async function life(number: number, share: number): Promise<void> {
  const startedMs = Date.now();
  const death = DEATHS[number % DEATHS.length]!;
  met.set(death.name, (met.get(death.name) ?? 0) + 1);
  const toMs = share >= 1 ? bornMs : yearMs + Math.floor(((bornMs - yearMs) * share) / DAY_MS) * DAY_MS;
  const stretch = { fromMs: drivenMs, toMs: Math.max(drivenMs, toMs) };
  const afterMs = Math.round(1_000 + uniformAt(seed, number) * 15_000);
  say(
    `life ${number}: ${isoTime(stretch.fromMs).slice(0, 10)} to ${isoTime(stretch.toMs).slice(0, 10)}, ${death.name} after ${afterMs} ms`,
  );
  await within(async (context) => {
    let dying = false;
    const flow = feed.run(context, () => !dying);
    const renewed = hurryPool(context);
    await drive(stretch);
    continued += await renewed;
    await sleep(afterMs);
    await death.strike(home, cli).catch((error: unknown) => problems.push(`${death.name}: ${messageOf(error)}`));
    dying = true;
    await flow;
  });
  drivenMs = stretch.toMs;
  await revive(death);
  await within((context) => settle(context, startedMs));
}

/** Each schedule over the stretch, or over its days of changing clocks that lie in it. */
async function drive(stretch: Period): Promise<void> {
  for (const { name, around } of SCHEDULES) {
    const spans = around
      ? CHANGES.filter((at) => at >= stretch.fromMs && at < stretch.toMs).map((at) => [
          at - 4 * HOUR_MS,
          at + 4 * HOUR_MS,
        ])
      : [[stretch.fromMs, stretch.toMs]];
    for (const [fromMs, toMs] of spans)
      if (fromMs! < toMs!) await must('schedule', 'backfill', name, '--from', isoTime(fromMs!), '--to', isoTime(toMs!));
  }
}

async function revive({ name, ends }: Death): Promise<void> {
  if (!ends) return;
  const left = await untilGone(home);
  if (left.length > 0) problems.push(`${name}: still there after a minute: ${left.join('; ')}`);
  await up();
}

/**
 * Starts that wait at a schedule. One that cannot be looked at now counts as one that waits: a machine without time to
 * spare stops the server's own workflow of it, which begins anew.
 */
async function waitingFor(client: Client, schedule: string): Promise<number> {
  const looked = client.schedule.getHandle(schedule).describe();
  return looked.then(
    ({ raw }) => Number(raw.info?.bufferSize ?? 0),
    () => 1,
  );
}

/** What was started has ended; what failed is driven again; then everything of this life is held to its promises. */
async function settle(context: Context, sinceMs: number): Promise<void> {
  const store = await context.store();
  const client = await context.client();
  let [before, movedMs] = ['', Date.now()];
  for (; ; await sleep(1_000)) {
    const open = [
      ...(await store.listBatches({ status: 'running' })),
      ...(await store.listBatches({ status: 'waiting' })),
    ].filter(({ schedule }) => schedule !== 'live');
    const waits = await Promise.all(SCHEDULES.map(({ name }) => waitingFor(client, name)));
    const buffered = waits.reduce((sum, size) => sum + size, 0);
    const readings = readingsIn(home, liveMs);
    if (open.length + buffered === 0 && readings >= feed.sent()) break;
    const now = JSON.stringify([open.map(({ id, status }) => [id, status]), waits.map(String), readings]);
    if (now !== before) [before, movedMs] = [now, Date.now()];
    if (Date.now() - movedMs > STILL_MS)
      throw new Error(
        `nothing went on for ${STILL_MS / 60_000} minutes: ${open.length} batches are open, ${buffered} wait, ` +
          `${readings} of ${feed.sent()} readings are in the windows`,
      );
  }
  for (const batch of (await store.listBatches({ limit: 5_000 })).filter((one) => one.startedAtMs >= sinceMs)) {
    if (batch.status !== 'failed' || batch.kind === 'redrive') continue;
    redriven += 1;
    say(`  ${batch.id} failed (${batch.class ?? ''} ${batch.message ?? ''}), driven again`);
    await must('batch', 'redrive', batch.id, '--wait');
  }
  const found = await checkSince(context, sinceMs);
  problems.push(...brokenLines({ ...found, gaps: found.gaps.filter(({ schedule }) => schedule === 'live') }));
  const readings = readingsIn(home, liveMs);
  if (!feed.accounts(readings)) problems.push(`${feed.sent()} readings were sent, ${readings} are in the windows`);
  say(`  ${found.batches} batches whole, ${found.rows} rows, ${readings} readings`);
}

/** The whole year: verify finds nothing, and the periods of each schedule follow each other. */
async function finish(context: Context): Promise<void> {
  problems.push(...(await captureProblems(context)));
  const all = await (await context.store()).listBatches();
  for (const { name, around } of SCHEDULES) {
    const own = all
      .filter(({ schedule, kind }) => schedule === name && kind === 'score')
      .sort((a, b) => a.toMs - b.toMs);
    for (const part of around ? CHANGES.map((at) => near(own, at)) : [own]) {
      const { leftOut, twice } = seamsOf(part);
      const ends = `${part.length} periods, ${isoTime(part[0]!.fromMs)} to ${isoTime(part.at(-1)!.toMs)}`;
      say(`${name}: ${ends}`);
      if (leftOut) problems.push(`${name}: nobody scored ${isoTime(leftOut.fromMs)} to ${isoTime(leftOut.toMs)}`);
      if (twice) problems.push(`${name}: scored twice ${isoTime(twice.fromMs)} to ${isoTime(twice.toMs)}`);
      if (!around && part[0]!.fromMs > yearMs + 2 * DAY_MS) problems.push(`${name}: the year begins at ${ends}`);
    }
  }
  const whole = await cli('verify', '--since', isoTime(bornMs));
  console.log(whole.stdout.trimEnd());
  // Gaps of the quarters between the days of changing clocks are meant.
  const gaps = await checkSince(context, yearMs);
  problems.push(...brokenLines({ ...gaps, gaps: gaps.gaps.filter(({ schedule }) => schedule !== 'quarters') }));
  say(`${all.filter(hasEnded).length} batches, all of them verified`);
}

function near(batches: readonly Batch[], atMs: number): Batch[] {
  return batches.filter(({ toMs }) => Math.abs(toMs - atMs) <= 4 * HOUR_MS);
}
