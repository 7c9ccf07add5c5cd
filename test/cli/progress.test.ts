/** Waiting for a batch while the store is away: the wait goes on, and ends with the batch. */
import { watchBatch } from '../../cli/batch/progress.ts';
import type { Context } from '../../cli/frame/context.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import type { Batch, Store } from '../../storage/store.ts';

const COUNTS = { scored: 60, skipped: 0, failed: 0, cancelled: 0, windows: 60, anomalies: 0 };

test('a look that fails ends neither the wait nor the process', async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', onUnhandled);
  let looks = 0;
  let back: () => void = () => {};
  const cameBack = new Promise<void>((resolve) => (back = resolve));
  const store = {
    findBatch: async () => {
      looks += 1;
      if (looks <= 2) throw new FleetscoreError('STORE_UNAVAILABLE', 'the store is away', { retryable: true });
      back();
      return { id: 'b', status: 'completed', planned: 60, counts: COUNTS } as unknown as Batch;
    },
  } as unknown as Store;
  const context = { store: async () => store } as unknown as Context;
  try {
    const stop = await watchBatch(context, 'b', () => Promise.reject(new Error('nobody answers')));
    await cameBack;
    await stop();
    await new Promise((resolve) => setImmediate(resolve));
    expect(looks).toBeGreaterThan(2);
    expect(unhandled).toEqual([]);
  } finally {
    process.removeListener('unhandledRejection', onUnhandled);
  }
}, 60_000);

test('a store that stays away does not keep the command from its end', async () => {
  const store = { findBatch: () => Promise.reject(new Error('away')) } as unknown as Store;
  const context = { store: async () => store } as unknown as Context;
  const stop = await watchBatch(context, 'b', () => Promise.reject(new Error('nobody answers')));
  await expect(stop()).resolves.toBeUndefined();
}, 60_000);
