/**
 * Alarms are decided on by compare-and-set: who was changed by another meanwhile begins anew. Batches of one process
 * therefore take turns, in the order in which they ask; else one that has to read much is always too late beside
 * others that have to read little, and its schedule stands.
 */

/** Whoever has the turn may wait for Blob: after this the next goes on beside it, and the store decides. */
const MOST_MS = 30_000;

const last = new WeakMap<object, Promise<unknown>>();

/** Runs `work` when all that asked for a turn at the same store before have had theirs. */
export async function inTurn<T>(store: object, work: () => Promise<T>, mostMs = MOST_MS): Promise<T> {
  const before = last.get(store);
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  // Over for those behind only when those before it are over, or have had their time.
  const mine = (before ?? Promise.resolve()).then(() => over);
  last.set(store, mine);
  await orLate(before, mostMs);
  try {
    return await work();
  } finally {
    end();
    if (last.get(store) === mine) last.delete(store);
  }
}

async function orLate(before: Promise<unknown> | undefined, mostMs: number): Promise<void> {
  if (!before) return;
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, mostMs);
  await Promise.race([before, late]);
  clearTimeout(timer);
}
