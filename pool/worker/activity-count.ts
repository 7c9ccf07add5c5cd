/** Counts the activities a worker runs, so that it knows when it is idle and since when. */
import type { ActivityInterceptorsFactory } from '@temporalio/worker';

export interface ActivityCount {
  /** For the worker's `interceptors.activity`. */
  readonly interceptor: ActivityInterceptorsFactory;
  running(): number;
  /** How long nothing has run, ms; 0 while something does. */
  idleForMs(): number;
}

export function countActivities(now: () => number = Date.now): ActivityCount {
  let running = 0;
  let idleSince = now();
  return {
    interceptor: () => ({
      inbound: {
        async execute(input, next) {
          running += 1;
          try {
            return await next(input);
          } finally {
            running -= 1;
            idleSince = now();
          }
        },
      },
    }),
    running: () => running,
    idleForMs: () => (running > 0 ? 0 : now() - idleSince),
  };
}
