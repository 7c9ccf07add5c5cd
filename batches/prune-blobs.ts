/**
 * Retention of blobs, by the same ages as in SQL: predictions, pages and error logs of a batch go with its rows (before
 * them, so that a cut-off round finds them again), logs of workers and of pools by the age of batches, raw events by
 * the age of windows. The newest raw file of a partition stays: capture knows by it how far it came.
 */
import { batchFolder, CONTAINERS, predictionsFolders, type ContainerName } from '../domain/blob-names.ts';
import { compactTime, HOUR_MS, isoTime } from '../domain/time.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { hasEnded, type PruneCut, type Store } from '../storage/store.ts';

export interface PrunedBlobs {
  readonly raw: number;
  readonly predictions: number;
  readonly site: number;
  readonly logs: number;
}

interface Deps {
  readonly store: Pick<Store, 'listBatches' | 'listProgress'>;
  readonly blobs: BlobStore;
}

const AT_ONCE = 16;

/**
 * Deletes what is older than the cuts; safe to interrupt and to repeat. Call it before the store is pruned.
 * @param folderOf `{namespace}/{hub}` of a source of readings, where its raw capture lies
 */
export async function pruneBlobs(
  { store, blobs }: Deps,
  { windowsBeforeMs, batchesBeforeMs }: Pick<PruneCut, 'windowsBeforeMs' | 'batchesBeforeMs'>,
  folderOf: (source: string) => string,
): Promise<PrunedBlobs> {
  const gone = { raw: 0, predictions: 0, site: 0, logs: 0 };
  if (windowsBeforeMs !== undefined)
    for (const { source, partition } of await store.listProgress())
      gone.raw += await pruneRaw(blobs, `${folderOf(source)}/${partition}/`, windowsBeforeMs);
  if (batchesBeforeMs === undefined) return gone;
  for (const batch of await store.listBatches({ endedBefore: batchesBeforeMs })) {
    if (!hasEnded(batch)) continue;
    for (const folder of predictionsFolders(batch.fromMs, batch.id))
      gone.predictions += await deleteAll(blobs, CONTAINERS.predictions, `${folder}/`);
    gone.site += await deleteAll(blobs, CONTAINERS.site, `batches/${batchFolder(batch.fromMs, batch.id)}/`);
    gone.logs += await deleteAll(blobs, CONTAINERS.logs, `errors/${batch.id}/`);
  }
  gone.logs += await pruneLogs(blobs, batchesBeforeMs);
  return gone;
}

/** Names of a partition begin with the time, so the old ones come first. */
async function pruneRaw(blobs: BlobStore, folder: string, beforeMs: number): Promise<number> {
  const cut = `${folder}${isoTime(beforeMs).slice(0, 19).replace(/[-T:]/g, '/')}`;
  let held: string | undefined;
  return deleteWhile(blobs, CONTAINERS.raw, folder, (name) => {
    // One behind: what is deleted has a newer file after it.
    const old = held;
    held = name;
    return name < cut ? { old } : { old, stop: true };
  });
}

/** `{date}/...` of workers, and the hours of pools. */
async function pruneLogs(blobs: BlobStore, beforeMs: number): Promise<number> {
  const day = isoTime(beforeMs).slice(0, 10);
  const hour = compactTime(Math.floor(beforeMs / HOUR_MS) * HOUR_MS);
  let gone = await deleteWhile(blobs, CONTAINERS.logs, '2', (name) => (name < day ? { old: name } : { stop: true }));
  gone += await deleteWhile(blobs, CONTAINERS.logs, 'pool/', (name) => {
    const [, , kind, file] = name.split('/');
    return (kind === 'nodes' || kind === 'decisions') && file !== undefined && file < hour ? { old: name } : {};
  });
  return gone;
}

const deleteAll = (blobs: BlobStore, container: ContainerName, prefix: string): Promise<number> =>
  deleteWhile(blobs, container, prefix, (name) => ({ old: name }));

async function deleteWhile(
  blobs: BlobStore,
  container: ContainerName,
  prefix: string,
  judge: (name: string) => { readonly old?: string | undefined; readonly stop?: boolean },
): Promise<number> {
  let gone = 0;
  let waiting: Promise<void>[] = [];
  for await (const { name } of blobs.list(container, prefix)) {
    const { old, stop = false } = judge(name);
    if (old !== undefined) {
      waiting.push(blobs.delete(container, old));
      gone += 1;
    }
    if (waiting.length >= AT_ONCE) {
      await Promise.all(waiting);
      waiting = [];
    }
    if (stop) break;
  }
  await Promise.all(waiting);
  return gone;
}
