/** Counts the activities a worker runs, so that it knows when it is idle and since when. */
import type { ActivityInterceptorsFactory } from '@temporalio/worker';

export interface ActivityCount {
  /** For the worker's `interceptors.activity`. */
  readonly interceptor: ActivityInterceptorsFactory;
  running(): number;
  /** How long nothing has run, ms; 0 while something does. */
  idleForMs(): number;
  /** How long the one that runs longest has run, ms; 0 when none does. */
  longestMs(): number;
}

export function countActivities(now: () => number = Date.now): ActivityCount {
  const running = new Set<{ readonly sinceMs: number }>();
  let idleSince = now();
  return {
    interceptor: () => ({
      inbound: {
        async execute(input, next) {
          const own = { sinceMs: now() };
          running.add(own);
          try {
            return await next(input);
          } finally {
            running.delete(own);
            idleSince = now();
          }
        },
      },
    }),
    running: () => running.size,
    idleForMs: () => (running.size > 0 ? 0 : now() - idleSince),
    // In order of their begin.
    longestMs: () => now() - ([...running][0]?.sinceMs ?? now()),
  };
}
