/**
 * A batch on record: announced before anything can fail, closed however it ends, and its alarms decided on after that.
 */
import { CancellationScope, isCancellation, log, proxyActivities } from '@temporalio/workflow';
import type { BatchResult, ControlActivities, FinishInput } from './activities.ts';
import { defined } from '../domain/defined.ts';
import { batchClass, whyFailed } from './failures.ts';
import { CONTROL_ACTIVITY, RECORD_ACTIVITY } from './policies.ts';
import type { ParsedRequest } from './requests.ts';

const { raiseAlarms } = proxyActivities<ControlActivities>(CONTROL_ACTIVITY);
const { finishBatch } = proxyActivities<ControlActivities>(RECORD_ACTIVITY);

/** Since then a batch is on record before it is planned, and sleeps until its period has ended. */
export const ON_RECORD = 'on-record';

type Closing = Pick<
  ParsedRequest,
  'fromMs' | 'toMs' | 'toleratedFailurePercentage' | 'toleratedFailureCount' | 'toleratedSkippedPercentage'
>;

/** Closes a batch, however it came to its end; also one that is being cancelled. */
export function close(batchId: string, parsed: Closing, ending: unknown): Promise<BatchResult | null> {
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

/** How a batch ended, by the error that ended it, if one did. */
function endingOf(error: unknown): FinishInput['ending'] {
  if (error === undefined) return 'done';
  return isCancellation(error) ? 'cancelled' : 'aborted';
}

/** The batch has ended, whatever becomes of its alarms; the next one decides on what is left, and says so. */
export async function raise(batchId: string): Promise<void> {
  try {
    await CancellationScope.nonCancellable(() =>
      raiseAlarms.executeWithOptions({ summary: 'alarms that begin, go on or end' }, [{ batchId }]),
    );
  } catch (error) {
    log.warn(`alarms of batch ${batchId} were not decided on: ${whyFailed(error).message}`);
  }
}
