/**
 * Predictions of chosen sensors, read through the manifests of their batches. What a manifest does not list
 * is not read; what it lists must be there with the hash it gives, or a problem is told instead.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import type { Prediction } from '../../domain/prediction.ts';
import { keyOf, type SensorKey } from '../../domain/sensor.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Batch, BatchFile } from '../../storage/store.ts';
import type { PredictionSeries } from './batch-data.ts';
import { chunkKey, type Candidate } from './outcomes.ts';
import { sha256InTurns } from '../../domain/sha256.ts';
import { ROWS_PER_TURN } from '../../domain/turns.ts';
import { addTo, newColumns, seriesOf, type Columns } from './columns.ts';

interface SeriesSource {
  readonly blobs: Pick<BlobStore, 'get'>;
  readonly decodePredictions: (bytes: Uint8Array) => Iterable<Prediction> | Promise<Iterable<Prediction>>;
}

export interface SeriesRead {
  /** By `keyOf`; sensors without trusted predictions are absent. */
  readonly series: ReadonlyMap<string, PredictionSeries>;
  /** For people, in the order of batches and files. */
  readonly problems: readonly string[];
}

const FILES_AT_ONCE = 8;

const manifestShape = z.object({
  batch: z.string(),
  files: z.array(
    z.object({ chunk: z.string(), blob: z.string(), rows: z.number(), bytes: z.number(), sha256: z.string() }),
  ),
});

/** For the same window the batch that ended last counts. */
export async function readSeries(
  source: SeriesSource,
  batches: readonly Batch[],
  chosen: readonly Candidate[],
): Promise<SeriesRead> {
  const wanted = new Set(chosen.map(keyOf));
  const chunks = new Set(chosen.flatMap((sensor) => sensor.chunks.map(chunkKey)));
  const rows = new Map<string, Columns>();
  const problems: string[] = [];
  const byEnd = [...batches].sort(
    (a, b) => (a.finishedAtMs ?? 0) - (b.finishedAtMs ?? 0) || a.startedAtMs - b.startedAtMs,
  );
  for (const batch of byEnd) {
    const tell = (problem: string): number =>
      problems.push(`Batch ${batch.id}: ${problem}; its predictions are not shown.`);
    const files = await listedFiles(source, batch);
    if (typeof files === 'string') {
      tell(files);
      continue;
    }
    const needed = files.filter(({ chunk }) => chunks.has(chunkKey({ batchId: batch.id, chunk })));
    for (let at = 0; at < needed.length; at += FILES_AT_ONCE) {
      for (const read of await Promise.all(
        needed.slice(at, at + FILES_AT_ONCE).map((file) => readListed(source, file)),
      ))
        if (typeof read === 'string') tell(read);
        else await addRows(rows, wanted, read);
    }
  }
  return { series: new Map([...rows].map(([key, columns]) => [key, seriesOf(columns)])), problems };
}

/** Rows a sensor, as they come: of a file with half a million of one sensor others have their turn in between. */
async function addRows(
  rows: Map<string, Columns>,
  wanted: ReadonlySet<string>,
  read: Iterable<Prediction>,
): Promise<void> {
  // Rows of a sensor follow each other: its columns are looked up once.
  let last: SensorKey | undefined;
  let own: Columns | undefined;
  let turn = 0;
  for (const prediction of read) {
    if (last === undefined || prediction.sensor !== last.sensor || prediction.device !== last.device) {
      last = prediction;
      const key = keyOf(prediction);
      own = wanted.has(key) ? (rows.get(key) ?? newColumns()) : undefined;
      if (own) rows.set(key, own);
    }
    if (own) addTo(own, prediction);
    if (++turn % ROWS_PER_TURN === 0) await nextTurn();
  }
}

/** The files a batch stands by, or what is wrong. */
async function listedFiles({ blobs }: SeriesSource, batch: Batch): Promise<readonly BatchFile[] | string> {
  const name = batch.manifest;
  if (name === undefined) return `it is ${batch.status} and has no manifest`;
  const body = await getIfThere(blobs, name);
  if (!body) return `its manifest ${name} is missing in Blob`;
  const manifest = manifestShape.safeParse(parseJson(body));
  return manifest.success && manifest.data.batch === batch.id
    ? manifest.data.files
    : `${name} is not a manifest of this batch`;
}

/** The rows of a listed file, or what is wrong. */
async function readListed(
  { blobs, decodePredictions }: SeriesSource,
  file: BatchFile,
): Promise<Iterable<Prediction> | string> {
  const body = await getIfThere(blobs, file.blob);
  if (!body) return `file ${file.blob} is missing in Blob`;
  if ((await sha256InTurns(body)) !== file.sha256.toLowerCase())
    return `file ${file.blob} is not the one its manifest lists (SHA-256 differs)`;
  try {
    return await decodePredictions(body);
  } catch (error) {
    if (!(error instanceof FleetscoreError)) throw error;
    return `file ${file.blob} cannot be read (${error.message})`;
  }
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}

async function getIfThere(blobs: SeriesSource['blobs'], name: string): Promise<Uint8Array | undefined> {
  try {
    return await blobs.get(CONTAINERS.predictions, name);
  } catch (error) {
    if (error instanceof FleetscoreError && error.code === 'BLOB_MISSING') return undefined;
    throw error;
  }
}
