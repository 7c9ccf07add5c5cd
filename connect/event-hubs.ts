/** Clients of Event Hubs from configuration: by connection string (local use), else with the machine's identity. */
import { parseEventHubConnectionString, type EventHubProducerClient } from '@azure/event-hubs';
import { eventHubsConnection, type Config } from '../config.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { createProducer, type EventHubTarget } from '../ingest/connect.ts';
import { machineIdentity } from '../storage/identity.ts';

/** @throws FleetscoreError `NOT_CONFIGURED`, `INVALID_CONFIG` for a connection string that is none */
export function eventHubTarget(config: Config): EventHubTarget & { readonly consumerGroup: string } {
  const { hub, consumerGroup } = config.eventHubs;
  const found = eventHubsConnection(config);
  if ('connectionString' in found) checkConnectionString(found.connectionString);
  return {
    hub,
    consumerGroup,
    connection: 'connectionString' in found ? found : { namespace: found.namespace, credential: machineIdentity() },
  };
}

/** The library names neither where the text came from nor what it should be. */
function checkConnectionString(text: string): void {
  try {
    const parts = parseEventHubConnectionString(text);
    if (!('sharedAccessSignature' in parts || parts.sharedAccessKeyName))
      throw new Error('it has no SharedAccessKeyName');
  } catch (error) {
    throw new FleetscoreError(
      'INVALID_CONFIG',
      `FLEETSCORE_EVENT_HUBS_CONNECTION_STRING cannot be used: ${messageOf(error).replace(/\.$/, '')}. It reads ` +
        'Endpoint=sb://NAME.servicebus.windows.net/;SharedAccessKeyName=...;SharedAccessKey=...',
      { cause: error },
    );
  }
}

/** @throws FleetscoreError `NOT_CONFIGURED` */
export function openProducer(config: Config): EventHubProducerClient {
  return createProducer(eventHubTarget(config));
}
