/**
 * Where ingestion of each partition stands: the progress in the store beside the end of the partition in Event
 * Hubs. Either may not answer; the other is told all the same. For the metrics, the log and `ingest status`.
 */
import { EventHubConsumerClient, type EventHubConsumerClientOptions } from '@azure/event-hubs';
import type { Config } from '../config.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { heedClose } from '../ingest/amqp/heed-close.ts';
import { sourceName, type HubName } from '../ingest/event.ts';
import { waitingIn } from '../ingest/hub-identity.ts';
import type { PartitionProgress } from '../storage/store.ts';
import { eventHubTarget } from './event-hubs.ts';

/** What Event Hubs holds of a partition. */
export interface HubEnd {
  readonly partition: string;
  /** No event is there (any more). */
  readonly empty: boolean;
  /** Oldest and newest event; -1 before the first one. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** When the newest event came, epoch ms. */
  readonly lastEnqueuedMs?: number;
}

export interface PartitionState {
  readonly source: string;
  readonly partition: string;
  /** -1: none yet. */
  readonly appliedSeq: number;
  readonly capturedSeq: number;
  /** Absent when Event Hubs did not tell. */
  readonly lastSeq?: number;
  /** Events in Event Hubs that are not in the windows yet; absent when Event Hubs did not tell. */
  readonly lagEvents?: number;
  /** Epoch ms; -1 before the first event. */
  readonly watermarkMs: number;
  readonly readings: number;
  readonly late: number;
  readonly dead: number;
  /** Epoch ms; absent when nothing was ever applied. */
  readonly updatedAtMs?: number;
  /** Why it is not read: it is not the partition that was read before. */
  readonly problem?: string;
}

export interface HubReader {
  readonly hub: HubName;
  /** `source` of the store's progress. */
  readonly source: string;
  /** All partitions, or those named. @throws FleetscoreError `EVENT_HUB_UNAVAILABLE` (retryable) */
  ends(partitions?: readonly string[]): Promise<HubEnd[]>;
  /** When the hub was created, epoch ms. @throws what the client throws */
  createdMs(): Promise<number>;
  close(): Promise<void>;
}

/** Longest wait for one answer of Event Hubs. */
const ANSWER_MS = 5_000;
/** Azure serves about 50 such requests a second. */
const AT_ONCE = 8;

const CLIENT: EventHubConsumerClientOptions = {
  retryOptions: { maxRetries: 0, timeoutInMs: ANSWER_MS },
  userAgent: 'fleetscore',
};

/**
 * Looks at a hub without reading events, with the rights of a reader. Does not connect yet. @throws FleetscoreError
 * `NOT_CONFIGURED`, `INVALID_CONFIG`
 */
export function openHubReader(config: Config): HubReader {
  const { hub, consumerGroup, connection } = eventHubTarget(config);
  let client: EventHubConsumerClient;
  try {
    client =
      'connectionString' in connection
        ? new EventHubConsumerClient(consumerGroup, connection.connectionString, hub, CLIENT)
        : new EventHubConsumerClient(consumerGroup, connection.namespace, hub, connection.credential, CLIENT);
  } catch (error) {
    throw new FleetscoreError(
      'INVALID_CONFIG',
      `Event Hubs cannot be used as configured (${messageOf(error)}). ` +
        'Check FLEETSCORE_EVENT_HUBS_CONNECTION_STRING (or FLEETSCORE_EVENT_HUBS_NAMESPACE) and ' +
        'FLEETSCORE_EVENT_HUB.',
      { cause: error },
    );
  }
  heedClose(client);
  const name = { namespace: client.fullyQualifiedNamespace, hub };
  const endOf = async (partition: string, abortSignal: AbortSignal): Promise<HubEnd> => {
    const end = await client.getPartitionProperties(partition, { abortSignal });
    return {
      partition,
      empty: end.isEmpty,
      firstSeq: end.beginningSequenceNumber,
      lastSeq: end.lastEnqueuedSequenceNumber,
      lastEnqueuedMs: end.lastEnqueuedOnUtc.getTime(),
    };
  };
  return {
    hub: name,
    source: sourceName(name, consumerGroup),
    async ends(partitions) {
      const abortSignal = AbortSignal.timeout(ANSWER_MS);
      try {
        const asked = partitions ?? (await client.getPartitionIds({ abortSignal }));
        const ends: HubEnd[] = [];
        for (let i = 0; i < asked.length; i += AT_ONCE)
          ends.push(
            ...(await Promise.all(asked.slice(i, i + AT_ONCE).map((partition) => endOf(partition, abortSignal)))),
          );
        return ends;
      } catch (error) {
        const why = abortSignal.aborted ? `no answer within ${ANSWER_MS / 1000} s` : messageOf(error);
        throw new FleetscoreError(
          'EVENT_HUB_UNAVAILABLE',
          `event hub ${hub} of ${name.namespace} does not answer (${why}). ` +
            'Check that it runs, its name, and the rights (Azure Event Hubs Data Receiver).',
          { cause: error, retryable: true },
        );
      }
    },
    createdMs: async () =>
      (await client.getEventHubProperties({ abortSignal: AbortSignal.timeout(ANSWER_MS) })).createdOn.getTime(),
    close: () => client.close(),
  };
}

/** Partitions known to the store or to Event Hubs, by source and number. `ends` belong to `source`. */
export function partitionStates(
  progress: readonly PartitionProgress[],
  source: string | undefined,
  ends: readonly HubEnd[] = [],
): PartitionState[] {
  const endOf = new Map(ends.map((end) => [end.partition, end]));
  const known = new Set(progress.filter((p) => p.source === source).map((p) => p.partition));
  const untouched =
    source === undefined
      ? []
      : ends
          .filter((end) => !known.has(end.partition))
          .map(({ partition }) => ({
            source,
            partition,
            appliedSeq: -1,
            capturedSeq: -1,
            watermarkMs: -1,
            readings: 0,
            late: 0,
            dead: 0,
          }));
  return [...progress, ...untouched]
    .map((p) => {
      const end = p.source === source ? endOf.get(p.partition) : undefined;
      return end === undefined
        ? p
        : { ...p, lastSeq: end.lastSeq, lagEvents: 'problem' in p ? waitingIn(end) : lagOf(p.appliedSeq, end) };
    })
    .sort(
      (a, b) => a.source.localeCompare(b.source) || a.partition.localeCompare(b.partition, 'en', { numeric: true }),
    );
}

/** What expired before it was read is a gap, not a lag: nobody can read it any more. */
function lagOf(appliedSeq: number, { empty, firstSeq, lastSeq }: HubEnd): number {
  return empty ? 0 : Math.max(0, lastSeq - Math.max(appliedSeq, firstSeq - 1));
}

/** Readings a second between two looks at a partition; undefined when the first one did not see it. */
export function readingsPerSecond(
  before: readonly PartitionState[],
  after: PartitionState,
  ms: number,
): number | undefined {
  const earlier = before.find((state) => state.source === after.source && state.partition === after.partition);
  return earlier === undefined || !(ms > 0) ? undefined : Math.max(0, after.readings - earlier.readings) / (ms / 1000);
}
