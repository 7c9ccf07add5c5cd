/** Schedules of batches, as Temporal keeps them. Policies are always explicit: the server's own catch-up is a year. */
import { ScheduleOverlapPolicy, type Client, type ScheduleSpec } from '@temporalio/client';
import { cutBytes, MAX_SUMMARY } from '../domain/bounded.ts';
import { CONTROL_QUEUE } from '../domain/queues.ts';
import type { Period } from '../domain/time.ts';
import type { scoreBatch } from '../workflows/index.ts';
import type { ScoreBatchRequest } from '../workflows/requests.ts';
import { SCORE_BATCH } from '../workflows/names.ts';
import { defined } from '../domain/defined.ts';

export type ScheduleSetting = {
  readonly request: ScoreBatchRequest;
  readonly catchupWindowMs: number;
  readonly overlap: ScheduleOverlapPolicy;
  readonly paused: boolean;
  readonly note?: string | undefined;
} & ScheduleTimes;

/** When a schedule starts batches. */
export type ScheduleTimes =
  | { readonly everyMs: number; /** Shifts the times, which count from the epoch. */ readonly offsetMs?: number }
  | { readonly cron: string; readonly timezone?: string };

/** The same as the server takes it. */
export function timesOf(times: ScheduleTimes): ScheduleSpec {
  if (!('everyMs' in times)) return { cronExpressions: [times.cron], ...defined({ timezone: times.timezone }) };
  const { everyMs: every, offsetMs: offset } = times;
  return { intervals: [{ every, ...defined({ offset }) }] };
}

/** @throws ScheduleAlreadyRunning when the name is taken */
export async function createSchedule(client: Client, name: string, setting: ScheduleSetting): Promise<void> {
  await client.schedule.create<typeof scoreBatch>({
    scheduleId: name,
    spec: timesOf(setting),
    action: {
      type: 'startWorkflow',
      workflowType: SCORE_BATCH,
      taskQueue: CONTROL_QUEUE,
      args: [setting.request],
      workflowId: name,
      staticSummary: cutBytes(`batch of schedule ${name}`, MAX_SUMMARY),
    },
    policies: { overlap: setting.overlap, catchupWindow: setting.catchupWindowMs, pauseOnFailure: false },
    state: { paused: setting.paused, ...defined({ note: setting.note }) },
  });
}

/** Batches that the schedule starts from now on have this request. */
export async function changeRequest(client: Client, name: string, request: ScoreBatchRequest): Promise<void> {
  await client.schedule
    .getHandle(name)
    .update(({ action, ...rest }) => ({ ...rest, action: { ...action, args: [request] } }));
}

/**
 * Starts the batches whose scheduled time lies in (from, to]: with a period as long as the interval, those that
 * cover [from, to). The server takes both ends as inside.
 */
export async function backfillSchedule(
  client: Client,
  name: string,
  { fromMs, toMs }: Period,
  overlap: ScheduleOverlapPolicy,
): Promise<void> {
  await client.schedule.getHandle(name).backfill({ start: new Date(fromMs + 1), end: new Date(toMs), overlap });
}
