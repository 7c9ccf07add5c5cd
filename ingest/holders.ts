/**
 * Who reads each partition of a hub. The ownership blobs say which worker does; a partition that was taken away while
 * those still name its worker is read by a stranger: another program on the same consumer group, with a higher priority
 * (owner level). Nothing of that is an error of a service, so nothing else would report it.
 */
import type { PartitionOwnership } from '@azure/event-hubs';
import { messageOf } from '../domain/errors.ts';
import type { IngestLog } from './log.ts';

export type Holder = 'worker' | 'nobody' | 'stranger';
export const HOLDERS: readonly Holder[] = ['worker', 'nobody', 'stranger'];

export interface Owned {
  readonly nowMs: number;
  /** An owner that wrote nothing for so long is gone. */
  readonly ownershipTimeoutMs: number;
  /** Partitions that strangers took. */
  readonly strangers?: ReadonlySet<string>;
}

/** @param owned by the clock of this machine (store-clock.ts) */
export function holdersOf(
  partitions: readonly string[],
  owned: readonly PartitionOwnership[],
  { nowMs, ownershipTimeoutMs, strangers }: Owned,
): ReadonlyMap<string, Holder> {
  const alive = new Set(
    owned
      .filter(
        ({ ownerId, lastModifiedTimeInMs = 0 }) => ownerId !== '' && nowMs - lastModifiedTimeInMs <= ownershipTimeoutMs,
      )
      .map(({ partitionId }) => partitionId),
  );
  const holder = (partition: string): Holder => {
    if (strangers?.has(partition)) return 'stranger';
    return alive.has(partition) ? 'worker' : 'nobody';
  };
  return new Map(partitions.map((partition) => [partition, holder(partition)]));
}

export interface Strangers {
  /** The service ended the reading of a partition for the sake of another reader. */
  lost(partition: string): Promise<void>;
  /** Partitions that strangers took lately. */
  now(): ReadonlySet<string>;
}

export interface StrangerDeps {
  /** Owner id of this process. */
  readonly identifier: string;
  readonly owners: () => Promise<readonly PartitionOwnership[]>;
  /** A partition is taken again once its ownership has expired, and lost again to one that is still there. */
  readonly ownershipTimeoutMs: number;
  readonly log: IngestLog;
  readonly now?: () => number;
}

/** Remembers who took partitions of this worker although the ownership blobs still name it. */
export function createStrangers(deps: StrangerDeps): Strangers {
  const { identifier, owners, ownershipTimeoutMs, log, now = () => performance.now() } = deps;
  const takenAtMs = new Map<string, number>();
  const forgetAfterMs = 3 * ownershipTimeoutMs;
  return {
    async lost(partition) {
      try {
        const owner = (await owners()).find(({ partitionId }) => partitionId === partition)?.ownerId;
        if (owner !== identifier) return void takenAtMs.delete(partition);
        const before = takenAtMs.get(partition) ?? Number.NEGATIVE_INFINITY;
        takenAtMs.set(partition, now());
        const tell = now() - before > forgetAfterMs ? log.warn : log.debug;
        tell.call(
          log,
          { partition },
          'another program reads this partition with the consumer group of fleetscore, and takes precedence: its readings do not come here. Give that program, or fleetscore, a consumer group of its own (FLEETSCORE_CONSUMER_GROUP)',
        );
      } catch (error) {
        log.debug({ partition, error: messageOf(error) }, 'who took the partition is not known');
      }
    },
    now: () =>
      new Set([...takenAtMs].filter(([, atMs]) => now() - atMs <= forgetAfterMs).map(([partition]) => partition)),
  };
}
