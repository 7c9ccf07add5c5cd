/** Bounded concurrency for lists that can be long. */

/** Results in order; at most `limit` run at a time. The first error is thrown, and nothing new is started after it. */
export async function mapLimit<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  let failed = false;
  const runner = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const index = next++;
      try {
        results[index] = await work(items[index]!, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, runner));
  return results;
}

/** Bounds what is under way by its size rather than by its number. */
export interface Budget {
  /**
   * Runs `work` once `amount` fits beside what runs, first come, first served; what is larger than the whole
   * budget runs alone. Rejects with the reason of `signal` when it is called off while it waits.
   */
  use<T>(amount: number, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

export function createBudget(total: number): Budget {
  let used = 0;
  const waiting: { readonly amount: number; readonly start: () => void }[] = [];
  const next = (): void => {
    for (let first = waiting[0]; first && (used === 0 || used + first.amount <= total); first = waiting[0]) {
      used += first.amount;
      waiting.shift();
      first.start();
    }
  };
  return {
    async use(amount, work, signal) {
      await new Promise<void>((resolve, reject) => {
        const calledOff = (): void => {
          waiting.splice(waiting.indexOf(entry), 1);
          reject(signal!.reason as Error);
          next();
        };
        const entry = { amount, start: (): void => (signal?.removeEventListener('abort', calledOff), resolve()) };
        signal?.throwIfAborted();
        signal?.addEventListener('abort', calledOff, { once: true });
        waiting.push(entry);
        next();
      });
      try {
        return await work();
      } finally {
        used -= amount;
        next();
      }
    },
  };
}
