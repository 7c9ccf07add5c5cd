/**
 * Sensors with a child workflow of their own have a predictions file of their own while the batch runs. Once all of
 * them are decided, small files become one for many sensors: a year of every 15 minutes would otherwise be millions of
 * blobs of a kilobyte, and every reader would open hundreds of them. Each file is whole before SQL points to it, what
 * it replaces goes after the manifest is there, and a retry does what is left.
 */
import { chunkName, CONTAINERS, folderOfFiles, isSingleChunk } from '../domain/blob-names.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import type { Prediction, PredictionsFormat } from '../domain/prediction.ts';
import { keyOf } from '../domain/sensor.ts';
import { defined } from '../domain/defined.ts';
import type { EncodedPredictions, NamedSensor } from '../scoring/predictions-content.ts';
import { decodePredictions, encodePredictions } from '../scoring/predictions-file.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Batch, BatchFile, Store } from '../storage/store.ts';
import { sha256Of } from '../domain/sha256.ts';
import { writePredictions } from './predictions-blob.ts';
import { outcomePages } from '../storage/pages.ts';

/** A file above it is no small one: it stays as it is. */
const SMALL_BYTES = 64 * 1024;
/** So many bytes of small files at a time: decoding and encoding them is some 30 ms in which nothing else happens. */
const MERGED_BYTES = 1024 * 1024;
const AT_ONCE = 16;
const PAGE = 1_000;

interface Deps {
  readonly store: Pick<Store, 'batchPools' | 'listOutcomes' | 'mergeChunks'>;
  readonly blobs: BlobStore;
  readonly warn?: (message: string) => void;
}

interface Merged {
  readonly files: readonly BatchFile[];
  /** Names of blobs that nothing refers to once the manifest is written. */
  readonly replaced: readonly string[];
}

/**
 * The files of a batch whose sensors are all decided, with one in place of many small ones of single sensors. Sensors
 * of several pools keep theirs: a chunk is of one pool.
 * @throws what store and Blob throw when they do not answer; a file that cannot be read stays as it is, with a warning
 */
export async function mergeFiles(deps: Deps, batch: Batch, files: readonly BatchFile[]): Promise<Merged> {
  const small = files.filter(({ chunk, bytes }) => isSingleChunk(chunk) && bytes <= SMALL_BYTES);
  if (small.length < 2 || (await deps.store.batchPools(batch.id)).length > 0) return { files, replaced: [] };
  const ids = await sensorsOf(deps.store, batch.id);
  const known = small.filter(({ chunk }) => ids.has(chunk)).sort((a, b) => ids.get(a.chunk)! - ids.get(b.chunk)!);
  const replaced: BatchFile[] = [];
  const added: BatchFile[] = [];
  for (const group of groupsOf(known)) {
    const range = { from: ids.get(group[0]!.chunk)!, to: ids.get(group.at(-1)!.chunk)! + 1 };
    try {
      added.push(await mergeGroup(deps, batch, group, chunkName(range)));
      replaced.push(...group);
    } catch (error) {
      if (!(error instanceof FleetscoreError) || error.retryable) throw error;
      deps.warn?.(`batch ${batch.id}: ${group.length} predictions files stay apart: ${messageOf(error)}`);
    }
  }
  const gone = new Set(replaced);
  const left = [...files.filter((file) => !gone.has(file)), ...added];
  return {
    files: left.sort((a, b) => (a.chunk < b.chunk ? -1 : 1)),
    replaced: replaced.map(({ blob }) => blob),
  };
}

/** The sensor of each chunk that has one scored sensor. */
async function sensorsOf(store: Pick<Store, 'listOutcomes'>, batchId: string): Promise<Map<string, number>> {
  const ids = new Map<string, number>();
  for await (const page of outcomePages(store, batchId, PAGE, { status: 'scored' }))
    for (const { chunk, sensorId } of page) ids.set(chunk, sensorId);
  return ids;
}

function groupsOf(files: readonly BatchFile[]): BatchFile[][] {
  const groups: BatchFile[][] = [];
  let bytes = Infinity;
  for (const file of files) {
    bytes += file.bytes;
    if (bytes <= MERGED_BYTES) groups.at(-1)!.push(file);
    else {
      groups.push([file]);
      bytes = file.bytes;
    }
  }
  return groups.filter((group) => group.length > 1);
}

async function mergeGroup(
  { store, blobs }: Deps,
  batch: Batch,
  group: readonly BatchFile[],
  chunk: string,
): Promise<BatchFile> {
  const rows: Prediction[] = [];
  for (let i = 0; i < group.length; i += AT_ONCE) {
    const some = await Promise.all(group.slice(i, i + AT_ONCE).map((file) => rowsOf(blobs, file)));
    for (const part of some) rows.push(...part);
  }
  const format = group[0]!.blob.endsWith('.parquet') ? 'parquet' : 'csv';
  const folder = folderOfFiles(batch.fromMs, batch.id, group);
  const file = await writePredictions(blobs, format, folder, chunk, encodeRows(format, rows));
  await store.mergeChunks(
    batch.id,
    group.map((one) => one.chunk),
    file,
  );
  return file;
}

/** @throws FleetscoreError `PREDICTIONS_CORRUPT` */
async function rowsOf(blobs: BlobStore, { blob, sha256 }: BatchFile): Promise<Prediction[]> {
  const bytes = await blobs.get(CONTAINERS.predictions, blob);
  if (sha256Of(bytes) !== sha256)
    throw new FleetscoreError('PREDICTIONS_CORRUPT', `predictions/${blob} is not the file that was recorded.`);
  return decodePredictions(bytes);
}

/** Rows back as they were scored: numbers are the same doubles in either format. */
function encodeRows(format: PredictionsFormat, rows: readonly Prediction[]): EncodedPredictions {
  const sensors = new Map<string, NamedSensor>();
  const sensorId = Float64Array.from(rows, ({ device, sensor, windowMs }) => {
    const key = keyOf({ device, sensor });
    const known = sensors.get(key) ?? { id: sensors.size, device, sensor, ...defined({ windowMs }) };
    sensors.set(key, known);
    return known.id;
  });
  const numbers = (of: (row: Prediction) => number): Float64Array => Float64Array.from(rows, of);
  return encodePredictions(
    format,
    [...sensors.values()],
    { length: rows.length, sensorId, startMs: numbers(({ tsMs }) => tsMs), mean: numbers(({ value }) => value) },
    {
      scored: new Uint8Array(rows.length).fill(1),
      anomaly: Uint8Array.from(rows, ({ prediction }) => prediction),
      score: numbers(({ score }) => score),
    },
  );
}

/** Best effort: what stays (a policy that makes blobs immutable) is in no manifest, and nobody reads it. */
export async function dropReplaced(blobs: BlobStore, names: readonly string[]): Promise<void> {
  for (let i = 0; i < names.length; i += AT_ONCE)
    await Promise.allSettled(names.slice(i, i + AT_ONCE).map((name) => blobs.delete(CONTAINERS.predictions, name)));
}
