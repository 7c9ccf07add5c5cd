/** Deletes what the settings no longer keep, again and again, while a control worker lives. */
import { messageOf } from '../domain/errors.ts';
import type { PruneCounts, PruneCut, Store } from './store.ts';
import { HOUR_MS } from '../domain/time.ts';

/** Longest time between two rounds: what is too old by an hour harms nobody. */
const EVERY_MS = HOUR_MS;
/** Short ages are held more exactly: a round in each quarter of the shortest, and never without a pause. */
const SHARE = 4;
const LEAST_EVERY_MS = 60_000;

/** Ages in milliseconds; what has none, or Infinity, is kept for ever. */
export interface Keep {
  readonly windowsMs?: number;
  readonly batchesMs?: number;
}

/** What to delete at `nowMs`; undefined when all is kept. */
export function cutOf(keep: Keep, nowMs: number): PruneCut | undefined {
  const { windowsMs = Infinity, batchesMs = Infinity } = keep;
  if (windowsMs === Infinity && batchesMs === Infinity) return undefined;
  return {
    ...(windowsMs === Infinity ? {} : { windowsBeforeMs: nowMs - windowsMs }),
    ...(batchesMs === Infinity ? {} : { batchesBeforeMs: nowMs - batchesMs }),
  };
}

/** How long after one round the next begins. */
function roundEveryMs({ windowsMs = Infinity, batchesMs = Infinity }: Keep): number {
  return Math.max(LEAST_EVERY_MS, Math.min(EVERY_MS, Math.min(windowsMs, batchesMs) / SHARE));
}

export interface RetentionLog {
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
}

/**
 * Windows age from the newest reading on, not from the clock: a history that somebody sends to try things out, and the
 * last readings of a plant that stands still, are not too old for being old.
 */
export async function cutNow(
  store: Pick<Store, 'listProgress'>,
  keep: Keep,
  nowMs: number,
): Promise<PruneCut | undefined> {
  const cut = cutOf(keep, nowMs);
  if (cut?.windowsBeforeMs === undefined) return cut;
  const newestMs = Math.max(...(await store.listProgress()).map((partition) => partition.watermarkMs), -1);
  const behindMs = newestMs < 0 ? 0 : Math.max(0, nowMs - newestMs);
  return { ...cut, windowsBeforeMs: cut.windowsBeforeMs - behindMs };
}

/**
 * Prunes now and, as {@link roundEveryMs} has it, again until the returned function is called; it waits for a round
 * under way. `before` deletes what goes with rows, and is called first: a round that is cut off finds it again.
 */
export function startRetention(
  store: Pick<Store, 'prune' | 'listProgress'>,
  keep: Keep,
  log: RetentionLog,
  now: () => number = Date.now,
  before: (cut: PruneCut) => Promise<object | undefined> = async () => undefined,
): () => Promise<void> {
  let round: Promise<void> = Promise.resolve();
  const prune = async (): Promise<void> => {
    try {
      const cut = await cutNow(store, keep, now());
      if (!cut) return;
      const blobs = await before(cut);
      if (blobs && Object.values(blobs).some((count) => count > 0)) log.info(blobs, 'blobs pruned');
      const gone: PruneCounts = await store.prune(cut);
      if (gone.windows + gone.batches > 0) log.info(gone, 'pruned');
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'pruning failed; the next round makes up for it');
    }
  };
  round = prune();
  const timer = setInterval(() => {
    round = round.then(prune);
  }, roundEveryMs(keep));
  return async () => {
    clearInterval(timer);
    await round;
  };
}
