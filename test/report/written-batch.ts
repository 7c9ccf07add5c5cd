/** Writes whole batches as a run would: files, outcomes, manifest, end. For tests of what reads them. */
import { createHash } from 'node:crypto';
import { batchFolder, manifestBlob, predictionsBlob } from '../../domain/blob-names.ts';
import type { SensorOutcome } from '../../domain/outcome.ts';
import { PREDICTION_COLUMNS } from '../../domain/prediction.ts';
import type { Sensor } from '../../domain/sensor.ts';
import { isoTime } from '../../domain/time.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Store } from '../../storage/store.ts';
import { FROM_MS, QUARTER_MS } from './fixture.ts';

export interface Written extends Pick<Sensor, 'id' | 'device' | 'sensor'> {
  /** Labels of the windows, from the start of the batch, every 5 s; a text is a failure's class. */
  readonly labels: readonly (0 | 1)[] | 'model_corrupt' | 'no_data';
  /** Value of its windows. */
  readonly value?: number;
}

export interface WriteOptions {
  readonly supersedes?: string;
  /** From the end of the period to the end of the batch, ms. */
  readonly end?: number;
  /** False: it stays running, without a manifest. */
  readonly manifest?: boolean;
  readonly schedule?: string;
  /** Sensors of a file. @default 2 */
  readonly perFile?: number;
}

/** A name as a field of a CSV file: quoted where it needs to be, as scoring writes it. */
const field = (name: string): string => (/[",]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

/** The batch covers a quarter of an hour. Returns the name of its manifest. */
export async function writeBatch(
  { store, blobs }: { readonly store: Store; readonly blobs: BlobStore },
  id: string,
  quarter: number,
  sensors: readonly Written[],
  options: WriteOptions = {},
): Promise<string> {
  const fromMs = FROM_MS + quarter * QUARTER_MS;
  const folder = batchFolder(fromMs, id);
  await store.createBatch({
    id,
    workflowId: id,
    runId: id,
    kind: options.supersedes ? 'redrive' : 'score',
    fromMs,
    toMs: fromMs + QUARTER_MS,
    release: 'r1',
    codeVersion: 'test',
    startedAtMs: fromMs + QUARTER_MS,
    sensorIds: sensors.map((sensor) => sensor.id),
    ...(options.supersedes ? { supersedes: options.supersedes } : {}),
    ...(options.schedule ? { schedule: options.schedule } : {}),
  });
  const files = [];
  const perFile = options.perFile ?? 2;
  for (let at = 0; at < sensors.length; at += perFile) {
    const some = sensors.slice(at, at + perFile);
    const chunk = `chunk-${String(at).padStart(3, '0')}`;
    const rows = some.flatMap(({ device, sensor, labels, value = 7 }) =>
      typeof labels === 'string'
        ? []
        : labels.map(
            (label, i) =>
              `${isoTime(fromMs + i * 5_000)},${field(device)},${field(sensor)},` +
              `${value + (label === 1 ? 1 : 0)},${label},${label === 1 ? -0.5 : 0.5}`,
          ),
    );
    const bytes = Buffer.from(`${[PREDICTION_COLUMNS.join(','), ...rows].join('\n')}\n`);
    const file = {
      chunk,
      blob: predictionsBlob(folder, chunk, 'csv'),
      rows: rows.length,
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
    const outcomes = some.map(({ id: sensorId, sensor, labels }): SensorOutcome => {
      const base = { sensorId, attempt: 1, windows: 0, anomalies: 0 };
      if (labels === 'no_data') return { ...base, status: 'skipped', class: labels, message: 'no windows' };
      if (labels === 'model_corrupt')
        return { ...base, status: 'failed', class: labels, message: `model of ${sensor} is corrupt` };
      return {
        ...base,
        status: 'scored',
        windows: labels.length,
        anomalies: labels.filter((label) => label === 1).length,
      };
    });
    await blobs.put('predictions', file.blob, bytes, 'text/csv');
    await store.commitChunk({ batchId: id, chunk, outcomes, file, changeId: 0 });
    files.push(file);
  }
  const manifest = manifestBlob(folder);
  if (options.manifest === false) return manifest;
  await blobs.put(
    'predictions',
    manifest,
    Buffer.from(JSON.stringify({ version: 1, batch: id, files })),
    'application/json',
  );
  await store.finishBatch(id, {
    status: 'completed',
    manifest,
    finishedAtMs: fromMs + QUARTER_MS + (options.end ?? 1_000),
  });
  return manifest;
}
