/** A look at the ends of a hub's partitions, with the rights of a reader and without reading an event. */
import { EventHubConsumerClient, type EventHubConsumerClientOptions } from '@azure/event-hubs';
import type { Config } from '../config.ts';
import { noAnswer, patience } from '../domain/busy.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { endRenewals } from '../ingest/amqp/end-renewals.ts';
import { heedClose } from '../ingest/amqp/heed-close.ts';
import { sourceName, type HubName } from '../ingest/event.ts';
import { eventHubTarget } from './event-hubs.ts';
import type { HubEnd } from './partition-states.ts';

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

/** Longest wait for one answer of Event Hubs, where this machine is idle. */
const ANSWER_MS = 5_000;
/** Azure serves about 50 such requests a second. */
const AT_ONCE = 8;

const clientOptions = (): EventHubConsumerClientOptions => ({
  retryOptions: { maxRetries: 0, timeoutInMs: patience(ANSWER_MS) },
  userAgent: 'fleetscore',
});

/**
 * Looks at a hub without reading events, with the rights of a reader. Does not connect yet. @throws FleetscoreError
 * `NOT_CONFIGURED`, `INVALID_CONFIG`
 */
export function openHubReader(config: Config): HubReader {
  const { hub, consumerGroup, connection } = eventHubTarget(config);
  let client: EventHubConsumerClient;
  const options = clientOptions();
  try {
    client =
      'connectionString' in connection
        ? new EventHubConsumerClient(consumerGroup, connection.connectionString, hub, options)
        : new EventHubConsumerClient(consumerGroup, connection.namespace, hub, connection.credential, options);
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
  endRenewals(client);
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
      const waitMs = patience(ANSWER_MS);
      const abortSignal = AbortSignal.timeout(waitMs);
      try {
        const asked = partitions ?? (await client.getPartitionIds({ abortSignal }));
        const ends: HubEnd[] = [];
        for (let i = 0; i < asked.length; i += AT_ONCE)
          ends.push(
            ...(await Promise.all(asked.slice(i, i + AT_ONCE).map((partition) => endOf(partition, abortSignal)))),
          );
        return ends;
      } catch (error) {
        const why = abortSignal.aborted ? noAnswer(waitMs) : messageOf(error);
        throw new FleetscoreError(
          'EVENT_HUB_UNAVAILABLE',
          `event hub ${hub} of ${name.namespace} does not answer (${why}). ` +
            'Check that it runs, its name, and the rights (Azure Event Hubs Data Receiver).',
          { cause: error, retryable: true },
        );
      }
    },
    createdMs: async () =>
      (
        await client.getEventHubProperties({ abortSignal: AbortSignal.timeout(patience(ANSWER_MS)) })
      ).createdOn.getTime(),
    close: () => client.close(),
  };
}
