/**
 * What the store refuses for good must not be tried for ever: everything behind it would wait. The part that it
 * refuses is found by halving, and set aside alone. A store that takes nothing at all is another matter: then nothing
 * is set aside, and the work waits until it does.
 */
import type { ErrorCode } from '../domain/error-codes.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { passes } from './retry.ts';

export interface EachSteps<T> {
  /** Applies items in order, all or none of them. */
  apply(items: readonly T[]): Promise<void>;
  /** Resolves when the store takes a commit that holds nothing of the items. */
  storeAnswers(): Promise<void>;
  /** Before an item that was refused alone is tried once more. */
  pause(): Promise<void>;
  /** The store has refused this one alone, again and again, while it answered. */
  setAside(item: T, error: unknown): Promise<void>;
}

/** Errors that are about the worker's place, not about what is stored. */
const OF_THE_WORKER: ReadonlySet<string> = new Set<ErrorCode>(['INGEST_STOPPED', 'PROGRESS_WENT_BACK']);

const isRefusal = (error: unknown): boolean =>
  !passes(error) && !(error instanceof FleetscoreError && OF_THE_WORKER.has(error.code));

/** @throws what `apply` throws and is no refusal */
export async function applyEach<T>(items: readonly T[], steps: EachSteps<T>): Promise<void> {
  try {
    await steps.apply(items);
    return;
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
  await steps.storeAnswers();
  if (items.length > 1) {
    const half = Math.ceil(items.length / 2);
    await applyEach(items.slice(0, half), steps);
    await applyEach(items.slice(half), steps);
    return;
  }
  await steps.pause();
  try {
    await steps.apply(items);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    await steps.storeAnswers();
    await steps.setAside(items[0]!, error);
  }
}
