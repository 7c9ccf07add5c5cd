/**
 * The ingest worker: Event Hubs -> windows in the store and raw capture in Blob. Partitions are shared between
 * workers by the SDK's load balancing; what two workers do to one partition for a moment is settled by the store
 * (exactly-once.ts). Memory stays bounded: the next events are taken when the last ones are committed, and
 * the service may send no more than `maxBatchEvents` ahead.
 */
import { earliestEventPosition, type SubscribeOptions, type Subscription } from '@azure/event-hubs';
import type { ContainerClient } from '@azure/storage-blob';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, type FleetscoreError } from '../domain/errors.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';
import { mendCapture } from './capture-holes.ts';
import type { EventHubTarget } from './connect.ts';
import { hubFolder } from './event.ts';
import { keepToRules, rulesOf } from './event-rules.ts';
import type { Position } from './capture-flow.ts';
import { createFilter } from './filter.ts';
import { holdersOf, type Holder } from './holders.ts';
import { assertReadable, openHubClient, releaseOwn, type HubClient } from './hub-client.ts';
import type { IngestLog } from './log.ts';
import { createEventParser } from './parse-event.ts';
import { openPipeline } from './partition-pipeline.ts';
import { createPartitions, type Partitions } from './partitions.ts';
import { untilDone } from './retry.ts';
import { createSensorIds } from './sensor-ids.ts';
import { claimWindows, INGEST_DEFAULTS, parseSettings, type IngestSettings } from './settings.ts';
import { newTotals, type IngestStats } from './stats.ts';
import { subscriptionHandlers } from './subscription.ts';
import { watchConnection } from './watch-connection.ts';

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
  /** Who reads each of these partitions. @throws what Blob throws */
  holders(partitions: readonly string[]): Promise<ReadonlyMap<string, Holder>>;
  /** Resolves with the reason when the worker cannot go on by itself; stop it and start it again. */
  readonly failed: Promise<FleetscoreError>;
  /**
   * Commits what it holds, closes capture files, checkpoints, and lets its partitions go; takes at most so long
   * (default: `stopTimeoutMs`).
   */
  stop(withinMs?: number): Promise<void>;
}

const TICK_MS = 500;

/**
 * A receive call that is under way when the connection is lost tells of it only when its time is up (@azure/event-hubs
 * 6.0.4, partitionReceiver.js): so long, at most, a partition stands still. A quiet partition costs one empty call
 * each.
 */
const LONGEST_WAIT_S = 2;

/**
 * @throws FleetscoreError `INTERVAL_CHANGED`, `EVENT_HUB_UNAVAILABLE` (retryable)
 */
export async function startIngest(options: IngestOptions): Promise<IngestWorker> {
  const { store, blobs, log } = options;
  const settings: IngestSettings = { ...INGEST_DEFAULTS, ...options.settings };
  const ending = new AbortController();
  const giveUp = new AbortController();
  const totals = newTotals();
  const { promise: failed, resolve: fail } = Promise.withResolvers<FleetscoreError>();

  await claimWindows(store, settings);
  await keepToRules(store, rulesOf(settings), log, { signal: ending.signal });
  await untilDone(() => options.checkpoints.createIfNotExists(), {
    what: 'creation of the checkpoint container',
    log,
    signal: AbortSignal.timeout(settings.stopTimeoutMs),
  });
  const hub = openHubClient({ ...options, settings, isRead: (partition) => partitions.has(partition) });
  const { client, name, source } = hub;
  const common = { source, folder: hubFolder(name), store, blobs, settings, totals, log, giveUp: giveUp.signal };
  const rules = {
    parse: createEventParser(parseSettings(settings)),
    filter: createFilter(settings.filter),
    sensors: createSensorIds(store, settings.quota),
  };
  const partitions = createPartitions((partition) =>
    openPipeline({ ...common, ...rules, partition, checkpoint: checkpointOf(hub, partition, log) }),
  );
  await releaseOwn(hub, settings.workerName);
  try {
    await assertReadable(hub);
    if (settings.capture) await mendCapture({ store, blobs, log }, source, hubFolder(name));
  } catch (error) {
    await client.close().catch(() => {});
    throw error;
  }

  const subscription = client.subscribe(
    subscriptionHandlers({ hub, partitions, settings, log, ending: ending.signal, giveUp: giveUp.signal, fail }),
    subscribeOptions(settings),
  );
  watchConnection(client, options.eventHubs, log, ending.signal);
  const stats = (): IngestStats => ({ ...totals, ...ownedBy(partitions) });
  const ticking = setInterval(() => {
    for (const pipeline of partitions.opened.values()) pipeline.tick(Date.now()).catch(() => {});
  }, TICK_MS);
  const reporting = options.onStats && setInterval(() => options.onStats?.(stats()), settings.statsIntervalMs);

  let stopped: Promise<void> | undefined;
  const stop = async (withinMs: number): Promise<void> => {
    ending.abort();
    clearInterval(ticking);
    clearInterval(reporting);
    const deadline = setTimeout(() => giveUp.abort(), withinMs * 0.75);
    const ended = await within(withinMs, closeAll(hub, partitions, subscription, log));
    clearTimeout(deadline);
    if (!ended)
      log.warn({ withinMs }, 'ended without finishing; the events under way are read again at the next start');
    options.onStats?.(stats());
  };
  const holders = async (ids: readonly string[]): Promise<ReadonlyMap<string, Holder>> =>
    holdersOf(ids, await hub.owners(), { nowMs: Date.now(), ...settings, strangers: hub.strangers.now() });
  return { source, stats, holders, failed, stop: (withinMs = settings.stopTimeoutMs) => (stopped ??= stop(withinMs)) };
}

const subscribeOptions = ({ maxBatchEvents }: IngestSettings): SubscribeOptions => ({
  startPosition: earliestEventPosition,
  maxBatchSize: maxBatchEvents,
  maxWaitTimeInSeconds: LONGEST_WAIT_S,
  // Bytes as they were sent, for raw capture; also cheaper than the SDK's own parsing.
  skipParsingBodyAsJson: true,
  prefetchCount: maxBatchEvents,
});

/** Trouble is only logged: it costs reading events again, nothing else. */
const checkpointOf =
  (hub: Pick<HubClient, 'checkpoint'>, partition: string, log: IngestLog) =>
  async (at: Position): Promise<void> => {
    try {
      await hub.checkpoint(partition, at);
    } catch (error) {
      log.warn({ partition, error: messageOf(error) }, 'checkpoint failed; the next one makes up for it');
    }
  };

function ownedBy({ opened }: Partitions): Pick<IngestStats, 'partitions' | 'captureWaiting'> {
  const owned = [...opened].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
  return {
    partitions: owned.map(([partition]) => partition),
    captureWaiting: owned.reduce((sum, [, pipeline]) => sum + pipeline.captureWaiting, 0),
  };
}

async function closeAll(
  { client }: HubClient,
  { opened }: Partitions,
  subscription: Subscription,
  log: IngestLog,
): Promise<void> {
  try {
    await subscription.close();
    await Promise.allSettled([...opened.values()].map((pipeline) => pipeline.close(true)));
    await client.close();
  } catch (error) {
    log.warn({ error: messageOf(error) }, 'the Event Hubs client did not close cleanly');
  }
}

/** Whether it was done in time. */
async function within(ms: number, work: Promise<void>): Promise<boolean> {
  const limit = new AbortController();
  const late = sleep(ms, false, { signal: limit.signal }).catch(() => true);
  const done = await Promise.race([work.then(() => true), late]);
  limit.abort();
  return done;
}
