/**
 * The loop that shares partitions out asks the hub for them without the client's `retryOptions` (eventProcessor.js of
 * @azure/event-hubs 6.0.4), so with the SDK's own: after the first trouble it sleeps 30 s, renews no ownership and
 *   takes over no partition, while the hub may be back in one. Here it asks with options like those that the client was
 *   made with; once the SDK hands them over itself, those count.
 */
import type { EventHubConsumerClient, RetryOptions } from '@azure/event-hubs';
import { contextOf } from './amqp/client-parts.ts';

interface Management {
  getEventHubProperties(options?: { readonly retryOptions?: RetryOptions }): Promise<{ readonly createdOn: Date }>;
}

/**
 * Longest wait for an answer. A question that is under way when the connection is lost gets none, and the SDK waits on;
 * the hub answers in a fraction of a second.
 */
const ANSWER_MS = 5_000;

/**
 * @param heard what the hub answers, each time it is asked
 * @returns false when the SDK is built differently than expected, and nothing was done
 */
export function retryBalancing(
  client: EventHubConsumerClient,
  retryOptions: RetryOptions,
  heard: (hub: { readonly createdOn: Date }) => void,
): boolean {
  const management: Partial<Management> | undefined = contextOf(client)?.managementSession;
  if (typeof management?.getEventHubProperties !== 'function') return false;
  const ask = management.getEventHubProperties.bind(management);
  management.getEventHubProperties = async (options) => {
    const hub = await ask({
      ...options,
      retryOptions: options?.retryOptions ?? { ...retryOptions, timeoutInMs: ANSWER_MS },
    });
    heard(hub);
    return hub;
  };
  return true;
}
