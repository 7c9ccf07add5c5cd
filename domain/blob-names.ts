/**
 * Where things lie in Blob. Names derive from the work, never from the clock, so that a retry writes to
 * the same place; names of devices and sensors are encoded and can never leave their folder. Names that are too
 * long for that are cut, with a hash: existing blobs of shorter names are found as ever.
 */
import { boundedNames, MAX_BLOB_PART } from './bounded.ts';
import type { PredictionsFormat } from './prediction.ts';
import { keyOf, type SensorKey } from './sensor.ts';
import { compactTime, isoTime } from './time.ts';
import { sha256Of } from './sha256.ts';

export const CONTAINERS = {
  /** Models and packs by content: immutable. */
  models: 'models',
  /** Raw events, in the layout and form of Event Hubs Capture. */
  raw: 'raw',
  /** Predictions, manifests, reports of batches. */
  predictions: 'predictions',
  /** Files with readings that people put there to be read. */
  drop: 'drop',
  /** Events that could not be read, with the reason. */
  deadletters: 'deadletters',
  /** Checkpoints of the ingest worker (the layout of @azure/eventhubs-checkpointstore-blob). */
  checkpoints: 'checkpoints',
  /** Logs of workers and errors of sensors. */
  logs: 'logs',
  /** The site: pages about batches, their style and script. */
  site: 'site',
} as const;

export type ContainerName = (typeof CONTAINERS)[keyof typeof CONTAINERS];

export const modelBlob = (sha256: string): string => `sha256/${sha256.slice(0, 2)}/${sha256}.onnx`;
export const packBlob = (sha256: string): string => `packs/${sha256.slice(0, 2)}/${sha256}.onnx`;

/** Folder of one batch on the site: `20261123T140000Z/20261123T141500Z-1a2b3c4d`. */
export const batchFolder = (fromMs: number, batchId: string): string => `${compactTime(fromMs)}/${batchId}`;

/**
 * Folder of a batch's predictions, as Hive names partitions:
 * `from=2026-11-23T14-00-00Z/batch=20261123T141500Z-1a2b3c4d`. Engines leave out what a query does not ask for by these
 * names, and take both as columns: as text, all of them, and in the order of time. A time that they would guess they
 * guess differently; Polars 2.1.0 takes `20261123T140000Z` for one and fails to read it.
 */
export const predictionsFolder = (fromMs: number, batchId: string): string =>
  `from=${partitionTime(fromMs)}/batch=${batchId}`;

const partitionTime = (ms: number): string => isoTime(ms).replaceAll(':', '-').replace('.000Z', 'Z');

/** Where predictions of a batch may lie: above all in the folder of today, or in that of 0.2.0 and before. */
export const predictionsFolders = (fromMs: number, batchId: string): readonly [string, string] => [
  predictionsFolder(fromMs, batchId),
  batchFolder(fromMs, batchId),
];

/** The folder for what else is written of a batch: where its files lie, so that a batch is in one place. */
export function folderOfFiles(fromMs: number, batchId: string, files: readonly { readonly blob: string }[]): string {
  const [hive, before] = predictionsFolders(fromMs, batchId);
  return files.length > 0 && files.every(({ blob }) => blob.startsWith(`${before}/`)) ? before : hive;
}

const hashOf = (text: string): string => sha256Of(text).slice(0, 24);

/** A sensor as one part of a blob's name. */
const sensorPart = (key: SensorKey): string =>
  boundedNames([key.device, key.sensor], '.', MAX_BLOB_PART, () => hashOf(keyOf(key)));

/** The chunk of a single sensor is named after it, a larger one after its range of sensor ids. */
export function chunkName(range: { readonly from: number; readonly to: number }, single?: SensorKey): string {
  if (single) return sensorPart(single);
  const pad = (id: number): string => String(id).padStart(9, '0');
  return `sensors-${pad(range.from)}-${pad(range.to)}`;
}

/** Whether it is the chunk of a single sensor: two encoded names have a dot between them, a range of ids has none. */
export const isSingleChunk = (chunk: string): boolean => chunk.includes('.');

/** Of a device that begins with `_` too, engines find the file: they pass over names that begin so. */
export const predictionsBlob = (folder: string, chunk: string, format: PredictionsFormat): string =>
  `${folder}/${chunk.replace(/^_/, '%5F')}.${format}`;
/** With the slash at its end. */
export const folderOf = (blob: string): string => blob.slice(0, blob.lastIndexOf('/') + 1);

/** Not to be taken for data. */
const besideData = (folder: string, name: string): string =>
  `${folder}/${folder.startsWith('from=') ? '_' : ''}${name}`;
export const manifestBlob = (folder: string): string => besideData(folder, 'manifest.json');
export const reportBlob = (folder: string): string => besideData(folder, 'report.html');

/** Log of a failed sensor, in the container `logs`. */
export const errorLogBlob = (batchId: string, { device, sensor }: SensorKey): string =>
  `errors/${batchId}/${sensorPart({ device, sensor })}.json`;

/** What a worker wrote on a day (UTC), in the container `logs`: `2026-11-23/scoring-HOST-PID.jsonl`. */
export const workerLogBlob = (atMs: number, worker: string): string =>
  `${isoTime(atMs).slice(0, 10)}/${boundedNames([worker], '', MAX_BLOB_PART, () => hashOf(worker))}.jsonl`;
