/**
 * Holes: what SQL has on record of closed batches and Blob has not (an account that lost blobs, a backup of one side
 * restored, files deleted by hand). A lost manifest is written again from SQL, byte for byte what it was; the sensors
 * of a lost file are found, so that a redrive or a re-score takes them too.
 */
import { CONTAINERS, folderOf } from '../domain/blob-names.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { hasEnded, type Batch, type BatchFile, type Store } from '../storage/store.ts';
import { manifestOf, versionOf, writeManifest } from './manifest.ts';
import { filePages, outcomePages } from '../storage/pages.ts';

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
  for await (const page of filePages(store, batchId, PAGE)) files.push(...page);
  return files;
}

/** Looks whether a closed batch has what is on record: one list of each folder that it names, no file is read. */
async function holeOf({ store, blobs }: Deps, batch: Batch): Promise<Hole | undefined> {
  if (batch.manifest === undefined) return undefined;
  const recorded = await filesOf(store, batch.id);
  const there = new Map<string, number>();
  for (const folder of new Set([batch.manifest, ...recorded.map(({ blob }) => blob)].map(folderOf)))
    for await (const { name, bytes } of blobs.list(CONTAINERS.predictions, folder)) there.set(name, bytes);
  const files = recorded.filter((file) => there.get(file.blob) !== file.bytes);
  const manifestMissing = !there.has(batch.manifest);
  return manifestMissing || files.length > 0 ? { batch, manifestMissing, files } : undefined;
}

/** Sensors that were scored and whose predictions are in none of the files that are there, by id. */
export async function lostSensors(deps: Deps, batch: Batch): Promise<number[]> {
  const hole = await holeOf(deps, batch);
  if (!hole || hole.files.length === 0) return [];
  const chunks = new Set(hole.files.map((file) => file.chunk));
  const ids: number[] = [];
  for await (const page of outcomePages(deps.store, batch.id, PAGE, { status: 'scored' }))
    for (const outcome of page) if (chunks.has(outcome.chunk)) ids.push(outcome.sensorId);
  return ids;
}

export interface Mended {
  /** Batches whose manifest was lost and is there again. */
  readonly manifests: readonly string[];
  /** Batches of which files are lost, and no later batch scored them again. */
  readonly holes: readonly Hole[];
}

/**
 * Looks at batches, newest first, and mends what can be mended without scoring.
 * @throws what store and Blob throw
 */
export async function mendHoles(deps: Deps, batches: readonly Batch[]): Promise<Mended> {
  const manifests: string[] = [];
  const holes: Hole[] = [];
  for (const batch of batches) {
    const hole = await holeOf(deps, batch);
    if (!hole) continue;
    if (hole.manifestMissing && hasEnded(batch)) {
      const files = await filesOf(deps.store, batch.id);
      const manifest = manifestOf(batch, batch.status, files, await versionOf(deps.store, batch));
      await writeManifest(deps.blobs, batch, manifest);
      manifests.push(batch.id);
    }
    if (hole.files.length > 0 && !(await scoredAgain(deps, batch))) holes.push(hole);
  }
  return { manifests, holes };
}

/** A later batch in its place has all its files. */
async function scoredAgain(deps: Deps, batch: Batch): Promise<boolean> {
  for (const later of await deps.store.listBatches({ supersedes: batch.id }))
    if (later.status === 'completed' && !(await holeOf(deps, later))) return true;
  return false;
}

/** What a person is told, a line a batch. */
export function holeLines({ manifests, holes }: Mended): string[] {
  return [
    ...manifests.map((id) => `The manifest of batch ${id} was missing in Blob; it was written again from SQL.`),
    ...holes.map(
      ({ batch, files }) =>
        `Batch ${batch.id}: ${files.length} of its predictions files ${files.length === 1 ? 'is' : 'are'} ` +
        `not in Blob. Score them again: fleetscore batch redrive ${batch.id}`,
    ),
  ];
}
