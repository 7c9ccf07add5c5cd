/** How an activity fails: our errors keep their code as the failure's type, and say whether and when a retry helps. */
import { ApplicationFailure } from '@temporalio/common';
import { FleetscoreError } from '../domain/errors.ts';

/** Runs `work`; a FleetscoreError comes out as the ApplicationFailure that Temporal's retry policy understands. */
export async function asActivity<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FleetscoreError)) throw error;
    throw ApplicationFailure.create({
      message: error.message,
      type: error.code,
      nonRetryable: !error.retryable,
      cause: error,
      ...(error.retryAfterMs ? { nextRetryDelay: error.retryAfterMs } : {}),
    });
  }
}
