/** Readings that came after their period was scored: the batches that score those sensors again. */
import { CancellationScope, log, ParentClosePolicy, proxyActivities, startChild } from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { BatchResult, ControlActivities } from './activities.ts';
import { compactTime, isoTime, plainTime } from '../domain/time.ts';
import { whyFailed } from './failures.ts';
import { SCORE_BATCH } from './names.ts';
import { CONTROL_ACTIVITY } from './policies.ts';
import type { ParsedRequest, ScoreBatchRequest } from './requests.ts';

const { latePeriods } = proxyActivities<ControlActivities>(CONTROL_ACTIVITY);

/**
 * Starts a batch for each earlier period with sensors whose readings came after they were scored. They go on by
 * themselves; this batch has ended, whatever becomes of them. Their ids derive from the period, so one runs at a time.
 */
export async function rescoreLate(
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
          await startChild<(late: ScoreBatchRequest) => Promise<BatchResult>>(SCORE_BATCH, {
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
