/** `npm start` after its report: readings keep flowing, the schedule keeps firing, and what batches find is told. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ScheduleOverlapPolicy } from '@temporalio/client';
import pc from 'picocolors';
import { backfillSchedule } from '../../connect/schedules.ts';
import { messageOf } from '../../domain/errors.ts';
import { HOUR_MS, plainTime } from '../../domain/time.ts';
import { sendReadings } from '../../ingest/send.ts';
import { formatCount } from '../../report/index.ts';
import { sampleFeed } from '../../samples/readings.ts';
import { hasEnded, type Batch, type Store } from '../../storage/store.ts';
import { alarmLines, untilDecided } from '../alarms/told.ts';
import { writeSite } from '../batch/report.ts';
import type { Context } from '../frame/context.ts';
import { EVERY_MS, quarterBefore, SCHEDULE } from './demo-backfill.ts';
import { faultOf, remember, sampleFaults, siteFolder, withProducer } from './demo-plant.ts';

/** Readings go out this often once the past is sent. */
export const FEED_MS = 5_000;

/** Readings keep flowing and the schedule keeps firing until we are stopped. */
export async function stayLive(
  context: Context,
  { sentThroughMs, scoredToMs }: { readonly sentThroughMs: number; readonly scoredToMs: number },
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const store = await context.store();
  const batches = await store.listBatches({ schedule: SCHEDULE, limit: 1_000 });
  const told = new Set(batches.filter(hasEnded).map((batch) => batch.id));
  // The quarter that had just ended when we started; the schedule is the one to start it when it ended since.
  const latest = quarterBefore(Date.now());
  if (latest > scoredToMs && !batches.some((batch) => batch.toMs === latest))
    await backfillSchedule(
      await context.client(),
      SCHEDULE,
      { fromMs: scoredToMs, toMs: latest },
      ScheduleOverlapPolicy.ALLOW_ALL,
    );
  say(`\nReadings keep flowing; the next batch starts at ${nextQuarter()} UTC. ${pc.bold('Ctrl-C stops everything.')}`);
  return withProducer(context, async (producer) => {
    for (let through = sentThroughMs; ;) {
      await sleep(FEED_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const until = Date.now();
      try {
        // After a sleep of the machine only the last hour is made up for.
        await sendReadings(sampleFeed(Math.max(through, until - HOUR_MS), until), { producer, signal });
        if (signal.aborted) return;
        through = until;
        remember(context, { sentThroughMs: through });
        for (const batch of (await store.listBatches({ schedule: SCHEDULE, limit: 20 })).reverse()) {
          if (!hasEnded(batch) || told.has(batch.id)) continue;
          told.add(batch.id);
          await tellBatch(store, batch, say, signal);
          remember(context, { scoredToMs: batch.toMs });
          await writeSite(context, siteFolder(context), [batch.id]);
        }
      } catch (error) {
        if (signal.aborted) return;
        say(pc.yellow(`the live feed has trouble, trying again: ${messageOf(error)}`));
      }
    }
  });
}

const nextQuarter = (): string => plainTime(Math.ceil(Date.now() / EVERY_MS) * EVERY_MS).slice(11);

/** A batch that has ended: its numbers, and its alarms in words. */
async function tellBatch(store: Store, batch: Batch, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  const { scored, skipped, failed, windows, anomalies } = batch.counts;
  const sensors = `${scored} scored, ${skipped} skipped, ${failed} failed`;
  const found = `${formatCount(windows)} windows, ${formatCount(anomalies)} anomalous`;
  const ended = plainTime(batch.finishedAtMs ?? Date.now()).slice(11);
  say(`${ended}  batch ${batch.id} ${batch.status}: ${sensors}, ${found}`);
  await untilDecided(store, [batch], signal);
  const faults = sampleFaults(batch);
  for (const line of await alarmLines(store, [batch], Date.now(), (alarm) => faultOf(alarm, faults))) say(`  ${line}`);
  say(pc.dim(`  next batch at ${nextQuarter()} UTC`));
}
