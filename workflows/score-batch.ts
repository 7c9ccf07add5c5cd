/**
 * The batch workflow: waits for the readings of its period, plans, starts a child workflow per sensor (or
 * group of sensors), finishes. Whatever happens to children, every planned sensor ends in one outcome and
 * `finishBatch` runs, also when the batch is cancelled.
 */
import {
  ApplicationFailure,
  isCancellation,
  ParentClosePolicy,
  patched,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  startChild,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { BatchPlan, BatchResult, ChunkOutcome, ControlActivities, PlannedGroup } from './activities.ts';
import { batchIdOf } from '../domain/batch-id.ts';
import { defined } from '../domain/defined.ts';
import { addCounts, NO_OUTCOMES } from '../domain/outcome.ts';
import { SCORING_QUEUE } from '../domain/queues.ts';
import { parseDuration, type Period } from '../domain/time.ts';
import { ATTRIBUTES, SCHEDULED_BY_ID, SCHEDULED_START_TIME } from './attributes.ts';
import { begin, planWhenReady, withoutPastWait, type Show } from './begin-batch.ts';
import { close, raise } from './close-batch.ts';
import { batchDetails, childId, nameOf, SHOWN_FAILURES, type BatchProgress } from './details.ts';
import { outcomeOfFailedChild, whyFailed } from './failures.ts';
import { progressQuery } from './messages.ts';
import { CONTROL_ACTIVITY, DEFAULT_RESCORE_LATE } from './policies.ts';
import { acceptRequest } from './accept-request.ts';
import type { ScoreBatchRequest } from './requests.ts';
import { rescoreLate } from './rescore-late.ts';
import { SENSOR_FAILED, scoreSensors } from './score-sensors.ts';
import { steerable } from './steer.ts';
import { forEachThrottled } from './throttle.ts';

const { failRange } = proxyActivities<ControlActivities>(CONTROL_ACTIVITY);

export async function scoreBatch(request: ScoreBatchRequest = {}): Promise<BatchResult> {
  const info = workflowInfo();
  const { workflowId, runId } = info;
  const startMs = (info.typedSearchAttributes.get(SCHEDULED_START_TIME) ?? info.startTime).getTime();
  const parsed = await acceptRequest(request, startMs);
  const { fromMs, toMs } = parsed;
  const batchId = batchIdOf(parsed, runId);
  const schedule = info.typedSearchAttributes.get(SCHEDULED_BY_ID);

  let progress: BatchProgress = {
    batchId,
    fromMs,
    toMs,
    phase: 'waiting for readings',
    planned: 0,
    children: 0,
    childrenDone: 0,
    counts: NO_OUTCOMES,
    failures: [],
  };
  const show: Show = (change) => {
    progress = withoutPastWait({ ...progress, ...change });
    setCurrentDetails(batchDetails(progress));
  };
  setHandler(progressQuery, () => progress);
  const throttle = steerable((paused) => show({ paused }));
  upsertSearchAttributes([
    { key: ATTRIBUTES.batch, value: batchId },
    { key: ATTRIBUTES.periodStart, value: new Date(fromMs) },
    { key: ATTRIBUTES.periodEnd, value: new Date(toMs) },
    { key: ATTRIBUTES.phase, value: 'running' },
  ]);

  let ending: unknown;
  try {
    const { release, redrive, rescore, sensors, sensorsPerChild, sensorsPerActivity } = parsed;
    const batch = {
      ...defined({ batchId, fromMs, toMs, workflowId, runId, schedule, release, redrive, rescore }),
      ...defined({ sensorsPerChild, sensorsPerActivity, sensors }),
    };
    const plan = (await begin(batch, parsed, show)) ?? (await planWhenReady(batch, parsed, show));
    upsertSearchAttributes([{ key: ATTRIBUTES.release, value: plan.release }]);
    const { planned, release: pinned, page } = plan;
    show({ phase: 'scoring', planned, release: pinned, children: plan.groups.length, ...defined({ page }) });

    const { groups } = plan;
    const shared = { batchId, period: parsed, plan };
    await forEachThrottled(groups, throttle, async (group, started) => {
      const outcome = await scoreGroup(shared, group, started);
      show({
        childrenDone: progress.childrenDone + 1,
        counts: addCounts(progress.counts, outcome.counts),
        failures: [...progress.failures, ...outcome.failures].slice(0, SHOWN_FAILURES),
      });
    });
  } catch (error) {
    ending = error;
  }

  show({ phase: 'finishing' });
  const result = await close(batchId, parsed, ending);
  if (result === null) throw ending; // it ended before it was on record
  show({ phase: result.status, counts: result.counts });
  upsertSearchAttributes([
    { key: ATTRIBUTES.phase, value: result.status },
    { key: ATTRIBUTES.failed, value: result.counts.failed },
    { key: ATTRIBUTES.anomalies, value: result.counts.anomalies },
  ]);
  if (patched('alarms')) await raise(batchId);
  if (ending !== undefined) throw ending;
  const lookbackMs = parsed.rescoreLateMs ?? (schedule === undefined ? 0 : parseDuration(DEFAULT_RESCORE_LATE));
  if (lookbackMs > 0 && patched('rescore-late'))
    await rescoreLate(request, parsed, lookbackMs, schedule, (late) => show({ late }));
  if (result.status === 'failed') throw ApplicationFailure.nonRetryable(result.message, 'BatchFailed', result);
  return result;
}

/** Runs one child. A child that ends badly leaves no sensor without an outcome. */
async function scoreGroup(
  { batchId, period, plan }: { readonly batchId: string; readonly period: Period; readonly plan: BatchPlan },
  { chunks, ...range }: PlannedGroup,
  started: () => void,
): Promise<ChunkOutcome> {
  const { fromMs, toMs } = period;
  const { sensorsPerActivity, unnamedChildren } = plan;
  try {
    const child = await startChild(scoreSensors, {
      workflowId: childId(batchId, range, unnamedChildren),
      args: [
        {
          batchId,
          fromMs,
          toMs,
          range,
          ...(chunks === undefined ? {} : { chunks }),
          sensorsPerActivity: range.sensorsPerActivity ?? sensorsPerActivity,
          scoringQueue: range.queue ?? SCORING_QUEUE,
        },
      ],
      staticSummary: nameOf(range),
      parentClosePolicy: ParentClosePolicy.TERMINATE,
    });
    started();
    return await child.result();
  } catch (error) {
    if (isCancellation(error)) throw error;
    const outcome = outcomeOfFailedChild(error, SENSOR_FAILED);
    if (outcome) return outcome;
    const reason = whyFailed(error);
    return failRange.executeWithOptions({ summary: `record ${nameOf(range)} as failed` }, [
      { batchId, range, class: reason.class, message: `the child workflow ended: ${reason.message}`, attempt: 1 },
    ]);
  }
}
