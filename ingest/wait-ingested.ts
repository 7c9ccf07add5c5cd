/** Waits until what was sent is in the windows. */
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetscoreError } from '../domain/errors.ts';
import type { Store } from '../storage/store.ts';

export interface WaitOptions {
  readonly store: Pick<Store, 'listProgress'>;
  /** See `sourceName`. */
  readonly source: string;
  /** From `sendReadings`. */
  readonly lastSequenceNumbers: Readonly<Record<string, number>>;
  /** Longest time without any progress, default 60 s. */
  readonly stallMs?: number;
  readonly pollMs?: number;
  /** Ends the wait; look at it afterwards. */
  readonly signal?: AbortSignal;
}

const POLL_MS = 200;
const STALL_MS = 60_000;

/** @throws FleetscoreError `NOT_INGESTED` (retryable) that says which partition waits for what */
export async function waitIngested(options: WaitOptions): Promise<void> {
  const { store, source, lastSequenceNumbers, stallMs = STALL_MS, signal } = options;
  let movedAtMs = performance.now();
  let before = -1;
  while (!signal?.aborted) {
    const applied = new Map((await store.listProgress(source)).map((p) => [p.partition, p.appliedSeq]));
    const missing = Object.entries(lastSequenceNumbers).filter(
      ([partition, seq]) => (applied.get(partition) ?? -1) < seq,
    );
    const missingEvents = missing.reduce((sum, [partition, seq]) => sum + seq - (applied.get(partition) ?? -1), 0);
    if (missingEvents === 0) return;
    const now = performance.now();
    if (missingEvents !== before) movedAtMs = now;
    before = missingEvents;
    if (now - movedAtMs >= stallMs) {
      const [partition, seq] = missing[0]!;
      const why = `no progress for ${Math.round(stallMs / 1000)} s`;
      throw new FleetscoreError(
        'NOT_INGESTED',
        `${missingEvents} events of ${source} are not in the windows yet, ${why}: partition ${partition} is ` +
          `at sequence number ${applied.get(partition) ?? -1} of ${seq}. The events are safe in Event Hubs. ` +
          'Check that an ingest worker runs, reads this hub with this consumer group, and what its log says.',
        { retryable: true },
      );
    }
    await sleep(options.pollMs ?? POLL_MS, undefined, signal ? { signal } : {}).catch(() => {});
  }
}
