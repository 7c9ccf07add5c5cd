/** Clients of Blob storage from configuration: by connection string (local use), else with the machine's identity. */
import { BlobServiceClient, type ContainerClient, type StoragePipelineOptions } from '@azure/storage-blob';
import { blobConfig, type Config } from '../config.ts';
import { CONTAINERS, type ContainerName } from '../domain/blob-names.ts';
import { createBlobStore } from '../storage/azure-blobs.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { machineIdentity } from '../storage/identity.ts';

/** @throws FleetscoreError `NOT_CONFIGURED` */
export function openBlobs(config: Config): BlobStore {
  return createBlobStore(blobConfig(config));
}

/** Container of the checkpoints, as the SDK's checkpoint store wants it. @throws FleetscoreError `NOT_CONFIGURED` */
export function checkpointContainer(config: Config): ContainerClient {
  // Ownership of partitions is renewed through it: the client's own pauses (4, 12, 28 s) would outlast it.
  return containerOf(config, CONTAINERS.checkpoints, {
    retryOptions: { maxTries: 4, retryDelayInMs: 500, maxRetryDelayInMs: 4_000, tryTimeoutInMs: 15_000 },
  });
}

/** Container of the logs, for appending and for reading in pieces. @throws FleetscoreError `NOT_CONFIGURED` */
export function logContainer(config: Config): ContainerClient {
  // Logs have time: what is not taken now is sent again later, by the shipper.
  return containerOf(config, CONTAINERS.logs, {
    retryOptions: { maxTries: 2, retryDelayInMs: 500, tryTimeoutInMs: 10_000 },
  });
}

function containerOf(config: Config, name: ContainerName, options: StoragePipelineOptions = {}): ContainerClient {
  const blob = blobConfig(config);
  const service =
    'connectionString' in blob
      ? BlobServiceClient.fromConnectionString(blob.connectionString, options)
      : new BlobServiceClient(blob.accountUrl, machineIdentity(), options);
  return service.getContainerClient(name);
}
