/** Clients of Blob storage from configuration: by connection string (local use), else with the machine's identity. */
import type { ContainerClient } from '@azure/storage-blob';
import { blobConfig, type Config } from '../config.ts';
import { CONTAINERS, type ContainerName } from '../domain/blob-names.ts';
import { createBlobStore } from '../storage/azure-blobs.ts';
import { blobService, type BlobRetry } from '../storage/blob-service.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { openDropBox, type DropBox } from '../storage/drop-box.ts';

/** @throws FleetscoreError `NOT_CONFIGURED` */
export function openBlobs(config: Config): BlobStore {
  return createBlobStore(blobConfig(config));
}

/** Container of the checkpoints, as the SDK's checkpoint store wants it. @throws FleetscoreError `NOT_CONFIGURED` */
export function checkpointContainer(config: Config): ContainerClient {
  // Ownership of partitions is renewed through it: a call has to end, well or not, long before that expires.
  return containerOf(config, CONTAINERS.checkpoints, { tries: 4, delayMs: 250, tryTimeoutMs: 4_000 });
}

/** Files that people put into the drop. @throws FleetscoreError `NOT_CONFIGURED` */
export const dropBox = (config: Config): DropBox => openDropBox(blobConfig(config));

/** Container of the logs, for appending and for reading in pieces. @throws FleetscoreError `NOT_CONFIGURED` */
export function logContainer(config: Config): ContainerClient {
  // Logs have time: what is not taken now is sent again later, by the shipper.
  return containerOf(config, CONTAINERS.logs, { tries: 2, tryTimeoutMs: 10_000 });
}

const containerOf = (config: Config, name: ContainerName, retry: BlobRetry): ContainerClient =>
  blobService(blobConfig(config), retry).getContainerClient(name);
