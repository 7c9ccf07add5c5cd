/**
 * Gathers a report from the store. Outcomes come from SQL, predictions from Blob and only through the
 * manifest: a file that no manifest lists, or whose hash differs, is not shown, and the report says so.
 * Bounded: outcomes are merged as they stream by, predictions are read only for the sensors shown.
 */
import { FleetscoreError } from '../../domain/errors.ts';
import type { Prediction } from '../../domain/prediction.ts';
import { keyOf } from '../../domain/sensor.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Batch, Store } from '../../storage/store.ts';
import { compareKeys, NO_SERIES, type BatchData, type InjectedFault, type ReportSensor } from './batch-data.ts';
import { choose, chunkKey, severity, surveyOutcomes, withinRows, type Candidate } from './outcomes.ts';
import { readSeries } from './series.ts';
import { filePages } from '../../storage/pages.ts';

export interface CollectRequest {
  readonly store: Pick<Store, 'findBatch' | 'listFiles' | 'listOutcomes' | 'listSensors'>;
  readonly blobs: Pick<BlobStore, 'get'>;
  /** At least one. A batch that supersedes another of the list renews the outcomes of its sensors. */
  readonly batchIds: readonly string[];
  /** Rows of a predictions file. */
  readonly decodePredictions: (bytes: Uint8Array) => Iterable<Prediction> | Promise<Iterable<Prediction>>;
  readonly faults?: readonly InjectedFault[];
  /** Most sensors shown. @default 2000 */
  readonly maxSensors?: number;
  /** Most windows held in memory; sensors past it are left out. @default 6 million */
  readonly maxWindows?: number;
  /** Most rows of predictions files read; sensors past it are shown without a chart, and counted in `undrawn`. */
  readonly maxRows?: number;
}

/** Problems told one by one; the others are counted. */
const MOST_PROBLEMS = 20;

/**
 * @throws FleetscoreError `BATCH_UNKNOWN` when the store has no such batch, and whatever the store or Blob
 * throw when they cannot be reached; what is wrong with a batch's own files is told in `problems`.
 */
export async function collectBatchData(request: CollectRequest): Promise<BatchData> {
  const batches = await findBatches(request);
  const faulty = new Set((request.faults ?? []).map(keyOf));
  const limit = request.maxSensors ?? 2_000;
  const survey = await surveyOutcomes(request.store, batches, faulty, limit);
  const chosen = choose(survey, limit, request.maxWindows ?? 6_000_000);
  const drawn =
    request.maxRows === undefined
      ? chosen
      : withinRows(chosen, await rowsByChunk(request.store, batches), request.maxRows);
  const { series, problems } = await readSeries(request, batches, drawn);
  const units = await readUnits(
    request.store,
    chosen.map((sensor) => sensor.id),
  );
  const sensors = chosen.map(({ id, device, sensor, outcome }): ReportSensor => ({
    device,
    sensor,
    unit: units.get(id) ?? '',
    ...outcome,
    series: series.get(keyOf({ device, sensor })) ?? NO_SERIES,
  }));
  sensors.sort(compareKeys);
  return {
    fromMs: Math.min(...batches.map((batch) => batch.fromMs)),
    toMs: Math.max(...batches.map((batch) => batch.toMs)),
    batches,
    totals: survey.totals,
    causes: [...survey.causes.values()].sort(
      (a, b) => severity(b.status) - severity(a.status) || b.sensors - a.sensors || (a.class < b.class ? -1 : 1),
    ),
    sensors,
    omitted: survey.totals.sensors - sensors.length,
    undrawn: countScored(chosen) - countScored(drawn),
    ...(request.faults ? { faults: request.faults } : {}),
    problems:
      problems.length > MOST_PROBLEMS
        ? [...problems.slice(0, MOST_PROBLEMS), `And ${problems.length - MOST_PROBLEMS} more problems like these.`]
        : problems,
  };
}

const countScored = (sensors: readonly Candidate[]): number =>
  sensors.filter((sensor) => sensor.outcome.windows > 0).length;

/** Rows of the files of batches, by chunk. */
async function rowsByChunk(store: CollectRequest['store'], batches: readonly Batch[]): Promise<Map<string, number>> {
  const rows = new Map<string, number>();
  for (const { id } of batches)
    for await (const page of filePages(store, id, 1_000))
      for (const file of page) rows.set(chunkKey({ batchId: id, chunk: file.chunk }), file.rows);
  return rows;
}

async function findBatches({ store, batchIds }: CollectRequest): Promise<Batch[]> {
  if (batchIds.length === 0)
    throw new FleetscoreError(
      'BATCH_UNKNOWN',
      'no batch is named. Give the id of at least one; `fleetscore batch list` lists them.',
    );
  const batches = await Promise.all(
    [...new Set(batchIds)].map(async (id) => {
      const batch = await store.findBatch(id);
      if (!batch)
        throw new FleetscoreError(
          'BATCH_UNKNOWN',
          `there is no batch ${JSON.stringify(id)}. \`fleetscore batch list\` lists them.`,
        );
      return batch;
    }),
  );
  return batches.sort((a, b) => a.fromMs - b.fromMs || a.startedAtMs - b.startedAtMs || (a.id < b.id ? -1 : 1));
}

/** Units of sensors by id, paging over the list only where chosen sensors lie. */
async function readUnits(store: CollectRequest['store'], ids: readonly number[]): Promise<Map<number, string>> {
  const units = new Map<number, string>();
  let through = -1;
  for (const id of [...ids].sort((a, b) => a - b)) {
    if (id <= through) continue;
    const page = await store.listSensors({ after: id - 1, limit: 500 });
    for (const sensor of page) units.set(sensor.id, sensor.unit);
    through = page.at(-1)?.id ?? id;
  }
  return units;
}
