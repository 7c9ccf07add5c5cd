/**
 * Holes: what SQL has on record of closed batches and Blob has not (an account that lost blobs, a backup of one side
 * restored, files deleted by hand). A lost manifest is written again from SQL, byte for byte what it was; the sensors of
 * a lost file are found, so that a redrive can score them again.
 */
import { batchFolder, CONTAINERS, manifestBlob } from '../domain/blob-names.ts';
import type { Manifest, ManifestFile } from '../domain/manifest.ts';
import { isoTime } from '../domain/time.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Batch, BatchFile, Store } from '../storage/store.ts';

export interface Hole {
  readonly batch: Batch;
  readonly manifestMissing: boolean;
  /** Files that SQL lists and Blob has not, or has with another length. */
  readonly files: readonly BatchFile[];
}

interface Deps {
  readonly store: Store;
  readonly blobs: BlobStore;
}

const PAGE = 1_000;

/** All files that SQL has of a batch. */
export async function filesOf(store: Store, batchId: string): Promise<BatchFile[]> {
  const files: BatchFile[] = [];
  for (let page = await store.listFiles(batchId, { limit: PAGE }); page.length > 0;) {
    files.push(...page);
    page = await store.listFiles(batchId, { after: page[page.length - 1]!.chunk, limit: PAGE });
  }
  return files;
}

/** Looks whether a closed batch has what is on record; one list of its folder, no file is read. */
export async function holeOf({ store, blobs }: Deps, batch: Batch): Promise<Hole | undefined> {
  if (batch.manifest === undefined) return undefined;
  const there = new Map<string, number>();
  for await (const { name, bytes } of blobs.list(CONTAINERS.predictions, `${batchFolder(batch.fromMs, batch.id)}/`))
    there.set(name, bytes);
  const files = (await filesOf(store, batch.id)).filter((file) => there.get(file.blob) !== file.bytes);
  const manifestMissing = !there.has(batch.manifest);
  return manifestMissing || files.length > 0 ? { batch, manifestMissing, files } : undefined;
}

/** Holes of these batches, in their order. */
export async function findHoles(deps: Deps, batches: readonly Batch[]): Promise<Hole[]> {
  const holes: Hole[] = [];
  for (const batch of batches) {
    const hole = await holeOf(deps, batch);
    if (hole) holes.push(hole);
  }
  return holes;
}

/** Sensors that were scored and whose predictions are in none of the files that are there, by id. */
export async function lostSensors(deps: Deps, batch: Batch): Promise<number[]> {
  const hole = await holeOf(deps, batch);
  if (!hole || hole.files.length === 0) return [];
  const chunks = new Set(hole.files.map((file) => file.chunk));
  const ids: number[] = [];
  for (let after = -1; ;) {
    const page = await deps.store.listOutcomes(batch.id, { status: 'scored', after, limit: PAGE });
    if (page.length === 0) return ids;
    for (const outcome of page) if (chunks.has(outcome.chunk)) ids.push(outcome.sensorId);
    after = page.at(-1)!.sensorId;
  }
}

/** What stands in `manifest.json` of a batch, from what SQL has of it. */
export function manifestOf(
  batch: Pick<Batch, 'id' | 'kind' | 'fromMs' | 'toMs' | 'release' | 'supersedes' | 'codeVersion' | 'planned'>,
  end: Pick<Manifest, 'status' | 'outcomes'>,
  files: readonly ManifestFile[],
): Manifest {
  return {
    version: 1,
    batch: batch.id,
    kind: batch.kind,
    from: isoTime(batch.fromMs),
    to: isoTime(batch.toMs),
    release: batch.release,
    status: end.status,
    ...(batch.supersedes === undefined ? {} : { supersedes: batch.supersedes }),
    codeVersion: batch.codeVersion,
    planned: batch.planned,
    outcomes: end.outcomes,
    rows: files.reduce((sum, file) => sum + file.rows, 0),
    files,
  };
}

export async function putManifest(blobs: BlobStore, batch: Batch, manifest: Manifest): Promise<string> {
  const name = manifestBlob(batchFolder(batch.fromMs, batch.id));
  const text = `${JSON.stringify(manifest, null, 1)}\n`;
  await blobs.put(CONTAINERS.predictions, name, Buffer.from(text), 'application/json');
  return name;
}

/** Writes lost manifests again. Files stay lost: only scoring makes them anew. Returns the batches mended. */
export async function mendManifests({ store, blobs }: Deps, holes: readonly Hole[]): Promise<string[]> {
  const mended: string[] = [];
  for (const { batch, manifestMissing } of holes) {
    if (!manifestMissing || batch.status === 'running') continue;
    const { status, counts } = batch;
    await putManifest(blobs, batch, manifestOf(batch, { status, outcomes: counts }, await filesOf(store, batch.id)));
    mended.push(batch.id);
  }
  return mended;
}
