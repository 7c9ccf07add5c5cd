/**
 * Runs for many cases what each test then looks at by itself: a command that starts a process, or waits for a server
 * that never answers, costs most of its time in waiting, and cases that share nothing may wait together.
 */

/**
 * Starts `run` for each case, at most `atOnce` at a time, in their order. Gives a promise for each, by its case; one
 * that rejects does so to whoever awaits it.
 */
export function sideBySide<K, T>(cases: readonly K[], run: (one: K) => Promise<T>, atOnce = 6): Map<K, Promise<T>> {
  const free = Array.from({ length: atOnce }, () => Promise.resolve());
  const results = new Map<K, Promise<T>>();
  cases.forEach((one, i) => {
    const lane = i % atOnce;
    const result = free[lane]!.then(() => run(one));
    free[lane] = result.then(
      () => {},
      () => {},
    );
    results.set(one, result);
  });
  return results;
}
