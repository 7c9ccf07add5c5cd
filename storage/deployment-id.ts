/**
 * One store, one Blob account: both carry the id of their deployment. A process that is configured with a store and
 * an account of two deployments is refused before it takes a partition or writes a blob; else partitions would be
 * shared out between two stores, and each would have a part of the readings, without a word.
 *
 * The id lies in every container that a kind of worker may write (`deploy/` gives each only its own): ingest looks at
 * `checkpoints`, control and scoring at `predictions`. Whoever is first writes it; those of earlier versions do at
 * their start.
 */
import type { ErrorCode } from '../domain/error-codes.ts';
import { randomUUID } from 'node:crypto';
import { CONTAINERS, type ContainerName } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { isoTime } from '../domain/time.ts';
import type { BlobStore } from './blobs.ts';
import type { Store } from './store.ts';

const SETTING = 'deployment_id';
const BLOB = 'fleetscore-deployment.json';
const FORMAT = 1;
/** On a new account nobody may have made the containers yet. */
const ABSENT: ReadonlySet<string> = new Set<ErrorCode>(['BLOB_MISSING', 'BLOB_CONTAINER_MISSING']);

/** Where a kind of process keeps the id. */
const DEPLOYMENT_CONTAINER = { ingest: CONTAINERS.checkpoints, batches: CONTAINERS.predictions } as const;

/**
 * Makes store and account one deployment, or finds that they are.
 * @returns the id
 * @throws FleetscoreError `BLOB_OF_ANOTHER_STORE`, `FORMAT_TOO_NEW`
 */
export async function claimDeployment(
  store: Pick<Store, 'claimSetting'>,
  blobs: BlobStore,
  role: keyof typeof DEPLOYMENT_CONTAINER,
): Promise<string> {
  const container = DEPLOYMENT_CONTAINER[role];
  // Always the store's own: one that took over what the account says would be the second store of that account.
  const id = await store.claimSetting(SETTING, randomUUID());
  await blobs.putIfAbsent(container, BLOB, bodyOf(id), 'application/json');
  await refuseOther(blobs, container, id);
  return id;
}

/**
 * Looks only: for scoring workers and commands, which may not write there.
 * @throws FleetscoreError `BLOB_OF_ANOTHER_STORE`, `FORMAT_TOO_NEW`
 */
export async function checkDeployment(
  store: Pick<Store, 'findSetting'>,
  blobs: BlobStore,
  role: keyof typeof DEPLOYMENT_CONTAINER = 'batches',
): Promise<string | undefined> {
  const id = await store.findSetting(SETTING);
  if (id !== undefined) await refuseOther(blobs, DEPLOYMENT_CONTAINER[role], id);
  return id;
}

/**
 * Gives the account to this store: for when the store it belonged to is gone for good.
 * @param from the deployment that has it now, so that nobody takes another one's by mistake
 * @returns the id of this store, and the ids that the account had
 * @throws FleetscoreError `BLOB_OF_ANOTHER_STORE` when it belongs to neither
 */
export async function adoptBlobs(
  store: Pick<Store, 'claimSetting'>,
  blobs: BlobStore,
  from: string,
): Promise<{ readonly id: string; readonly before: readonly string[] }> {
  const id = await store.claimSetting(SETTING, randomUUID());
  const before = new Set<string>();
  for (const container of Object.values(DEPLOYMENT_CONTAINER)) {
    const other = await idOf(blobs, container);
    if (other !== from) await refuseOther(blobs, container, id);
    else before.add(other);
  }
  for (const container of Object.values(DEPLOYMENT_CONTAINER))
    await blobs.put(container, BLOB, bodyOf(id), 'application/json');
  return { id, before: [...before].filter((other) => other !== id) };
}

const bodyOf = (id: string): Uint8Array =>
  Buffer.from(JSON.stringify({ format: FORMAT, deployment: id, since: isoTime(Date.now()) }));

async function refuseOther(blobs: BlobStore, container: ContainerName, id: string): Promise<void> {
  const there = await idOf(blobs, container);
  if (there === undefined || there === id) return;
  throw new FleetscoreError(
    'BLOB_OF_ANOTHER_STORE',
    `the Blob account belongs to deployment ${there} (blob ${container}/${BLOB}), the SQL store to deployment ${id}: ` +
      'readings and predictions of the two would be mixed. Configure the store and the account of one deployment ' +
      '(FLEETSCORE_SQL_URL, FLEETSCORE_BLOB_URL or FLEETSCORE_BLOB_CONNECTION_STRING). ' +
      'If this store takes the place of ' +
      'one that is gone for good, give it the account: `fleetscore db adopt --blobs-of ' +
      there +
      '`.',
  );
}

async function idOf(blobs: BlobStore, container: ContainerName): Promise<string | undefined> {
  let text: string;
  try {
    text = Buffer.from(await blobs.get(container, BLOB)).toString('utf8');
  } catch (error) {
    if (error instanceof FleetscoreError && ABSENT.has(error.code)) return undefined;
    throw error;
  }
  const found = JSON.parse(text) as { readonly format?: number; readonly deployment?: string };
  if ((found.format ?? 0) > FORMAT)
    throw new FleetscoreError(
      'FORMAT_TOO_NEW',
      `the blob ${container}/${BLOB} was written by a newer fleetscore (format ${found.format}; ` +
        `this one reads up to ${FORMAT}): upgrade.`,
    );
  if (typeof found.deployment === 'string') return found.deployment;
  throw new FleetscoreError(
    'BLOB_ERROR',
    `the blob ${container}/${BLOB} names no deployment: delete it, and start again.`,
  );
}
