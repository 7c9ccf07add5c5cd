/** Small fleets for tests of the engine: models put into Blob, planned sensors, and series of windows. */
import { createHash } from 'node:crypto';
import { CONTAINERS, modelBlob } from '../../domain/blob-names.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { PlannedSensor, SeriesBlock } from '../../storage/store.ts';

export const INTERVAL_MS = 5_000;

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Stores a model under its content and gives its SHA-256. */
export async function putModel(blobs: BlobStore, bytes: Uint8Array): Promise<string> {
  const sha256 = sha256Of(bytes);
  await blobs.putIfAbsent(CONTAINERS.models, modelBlob(sha256), bytes, 'application/octet-stream');
  return sha256;
}

export const planned = (
  id: number,
  model?: string,
  pack?: { readonly pack: string; readonly packRow: number },
): PlannedSensor => ({
  id,
  device: `device-${id}`,
  sensor: 'value',
  unit: '',
  ...(model === undefined ? {} : { model }),
  ...pack,
});

/** Means by sensor id, one window an interval from `fromMs`; `undefined` is a window that is missing. */
export function seriesOf(means: Readonly<Record<number, readonly (number | undefined)[]>>, fromMs = 0): SeriesBlock {
  const rows = Object.keys(means)
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap((id) =>
      means[id]!.flatMap((mean, i) => (mean === undefined ? [] : [{ id, startMs: fromMs + i * INTERVAL_MS, mean }])),
    );
  const column = (value: (row: (typeof rows)[number]) => number): Float64Array => Float64Array.from(rows, value);
  return {
    length: rows.length,
    sensorId: column((r) => r.id),
    startMs: column((r) => r.startMs),
    count: column(() => 3),
    mean: column((r) => r.mean),
    min: column((r) => r.mean - 1),
    max: column((r) => r.mean + 1),
    last: column((r) => r.mean + 0.5),
    changeId: 1,
  };
}
