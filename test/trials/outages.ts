/**
 * A laptop stack whose services are taken away one after the other, each in every way that services have: all workers
 * talk to Blob, Event Hubs and Temporal through proxies. Under each fault two batches are scored and readings ingested;
 * then the service comes back, and what was to be done must be done by itself. Prints a table.
 *
 *   npm run chaos -- --outages --seed 7 --seconds 20 --sensors 24 [--only blob]
 *
 * The seed fixes the order of the faults and the moment at which each begins. Exit code 1 when anything is lost or twice,
 * a batch does not end or needs a person, or work does not go on in time.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../../domain/errors.ts';
import { uniformAt } from '../../samples/random.ts';
import { loadFleet } from '../support/fault-stack.ts';
import { startOutageStack, type OutageStack } from '../support/outage-stack.ts';
import { findings, startBatch, untilEnded } from '../support/run-batch.ts';
import { FAULTS, type ServiceFault } from './service-faults.ts';

const { values: flags } = parseArgs({
  options: {
    outages: { type: 'boolean' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    seconds: { type: 'string', default: '20' },
    sensors: { type: 'string', default: '24' },
    only: { type: 'string', default: '' },
    keep: { type: 'boolean', default: false },
  },
});
const seed = Number(flags.seed);
const seconds = Number(flags.seconds);
const sensors = Number(flags.sensors);
for (const [name, value] of Object.entries({ seed, seconds, sensors }))
  if (!(Number.isFinite(value) && value >= 1)) throw new Error(`--${name} must be a number from 1`);

const PERIOD = { fromMs: Date.parse('2026-03-02T10:00:00Z'), toMs: Date.parse('2026-03-02T10:05:00Z') };
/** Work has to go on within it once a service is back. */
const GOES_ON_MS = 30_000;
/** A request without an answer may cost no more. */
const NO_ANSWER_MS = 60_000;
/** Given up, for the table's sake. */
const END_MS = 150_000;

const say = (line: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
const seconds1 = (ms: number): string => (ms / 1_000).toFixed(1);

interface Row {
  readonly fault: ServiceFault;
  /** From the return of the service on. */
  readonly batchMs: number;
  readonly ingestMs: number;
  /** Sensors without a prediction. */
  readonly unscored: number;
  readonly sent: number;
  /** Readings in the windows too often or missing. */
  readonly off: number;
  readonly problems: readonly string[];
}

async function meet(stack: OutageStack, fault: ServiceFault, number: number): Promise<Row> {
  const { context } = stack;
  const problems: string[] = [];
  const before = stack.feed.sent();
  const shape = { sensorsPerChild: Math.ceil(sensors / 3), sensorsPerActivity: 4 };
  // One that is under way when the fault comes, slowed down for it, and one that starts in the middle of it.
  stack.blob.plan(() => ({ kind: 'slow', ms: 150 }));
  const ids = [await startBatch(context, PERIOD, shape)];
  await sleep(100 + Math.round(uniformAt(seed, number) * 900));
  await fault.begin(stack);
  await sleep(seconds * 500);
  ids.push(await startBatch(context, PERIOD, shape));
  await sleep(seconds * 500);
  await fault.end(stack);
  const backAtMs = performance.now();
  const sent = stack.feed.sent();

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
  const [ingestMs, ...batches] = await Promise.all([ingested, ...ended]);
  const batchMs = Math.max(...batches);
  for (const id of ids) {
    const { text } = await findings(context, id).catch((error: unknown) => ({ text: messageOf(error) }));
    if (text !== '') problems.push(`${id}: ${text}`);
  }
  if (batchMs > GOES_ON_MS) problems.push(`a batch ended ${seconds1(batchMs)} s after the service was back`);
  if (ingestMs > GOES_ON_MS) problems.push(`ingest caught up ${seconds1(ingestMs)} s after the service was back`);
  const off = await stack.feed.off();
  if (off !== 0) problems.push(`${off} readings too many in the windows`);
  return { fault, batchMs, ingestMs, unscored, sent: sent - before, off, problems };
}

const home = mkdtempSync(join(tmpdir(), 'fleetscore-outages-'));
say(`seed ${seed}, ${seconds} s a fault, ${sensors} sensors, home ${home}`);
const stack = await startOutageStack(home, sensors, (context) => loadFleet(context, sensors, PERIOD));
const rows: Row[] = [];
const problems: string[] = [];
const faults = FAULTS.filter(({ service }) => service.startsWith(flags.only))
  .map((fault, i) => ({ fault, order: uniformAt(seed, 1_000 + i) }))
  .sort((a, b) => a.order - b.order)
  .map(({ fault }) => fault);
try {
  for (const [i, fault] of faults.entries()) {
    const row = await meet(stack, fault, i);
    rows.push(row);
    say(
      `${fault.service}: ${fault.name}: batch ${seconds1(row.batchMs)} s, ingest ${seconds1(row.ingestMs)} s after it was back${row.problems.map((problem) => `\n  FOUND ${problem}`).join('')}`,
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
console.log('\n| service | fault | lost or twice | last batch ends, s after | ingest caught up, s after | found |');
console.log('| --- | --- | --- | --- | --- | --- |');
for (const { fault, batchMs, ingestMs, unscored, sent, off, problems: found } of [...rows].sort((a, b) =>
  a.fault.service.localeCompare(b.fault.service),
))
  console.log(
    `| ${fault.service} | ${fault.name} | ${unscored} of ${2 * sensors} sensors, ${Math.abs(off)} of ${sent} readings | ${seconds1(batchMs)} | ${seconds1(ingestMs)} | ${found.length === 0 ? 'nothing' : found.length} |`,
  );
console.log();
for (const problem of problems) say(`FOUND ${problem}`);
say(problems.length === 0 ? `seed ${seed}: nothing is lost` : `seed ${seed}: run again with --outages --seed ${seed}`);
process.exit(problems.length === 0 ? 0 : 1);
