/**
 * What a batch is asked for, with its period in the calendar of its schedule. A wrong request ends as a failed batch on
 * record.
 */
import { ApplicationFailure, isCancellation, patched, proxyActivities, workflowInfo } from '@temporalio/workflow';
import { ActivityFailure } from '@temporalio/common';
import type { ControlActivities } from './activities.ts';
import { batchIdOf } from '../domain/batch-id.ts';
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { SINCE_LAST } from '../domain/period-length.ts';
import type { Period } from '../domain/time.ts';
import { SCHEDULED_BY_ID } from './attributes.ts';
import { close, ON_RECORD } from './close-batch.ts';
import { whyFailed } from './failures.ts';
import { CONTROL_ACTIVITY, DEFAULT_PERIOD, RECORD_ACTIVITY } from './policies.ts';
import { parseRequest, type ParsedRequest, type ScoreBatchRequest } from './requests.ts';

const { schedulePeriod } = proxyActivities<ControlActivities>(CONTROL_ACTIVITY);
const { announceBatch } = proxyActivities<ControlActivities>(RECORD_ACTIVITY);

/**
 * A wrong request must fail the workflow, not its task: a task is retried for ever. It is on record as a failed batch
 * over no time at all, at the time when it was due.
 */
export async function acceptRequest(request: ScoreBatchRequest, dueMs: number): Promise<ParsedRequest> {
  try {
    return { ...parseRequest(request, dueMs), ...(await inCalendar(request, dueMs)) };
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    if (patched(ON_RECORD)) {
      const { workflowId, runId, typedSearchAttributes } = workflowInfo();
      const period = { fromMs: dueMs, toMs: dueMs };
      const batchId = batchIdOf(period, runId);
      const schedule = typedSearchAttributes.get(SCHEDULED_BY_ID);
      await announceBatch.executeWithOptions({ summary: 'on record: its request is wrong' }, [
        defined({ batchId, ...period, workflowId, runId, schedule }),
      ]);
      await close(batchId, { ...period, toleratedFailurePercentage: 0 }, refusal);
    }
    throw refusal;
  }
}

/** The period of a batch of a schedule is a matter of the schedule's calendar, which workflow code cannot know. */
async function inCalendar({ from, period, delay }: ScoreBatchRequest, scheduledMs: number): Promise<Partial<Period>> {
  if (from !== undefined) return {};
  const schedule = workflowInfo().typedSearchAttributes.get(SCHEDULED_BY_ID);
  if (schedule === undefined && period === SINCE_LAST)
    throw new FleetscoreError(
      'INVALID_REQUEST',
      `the period "${SINCE_LAST}" is for batches that a schedule starts: give from and to, or a period such as "15m".`,
    );
  if (schedule === undefined || !patched('schedule-calendar')) return {};
  return schedulePeriod.executeWithOptions({ summary: 'the period, in the calendar of the schedule' }, [
    defined({ schedule, scheduledMs, period: period ?? DEFAULT_PERIOD, delay }),
  ]);
}

/** Why a request cannot be a batch; undefined for anything else, such as a cancellation. */
function refusalOf(error: unknown): ApplicationFailure | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof FleetscoreError) return ApplicationFailure.nonRetryable(cause.message, cause.code);
  if (error instanceof ActivityFailure && !isCancellation(error))
    return ApplicationFailure.nonRetryable(
      whyFailed(error).message,
      cause instanceof ApplicationFailure ? cause.type : null,
    );
  return undefined;
}
