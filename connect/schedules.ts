/** Schedules of batches, as Temporal keeps them. Policies are always explicit: the server's own catch-up is a year. */
import { ScheduleOverlapPolicy, type Client } from '@temporalio/client';
import { cutBytes, MAX_SUMMARY } from '../domain/bounded.ts';
import { CONTROL_QUEUE } from '../domain/queues.ts';
import type { Period } from '../domain/time.ts';
import type { scoreBatch } from '../workflows/index.ts';
import type { ScoreBatchRequest } from '../workflows/requests.ts';

/** Workflow type of batches. */
export const SCORE_BATCH = 'scoreBatch';

/** No period is left out because the batch before was slow. */
export const DEFAULT_OVERLAP = ScheduleOverlapPolicy.BUFFER_ALL;

export type ScheduleSetting = {
  readonly request: ScoreBatchRequest;
  readonly catchupWindowMs: number;
  readonly overlap: ScheduleOverlapPolicy;
  readonly paused: boolean;
  readonly note?: string | undefined;
} & (
  | { readonly everyMs: number; /** Shifts the times, which count from the epoch. */ readonly offsetMs?: number }
  | { readonly cron: string; readonly timezone?: string }
);

/** @throws ScheduleAlreadyRunning when the name is taken */
export async function createSchedule(client: Client, name: string, setting: ScheduleSetting): Promise<void> {
  await client.schedule.create<typeof scoreBatch>({
    scheduleId: name,
    spec:
      'everyMs' in setting
        ? {
            intervals: [
              { every: setting.everyMs, ...(setting.offsetMs === undefined ? {} : { offset: setting.offsetMs }) },
            ],
          }
        : {
            cronExpressions: [setting.cron],
            ...(setting.timezone === undefined ? {} : { timezone: setting.timezone }),
          },
    action: {
      type: 'startWorkflow',
      workflowType: SCORE_BATCH,
      taskQueue: CONTROL_QUEUE,
      args: [setting.request],
      workflowId: name,
      staticSummary: cutBytes(`batch of schedule ${name}`, MAX_SUMMARY),
    },
    policies: { overlap: setting.overlap, catchupWindow: setting.catchupWindowMs, pauseOnFailure: false },
    state: { paused: setting.paused, ...(setting.note === undefined ? {} : { note: setting.note }) },
  });
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
