/**
 * Trouble of the store or of Blob must never cost a reading: the work is tried until it succeeds, with longer
 * and longer pauses or those that the service asks for, and gives up only when the worker is told to end; a call that
 * is under way then ends with it. An error that does not say of itself that it passes may be about what is stored:
 * where the caller can do something about that, it hears of it after a few tries.
 */
import type { ErrorCode } from '../domain/error-codes.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { endingWith } from '../storage/deadline.ts';
import type { IngestLog } from './log.ts';

const FIRST_PAUSE_MS = 100;
export const LONGEST_PAUSE_MS = 5_000;

export interface RetryOptions {
  /** What is done, for the log: `commit of partition 3`. */
  readonly what: string;
  readonly log: IngestLog;
  /** Default: {@link LONGEST_PAUSE_MS}. */
  readonly longestPauseMs?: number;
  /** Gives up. */
  readonly signal: AbortSignal;
  readonly onRetry?: () => void;
  /** Codes of errors that are answers, not trouble: thrown at once. */
  readonly answers?: readonly ErrorCode[];
  /** Tries after which an error that is not retryable is thrown; for ever when absent. */
  readonly refusedAfter?: number;
}

/** Whether the same work may succeed later without anybody's doing. */
export const passes = (error: unknown): boolean => error instanceof FleetscoreError && error.retryable;

/**
 * @throws FleetscoreError `INGEST_STOPPED` when given up; errors with a code in `answers`; after `refusedAfter` tries,
 * errors that do not pass
 */
export async function untilDone<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await endingWith(options.signal, work);
    } catch (error) {
      if (error instanceof FleetscoreError && options.answers?.includes(error.code)) throw error;
      if (attempt >= (options.refusedAfter ?? Number.POSITIVE_INFINITY) && !passes(error)) throw error;
      const pauseMs = Math.max(
        (error instanceof FleetscoreError ? error.retryAfterMs : undefined) ?? 0,
        Math.min(options.longestPauseMs ?? LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempt - 1, 10)) *
          (0.75 + Math.random() / 2),
      );
      if (options.signal.aborted)
        throw new FleetscoreError(
          'INGEST_STOPPED',
          `gave up the ${options.what} at the end: ${messageOf(error)}. ` +
            'Nothing is lost: the events are read again at the next start.',
          { cause: error, retryable: true },
        );
      options.log.warn(
        { attempt, pauseMs: Math.round(pauseMs), error: messageOf(error) },
        `${options.what} failed, trying again`,
      );
      options.onRetry?.();
      await sleep(pauseMs, undefined, { signal: options.signal }).catch(() => {});
    }
  }
}
