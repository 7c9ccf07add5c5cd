/** Deletes what the settings no longer keep, again and again, while a control worker lives. */
import { messageOf } from '../domain/errors.ts';
import type { PruneCounts, PruneCut, Store } from './store.ts';

/** Between two rounds: what is too old by an hour harms nobody. */
const EVERY_MS = 3_600_000;

/** Ages in milliseconds; what has none is kept for ever. */
export interface Keep {
  readonly windowsMs?: number;
  readonly batchesMs?: number;
}

/** What to delete at `nowMs`; undefined when all is kept. */
export function cutOf(keep: Keep, nowMs: number): PruneCut | undefined {
  const { windowsMs, batchesMs } = keep;
  if (windowsMs === undefined && batchesMs === undefined) return undefined;
  return {
    ...(windowsMs === undefined ? {} : { windowsBeforeMs: nowMs - windowsMs }),
    ...(batchesMs === undefined ? {} : { batchesBeforeMs: nowMs - batchesMs }),
  };
}

export interface RetentionLog {
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
}

/** Prunes now and every hour until the returned function is called; it waits for a round under way. */
export function startRetention(
  store: Pick<Store, 'prune'>,
  keep: Keep,
  log: RetentionLog,
  now: () => number = Date.now,
): () => Promise<void> {
  let round: Promise<void> = Promise.resolve();
  const prune = async (): Promise<void> => {
    const cut = cutOf(keep, now());
    if (!cut) return;
    try {
      const gone: PruneCounts = await store.prune(cut);
      if (gone.windows + gone.batches > 0) log.info(gone, 'pruned');
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'pruning failed; the next round makes up for it');
    }
  };
  round = prune();
  const timer = setInterval(() => (round = round.then(prune)), EVERY_MS);
  return async () => {
    clearInterval(timer);
    await round;
  };
}
