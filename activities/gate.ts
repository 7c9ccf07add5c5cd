/**
 * Chunks of one worker process share it, until one keeps failing: then it has the process for itself. A model that
 * crashes the native runtime takes down all chunks that run beside it; those must not be given up for it, and cannot
 * be told from it otherwise.
 */
export interface Gate {
  /** Runs `work` beside others, or `alone`: after those under way, before those that come later. */
  run<T>(alone: boolean, work: () => Promise<T>): Promise<T>;
}

export function createGate(): Gate {
  /** Ends when the last one that asked to be alone has ended. */
  let last: Promise<void> = Promise.resolve();
  const beside = new Set<Promise<unknown>>();
  return {
    async run(alone, work) {
      if (alone) {
        const before = last;
        const { promise, resolve } = Promise.withResolvers<void>();
        last = promise;
        try {
          await before;
          await Promise.allSettled(beside);
          return await work();
        } finally {
          resolve();
        }
      }
      let seen: Promise<void> | undefined;
      while (seen !== last) {
        seen = last;
        await seen;
      }
      const running = work();
      beside.add(running);
      try {
        return await running;
      } finally {
        beside.delete(running);
      }
    },
  };
}
