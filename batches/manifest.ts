/**
 * The manifest of a batch, from what is on record: made again it has the same bytes. Written once; where an earlier
 * try got that far, what it wrote stands, as it must where a policy makes blobs immutable.
 */
import { CONTAINERS, folderOfFiles, manifestBlob } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { FORMATS } from '../domain/format.ts';
import type { Manifest, ManifestFile } from '../domain/manifest.ts';
import { isoTime } from '../domain/time.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { PREDICTIONS_VERSION } from '../domain/prediction.ts';
import type { Batch, Store } from '../storage/store.ts';
import { sha256Of } from '../domain/sha256.ts';
import { defined } from '../domain/defined.ts';

/** @param formatVersion of the files ({@link versionOf}) */
export function manifestOf(
  batch: Batch,
  status: Manifest['status'],
  files: readonly ManifestFile[],
  formatVersion: number,
): Manifest {
  return {
    version: FORMATS.manifest,
    batch: batch.id,
    startedAt: isoTime(batch.startedAtMs),
    kind: batch.kind,
    from: isoTime(batch.fromMs),
    to: isoTime(batch.toMs),
    release: batch.release,
    status,
    ...defined({ supersedes: batch.supersedes }),
    codeVersion: batch.codeVersion,
    planned: batch.planned,
    outcomes: batch.counts,
    rows: files.reduce((sum, file) => sum + file.rows, 0),
    files: files.map((file) => ({
      ...file,
      format: file.blob.endsWith('.parquet') ? 'parquet' : 'csv',
      formatVersion,
    })),
  };
}

/** The format of the predictions of a batch: older programs cannot read files with windows of several lengths. */
export async function versionOf(store: Pick<Store, 'releaseWindows'>, { release }: Batch): Promise<number> {
  return (await store.releaseWindows(release)).length > 0 ? PREDICTIONS_VERSION.windows : PREDICTIONS_VERSION.plain;
}

/**
 * Puts the manifest into the folder of its batch, and says under which name. Other bytes that stand there (an
 * earlier try that came to another verdict) are replaced; where they cannot be, this one lies beside them, named by its
 * content: the row in SQL says which one counts.
 * @throws what Blob says, except that the name is taken
 */
export async function writeManifest(blobs: BlobStore, batch: Batch, manifest: Manifest): Promise<string> {
  const bytes = Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`);
  const name = manifestBlob(folderOfFiles(batch.fromMs, batch.id, manifest.files));
  if (await stands(blobs, name, bytes)) return name;
  try {
    await blobs.put(CONTAINERS.predictions, name, bytes, JSON_TYPE);
    return name;
  } catch (error) {
    if (!(error instanceof FleetscoreError)) throw error;
    const beside = name.replace(/\.json$/, `.${sha256Of(bytes).slice(0, 12)}.json`);
    if (await stands(blobs, beside, bytes)) return beside;
    throw error;
  }
}

const JSON_TYPE = 'application/json';

/** True when the blob holds these bytes, by this call or an earlier one; false when it holds others. */
async function stands(blobs: BlobStore, name: string, bytes: Uint8Array): Promise<boolean> {
  try {
    if (await blobs.putIfAbsent(CONTAINERS.predictions, name, bytes, JSON_TYPE)) return true;
  } catch (error) {
    // A policy may forbid any write to a name that is taken; then what matters is what is there.
    if (!(error instanceof FleetscoreError) || !(await blobs.exists(CONTAINERS.predictions, name))) throw error;
  }
  return Buffer.from(await blobs.get(CONTAINERS.predictions, name)).equals(bytes);
}
