/**
 * Batches on a stack that is broken at random, again and again; after each round the stack is healed, every
 * batch must end, and the checker must find nothing; what failed is driven again until all of it is scored.
 *
 *   npm run chaos -- --seed 7 --minutes 10 --sensors 60
 *
 * `--outages` takes the services away one after the other instead, and makes a table (outages.ts).
 * The seed fixes the shapes of the batches, the faults and their moments; it is printed first. Exit code 1
 * when anything is found, or a batch does not end.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Context } from '../../cli/frame/context.ts';
import { orUsage } from '../../bench/flags.ts';
import { messageOf } from '../../domain/errors.ts';
import { uniformAt } from '../../samples/random.ts';
import type { Batch } from '../../storage/store.ts';
import type { ScoreBatchRequest } from '../../workflows/requests.ts';
import { loadFleet, startFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { findings, startBatch, untilEnded } from '../support/run-batch.ts';
import { heal, NEMESES, type Random } from './nemeses.ts';

const USAGE =
  'npm run chaos -- [--seed N] [--minutes N] [--sensors N] [--keep]\n' +
  '       npm run chaos -- --outages | --lives | --taken-out | --dashboard   other trials, each with --help of its own';
const options = {
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  minutes: { type: 'string', default: '10' },
  sensors: { type: 'string', default: '60' },
  keep: { type: 'boolean', default: false },
} as const;
const flags = orUsage(USAGE, () => parseArgs({ options }).values);
const whole = (name: 'seed' | 'sensors', least: number): number => {
  const value = Number(flags[name]);
  if (!Number.isInteger(value) || value < least)
    throw new Error(`--${name} must be a whole number from ${least}, got ${flags[name]}`);
  return value;
};
const { seed, sensors, minutes } = orUsage(USAGE, () => {
  const time = Number(flags.minutes);
  if (!(time > 0)) throw new Error(`--minutes must be a number above 0, got ${flags.minutes}`);
  return { seed: whole('seed', 0), sensors: whole('sensors', 1), minutes: time };
});

const PERIOD = { fromMs: Date.parse('2026-03-02T10:00:00Z'), toMs: Date.parse('2026-03-02T10:05:00Z') };
/** A healed stack ends any batch of this size within it; heartbeats and retries take their time. */
const END_MS = 6 * 60_000;

const say = (line: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
const problems: string[] = [];
let draw = 0;
const random: Random = () => uniformAt(seed, draw++);
/** Draws of their own for what runs beside: its moments must not depend on who comes first. */
const randomOf = (round: number, index: number): Random => {
  let own = 0;
  return () => uniformAt(seed, 1_000_003 + round, index, own++);
};
const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;

const home = mkdtempSync(join(tmpdir(), 'fleetscore-chaos-'));
say(`seed ${seed}, ${minutes} minutes, ${sensors} sensors, home ${home}`);
const stack = await startFaultStack(home, {
  env: { FLEETSCORE_SCORING_CONCURRENCY: '3', FLEETSCORE_SCORING_THREADS: '1' },
});
const stop = async (): Promise<void> => {
  await stack.stop();
  if (problems.length === 0 && !flags.keep) rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  else say(`logs and data are kept in ${home}`);
};
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (interrupted = true));

let rounds = 0;
const ended = { completed: 0, failed: 0, cancelled: 0 };
/** Windows that the challenger scored too. */
let compared = 0;
const struck = new Map<string, number>();
try {
  await loadFleet(stack.context, sensors, PERIOD);
  await challengeWithTwin(stack.context);
  await stack.addScoring();
  await stack.addScoring();
  for (
    const until = Date.now() + minutes * 60_000;
    Date.now() < until && !interrupted && problems.length === 0;
    rounds++
  )
    await round(stack, rounds);
} catch (error) {
  problems.push(messageOf(error));
} finally {
  heal(stack);
  await stop();
}
say(
  `${rounds} rounds: ${ended.completed} batches completed, ${ended.failed} failed and were driven again, ` +
    `${ended.cancelled} cancelled; ${compared} windows scored by the challenger too; ` +
    `faults: ${[...struck].map(([name, count]) => `${name} x ${count}`).join(', ')}`,
);
for (const problem of problems) say(`FOUND ${problem}`);
say(problems.length === 0 ? `seed ${seed}: nothing is lost` : `seed ${seed}: run again with --seed ${seed}`);
process.exit(problems.length === 0 ? 0 : 1);

async function round(stack: FaultStack, number: number): Promise<void> {
  const { context } = stack;
  const shapes: ScoreBatchRequest[] = Array.from({ length: 1 + Math.floor(random() * 2) }, () => {
    const sensorsPerChild = pick([1, 7, 20, sensors]);
    return sensorsPerChild === 1
      ? {}
      : { sensorsPerChild, sensorsPerActivity: Math.min(sensorsPerChild, pick([1, 5, 20])) };
  });
  const strikes = Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({
    nemesis: pick(NEMESES),
    afterMs: Math.round(random() * 4_000),
  }));
  const cancelAfterMs = random() < 0.15 ? Math.round(500 + random() * 3_000) : undefined;
  // So slow that the faults meet a batch that is under way.
  stack.proxy.plan(() => ({ kind: 'slow', ms: 100 }));
  const ids = await Promise.all(shapes.map((shape) => startBatch(context, PERIOD, shape)));
  const faults = strikes.map(async ({ nemesis, afterMs }, i) => {
    await sleep(afterMs);
    struck.set(nemesis.name, (struck.get(nemesis.name) ?? 0) + 1);
    await nemesis
      .strike(stack, randomOf(number, i))
      .catch((error: unknown) => say(`  ${nemesis.name}: ${messageOf(error)}`));
  });
  if (cancelAfterMs !== undefined) faults.push(sleep(cancelAfterMs).then(() => cancel(context, ids[0]!)));
  say(
    `round ${number}: ${shapes.map((shape) => JSON.stringify(shape)).join(' ')} meets ` +
      strikes.map((s) => `${s.nemesis.name} at ${s.afterMs} ms`).join(', ') +
      (cancelAfterMs === undefined ? '' : `, cancel at ${cancelAfterMs} ms`),
  );
  await Promise.all(faults);
  heal(stack);
  for (const id of ids) await settle(context, id);
}

/**
 * A challenger with the models of the current release, on half of the sensors: whatever breaks, its labels are the
 * same.
 */
async function challengeWithTwin({ store }: Context): Promise<void> {
  const open = await store();
  const models = await open.listReleaseModels((await open.currentRelease())!);
  await open.createRelease(
    'twin',
    Date.now(),
    models.map(({ sensorId, model, pack, packRow }) => ({
      sensorId,
      model,
      ...(pack === undefined ? {} : { pack, packRow: packRow! }),
    })),
    [],
  );
  await open.setChallenger({ release: 'twin', share: 0.5, sinceMs: Date.now() });
}

/** A batch may be cancelled before Temporal or the store knows it, or while either is down: then it goes on. */
async function cancel(context: Context, id: string): Promise<void> {
  try {
    const batch = await (await context.store()).findBatch(id);
    if (batch) await (await context.client()).workflow.getHandle(batch.workflowId).cancel();
  } catch (error) {
    say(`  cancel ${id}: ${messageOf(error)}`);
  }
}

/** It ends, the checker finds nothing, and what failed is scored when it is driven again. */
async function settle(context: Context, id: string): Promise<void> {
  const batch = await check(context, id);
  if (batch.counts.failed + batch.counts.cancelled === 0) return;
  const left = batch.counts.failed + batch.counts.cancelled;
  const again = await check(context, await startBatch(context, PERIOD, { redrive: id, toleratedFailurePercentage: 0 }));
  if (again.planned !== left || again.counts.scored !== left)
    problems.push(
      `redrive ${again.id} of ${id}: ${left} sensors were to be scored, it has ${JSON.stringify(again.counts)}`,
    );
}

async function check(context: Context, id: string): Promise<Batch> {
  const batch = await untilEnded(context, id, END_MS);
  const { text, report } = await findings(context, id);
  if (batch.status !== 'waiting' && batch.status !== 'running') ended[batch.status] += 1;
  say(
    `  ${id} ${batch.status}: ${batch.counts.scored} of ${batch.planned} scored, ${batch.counts.failed} ` +
      `failed, ${batch.counts.cancelled} cancelled; ` +
      `${text === '' ? 'whole' : text}${report.notes.length === 0 ? '' : ` (${report.notes.length} notes)`}`,
  );
  if (text !== '') problems.push(`${id}: ${text}`);
  const [twin] = await (await context.store()).challengeSummaries({ batchId: id });
  compared += twin?.windows ?? 0;
  if (twin && twin.onlyBase + twin.onlyChallenger > 0)
    problems.push(`${id}: its challenger has the same models and other labels: ${JSON.stringify(twin)}`);
  return batch;
}
