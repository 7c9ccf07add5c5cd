/**
 * The consumer client of one event hub, with what fleetscore adds to the SDK: bounded memory, quick decoding, events
 * that come settled or cannot be decoded, quick sharing of partitions after trouble, checkpoints that are believed
 * only when the store agrees, and the check that a hub is the one that was read before. Where the SDK is built
 * differently than expected the client works without the addition, and the log says what that costs.
 */
import { BlobCheckpointStore } from '@azure/eventhubs-checkpointstore-blob';
import type { EventHubConsumerClient, PartitionOwnership } from '@azure/event-hubs';
import type { ContainerClient } from '@azure/storage-blob';
import { randomUUID } from 'node:crypto';
import { FleetscoreError } from '../domain/errors.ts';
import type { Store } from '../storage/store.ts';
import { endRenewals } from './amqp/end-renewals.ts';
import { gatherEvents } from './amqp/gather.ts';
import { guardDecoding } from './amqp/guard-decoding.ts';
import { heedClose } from './amqp/heed-close.ts';
import { askForSettled } from './amqp/presettled.ts';
import { readFramesQuickly } from './amqp/quick-frame.ts';
import { silenceLogs } from './amqp/silent-logs.ts';
import { retryBalancing } from './balance-retries.ts';
import { boundReceiverCredit } from './bound-credit.ts';
import {
  believableCheckpoints,
  dropCheckpoint,
  isOwner,
  ownerId,
  releaseOwnership,
  type Release,
} from './checkpoints.ts';
import { createConsumer, RETRY_OPTIONS, type EventHubTarget } from './connect.ts';
import { createEventAt } from './event-at.ts';
import { sourceName, type HubName } from './event.ts';
import { createHubCheck, type HubCheck } from './hub-check.ts';
import { reasonOf } from './hub-errors.ts';
import type { IngestLog } from './log.ts';
import type { IngestSettings } from './settings.ts';
import { createStrangers, type Strangers } from './holders.ts';
import { createStoreClock } from './store-clock.ts';

export interface HubClientOptions {
  readonly eventHubs: EventHubTarget & { readonly consumerGroup: string };
  readonly store: Store;
  /** Container of the SDK's checkpoints and partition ownership. */
  readonly checkpoints: ContainerClient;
  readonly settings: IngestSettings;
  readonly log: IngestLog;
  /** Whether this worker reads the partition: then it may end what it has under way before the hub is checked again. */
  readonly isRead: (partition: string) => boolean;
}

export interface HubClient {
  readonly client: EventHubConsumerClient;
  readonly name: HubName;
  /** `source` of its progress in the store. */
  readonly source: string;
  readonly check: HubCheck;
  /** Owner id of this process. */
  readonly identifier: string;
  /** Remembers where reading of a partition may start. @throws what Blob throws */
  checkpoint(partition: string, at: { readonly seq: number; readonly offset: string }): Promise<void>;
  /** Owners of partitions, with times by the clock of this machine. @throws what Blob throws */
  owners(): Promise<PartitionOwnership[]>;
  readonly strangers: Strangers;
  /** Gives partitions up, so that none waits until its ownership expires. */
  release(held: Release['held'], because: string): Promise<void>;
}

/** Does not connect, and takes no partition. */
export function openHubClient(options: HubClientOptions): HubClient {
  const { store, settings, log, eventHubs, checkpoints: container } = options;
  const { hub, consumerGroup } = eventHubs;
  const { workerName } = settings;
  const checkpoints = new BlobCheckpointStore(container);
  const identifier = workerName === undefined ? randomUUID() : ownerId(workerName, randomUUID());
  const mayTake = async (partition: string): Promise<boolean> => options.isRead(partition) || check.admit(partition);
  const inOurTime = createStoreClock(container, log);
  const client = createConsumer(
    eventHubs,
    believableCheckpoints(checkpoints, store, settings.capture, log, mayTake, inOurTime),
    {
      loadBalancing: {
        strategy: 'greedy',
        updateIntervalInMs: settings.balanceIntervalMs,
        partitionOwnershipExpirationIntervalInMs: settings.ownershipTimeoutMs,
      },
      identifier,
    },
  );
  const name: HubName = { namespace: client.fullyQualifiedNamespace, hub };
  const source = sourceName(name, consumerGroup);
  const check = createHubCheck({
    client,
    store,
    source,
    log,
    onNewHub: settings.onNewHub,
    eventAt: createEventAt(eventHubs),
    dropCheckpoint: (partition) => dropCheckpoint(container, name, consumerGroup, partition),
  });
  extendClient(client, check, log);
  const owners = async (): Promise<PartitionOwnership[]> =>
    inOurTime(await checkpoints.listOwnership(name.namespace, name.hub, consumerGroup));
  return {
    client,
    name,
    source,
    check,
    identifier,
    owners,
    strangers: createStrangers({ identifier, owners, ownershipTimeoutMs: settings.ownershipTimeoutMs, log }),
    checkpoint: (partitionId, { seq, offset }) =>
      checkpoints.updateCheckpoint({
        fullyQualifiedNamespace: name.namespace,
        eventHubName: hub,
        consumerGroup,
        partitionId,
        sequenceNumber: seq,
        offset,
      }),
    release: (held, because) => releaseOwnership(checkpoints, { hub: name, consumerGroup, held, because }, log),
  };
}

/** Partitions that a process of the same name held before its restart. */
export async function releaseOwn({ release }: HubClient, workerName: string | undefined): Promise<void> {
  if (workerName !== undefined)
    await release(({ ownerId: owner }) => isOwner(workerName, owner), 'this worker held them before its restart');
}

function extendClient(client: EventHubConsumerClient, check: HubCheck, log: IngestLog): void {
  const unless = (done: boolean, cost: string): void => {
    if (!done) log.warn({}, `the Event Hubs client is not the one known: ${cost}`);
  };
  unless(boundReceiverCredit(), 'the number of events it holds in memory is not bounded');
  unless(askForSettled(), 'it answers each event, which takes a tenth of the CPU of receiving');
  unless(guardDecoding(), 'an event that it cannot decode stops its partition');
  unless(gatherEvents(), 'it makes its own objects of each event, which takes a fifth of the CPU of receiving');
  unless(silenceLogs(), 'it makes up what it would log of each event, which takes a twentieth of the CPU of receiving');
  unless(readFramesQuickly(), 'it reads frames with its own reader, which takes a tenth of the CPU of receiving');
  unless(
    retryBalancing(client, RETRY_OPTIONS, ({ createdOn }) => check.heard(createdOn.getTime())),
    'after trouble it may take half a minute to share out partitions again',
  );
  unless(
    heedClose(client, () => check.doubtAll()),
    'when the service ends a connection, this process may end',
  );
  unless(endRenewals(client), 'each time that the service closes a link, a timer of it is left');
}

/** @throws FleetscoreError `EVENT_HUB_UNAVAILABLE` */
export async function assertReadable({ client }: Pick<HubClient, 'client'>): Promise<void> {
  try {
    await client.getPartitionIds();
  } catch (error) {
    throw new FleetscoreError(
      'EVENT_HUB_UNAVAILABLE',
      `event hub ${client.eventHubName} of ${client.fullyQualifiedNamespace} cannot be read: ` +
        `${reasonOf(error).error}. ` +
        'Check the name of the hub, the connection and the rights (Azure Event Hubs Data Receiver).',
      { cause: error, retryable: true },
    );
  }
}
