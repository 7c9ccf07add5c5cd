/**
 * Bounded parallel work that a person can slow down, pause and resume while it runs. Starts items in order;
 * an error stops new starts and is thrown once those under way have settled.
 */
import { CancellationScope, condition } from '@temporalio/workflow';
import { MAX_PENDING } from './policies.ts';

export interface Throttle {
  /** Most items under way at once. */
  limit: number;
  paused: boolean;
  /** Most items at once that have not told yet that they started. */
  readonly starts: number;
}

export const fullSpeed = (starts = MAX_PENDING): Throttle => ({ limit: MAX_PENDING, paused: false, starts });

/** @param work calls `started` when the item is no longer only asked for; one that never does counts until its end */
export async function forEachThrottled<T>(
  items: readonly T[],
  throttle: Throttle,
  work: (item: T, started: () => void) => Promise<void>,
): Promise<void> {
  let active = 0;
  let starting = 0;
  let failure: { readonly error: unknown } | undefined;
  const run = async (item: T): Promise<void> => {
    let asked = true;
    const started = (): void => {
      if (asked) starting -= 1;
      asked = false;
    };
    try {
      await work(item, started);
    } catch (error) {
      failure ??= { error };
    } finally {
      started();
      active -= 1;
    }
  };
  try {
    for (const item of items) {
      const mayStart = (): boolean => active < throttle.limit && starting < throttle.starts && !throttle.paused;
      if (!mayStart()) await condition(() => failure !== undefined || mayStart());
      if (failure) break;
      active += 1;
      starting += 1;
      void run(item);
    }
  } catch (error) {
    failure ??= { error }; // cancelled while waiting
  }
  // Also when cancelled: what was started reports its end.
  await CancellationScope.nonCancellable(() => condition(() => active === 0));
  if (failure) throw failure.error;
}
