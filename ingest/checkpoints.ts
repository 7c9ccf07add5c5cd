/**
 * Checkpoints say where reading may start; the store says what is done. A checkpoint that is ahead of the store
 * (the store was replaced or restored) would skip events, so it is not believed and reading starts from the
 * beginning; events that are done are dropped again in no time.
 */
import type { CheckpointStore, PartitionOwnership } from '@azure/event-hubs';
import type { ContainerClient } from '@azure/storage-blob';
import { messageOf } from '../domain/errors.ts';
import type { Store } from '../storage/store.ts';
import { sourceName, type HubName } from './event.ts';
import type { IngestLog } from './log.ts';

/** Between the name of a worker and the part of its owner id that is new at every start. */
const OWNER_SEPARATOR = ':';

export function believableCheckpoints(
  inner: CheckpointStore,
  store: Store,
  captures: boolean,
  log: IngestLog,
  /** Whether a partition may be taken, or kept. */
  mayTake: (partition: string) => Promise<boolean>,
  /** Brings times of Blob's clock to that of this machine. */
  inOurTime: (owned: readonly PartitionOwnership[]) => Promise<PartitionOwnership[]>,
): CheckpointStore {
  return {
    listOwnership: async (...args) => inOurTime(await inner.listOwnership(...args)),
    async claimOwnership(wanted) {
      const allowed: PartitionOwnership[] = [];
      for (const one of wanted) if (one.ownerId === '' || (await mayTake(one.partitionId))) allowed.push(one);
      return allowed.length === 0 ? [] : inner.claimOwnership(allowed);
    },
    updateCheckpoint: (...args) => inner.updateCheckpoint(...args),
    async listCheckpoints(...args) {
      const source = sourceName({ namespace: args[0], hub: args[1] }, args[2]);
      const progress = new Map(
        (await store.listProgress(source)).map((p) => [
          p.partition,
          captures ? Math.min(p.appliedSeq, p.capturedSeq) : p.appliedSeq,
        ]),
      );
      const all = await inner.listCheckpoints(...args);
      return all.filter(({ partitionId, sequenceNumber }) => {
        const doneSeq = progress.get(partitionId) ?? -1;
        if (sequenceNumber <= doneSeq) return true;
        log.warn(
          { partition: partitionId, checkpointSeq: sequenceNumber, storeSeq: doneSeq },
          'the checkpoint is ahead of the store; reading from the beginning of the partition',
        );
        return false;
      });
    },
  };
}

/**
 * Removes the position from which a partition is read; the name is that of the SDK's blob store (1.1.0,
 * blobCheckpointStore.js).
 */
export async function dropCheckpoint(
  container: ContainerClient,
  { namespace, hub }: HubName,
  consumerGroup: string,
  partition: string,
): Promise<void> {
  const name = `${namespace}/${hub}/${consumerGroup}/checkpoint/`.toLowerCase() + partition;
  await container.getBlobClient(name).deleteIfExists();
}

export const ownerId = (workerName: string, unique: string): string => `${workerName}${OWNER_SEPARATOR}${unique}`;

export const isOwner = (workerName: string, id: string): boolean => id.startsWith(`${workerName}${OWNER_SEPARATOR}`);

/** Whose partitions are given up, and how the log tells it. */
export interface Release {
  readonly hub: HubName;
  readonly consumerGroup: string;
  readonly held: (ownership: PartitionOwnership) => boolean;
  /** `reading ended with an error` */
  readonly because: string;
}

/** Gives partitions up that nobody reads, so that none waits until their ownership expires. Trouble is only logged. */
export async function releaseOwnership(
  checkpoints: CheckpointStore,
  { hub, consumerGroup, held, because }: Release,
  log: IngestLog,
): Promise<void> {
  try {
    const ours = (await checkpoints.listOwnership(hub.namespace, hub.hub, consumerGroup)).filter(held);
    if (ours.length === 0) return;
    await checkpoints.claimOwnership(ours.map((ownership) => ({ ...ownership, ownerId: '' })));
    log.info({ partitions: ours.map((ownership) => ownership.partitionId) }, `partitions given up: ${because}`);
  } catch (error) {
    log.warn(
      { error: messageOf(error) },
      `partitions could not be given up (${because}); they are free when their ownership expires`,
    );
  }
}
