/** Clients of Blob storage from configuration: by connection string (local use), else with the machine's identity. */
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { need, type Config } from '../config.ts';
import { CONTAINERS } from '../domain/blob-names.ts';
import { createBlobStore } from '../storage/azure-blobs.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { machineIdentity } from '../storage/identity.ts';

/** @throws FleetscoreError `NOT_CONFIGURED` */
export function openBlobs(config: Config): BlobStore {
  return createBlobStore(blobConfig(config));
}

/** Container of the checkpoints, as the SDK's checkpoint store wants it. @throws FleetscoreError `NOT_CONFIGURED` */
export function checkpointContainer(config: Config): ContainerClient {
  const blob = blobConfig(config);
  const service = 'connectionString' in blob
    ? BlobServiceClient.fromConnectionString(blob.connectionString)
    : new BlobServiceClient(blob.accountUrl, machineIdentity());
  return service.getContainerClient(CONTAINERS.checkpoints);
}

const blobConfig = (config: Config): NonNullable<Config['blob']> =>
  need(config.blob, 'Blob storage', 'FLEETSCORE_BLOB_URL or FLEETSCORE_BLOB_CONNECTION_STRING');
