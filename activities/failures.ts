/** How an activity fails: our errors keep their code as the failure's type, and say whether and when a retry helps. */
import { ApplicationFailure } from '@temporalio/common';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { redact } from '../domain/redact.ts';

/** Runs `work`; a FleetscoreError comes out as the ApplicationFailure that Temporal's retry policy understands. */
export async function asActivity<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FleetscoreError)) throw withoutSecrets(error);
    throw ApplicationFailure.create({
      message: messageOf(error),
      type: error.code,
      nonRetryable: !error.retryable,
      cause: withoutSecrets(error) as Error,
      ...(error.retryAfterMs ? { nextRetryDelay: error.retryAfterMs } : {}),
    });
  }
}

/** Temporal keeps messages and stacks of an error and of its causes, and SDKs put whole connection strings there. */
function withoutSecrets(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error) || depth > 10) return error;
  const texts = [error.message, error.stack ?? ''];
  const cause = withoutSecrets(error.cause, depth + 1);
  if (cause === error.cause && texts.every((text) => redact(text) === text)) return error;
  const copy = Object.create(error, {
    message: { value: redact(error.message), enumerable: false },
    stack: { value: redact(error.stack ?? ''), enumerable: false },
    cause: { value: cause, enumerable: false },
  }) as Error;
  return copy;
}
