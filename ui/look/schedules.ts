/** Schedules as pages show them: what they do next, what they left out. Asked of Temporal, and kept for a while. */
import { ScheduleNotFoundError, type Client } from '@temporalio/client';
import { findGaps, type ScheduleGap } from '../../batches/schedule-gaps.ts';
import { batchSchedule, scheduleNames, type BatchSchedule } from '../../connect/schedule-times.ts';
import { expectedPeriods } from '../../domain/schedule-expected.ts';
import { startsText } from '../../domain/schedule-text.ts';
import { DAY_MS, parseDurationOrZero } from '../../domain/time.ts';
import type { Store } from '../../storage/store.ts';
import { DEFAULT_PERIOD, DEFAULT_WAIT_FOR_READINGS } from '../../workflows/policies.ts';
import type { ScheduleTimesSeen } from './fresh.ts';
import { defined } from '../../domain/defined.ts';

export interface ScheduleView extends ScheduleTimesSeen {
  readonly note: string;
  /** When it starts batches, in words. */
  readonly times: string;
  readonly period: string;
  readonly seen: BatchSchedule;
}

/** Newest scheduled times that are looked at. */
const LOOK_BACK_MS = 40 * DAY_MS;

export async function seeAll(client: Client, nowMs: number): Promise<ScheduleView[]> {
  const views: ScheduleView[] = [];
  for (const name of (await scheduleNames(client)).sort()) {
    try {
      const description = await client.schedule.getHandle(name).describe();
      const seen = batchSchedule(name, description);
      views.push(viewOf(seen, description.state.note ?? '', description.info.nextActionTimes[0]?.getTime(), nowMs));
    } catch (error) {
      // It was deleted since it was listed.
      if (!(error instanceof ScheduleNotFoundError)) throw error;
    }
  }
  return views;
}

function viewOf(seen: BatchSchedule, note: string, nextMs: number | undefined, nowMs: number): ScheduleView {
  const { request } = seen;
  const { period = DEFAULT_PERIOD, delay, waitForReadings = DEFAULT_WAIT_FOR_READINGS } = request;
  const asked = { period, ...defined({ delay }) };
  const fromMs = Math.max(seen.seen.createdMs, nowMs - LOOK_BACK_MS);
  const expected = expectedPeriods(seen.seen.spec, asked, { fromMs, toMs: nowMs }, 1).at(-1);
  return {
    name: seen.name,
    paused: seen.paused,
    note,
    times: startsText(seen.seen.spec).join('; '),
    period,
    seen,
    waitMs: parseDurationOrZero(waitForReadings),
    ...(nextMs === undefined || seen.paused ? {} : { nextMs }),
    ...(expected ? { expected: { atMs: expected.atMs, toMs: expected.toMs } } : {}),
  };
}

export interface MissedPeriods extends ScheduleGap {
  readonly schedule: string;
}

/** Periods of the last week that no batch scored, newest first; none older than batches are kept (`keepBatchesMs`). */
export async function missedPeriods(
  schedules: readonly ScheduleView[],
  store: Pick<Store, 'listBatches'>,
  nowMs: number,
  keepBatchesMs?: number,
): Promise<MissedPeriods[]> {
  const gaps = await findGaps(
    store,
    schedules.map(({ seen }) => seen),
    { nowMs, keepBatchesMs },
  );
  return [...gaps]
    .flatMap(([schedule, of]) =>
      of.filter(({ state }) => state !== 'running').map((gap): MissedPeriods => ({ schedule, ...gap })),
    )
    .sort((a, b) => b.toMs - a.toMs);
}
