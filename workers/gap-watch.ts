/**
 * Tells the log and the webhook about periods that no batch was started for. A control worker looks, since a batch that
 * never started tells nothing. Several workers, and one after a restart, may tell the same: the alert's `id` is the
 * same.
 */
import type { Client } from '@temporalio/client';
import { chatText, postAlert, type AlertSettings, type MissedAlert } from '../batches/alerts.ts';
import { batchesForGaps, scheduleGaps, type ScheduleGap } from '../batches/schedule-gaps.ts';
import { seeSchedules, type BatchSchedule } from '../connect/schedule-times.ts';
import { messageOf } from '../domain/errors.ts';
import { compactTime, DAY_MS, isoTime, plainTime } from '../domain/time.ts';
import type { Store } from '../storage/store.ts';

export interface GapWatch {
  readonly client: Client;
  readonly store: Pick<Store, 'listBatches'>;
  readonly alerts?: AlertSettings;
  /** Age at which batches are deleted: nobody can tell of what is older. */
  readonly keepBatchesMs?: number | undefined;
  readonly now: () => number;
  readonly warn: (message: string) => void;
}

const EVERY_MS = 5 * 60_000;
/** So far back: a worker that starts tells of the night, not of the week. */
const LOOKED_MS = DAY_MS;
/** After an outage batches are caught up with one by one: nothing is missed before they had the time to start. */
const PATIENCE_MS = 10 * 60_000;

/**
 * What is missing for good, by schedule. One that is paused was meant to be, and one whose batches wait for each other
 * will start them.
 */
export function missedOf(
  { name, paused, seen, request }: BatchSchedule,
  batches: Parameters<typeof scheduleGaps>[3],
  nowMs: number,
  keepBatchesMs = Infinity,
): MissedAlert[] {
  if (paused || seen.waiting > 0) return [];
  const within = {
    fromMs: Math.max(seen.createdMs, nowMs - Math.min(LOOKED_MS, keepBatchesMs)),
    toMs: nowMs - PATIENCE_MS,
  };
  return scheduleGaps(seen, request, within, batches)
    .filter(({ state }) => state === 'missing')
    .map((gap) => missedAlert(name, gap));
}

export function missedAlert(schedule: string, { fromMs, toMs, periods, backfill }: ScheduleGap): MissedAlert {
  const count = `${periods} ${periods === 1 ? 'period' : 'periods'}`;
  return {
    id: `${schedule}/periods_missed/${compactTime(fromMs)}-${compactTime(toMs)}`,
    event: 'periods_missed',
    text:
      `fleetscore: ${count} of schedule ${chatText(schedule)} got no batch, ` +
      `${plainTime(fromMs)} to ${plainTime(toMs)} UTC. ` +
      'fleetscore gaps lists them with the command that scores them.',
    schedule,
    from: isoTime(fromMs),
    to: isoTime(toMs),
    periods,
    backfill: { from: isoTime(backfill.fromMs), to: isoTime(backfill.toMs) },
  };
}

/**
 * Looks every five minutes, until the returned function is called; it waits for a look that is under way. Not in the
 * first minutes: after an outage the batches of the catch-up are only about to be started.
 */
export function watchGaps(deps: GapWatch): () => Promise<void> {
  const told = new Set<string>();
  const patientUntilMs = deps.now() + PATIENCE_MS;
  const look = async (): Promise<void> => {
    if (deps.now() < patientUntilMs) return;
    try {
      const schedules = await seeSchedules(deps.client);
      const within = { fromMs: deps.now() - LOOKED_MS, toMs: deps.now() };
      const batches = await batchesForGaps(deps.store, schedules, within);
      for (const alert of schedules.flatMap((schedule) =>
        missedOf(schedule, batches, deps.now(), deps.keepBatchesMs),
      )) {
        if (told.has(alert.id)) continue;
        told.add(alert.id);
        deps.warn(alert.text);
        if (deps.alerts) await postAlert(alert, deps.alerts, deps.warn);
      }
    } catch (error) {
      deps.warn(`nobody looked for periods without a batch: ${messageOf(error)}`);
    }
  };
  let round = Promise.resolve();
  const timer = setInterval(() => {
    round = round.then(look);
  }, EVERY_MS);
  return async () => {
    clearInterval(timer);
    await round;
  };
}
