/**
 * Blob storage, the part of it that fleetscore uses. Everything written by the product goes through here:
 * whole blobs only, so that readers never see half of one.
 */
import type { ContainerName } from '../domain/blob-names.ts';

export interface BlobInfo {
  readonly name: string;
  readonly bytes: number;
}

export interface ReadOptions {
  readonly isHashed?: boolean;
  readonly isShared?: boolean;
}

export interface BlobStore {
  /** Creates the containers that are missing. */
  prepare(): Promise<void>;
  /** Writes a whole blob, replacing what was there. */
  put(container: ContainerName, name: string, body: Uint8Array, contentType: string): Promise<void>;
  /** Writes a blob unless the name is taken. False when it is; nothing is changed then. */
  putIfAbsent(container: ContainerName, name: string, body: Uint8Array, contentType: string): Promise<boolean>;
  /**
   * @param read `isHashed`: whoever asks holds the bytes to a hash of its own, and they need not be held to the MD5 of
   *   the blob too. `isShared`: in memory that goes to threads without a copy, where it comes in several pieces
   * @throws FleetscoreError `BLOB_MISSING`, `BLOB_UNAVAILABLE` (retryable)
   */
  get(container: ContainerName, name: string, read?: ReadOptions): Promise<Uint8Array>;
  exists(container: ContainerName, name: string): Promise<boolean>;
  /** In order of name. */
  list(container: ContainerName, prefix: string): AsyncIterable<BlobInfo>;
  delete(container: ContainerName, name: string): Promise<void>;
}
