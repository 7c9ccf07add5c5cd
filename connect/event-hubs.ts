/** Clients of Event Hubs from configuration: by connection string (local use), else with the machine's identity. */
import type { EventHubProducerClient } from '@azure/event-hubs';
import { need, type Config } from '../config.ts';
import { createProducer, type EventHubTarget } from '../ingest/connect.ts';
import { machineIdentity } from '../storage/identity.ts';

/** @throws FleetscoreError `NOT_CONFIGURED` */
export function eventHubTarget(config: Config): EventHubTarget & { readonly consumerGroup: string } {
  const { connection, hub, consumerGroup } = config.eventHubs;
  const found = need(
    connection,
    'Event Hubs',
    'FLEETSCORE_EVENT_HUBS_NAMESPACE or FLEETSCORE_EVENT_HUBS_CONNECTION_STRING',
  );
  return {
    hub,
    consumerGroup,
    connection: 'connectionString' in found ? found : { namespace: found.namespace, credential: machineIdentity() },
  };
}

/** @throws FleetscoreError `NOT_CONFIGURED` */
export function openProducer(config: Config): EventHubProducerClient {
  return createProducer(eventHubTarget(config));
}
