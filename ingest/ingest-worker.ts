/**
 * The ingest worker: Event Hubs -> windows in the store and raw capture in Blob. Partitions are shared between
 * workers by the SDK's load balancing; what two workers do to one partition for a moment is settled by the store
 * (see partition-pipeline.ts). Memory stays bounded: the next events are taken when the last ones are committed, and
 * the service may send no more than `maxBatchEvents` ahead.
 */
import { BlobCheckpointStore } from '@azure/eventhubs-checkpointstore-blob';
import {
  CloseReason,
  earliestEventPosition,
  type EventHubConsumerClient,
  type PartitionContext,
} from '@azure/event-hubs';
import type { ContainerClient } from '@azure/storage-blob';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';
import { guardDecoding } from './amqp/guard-decoding.ts';
import { heedClose } from './amqp/heed-close.ts';
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
import { hubFolder, sourceName, toIngestEvent } from './event.ts';
import { createEventAt } from './event-at.ts';
import { createFilter } from './filter.ts';
import { createHubCheck } from './hub-check.ts';
import { reasonOf, refusesPosition } from './hub-errors.ts';
import type { IngestLog } from './log.ts';
import { createEventParser } from './parse-event.ts';
import { openPipeline, type Pipeline, type PipelineDeps } from './partition-pipeline.ts';
import { untilDone } from './retry.ts';
import { createSensorIds } from './sensor-ids.ts';
import { mendCapture } from './capture-holes.ts';
import { claimWindows, INGEST_DEFAULTS, parseSettings, type IngestSettings } from './settings.ts';
import { createStoreClock } from './store-clock.ts';
import { watchConnection } from './watch-connection.ts';
import { newTotals, type IngestStats } from './stats.ts';

export interface IngestOptions {
  readonly eventHubs: EventHubTarget & { readonly consumerGroup: string };
  readonly store: Store;
  readonly blobs: BlobStore;
  /** Container of the SDK's checkpoints and partition ownership. */
  readonly checkpoints: ContainerClient;
  readonly settings?: Partial<IngestSettings>;
  readonly log: IngestLog;
  /** Called every `statsIntervalMs`. */
  readonly onStats?: (stats: IngestStats) => void;
}

export interface IngestWorker {
  /** `source` of its progress in the store. */
  readonly source: string;
  stats(): IngestStats;
  /** Resolves with the reason when the worker cannot go on by itself; stop it and start it again. */
  readonly failed: Promise<FleetscoreError>;
  /** Commits what it holds, closes capture files, checkpoints, and lets its partitions go; takes at most so long (default: `stopTimeoutMs`). */
  stop(withinMs?: number): Promise<void>;
}

const TICK_MS = 500;
/** Events that wait for raw capture and are written also when the partition was lost. */
const FLUSHED_EVENTS = 100;
/** Before a partition whose reading ended twice within the time of ownership is free for another try. */
const REST_MS = 3_000;

/**
 * A receive call that is under way when the connection is lost tells of it only when its time is up (@azure/event-hubs
 * 6.0.4, partitionReceiver.js): so long, at most, a partition stands still. A quiet partition costs one empty call each.
 */
const LONGEST_WAIT_S = 2;

/**
 * @throws FleetscoreError `INTERVAL_CHANGED`, `EVENT_HUB_UNAVAILABLE` (retryable)
 */
export async function startIngest(options: IngestOptions): Promise<IngestWorker> {
  const { store, blobs, log } = options;
  const { hub, consumerGroup } = options.eventHubs;
  const settings: IngestSettings = { ...INGEST_DEFAULTS, ...options.settings };
  const ending = new AbortController();
  const giveUp = new AbortController();
  const totals = newTotals();
  const { promise: failed, resolve: fail } = Promise.withResolvers<FleetscoreError>();

  if (!boundReceiverCredit())
    log.warn({}, 'the Event Hubs client is not the one known: the number of events it holds in memory is not bounded');
  if (!guardDecoding())
    log.warn({}, 'the Event Hubs client is not the one known: an event that it cannot decode stops its partition');
  await claimWindows(store, settings);
  await untilDone(() => options.checkpoints.createIfNotExists(), {
    what: 'creation of the checkpoint container',
    log,
    signal: AbortSignal.timeout(settings.stopTimeoutMs),
  });
  const inner = new BlobCheckpointStore(options.checkpoints);
  const { workerName } = settings;
  const identifier = workerName === undefined ? randomUUID() : ownerId(workerName, randomUUID());
  const pipelines = new Map<string, Promise<Pipeline>>();
  // One that is read is held to its hub before anything is applied; it may end what it has.
  const mayTake = async (partition: string): Promise<boolean> => pipelines.has(partition) || check.admit(partition);
  const client = createConsumer(
    options.eventHubs,
    believableCheckpoints(inner, store, settings.capture, log, mayTake, createStoreClock(options.checkpoints, log)),
    {
      loadBalancing: {
        strategy: 'greedy',
        updateIntervalInMs: settings.balanceIntervalMs,
        partitionOwnershipExpirationIntervalInMs: settings.ownershipTimeoutMs,
      },
      identifier,
    },
  );
  if (!retryBalancing(client, RETRY_OPTIONS, ({ createdOn }) => check.heard(createdOn.getTime())))
    log.warn(
      {},
      'the Event Hubs client is not the one known: after trouble it may take half a minute to share out partitions again',
    );
  if (!heedClose(client, () => check.doubtAll()))
    log.warn(
      {},
      'the Event Hubs client is not the one known: when the service ends a connection, this process may end',
    );
  const name = { namespace: client.fullyQualifiedNamespace, hub };
  const source = sourceName(name, consumerGroup);
  const check = createHubCheck({
    client,
    store,
    source,
    log,
    onNewHub: settings.onNewHub,
    eventAt: createEventAt(options.eventHubs),
    dropCheckpoint: (partition) => dropCheckpoint(options.checkpoints, name, consumerGroup, partition),
  });
  const release = (held: Release['held'], because: string): Promise<void> =>
    releaseOwnership(inner, { hub: name, consumerGroup, held, because }, log);
  if (workerName !== undefined)
    await release((ownership) => isOwner(workerName, ownership.ownerId), 'this worker held them before its restart');
  try {
    await checkHub(client);
    if (settings.capture) await mendCapture({ store, blobs, log }, source, hubFolder(name));
  } catch (error) {
    await client.close().catch(() => {});
    throw error;
  }

  const opened = new Map<string, Pipeline>();
  const givenUpAtMs = new Map<string, number>();
  const common: Omit<PipelineDeps, 'partition' | 'checkpoint'> = {
    source,
    folder: hubFolder(name),
    store,
    blobs,
    settings,
    totals,
    log,
    giveUp: giveUp.signal,
    parse: createEventParser(parseSettings(settings)),
    filter: createFilter(settings.filter),
    sensors: createSensorIds(store, settings.quota),
  };
  const open = (partition: string): Promise<Pipeline> => {
    const opening = openPipeline({
      ...common,
      partition,
      async checkpoint({ seq, offset }) {
        try {
          await inner.updateCheckpoint({
            fullyQualifiedNamespace: name.namespace,
            eventHubName: hub,
            consumerGroup,
            partitionId: partition,
            sequenceNumber: seq,
            offset,
          });
        } catch (error) {
          log.warn({ partition, error: messageOf(error) }, 'checkpoint failed; the next one makes up for it');
        }
      },
    });
    pipelines.set(partition, opening);
    opening.then(
      (pipeline) => pipelines.get(partition) === opening && opened.set(partition, pipeline),
      () => pipelines.delete(partition),
    );
    return opening;
  };
  const stopWith = (error: unknown): void => {
    if (error instanceof FleetscoreError && !ENDS_READING.has(error.code)) fail(error);
  };

  const subscription = client.subscribe(
    {
      async processInitialize({ partitionId }) {
        try {
          const pipeline = await open(partitionId);
          log.info({ partition: partitionId, appliedSeq: pipeline.appliedSeq }, 'partition taken');
        } catch (error) {
          stopWith(error);
        }
      },
      async processEvents(received, { partitionId }) {
        const startedAtMs = performance.now();
        try {
          await untilDone(() => check.hold(partitionId, received[0]?.offset), {
            what: `look at the hub of partition ${partitionId}`,
            log,
            signal: giveUp.signal,
            answers: ['HUB_RECREATED'],
          });
          if (received.length === 0) return;
          const pipeline = await (pipelines.get(partitionId) ?? open(partitionId));
          await pipeline.process(received.map(toIngestEvent));
        } catch (error) {
          stopWith(error);
          throw error;
        }
        // Little traffic: let some gather, rather than commit every few events.
        const restMs = settings.commitIntervalMs - (performance.now() - startedAtMs);
        if (received.length < settings.maxBatchEvents && restMs > 1)
          await sleep(restMs, undefined, { signal: ending.signal }).catch(() => {});
      },
      async processError(error, { partitionId }) {
        if (refusesPosition(error)) check.doubtPosition(partitionId);
        logTrouble(log, error, partitionId, ending.signal.aborted);
      },
      async processClose(reason, { partitionId }: PartitionContext) {
        const pipeline = await pipelines.get(partitionId)?.catch(() => undefined);
        // Whoever owns the partition now captures these events again from the last file on.
        // With many, it may be lost again before its file is due, and so for ever.
        const flush = reason === CloseReason.Shutdown || (pipeline?.captureWaiting ?? 0) >= FLUSHED_EVENTS;
        await pipeline?.close(flush).catch(() => {});
        if (opened.get(partitionId) === pipeline) {
          opened.delete(partitionId);
          pipelines.delete(partitionId);
        }
        log.info({ partition: partitionId, reason }, 'partition let go');
        // After an error that it takes for a lasting one (EPIPE, for example) the client stops reading but stays the owner.
        // Where it does last, it rests in between.
        if (reason === CloseReason.OwnershipLost || ending.signal.aborted) return;
        const nowMs = performance.now();
        const again = nowMs - (givenUpAtMs.get(partitionId) ?? Number.NEGATIVE_INFINITY) < settings.ownershipTimeoutMs;
        givenUpAtMs.set(partitionId, nowMs);
        const giveBack = (): Promise<void> =>
          release(
            ({ ownerId: owner, partitionId: id }) =>
              owner === identifier && id === partitionId && !pipelines.has(partitionId),
            'reading ended with an error',
          );
        if (again) void sleep(REST_MS, undefined, { signal: ending.signal }).then(giveBack, () => {});
        else await giveBack();
      },
    },
    {
      startPosition: earliestEventPosition,
      maxBatchSize: settings.maxBatchEvents,
      maxWaitTimeInSeconds: LONGEST_WAIT_S,
      // Bytes as they were sent, for raw capture; also cheaper than the SDK's own parsing.
      skipParsingBodyAsJson: true,
      prefetchCount: settings.maxBatchEvents,
    },
  );

  watchConnection(client, options.eventHubs, log, ending.signal);
  const stats = (): IngestStats => {
    const owned = [...opened].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
    return {
      ...totals,
      partitions: owned.map(([partition]) => partition),
      captureWaiting: owned.reduce((sum, [, pipeline]) => sum + pipeline.captureWaiting, 0),
    };
  };
  const ticking = setInterval(() => {
    for (const pipeline of opened.values()) pipeline.tick(Date.now()).catch(() => {});
  }, TICK_MS);
  const reporting = options.onStats && setInterval(() => options.onStats?.(stats()), settings.statsIntervalMs);

  let stopped: Promise<void> | undefined;
  const stop = async (withinMs: number): Promise<void> => {
    ending.abort();
    clearInterval(ticking);
    clearInterval(reporting);
    const deadline = setTimeout(() => giveUp.abort(), withinMs * 0.75);
    const closing = (async (): Promise<void> => {
      await subscription.close();
      await Promise.allSettled([...opened.values()].map((pipeline) => pipeline.close(true)));
      await client.close();
    })().catch((error: unknown) =>
      log.warn({ error: messageOf(error) }, 'the Event Hubs client did not close cleanly'),
    );
    const late = Symbol('late');
    const limit = new AbortController();
    const ended = await Promise.race([closing, sleep(withinMs, late, { signal: limit.signal }).catch(() => undefined)]);
    limit.abort();
    clearTimeout(deadline);
    if (ended === late)
      log.warn({ withinMs }, 'ended without finishing; the events under way are read again at the next start');
    options.onStats?.(stats());
  };
  return { source, stats, failed, stop: (withinMs = settings.stopTimeoutMs) => (stopped ??= stop(withinMs)) };
}

/** @throws FleetscoreError `EVENT_HUB_UNAVAILABLE` */
async function checkHub(client: EventHubConsumerClient): Promise<void> {
  try {
    await client.getPartitionIds();
  } catch (error) {
    throw new FleetscoreError(
      'EVENT_HUB_UNAVAILABLE',
      `event hub ${client.eventHubName} of ${client.fullyQualifiedNamespace} cannot be read: ${reasonOf(error).error}. Check the name of the hub, the connection and the rights (Azure Event Hubs Data Receiver).`,
      { cause: error, retryable: true },
    );
  }
}

/** Codes with which the reading of a partition ends while the worker goes on. */
const ENDS_READING: ReadonlySet<string> = new Set(['INGEST_STOPPED', 'HUB_RECREATED']);

/** `HUB_RECREATED` was told where it was found. */
const EXPECTED: ReadonlySet<string> = new Set(['ReceiverDisconnectedError', 'AbortError', 'HUB_RECREATED']);

function logTrouble(log: IngestLog, thrown: Error, partition: string, ending: boolean): void {
  const { code, error, tries, name } = reasonOf(thrown);
  const fields = {
    ...(partition === '' ? undefined : { partition }),
    code,
    error,
    ...(tries > 1 ? { tries } : undefined),
  };
  // Another worker has taken the partition, or this one ends.
  if (ending || EXPECTED.has(String(code)) || EXPECTED.has(name)) log.debug(fields, 'reading was ended');
  else log.warn(fields, 'reading from Event Hubs is in trouble, trying again');
}
