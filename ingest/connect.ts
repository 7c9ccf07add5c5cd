/**
 * The Event Hubs clients, with settings that ride out short trouble: the SDK's defaults turn a second of it into a
 * minute.
 */
import type { TokenCredential } from '@azure/identity';
import {
  EventHubConsumerClient,
  EventHubProducerClient,
  RetryMode,
  type CheckpointStore,
  type EventHubClientOptions,
  type LoadBalancingOptions,
  type RetryOptions,
} from '@azure/event-hubs';
import { endRenewals } from './amqp/end-renewals.ts';
import { heedClose } from './amqp/heed-close.ts';

/** Connection string (local use, or a shared access key), or host name of the namespace with an identity. */
export type EventHubsConnection =
  | { readonly connectionString: string }
  | { readonly namespace: string; readonly credential: TokenCredential };

export interface EventHubTarget {
  readonly connection: EventHubsConnection;
  readonly hub: string;
}

export const RETRY_OPTIONS: RetryOptions = {
  maxRetries: 8,
  retryDelayInMs: 250,
  maxRetryDelayInMs: 5_000,
  timeoutInMs: 15_000,
  mode: RetryMode.Exponential,
};

const CLIENT: EventHubClientOptions = { retryOptions: RETRY_OPTIONS, userAgent: 'fleetscore' };

export function createProducer(target: EventHubTarget): EventHubProducerClient {
  const { connection, hub } = target;
  const client =
    'connectionString' in connection
      ? new EventHubProducerClient(connection.connectionString, hub, CLIENT)
      : new EventHubProducerClient(connection.namespace, hub, connection.credential, CLIENT);
  heedClose(client);
  endRenewals(client);
  return client;
}

/** For one partition, without a position that is kept; one try of each call. */
export function openConsumer(target: EventHubTarget & { readonly consumerGroup: string }): EventHubConsumerClient {
  const { connection, hub, consumerGroup } = target;
  const options = { ...CLIENT, retryOptions: { ...RETRY_OPTIONS, maxRetries: 0 } };
  const client =
    'connectionString' in connection
      ? new EventHubConsumerClient(consumerGroup, connection.connectionString, hub, options)
      : new EventHubConsumerClient(consumerGroup, connection.namespace, hub, connection.credential, options);
  heedClose(client);
  endRenewals(client);
  return client;
}

export function createConsumer(
  target: EventHubTarget & { readonly consumerGroup: string },
  checkpoints: CheckpointStore,
  options: { readonly loadBalancing: LoadBalancingOptions; readonly identifier: string },
): EventHubConsumerClient {
  const { connection, hub, consumerGroup } = target;
  const client = { ...CLIENT, loadBalancingOptions: options.loadBalancing, identifier: options.identifier };
  return 'connectionString' in connection
    ? new EventHubConsumerClient(consumerGroup, connection.connectionString, hub, checkpoints, client)
    : new EventHubConsumerClient(consumerGroup, connection.namespace, hub, connection.credential, checkpoints, client);
}
