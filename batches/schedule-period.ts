/**
 * The period of a batch that a schedule started, in the calendar of the schedule. What was started before is read from
 * the server, which knows the last starts at once, and from the store, which knows them for long.
 */
import type { BatchDeps } from './deps.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { parseLength } from '../domain/period-length.ts';
import { measuredStart, periodStart } from '../domain/schedule-period.ts';
import { isoTime, parseDurationOrZero, type Period } from '../domain/time.ts';
import type { Store } from '../storage/store.ts';
import type { SchedulePeriodInput } from '../workflows/activities.ts';

/** Newest batches of the schedule that are looked at: more than it starts while clocks change. */
const LOOKED_AT = 200;

/** @throws FleetscoreError `INVALID_REQUEST`, `INVALID_DURATION`, `INVALID_ZONE` */
export async function schedulePeriod(
  deps: Pick<BatchDeps, 'store' | 'seeSchedule'>,
  input: SchedulePeriodInput,
): Promise<Period> {
  const { schedule, scheduledMs, period, delay = '0s' } = input;
  const length = parseLength(period);
  const delayMs = parseDurationOrZero(delay, 'delay');
  // A start by hand has milliseconds that mean nothing.
  const startedMs = wholeSeconds(scheduledMs);
  const ends = (fromMs: number): Period => ({
    fromMs: wholeSeconds(fromMs - delayMs),
    toMs: wholeSeconds(scheduledMs - delayMs),
  });
  const seen = await deps.seeSchedule?.(schedule);
  if (seen === undefined && length.kind !== 'since-last') return ends(measuredStart('UTC', startedMs, length));
  const fired = [...(seen?.started ?? []), ...(await startedOnRecord(deps.store, schedule, delayMs))];
  const fromMs = seen && periodStart(seen.spec, startedMs, length, fired);
  if (fromMs !== undefined) return ends(fromMs);
  throw new FleetscoreError(
    'INVALID_REQUEST',
    `the period of this batch has no start: schedule ${JSON.stringify(schedule)} ${
      seen === undefined ? 'is gone' : `has no time before ${isoTime(startedMs)}`
    }. Score the time by hand: fleetscore batch run --from ... --to ${isoTime(startedMs - delayMs)}.`,
  );
}

const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000;

/** Scheduled times of the newest batches of a schedule, epoch ms. */
async function startedOnRecord(
  store: Pick<Store, 'listBatches'>,
  schedule: string,
  delayMs: number,
): Promise<number[]> {
  const batches = await store.listBatches({ schedule, limit: LOOKED_AT });
  return batches.filter(({ kind }) => kind === 'score').map(({ toMs }) => toMs + delayMs);
}
