/**
 * How a pool and a worker on a far machine agree on its end, through Blob: the pool renews a sign of life and
 * marks the nodes it lets go; the worker reads both. `logs/pool/{pool}/alive.json`, `logs/pool/{pool}/release/{node}`.
 */
import { CONTAINERS } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { BlobStore } from '../storage/blobs.ts';

const aliveBlob = (pool: string): string => `pool/${pool}/alive.json`;
const releaseBlob = (pool: string, node: string): string => `pool/${pool}/release/${node}`;

/** The pool renews its sign of life this often, at most. */
export const RENEW_EVERY_MS = 60_000;

export async function renewAlive(blobs: BlobStore, pool: string, nowMs: number): Promise<void> {
  await blobs.put(CONTAINERS.logs, aliveBlob(pool), Buffer.from(JSON.stringify({ atMs: nowMs })), 'application/json');
}

/** Tells the worker of a node to finish what it has and end. */
export async function releaseNode(blobs: BlobStore, pool: string, node: string): Promise<void> {
  await blobs.put(CONTAINERS.logs, releaseBlob(pool, node), Buffer.from('{}'), 'application/json');
}

export const isReleased = (blobs: BlobStore, pool: string, node: string): Promise<boolean> =>
  blobs.exists(CONTAINERS.logs, releaseBlob(pool, node));

/** When the pool last gave a sign of life; undefined when it never did. Epoch ms. */
export async function lastAlive(blobs: BlobStore, pool: string): Promise<number | undefined> {
  try {
    return (
      JSON.parse(Buffer.from(await blobs.get(CONTAINERS.logs, aliveBlob(pool))).toString('utf8')) as { atMs?: number }
    ).atMs;
  } catch (error) {
    if (error instanceof FleetscoreError && error.code === 'BLOB_MISSING') return undefined;
    throw error;
  }
}

/** Takes the mark away, once the node is gone. */
export const forgetRelease = (blobs: BlobStore, pool: string, node: string): Promise<void> =>
  blobs.delete(CONTAINERS.logs, releaseBlob(pool, node));
