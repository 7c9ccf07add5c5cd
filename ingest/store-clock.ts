/**
 * Whose partition is free is told by when its owner last wrote, by Blob's clock. The client compares that with the
 * clock of this machine: one that is ahead by more than the time of ownership takes every partition at each turn, one
 * that is behind leaves those of a dead worker alone. So the difference is measured, and taken out of what Blob says.
 */
import type { PartitionOwnership } from '@azure/event-hubs';
import type { ContainerClient } from '@azure/storage-blob';
import { messageOf } from '../domain/errors.ts';
import type { IngestLog } from './log.ts';

/** The header `Date` has whole seconds. */
const EXACT_MS = 2_000;
const TELL_MS = 10_000;
const AGAIN_MS = 60_000;

/** Corrects the times of ownerships to the clock of this machine. */
export function createStoreClock(
  container: Pick<ContainerClient, 'getProperties'>,
  log: IngestLog,
): (owned: readonly PartitionOwnership[]) => Promise<PartitionOwnership[]> {
  let skewMs = 0;
  let measuredAtMs = Number.NEGATIVE_INFINITY;
  const measure = async (): Promise<void> => {
    const askedAtMs = Date.now();
    const { date } = await container.getProperties();
    if (!date) return;
    const found = (askedAtMs + Date.now()) / 2 - date.getTime() - 500;
    if (Math.abs(found) > TELL_MS && Math.abs(found - skewMs) > TELL_MS)
      log.warn(
        { seconds: Math.round(found / 1000) },
        'the clock of this machine is not that of Blob storage (above 0: ahead of it); ' +
          'owners of partitions are corrected by it. Set the clock right',
      );
    skewMs = Math.abs(found) > EXACT_MS ? found : 0;
  };
  return async (owned) => {
    if (performance.now() - measuredAtMs > AGAIN_MS) {
      measuredAtMs = performance.now();
      await measure().catch((error: unknown) =>
        log.debug({ error: messageOf(error) }, 'the clock of Blob storage was not told'),
      );
    }
    return owned.map((one) =>
      one.lastModifiedTimeInMs === undefined || skewMs === 0
        ? one
        : { ...one, lastModifiedTimeInMs: one.lastModifiedTimeInMs + skewMs },
    );
  };
}
