/**
 * Heartbeats while `work` runs, so that the server notices a vanished worker within the heartbeat timeout
 * and the activity notices cancellation; calls of services that `work` makes end with it. The calling thread must
 * stay free: heavy work runs in threads.
 */
import { Context } from '@temporalio/activity';
import { endingWith } from '../storage/deadline.ts';

/** Well below every heartbeat timeout in workflows/policies.ts; the SDK throttles what is sent. */
const EVERY_MS = 2_000;

export async function withHeartbeat<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const context = Context.current();
  const timer = setInterval(() => context.heartbeat(), EVERY_MS);
  try {
    const working = endingWith(context.cancellationSignal, () => work(context.cancellationSignal));
    return await Promise.race([working, context.cancelled]);
  } finally {
    clearInterval(timer);
  }
}
