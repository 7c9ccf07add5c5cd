/**
 * The hour that a new plant begins with, and what a stop left out: the schedule of the sample plant is backfilled, and
 * its batches are waited for. Nobody looks at the children of batches that are caught up with, so those have one child
 * for the whole plant, at a tenth of the cost; the newest batch and all that follow have a child per sensor.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScheduleAlreadyRunning, ScheduleOverlapPolicy, type Client } from '@temporalio/client';
import { FleetscoreError } from '../../domain/errors.ts';
import { DEFAULT_OVERLAP } from '../../domain/overlap.ts';
import { decided } from '../../domain/outcome.ts';
import type { Period } from '../../domain/time.ts';
import { backfillSchedule, changeRequest, createSchedule } from '../../connect/schedules.ts';
import { configuredPools } from '../../pool/configured.ts';
import { formatCount, formatMs, formatNumberOf, formatPeriod } from '../../report/index.ts';
import { SAMPLE_FLEET } from '../../samples/fleet.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import type { ScoreBatchRequest } from '../../workflows/requests.ts';
import { wakePoolLoop } from '../../workers/pool-loop.ts';
import { startBar } from '../batch/progress.ts';
import type { Context } from '../frame/context.ts';

const MINUTE = 60_000;
export const EVERY_MS = 15 * MINUTE;
/** Most batches that are caught up with at the same time. */
const AT_ONCE = 8;
export const SCHEDULE = 'every-15-minutes';
/** A backfill in which nothing moves for this long is stuck. */
export const STALL_MS = 120_000;

const A_CHILD_EACH: ScoreBatchRequest = { period: '15m' };
const ONE_CHILD: ScoreBatchRequest = { ...A_CHILD_EACH, sensorsPerChild: SAMPLE_FLEET.length };

/** Progress must not mix with the one JSON document on stdout. */
export const output = (context: Context): NodeJS.WriteStream => (context.json ? process.stderr : process.stdout);

/** Backfills the schedule over `missing` and waits for its batches. */
export async function scoreThrough(
  context: Context,
  missing: Period,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Batch[]> {
  const client = await context.client();
  const store = await context.store();
  if (await makeSchedule(client)) say(`  schedule ${SCHEDULE} created`);
  const expected = Math.round((missing.toMs - missing.fromMs) / EVERY_MS);
  if (expected <= 0) {
    say('  nothing new to score since the last start');
    return [];
  }
  const batches = (): Promise<Batch[]> => store.listBatches({ schedule: SCHEDULE, limit: 1_000 });
  // One that a stop left running goes on by itself and counts: the backfill starts no second for its time.
  const before = new Set((await batches()).filter(hasEnded).map((batch) => batch.id));
  say(`  backfilling the schedule: ${formatPeriod(missing)}, ${formatNumberOf(expected, 'batch', 'batches')}`);
  // Many at once would be thousands of children under way: after a long stop they run one after the other.
  const overlap = expected > AT_ONCE ? ScheduleOverlapPolicy.BUFFER_ALL : ScheduleOverlapPolicy.ALLOW_ALL;
  const earlier = { ...missing, toMs: missing.toMs - EVERY_MS };
  const newest = { fromMs: earlier.toMs, toMs: missing.toMs };
  if (expected > 1) {
    await changeRequest(client, SCHEDULE, ONE_CHILD);
    await backfillSchedule(client, SCHEDULE, earlier, overlap);
  }
  let askedForNewest = false;

  const bar = startBar('scoring', 'sensors', output(context));
  let last = '';
  let movedAt = Date.now();
  for (;;) {
    const mine = (await batches()).filter(
      (b) => !before.has(b.id) && b.fromMs >= missing.fromMs && b.toMs <= missing.toMs,
    );
    // The schedule starts a batch with the request of that moment: the earlier ones are on record by then.
    const ends = new Set(mine.map((b) => b.toMs));
    if (!askedForNewest && endsIn(earlier).every((end) => ends.has(end))) {
      askedForNewest = true;
      void wakePools(context).catch(() => {}); // each looks by itself in some seconds
      await changeRequest(client, SCHEDULE, A_CHILD_EACH);
      await backfillSchedule(client, SCHEDULE, newest, overlap);
    }
    const counts = await Promise.all(
      mine.map(async (b) => (b.status === 'running' ? store.countOutcomes(b.id) : b.counts)),
    );
    const done = counts.reduce((sum, c) => sum + decided(c), 0);
    const anomalies = counts.reduce((sum, c) => sum + c.anomalies, 0);
    const perBatch = Math.max(SAMPLE_FLEET.length, ...mine.map((b) => b.planned));
    const finished = mine.filter(hasEnded);
    const wanted = Math.max(expected, mine.length);
    bar.set(done, perBatch * wanted, `${finished.length} of ${wanted} batches, ${formatCount(anomalies)} anomalies`);
    if (finished.length === mine.length && new Set(finished.map((b) => b.toMs)).size >= expected) {
      bar.end();
      return finished.sort((a, b) => a.fromMs - b.fromMs);
    }
    const state = `${done}/${finished.length}/${mine.length}`;
    if (state !== last) {
      last = state;
      movedAt = Date.now();
    }
    if (Date.now() - movedAt > STALL_MS)
      throw new FleetscoreError(
        'BATCH_STALLED',
        `the batches have not moved for ${formatMs(STALL_MS)} (${finished.length} of ${expected} done). Look into ` +
          `the Web UI, and the logs in ${join(context.config.home, 'logs')}.`,
      );
    await sleep(150, undefined, { signal });
  }
}

/** Work is there: a pool that was idle looks every five seconds only. */
async function wakePools(context: Context): Promise<void> {
  const client = await context.client();
  for (const { settings } of await configuredPools(context.config)) await wakePoolLoop(client, settings);
}

/** @returns whether it was not there before */
async function makeSchedule(client: Client): Promise<boolean> {
  try {
    await createSchedule(client, SCHEDULE, {
      // Missed periods are not started by themselves after a stop: the next start sends their readings first.
      everyMs: EVERY_MS,
      request: A_CHILD_EACH,
      overlap: DEFAULT_OVERLAP,
      catchupWindowMs: MINUTE,
      paused: false,
      note: 'the sample plant',
    });
    return true;
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    return false;
  }
}

const endsIn = ({ fromMs, toMs }: Period): number[] =>
  Array.from({ length: Math.round((toMs - fromMs) / EVERY_MS) }, (_, i) => fromMs + (i + 1) * EVERY_MS);

export async function lastBatches(context: Context): Promise<Batch[]> {
  const recent = await (await context.store()).listBatches({ schedule: SCHEDULE, limit: 4 });
  return recent.filter(hasEnded).sort((a, b) => a.toMs - b.toMs);
}

export const quarterBefore = (ms: number): number => Math.floor(ms / EVERY_MS) * EVERY_MS;
