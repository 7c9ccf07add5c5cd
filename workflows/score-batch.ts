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
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type {
  BatchPlan,
  BatchResult,
  ChunkOutcome,
  ControlActivities,
  FinishInput,
  ReadingsState,
  SensorRange,
} from './activities.ts';
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { addCounts, NO_OUTCOMES } from '../domain/outcome.ts';
import { SCORING_QUEUE } from '../domain/queues.ts';
import { compactTime, isoTime, parseDuration, plainTime } from '../domain/time.ts';
import { ATTRIBUTES, SCHEDULED_BY_ID, SCHEDULED_START_TIME } from './attributes.ts';
import { batchDetails, childId, nameOf, SHOWN_FAILURES, type BatchProgress } from './details.ts';
import { outcomeOfFailedChild, whyFailed } from './failures.ts';
import { pauseUpdate, progressQuery, resumeUpdate, setConcurrencyUpdate } from './messages.ts';
import { CONTROL_ACTIVITY, DEFAULT_RESCORE_LATE, MAX_PENDING, MAX_STARTS, waitPollMs } from './policies.ts';
import { batchIdOf, parseRequest, type ParsedRequest, type ScoreBatchRequest } from './requests.ts';
import { SENSOR_FAILED, scoreSensors } from './score-sensors.ts';
import { forEachThrottled, fullSpeed } from './throttle.ts';

const { readingsReady, planBatch, latePeriods, failRange, finishBatch } =
  proxyActivities<ControlActivities>(CONTROL_ACTIVITY);

export async function scoreBatch(request: ScoreBatchRequest = {}): Promise<BatchResult> {
  const info = workflowInfo();
  const parsed = parse(request, (info.typedSearchAttributes.get(SCHEDULED_START_TIME) ?? info.startTime).getTime());
  const { fromMs, toMs } = parsed;
  const batchId = batchIdOf(parsed, info.runId);
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
  const show = (change: Partial<BatchProgress>): void => {
    progress = { ...progress, ...change };
    setCurrentDetails(batchDetails(progress));
  };
  setHandler(progressQuery, () => progress);
  const throttle = fullSpeed(patched('few-starts') ? MAX_STARTS : MAX_PENDING);
  setHandler(setConcurrencyUpdate, (limit) => (throttle.limit = limit), {
    validator(limit) {
      if (!(Number.isInteger(limit) && limit >= 1 && limit <= MAX_PENDING))
        throw new Error(
          `the concurrency of a batch is a whole number from 1 to ${MAX_PENDING}, got ${JSON.stringify(limit)}`,
        );
    },
  });
  const pause = (paused: boolean) => (): void => {
    throttle.paused = paused;
    show({ paused });
  };
  setHandler(pauseUpdate, pause(true));
  setHandler(resumeUpdate, pause(false));
  upsertSearchAttributes([
    { key: ATTRIBUTES.batch, value: batchId },
    { key: ATTRIBUTES.periodStart, value: new Date(fromMs) },
    { key: ATTRIBUTES.periodEnd, value: new Date(toMs) },
    { key: ATTRIBUTES.phase, value: 'running' },
  ]);

  let ending: unknown;
  try {
    await waitForReadings(parsed, ({ watermarkMs, neededMs }) => show(defined({ watermarkMs, neededMs })));
    const { watermarkMs: _, neededMs: __, ...waited } = progress;
    progress = waited;
    show({ phase: 'planning' });
    const plan = await planBatch.executeWithOptions({ summary: 'sensors, release, groups' }, [
      defined({
        batchId,
        fromMs,
        toMs,
        workflowId: info.workflowId,
        runId: info.runId,
        schedule,
        release: parsed.release,
        redrive: parsed.redrive,
        rescore: parsed.rescore,
        sensorsPerChild: parsed.sensorsPerChild,
        sensorsPerActivity: parsed.sensorsPerActivity,
        sensors: parsed.sensors,
      }),
    ]);
    upsertSearchAttributes([{ key: ATTRIBUTES.release, value: plan.release }]);
    show({ phase: 'scoring', planned: plan.planned, release: plan.release, children: plan.groups.length });

    await forEachThrottled(plan.groups, throttle, async (range, started) => {
      const outcome = await scoreGroup(batchId, parsed, range, plan, started);
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
  const result = await CancellationScope.nonCancellable(() =>
    finishBatch.executeWithOptions({ summary: 'an outcome for every sensor, manifest, status' }, [
      defined({
        batchId,
        fromMs,
        toMs,
        ending: endingOf(ending),
        message: ending === undefined ? undefined : whyFailed(ending).message,
        toleratedFailurePercentage: parsed.toleratedFailurePercentage,
        toleratedFailureCount: parsed.toleratedFailureCount,
      }),
    ]),
  );
  if (result === null) throw ending; // it ended before it was recorded
  show({ phase: result.status, counts: result.counts });
  upsertSearchAttributes([
    { key: ATTRIBUTES.phase, value: result.status },
    { key: ATTRIBUTES.failed, value: result.counts.failed },
    { key: ATTRIBUTES.anomalies, value: result.counts.anomalies },
  ]);
  if (ending !== undefined) throw ending;
  const lookbackMs = parsed.rescoreLateMs ?? (schedule === undefined ? 0 : parseDuration(DEFAULT_RESCORE_LATE));
  if (lookbackMs > 0 && patched('rescore-late'))
    await rescoreLate(request, parsed, lookbackMs, schedule, (late) => show({ late }));
  if (result.status === 'failed') throw ApplicationFailure.nonRetryable(result.message, 'BatchFailed', result);
  return result;
}

/** How a batch ended, by the error that ended it, if one did. */
function endingOf(error: unknown): FinishInput['ending'] {
  if (error === undefined) return 'done';
  return isCancellation(error) ? 'cancelled' : 'aborted';
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
  const { sensorsPerChild, sensorsPerActivity, toleratedFailurePercentage, toleratedFailureCount, release } = request;
  const same = Object.fromEntries(
    Object.entries({
      sensorsPerChild,
      sensorsPerActivity,
      toleratedFailurePercentage,
      toleratedFailureCount,
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
          await startChild<typeof scoreBatch>('scoreBatch', {
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

/** A wrong request must fail the workflow, not its task: a task is retried for ever. */
function parse(request: ScoreBatchRequest, scheduledMs: number): ParsedRequest {
  try {
    return parseRequest(request, scheduledMs);
  } catch (error) {
    if (error instanceof FleetscoreError) throw ApplicationFailure.nonRetryable(error.message, error.code);
    throw error;
  }
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
  batchId: string,
  period: ParsedRequest,
  range: SensorRange,
  plan: BatchPlan,
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
