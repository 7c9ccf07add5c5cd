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
}

export const fullSpeed = (): Throttle => ({ limit: MAX_PENDING, paused: false });

export async function forEachThrottled<T>(items: readonly T[], throttle: Throttle, work: (item: T) => Promise<void>): Promise<void> {
  let active = 0;
  let failure: { readonly error: unknown } | undefined;
  const run = async (item: T): Promise<void> => {
    try {
      await work(item);
    } catch (error) {
      failure ??= { error };
    } finally {
      active -= 1;
    }
  };
  try {
    for (const item of items) {
      const mayStart = (): boolean => active < throttle.limit && !throttle.paused;
      if (!mayStart()) await condition(() => failure !== undefined || mayStart());
      if (failure) break;
      active += 1;
      void run(item);
    }
  } catch (error) {
    failure ??= { error }; // cancelled while waiting
  }
  // Also when cancelled: what was started reports its end.
  await CancellationScope.nonCancellable(() => condition(() => active === 0));
  if (failure) throw failure.error;
}
