/**
 * The batch workflow: waits for the readings of its period, plans, starts a child workflow per sensor (or
 * group of sensors), finishes. Whatever happens to children, every planned sensor ends in one outcome and
 * `finishBatch` runs, also when the batch is cancelled.
 */
import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  log,
  ParentClosePolicy,
  patched,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  startChild,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { ActivityFailure, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type {
  BatchPlan,
  BatchResult,
  ChunkOutcome,
  ControlActivities,
  FinishInput,
  PlanInput,
  PlannedGroup,
  ReadingsState,
} from './activities.ts';
import { batchIdOf } from '../domain/batch-id.ts';
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { addCounts, NO_OUTCOMES } from '../domain/outcome.ts';
import { SINCE_LAST } from '../domain/period-length.ts';
import { SCORING_QUEUE } from '../domain/queues.ts';
import { compactTime, isoTime, parseDuration, plainTime, type Period } from '../domain/time.ts';
import { ATTRIBUTES, SCHEDULED_BY_ID, SCHEDULED_START_TIME } from './attributes.ts';
import { batchDetails, childId, nameOf, SHOWN_FAILURES, type BatchProgress } from './details.ts';
import { batchClass, outcomeOfFailedChild, whyFailed } from './failures.ts';
import { progressQuery } from './messages.ts';
import { CONTROL_ACTIVITY, DEFAULT_PERIOD, DEFAULT_RESCORE_LATE, RECORD_ACTIVITY, waitPollMs } from './policies.ts';
import { parseRequest, type ParsedRequest, type ScoreBatchRequest } from './requests.ts';
import { SENSOR_FAILED, scoreSensors } from './score-sensors.ts';
import { steerable } from './steer.ts';
import { forEachThrottled } from './throttle.ts';
import { SCORE_BATCH } from './names.ts';

const { schedulePeriod, readingsReady, planBatch, latePeriods, failRange, raiseAlarms } =
  proxyActivities<ControlActivities>(CONTROL_ACTIVITY);
const { announceBatch, finishBatch } = proxyActivities<ControlActivities>(RECORD_ACTIVITY);

export async function scoreBatch(request: ScoreBatchRequest = {}): Promise<BatchResult> {
  const info = workflowInfo();
  const { workflowId, runId } = info;
  const startMs = (info.typedSearchAttributes.get(SCHEDULED_START_TIME) ?? info.startTime).getTime();
  const parsed = await parse(request, startMs);
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

type Show = (change: Partial<BatchProgress>) => void;

/** How far the readings are is of no interest once they are waited for no more. */
function withoutPastWait(progress: BatchProgress): BatchProgress {
  if (progress.phase === 'waiting for readings') return progress;
  const { watermarkMs: _, neededMs: __, ...rest } = progress;
  return rest;
}

/** On record, and planned along with it where that can be at once; else null, and its period has ended. */
async function begin(batch: PlanInput, { waitUntilMs, toMs }: ParsedRequest, show: Show): Promise<BatchPlan | null> {
  if (!patched(ON_RECORD)) return null;
  const plan = await announceBatch.executeWithOptions({ summary: 'on record before anything can fail' }, [
    { ...batch, waitUntilMs },
  ]);
  if (!plan) await untilItsEnd(toMs, () => show({ phase: 'waiting for the end of its period' }));
  return plan;
}

async function planWhenReady(batch: PlanInput, parsed: ParsedRequest, show: Show): Promise<BatchPlan> {
  show({ phase: 'waiting for readings' });
  await waitForReadings(parsed, ({ watermarkMs, neededMs }) => show(defined({ watermarkMs, neededMs })));
  show({ phase: 'planning' });
  return planBatch.executeWithOptions({ summary: 'sensors, release, groups' }, [batch]);
}

/** How a batch ended, by the error that ended it, if one did. */
function endingOf(error: unknown): FinishInput['ending'] {
  if (error === undefined) return 'done';
  return isCancellation(error) ? 'cancelled' : 'aborted';
}

/** Since then a batch is on record before it is planned, and sleeps until its period has ended. */
const ON_RECORD = 'on-record';

/** Closes a batch, however it came to its end; also one that is being cancelled. */
function close(batchId: string, parsed: Closing, ending: unknown): Promise<BatchResult | null> {
  const { fromMs, toMs, toleratedFailurePercentage, toleratedFailureCount, toleratedSkippedPercentage } = parsed;
  const how = endingOf(ending);
  return CancellationScope.nonCancellable(() =>
    finishBatch.executeWithOptions({ summary: 'an outcome for every sensor, manifest, status' }, [
      defined({
        batchId,
        fromMs,
        toMs,
        ending: how,
        message: ending === undefined ? undefined : whyFailed(ending).message,
        class: how === 'aborted' ? batchClass(ending) : undefined,
        toleratedFailurePercentage,
        toleratedFailureCount,
        toleratedSkippedPercentage,
      }),
    ]),
  );
}

/** The batch has ended, whatever becomes of its alarms; the next one decides on what is left, and says so. */
async function raise(batchId: string): Promise<void> {
  try {
    await CancellationScope.nonCancellable(() =>
      raiseAlarms.executeWithOptions({ summary: 'alarms that begin, go on or end' }, [{ batchId }]),
    );
  } catch (error) {
    log.warn(`alarms of batch ${batchId} were not decided on: ${whyFailed(error).message}`);
  }
}

type Closing = Pick<
  ParsedRequest,
  'fromMs' | 'toMs' | 'toleratedFailurePercentage' | 'toleratedFailureCount' | 'toleratedSkippedPercentage'
>;

/** Nothing can be there before: a timer, and no look at anything, for as long as that takes. */
async function untilItsEnd(toMs: number, onWait: () => void): Promise<void> {
  const leftMs = toMs - Date.now();
  if (leftMs <= 0) return;
  onWait();
  await sleep(leftMs);
}

/**
 * Starts a batch for each earlier period with sensors whose readings came after they were scored. They go on by
 * themselves; this batch has ended, whatever becomes of them. Their ids derive from the period, so one runs at a time.
 */
async function rescoreLate(
  request: ScoreBatchRequest,
  parsed: ParsedRequest,
  lookbackMs: number,
  schedule: string | undefined,
  started: (batches: number) => void,
): Promise<void> {
  const { sensorsPerChild, sensorsPerActivity, release } = request;
  const { toleratedFailurePercentage, toleratedFailureCount, toleratedSkippedPercentage } = request;
  const same = Object.fromEntries(
    Object.entries({
      sensorsPerChild,
      sensorsPerActivity,
      toleratedFailurePercentage,
      toleratedFailureCount,
      toleratedSkippedPercentage,
      release,
    }).filter(([, value]) => value !== undefined),
  );
  try {
    await CancellationScope.nonCancellable(async () => {
      const within = {
        fromMs: parsed.toMs - lookbackMs,
        toMs: parsed.fromMs,
        ...(schedule === undefined ? {} : { schedule }),
      };
      const periods = await latePeriods.executeWithOptions({ summary: 'earlier periods with late readings' }, [within]);
      let count = 0;
      for (const { fromMs, toMs } of periods) {
        try {
          await startChild<typeof scoreBatch>(SCORE_BATCH, {
            workflowId: `late-${compactTime(fromMs)}-${compactTime(toMs)}`,
            args: [{ ...same, from: isoTime(fromMs), to: isoTime(toMs), rescore: true, waitForReadings: '0s' }],
            staticSummary: `late readings of ${plainTime(fromMs)} to ${plainTime(toMs)}`,
            parentClosePolicy: ParentClosePolicy.ABANDON,
          });
          count += 1;
        } catch (error) {
          if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
        }
      }
      if (count > 0) started(count);
    });
  } catch (error) {
    log.warn(`late readings of earlier periods were not looked at: ${whyFailed(error).message}`);
  }
}

/**
 * A wrong request must fail the workflow, not its task: a task is retried for ever. It is on record as a failed batch
 * over no time at all, at the time when it was due.
 */
async function parse(request: ScoreBatchRequest, dueMs: number): Promise<ParsedRequest> {
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

async function waitForReadings(parsed: ParsedRequest, onWait: (state: ReadingsState) => void): Promise<void> {
  const { fromMs, toMs, waitUntilMs } = parsed;
  const startedMs = Date.now();
  for (;;) {
    const state = await readingsReady.executeWithOptions({ summary: 'are the readings of the period complete?' }, [
      { fromMs, toMs, waitUntilMs },
    ]);
    if (state.ready) return;
    onWait(state);
    await sleep(waitPollMs(Date.now() - startedMs));
  }
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
