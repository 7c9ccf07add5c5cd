/**
 * Clients of the cloud parts, from configuration: by connection string where one is set (local use), else
 * with the identity of this machine.
 */
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { DefaultAzureCredential } from '@azure/identity';
import type { EventHubProducerClient } from '@azure/event-hubs';
import { need, type Config } from '../config.ts';
import { CONTAINERS } from '../domain/blob-names.ts';
import { createProducer, type EventHubTarget } from '../ingest/connect.ts';
import { createBlobStore } from '../storage/azure-blobs.ts';
import type { BlobStore } from '../storage/blobs.ts';

/** @throws FleetscoreError `NOT_CONFIGURED` */
export function openBlobs(config: Config): BlobStore {
  return createBlobStore(blobConfig(config));
}

const blobConfig = (config: Config): NonNullable<Config['blob']> =>
  need(config.blob, 'Blob storage', 'FLEETSCORE_BLOB_URL or FLEETSCORE_BLOB_CONNECTION_STRING');

/** Container of the checkpoints, as the SDK's checkpoint store wants it. @throws FleetscoreError `NOT_CONFIGURED` */
export function checkpointContainer(config: Config): ContainerClient {
  const blob = blobConfig(config);
  const service = 'connectionString' in blob
    ? BlobServiceClient.fromConnectionString(blob.connectionString)
    : new BlobServiceClient(blob.accountUrl, new DefaultAzureCredential());
  return service.getContainerClient(CONTAINERS.checkpoints);
}

/** @throws FleetscoreError `NOT_CONFIGURED` */
export function eventHubTarget(config: Config): EventHubTarget & { readonly consumerGroup: string } {
  const { connection, hub, consumerGroup } = config.eventHubs;
  const found = need(connection, 'Event Hubs', 'FLEETSCORE_EVENT_HUBS_NAMESPACE or FLEETSCORE_EVENT_HUBS_CONNECTION_STRING');
  return { hub, consumerGroup, connection: 'connectionString' in found ? found : { namespace: found.namespace, credential: new DefaultAzureCredential() } };
}

/** @throws FleetscoreError `NOT_CONFIGURED` */
export function openProducer(config: Config): EventHubProducerClient {
  return createProducer(eventHubTarget(config));
}
