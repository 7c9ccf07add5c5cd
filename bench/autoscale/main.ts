/**
 * The pool on a laptop in two minutes: a compressed schedule, real processes, and the policy that runs on Azure. It
 * draws backlog, workers and batches as they go, kills a worker in the middle of its work, has the checker look at
 * every batch, and writes a page with the picture.
 *
 *   npm run demo:autoscale -- --json autoscale.json
 *
 * Exit code 1 when one of its statements does not hold.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { ScheduleOverlapPolicy } from '@temporalio/client';
import pc from 'picocolors';
import { openContext, type Context } from '../../cli/frame/context.ts';
import { verify } from '../../cli/batch/verify.ts';
import { loadConfig } from '../../config.ts';
import { messageOf } from '../../domain/errors.ts';
import { windowStart } from '../../domain/time.ts';
import { isAlive, refOf, type ProcessRef } from '../../connect/processes.ts';
import { startStack } from '../../local/stack.ts';
import { readNodes } from '../../pool/ledger.ts';
import { poolWorkflowId } from '../../pool/settings.ts';
import { formatCount, formatMs, formatNumberOf } from '../../report/format.ts';
import type { PoolPageData } from '../../report/pool/data.ts';
import { lifeOf } from '../../report/pool/life.ts';
import { renderPoolPage } from '../../report/pool/page.ts';
import { simulateFleet } from '../../samples/simulate.ts';
import { createSchedule } from '../../connect/schedules.ts';
import { foundIn } from '../../verify/verify-batch.ts';
import { endWithUsage, orUsage } from '../flags.ts';
import { killBusiest, type Killed } from './kill.ts';
import { judge, type DemoRun } from './statements.ts';
import { watchPool, type Look, type Timeline } from './timeline.ts';
import { createView } from './view.ts';
import { hasEnded } from '../../storage/store.ts';
import { setLimitsUpdate } from '../../workflows/pool-messages.ts';

const USAGE = 'npm run demo:autoscale -- [--json FILE] [--report FILE.html] [--sensors N] [--workers N] [--keep]';
const options = {
  json: { type: 'string' },
  report: { type: 'string', default: join('.tools', 'reports', 'autoscale.html') },
  sensors: { type: 'string', default: '24000' },
  workers: { type: 'string', default: '3' },
  keep: { type: 'boolean', default: false },
} as const;
const flags = orUsage(USAGE, () => parseArgs({ options }).values);
const whole = (name: 'sensors' | 'workers', least: number, most: number): number => {
  const value = Number(flags[name]);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  return endWithUsage(
    `--${name} takes a whole number from ${least} to ${most}, got ${JSON.stringify(flags[name])}`,
    USAGE,
  );
};
const sensors = whole('sensors', 1_000, 200_000);
const maxNodes = whole('workers', 2, 8);

const SCHEDULE = 'compressed';
const BATCHES = 3;
const EVERY_MS = 40_000;
/** From the schedule's making to its first batch: spin-up, and some seconds at zero before. */
const FIRST_AFTER_MS = 30_000;
/** Workers are to be ready so long before a batch. */
const MARGIN_MS = 10_000;
/** The batch in which a worker is killed. */
const KILL_IN = 2;
/** Nothing of this takes longer on a machine that can run it at all. */
const GIVE_UP_MS = 8 * 60_000;

const say = (line: string): void => console.log(line);
const home = mkdtempSync(join(tmpdir(), 'fleetscore-autoscale-'));
const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(FLEETSCORE|TEMPORAL)_/.test(name)));
const ports = Object.fromEntries(
  ['TEMPORAL', 'UI', 'BLOB', 'EVENT_HUBS'].map((part) => [`FLEETSCORE_${part}_PORT`, 'auto']),
);
const env = {
  ...clean,
  ...ports,
  FLEETSCORE_HOME: home,
  FLEETSCORE_TOOLS_DIR: process.env.FLEETSCORE_TOOLS_DIR ?? join(process.cwd(), '.tools', 'cli'),
  FLEETSCORE_POOL_MAX_NODES: String(maxNodes),
  FLEETSCORE_POOL_IDLE: '4s',
  FLEETSCORE_POOL_FINISH_WITHIN: '4s',
  // One core and one chunk at a time for each worker: the queue is what others can help with.
  FLEETSCORE_SCORING_THREADS: '1',
  FLEETSCORE_SCORING_CONCURRENCY: '1',
};

say(
  `${pc.bold('fleetscore')}: a pool of scoring workers from zero and back, ${BATCHES} batches of ` +
    `${formatCount(sensors)} sensors, one every ${EVERY_MS / 1000} s\n`,
);
say('Starting Temporal, Blob storage, Event Hubs, SQLite and the control worker; no scoring worker ...');
const stack = await startStack({
  config: loadConfig(env),
  env,
  log: (line) => say(pc.dim(line)),
  scoringWorkers: 'pool',
});
const context = openContext({ home }, clean);
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => (interrupted = true));
let ok = false;
try {
  ok = await Promise.race([demo(context), stack.broken]);
} catch (error) {
  say(pc.red(messageOf(error)));
} finally {
  await context.close();
  await stack.stop();
  if (flags.keep) say(pc.dim(`Logs and data are kept in ${home}`));
  else rmSync(home, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(ok ? 0 : 1);

async function demo(context: Context): Promise<boolean> {
  const store = await context.store();
  const fromMs = Date.now();
  const start = windowStart(fromMs, 5_000);
  const loading = formatMs(FIRST_AFTER_MS + BATCHES * EVERY_MS);
  say(`Loading the fleet: models, and the windows of the next ${loading} ...`);
  await simulateFleet({
    store,
    blobs: context.blobs(),
    sensors,
    windows: Math.ceil((FIRST_AFTER_MS + (BATCHES + 1) * EVERY_MS) / 5_000),
    fromMs: start,
    intervalMs: 5_000,
    nowMs: fromMs,
  });

  const client = await context.client();
  // A busy laptop starts a process slower at one time than at another.
  await client.workflow
    .getHandle(poolWorkflowId(context.config.pool.name))
    .executeUpdate(setLimitsUpdate, { args: [{ marginMs: MARGIN_MS }] });
  const firstDueMs = Math.ceil((Date.now() + FIRST_AFTER_MS) / 1_000) * 1_000;
  const dueMs = Array.from({ length: BATCHES }, (_, i) => firstDueMs + i * EVERY_MS);
  await createSchedule(client, SCHEDULE, {
    everyMs: EVERY_MS,
    offsetMs: firstDueMs % EVERY_MS,
    request: { period: `${EVERY_MS / 1_000}s`, waitForReadings: '0s' },
    overlap: ScheduleOverlapPolicy.BUFFER_ALL,
    catchupWindowMs: 60_000,
    paused: false,
  });
  const beganMs = Date.now();
  say(`The first batch is due in ${formatMs(firstDueMs - beganMs)}.\n`);
  const view = createView({ dueMs, fromMs: beganMs, maxNodes, sensors });
  const pids = new Map<number, ProcessRef>();
  const timeline = watchPool(context, SCHEDULE, (look) => view.show(look));
  let killed: Killed | undefined;
  try {
    const until = Date.now() + GIVE_UP_MS;
    for (let scheduled = true; !interrupted; await sleep(200)) {
      if (Date.now() > until)
        throw new Error(
          `the demo has not ended within ${formatMs(GIVE_UP_MS)}; ` +
            `the logs are in ${join(home, 'logs')} (--keep keeps them)`,
        );
      for (const pid of await workerPids(context)) if (!pids.has(pid)) remember(pids, pid);
      const { batches } = timeline;
      if (scheduled && batches.length >= BATCHES) {
        await client.schedule.getHandle(SCHEDULE).delete(); // these were all
        scheduled = false;
      }
      const target = batches[KILL_IN - 1];
      if (!killed && target?.status === 'running') {
        killed = await killBusiest(client, target.id);
        if (killed)
          view.note(
            `process ${killed.pid} of node ${killed.node} is killed (SIGKILL) with ` +
              `${formatNumberOf(killed.underWay, 'scoring activity', 'scoring activities')} under way`,
          );
      }
      if (
        !scheduled &&
        batches.length === BATCHES &&
        batches.every(hasEnded) &&
        isZero(timeline.looks.at(-1), [...pids.values()])
      )
        break;
    }
  } finally {
    view.end();
    await timeline.stop();
  }
  if (interrupted) throw new Error('interrupted');
  return report(context, timeline, {
    fromMs: beganMs,
    dueMs,
    killed,
    alive: [...pids.values()].filter(isAlive).length,
  });
}

function isZero(look: Look | undefined, workers: readonly ProcessRef[]): boolean {
  return look !== undefined && look.ready + look.coming + look.leaving === 0 && !workers.some(isAlive);
}

function remember(pids: Map<number, ProcessRef>, pid: number): void {
  const ref = refOf(pid);
  if (ref) pids.set(pid, ref);
}

/** Process ids of the workers that poll the scoring queue, from their identities. */
async function workerPids(context: Context): Promise<number[]> {
  const client = await context.client();
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: 'scoring' },
    taskQueueType: 2,
  });
  return (pollers ?? []).flatMap(({ identity }) => {
    const pid = Number(/#(\d+)$/.exec(identity ?? '')?.[1]);
    return Number.isInteger(pid) && pid > 1 ? [pid] : [];
  });
}

interface Seen {
  readonly fromMs: number;
  readonly dueMs: readonly number[];
  readonly killed: Killed | undefined;
  readonly alive: number;
}

async function report(
  context: Context,
  { looks, batches }: Timeline,
  { fromMs, dueMs, killed, alive }: Seen,
): Promise<boolean> {
  const toMs = Date.now();
  say('\nThe checker looks at every batch ...');
  const findings = new Map<string, number>();
  let rows = 0;
  for (const batch of batches) {
    const report = await verify(context, batch.id);
    findings.set(batch.id, foundIn(report));
    rows += report.rows;
  }
  const pool = context.config.pool.name;
  const run: DemoRun = {
    fromMs,
    toMs,
    maxNodes,
    sensors,
    expected: BATCHES,
    looks,
    killed,
    findings,
    rows,
    alive,
    batches: batches.map((batch, i) => ({
      id: batch.id,
      dueMs: dueMs[i]!,
      startedAtMs: batch.startedAtMs,
      sensors: batch.planned,
      status: batch.status,
      scored: batch.counts.scored,
      failed: batch.counts.failed,
      ...(batch.finishedAtMs === undefined ? {} : { finishedAtMs: batch.finishedAtMs }),
    })),
    nodes: (await readNodes(context.blobs(), pool, fromMs, toMs)).map(lifeOf),
  };
  const statements = judge(run);
  for (const { ok, text, measured } of statements) say(`${ok ? pc.green('✓') : pc.red('✗')} ${text}: ${measured}`);
  const data: PoolPageData = {
    pool,
    fromMs,
    toMs,
    maxNodes,
    looks,
    nodes: run.nodes,
    batches: run.batches,
    statements,
    marks: killed
      ? [
          {
            atMs: killed.atMs,
            text: `worker killed (SIGKILL) with ${formatNumberOf(killed.underWay, 'activity', 'activities')} under way`,
          },
        ]
      : [],
    facts: [
      ['Schedule', `every ${EVERY_MS / 1000} s, ${BATCHES} batches`],
      ['Sensors', formatCount(sensors)],
      ['Demo', 'npm run demo:autoscale'],
    ],
  };
  const file = resolve(flags.report);
  write(file, renderPoolPage(data));
  say(`\n${pc.bold('Report:')} ${pc.cyan(pathToFileURL(file).href)}`);
  const ok = statements.every((statement) => statement.ok);
  if (flags.json !== undefined) {
    write(
      resolve(flags.json),
      JSON.stringify(
        {
          ok,
          seconds: (toMs - fromMs) / 1000,
          statements,
          killed,
          batches: run.batches,
          nodes: run.nodes,
          looks,
          report: file,
        },
        null,
        1,
      ) + `\n`,
    );
    say(`${pc.bold('Data:')}   ${resolve(flags.json)}`);
  }
  say(`${ok ? 'Every statement holds' : pc.red('Not every statement holds')}, in ${formatMs(toMs - fromMs)}.`);
  return ok;
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
