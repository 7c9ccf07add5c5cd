/**
 * Gathers a report from the store. Outcomes come from SQL, predictions from Blob and only through the
 * manifest: a file that no manifest lists, or whose hash differs, is not shown, and the report says so.
 * Bounded: outcomes are merged as they stream by, predictions are read only for the sensors shown.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { FleetscoreError } from '../domain/errors.ts';
import type { OutcomeStatus } from '../domain/outcome.ts';
import type { Prediction } from '../domain/prediction.ts';
import { keyOf } from '../domain/sensor.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Batch, BatchFile, OutcomeRow, Store } from '../storage/store.ts';
import { compareKeys, NO_SERIES } from './batch-data.ts';
import type { BatchData, Cause, InjectedFault, PredictionSeries, ReportOutcome, ReportSensor, ReportTotals } from './batch-data.ts';

export interface CollectRequest {
  readonly store: Pick<Store, 'findBatch' | 'listOutcomes' | 'listSensors'>;
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
}

const PAGE = 5_000;
const FILES_AT_ONCE = 8;

/**
 * @throws FleetscoreError `BATCH_UNKNOWN` when the store has no such batch, and whatever the store or Blob
 * throw when they cannot be reached; what is wrong with a batch's own files is told in `problems`.
 */
export async function collectBatchData(request: CollectRequest): Promise<BatchData> {
  const batches = await findBatches(request);
  const faulty = new Set((request.faults ?? []).map(keyOf));
  const survey = await surveyOutcomes(request, batches, faulty);
  const problems: string[] = [];
  const chosen = choose(survey, request.maxSensors ?? 2_000, request.maxWindows ?? 6_000_000);
  const series = await readSeries(request, batches, chosen, problems);
  const units = await readUnits(request.store, chosen.map((sensor) => sensor.id));
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
    ...(request.faults ? { faults: request.faults } : {}),
    problems,
  };
}

async function findBatches({ store, batchIds }: CollectRequest): Promise<Batch[]> {
  if (batchIds.length === 0)
    throw new FleetscoreError('BATCH_UNKNOWN', 'no batch is named. Give the id of at least one; `fleetscore batches` lists them.');
  const batches = await Promise.all(
    [...new Set(batchIds)].map(async (id) => {
      const batch = await store.findBatch(id);
      if (!batch) throw new FleetscoreError('BATCH_UNKNOWN', `there is no batch ${JSON.stringify(id)}. \`fleetscore batches\` lists them.`);
      return batch;
    }),
  );
  return batches.sort((a, b) => a.fromMs - b.fromMs || a.startedAtMs - b.startedAtMs || (a.id < b.id ? -1 : 1));
}

interface Candidate {
  readonly id: number;
  readonly device: string;
  readonly sensor: string;
  readonly faulty: boolean;
  readonly outcome: ReportOutcome;
  /** Chunk by batch, to know which files hold the sensor. */
  readonly chunks: readonly { readonly batchId: string; readonly chunk: string }[];
}

interface Survey {
  readonly totals: ReportTotals;
  readonly causes: Map<string, Cause>;
  /** Where the candidates for being shown are: with known faults, failed, and all by anomalies. */
  readonly shortlists: { readonly faulty: Candidate[]; readonly failed: Candidate[]; readonly ranked: Candidate[] };
}

const SEVERITY: Readonly<Record<OutcomeStatus, number>> = { scored: 0, skipped: 1, cancelled: 2, failed: 3 };
const severity = (status: OutcomeStatus): number => SEVERITY[status];

/** Outcomes of all batches, merged by sensor as they stream by. */
async function surveyOutcomes(request: CollectRequest, batches: readonly Batch[], faulty: ReadonlySet<string>): Promise<Survey> {
  const limit = request.maxSensors ?? 2_000;
  const totals = { sensors: 0, scored: 0, skipped: 0, failed: 0, cancelled: 0, windows: 0, anomalies: 0 };
  const causes = new Map<string, Cause>();
  const shortlists = { faulty: [] as Candidate[], failed: [] as Candidate[], ranked: [] as Candidate[] };
  for await (const rows of mergeBySensor(batches.map((batch) => outcomesOf(request.store, batch.id)))) {
    const valid = withoutSuperseded(rows, batches);
    const { sensorId, device, sensor } = rows[0]!;
    const outcome = mergeOutcomes(valid);
    const key = { device, sensor };
    totals.sensors += 1;
    totals[outcome.status] += 1;
    totals.windows += outcome.windows;
    totals.anomalies += outcome.anomalies;
    const reason = outcome.status === 'cancelled' ? 'cancelled' : outcome.class;
    if (outcome.status !== 'scored' && reason !== undefined) {
      const cause = causes.get(reason);
      causes.set(reason, cause ? { ...cause, sensors: cause.sensors + 1 } : {
        status: outcome.status,
        class: reason,
        sensors: 1,
        example: { ...key, ...(outcome.message === undefined ? {} : { message: outcome.message }) },
      });
    }
    const candidate: Candidate = {
      id: sensorId,
      ...key,
      faulty: faulty.has(keyOf(key)),
      outcome,
      chunks: rows.map(({ batchId, chunk }) => ({ batchId, chunk })),
    };
    if (candidate.faulty) shortlists.faulty.push(candidate);
    else if (outcome.status === 'failed' && shortlists.failed.length < limit) shortlists.failed.push(candidate);
    else shortlists.ranked.push(candidate);
    if (shortlists.ranked.length > 4 * limit + 1_000) cutRanked(shortlists.ranked, limit);
  }
  cutRanked(shortlists.ranked, limit);
  return { totals, causes, shortlists };
}

/** By anomalies, then trouble, then id; keeps the first `limit`. */
function cutRanked(ranked: Candidate[], limit: number): void {
  ranked.sort(
    (a, b) =>
      b.outcome.anomalies - a.outcome.anomalies || severity(b.outcome.status) - severity(a.outcome.status) || a.id - b.id,
  );
  ranked.length = Math.min(ranked.length, limit);
}

/** Sensors with known faults first, then failures on at most half of the places, then by anomalies. */
function choose({ shortlists: { faulty, failed, ranked } }: Survey, maxSensors: number, maxWindows: number): Candidate[] {
  const fromFailed = Math.max(Math.floor(maxSensors / 2), maxSensors - faulty.length - ranked.length);
  const order = [...faulty, ...failed.slice(0, fromFailed), ...ranked].slice(0, maxSensors);
  let windows = 0;
  return order.filter(({ outcome }, i) => {
    if (i > 0 && windows + outcome.windows > maxWindows) return false;
    windows += outcome.windows;
    return true;
  });
}

/** A batch that supersedes another renews its outcomes, sensor by sensor. */
function withoutSuperseded(rows: readonly OutcomeRow[], batches: readonly Batch[]): readonly OutcomeRow[] {
  if (rows.length === 1) return rows;
  const present = new Set(rows.map((row) => row.batchId));
  const renewed = new Set(batches.filter((batch) => present.has(batch.id)).map((batch) => batch.supersedes));
  const valid = rows.filter((row) => !renewed.has(row.batchId));
  return valid.length > 0 ? valid : rows;
}

function mergeOutcomes(rows: readonly OutcomeRow[]): ReportOutcome {
  const worst = rows.reduce((a, b) => (severity(b.status) > severity(a.status) ? b : a));
  return {
    status: worst.status,
    ...(worst.class === undefined ? {} : { class: worst.class }),
    ...(worst.message === undefined ? {} : { message: worst.message }),
    batches: rows.length,
    batchesWithStatus: rows.filter((row) => row.status === worst.status).length,
    windows: rows.reduce((sum, row) => sum + row.windows, 0),
    anomalies: rows.reduce((sum, row) => sum + row.anomalies, 0),
  };
}

async function* outcomesOf(store: CollectRequest['store'], batchId: string): AsyncGenerator<OutcomeRow> {
  for (let after = -1; ; ) {
    const page = await store.listOutcomes(batchId, { after, limit: PAGE });
    yield* page;
    if (page.length < PAGE) return;
    after = page.at(-1)!.sensorId;
  }
}

/** Rows of several streams, each ascending by sensor id, put together by sensor; streams keep their order. */
async function* mergeBySensor(streams: readonly AsyncGenerator<OutcomeRow>[]): AsyncGenerator<OutcomeRow[]> {
  const heads = await Promise.all(streams.map((stream) => stream.next()));
  for (;;) {
    let id = Number.POSITIVE_INFINITY;
    for (const head of heads) if (!head.done) id = Math.min(id, head.value.sensorId);
    if (id === Number.POSITIVE_INFINITY) return;
    const rows: OutcomeRow[] = [];
    for (let i = 0; i < heads.length; i++) {
      const head = heads[i]!;
      if (head.done || head.value.sensorId !== id) continue;
      rows.push(head.value);
      heads[i] = await streams[i]!.next();
    }
    yield rows;
  }
}

const manifestShape = z.object({
  batch: z.string(),
  files: z.array(z.object({ chunk: z.string(), blob: z.string(), rows: z.number(), bytes: z.number(), sha256: z.string() })),
});

/** Predictions of the chosen sensors; for the same window the batch that ended last has the word. */
async function readSeries(
  request: CollectRequest,
  batches: readonly Batch[],
  chosen: readonly Candidate[],
  problems: string[],
): Promise<Map<string, PredictionSeries>> {
  const wanted = new Set(chosen.map(keyOf));
  const chunks = new Set(chosen.flatMap((sensor) => sensor.chunks.map(({ batchId, chunk }) => `${batchId}\u0000${chunk}`)));
  const byEnd = [...batches].sort((a, b) => (a.finishedAtMs ?? 0) - (b.finishedAtMs ?? 0) || a.startedAtMs - b.startedAtMs);
  const rows = new Map<string, Prediction[]>();
  for (const batch of byEnd) {
    const files = await listedFiles(request.blobs, batch, problems);
    const needed = files.filter((file) => chunks.has(`${batch.id}\u0000${file.chunk}`));
    for (let at = 0; at < needed.length; at += FILES_AT_ONCE) {
      const bodies = await Promise.all(
        needed.slice(at, at + FILES_AT_ONCE).map((file) => readListed(request.blobs, batch, file, problems)),
      );
      for (const body of bodies) {
        if (!body) continue;
        for (const prediction of await request.decodePredictions(body)) {
          const key = keyOf(prediction);
          if (!wanted.has(key)) continue;
          const own = rows.get(key);
          if (own) own.push(prediction);
          else rows.set(key, [prediction]);
        }
      }
    }
  }
  return new Map([...rows].map(([key, predictions]) => [key, toSeries(predictions)]));
}

async function listedFiles(blobs: CollectRequest['blobs'], batch: Batch, problems: string[]): Promise<readonly BatchFile[]> {
  if (batch.manifest === undefined) {
    problems.push(`Batch ${batch.id} is ${batch.status} and has no manifest: its predictions are not shown.`);
    return [];
  }
  const body = await getOrTell(blobs, batch.manifest, `Batch ${batch.id}: manifest ${batch.manifest} is missing in Blob; its predictions are not shown.`, problems);
  if (!body) return [];
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(body));
  } catch {
    json = undefined;
  }
  const manifest = manifestShape.safeParse(json);
  if (manifest.success && manifest.data.batch === batch.id) return manifest.data.files;
  problems.push(`Batch ${batch.id}: manifest ${batch.manifest} is not a manifest of this batch; its predictions are not shown.`);
  return [];
}

async function readListed(blobs: CollectRequest['blobs'], batch: Batch, file: BatchFile, problems: string[]): Promise<Uint8Array | undefined> {
  const body = await getOrTell(blobs, file.blob, `Batch ${batch.id}: file ${file.blob} is missing in Blob; its predictions are not shown.`, problems);
  if (!body) return undefined;
  if (createHash('sha256').update(body).digest('hex') === file.sha256.toLowerCase()) return body;
  problems.push(`Batch ${batch.id}: file ${file.blob} is not the one its manifest lists (SHA-256 differs); its predictions are not shown.`);
  return undefined;
}

async function getOrTell(blobs: CollectRequest['blobs'], name: string, problem: string, problems: string[]): Promise<Uint8Array | undefined> {
  try {
    return await blobs.get('predictions', name);
  } catch (error) {
    if (!(error instanceof FleetscoreError) || error.code !== 'BLOB_MISSING') throw error;
    problems.push(problem);
    return undefined;
  }
}

/** Rows in order of arrival to columns in order of time; of two rows for one time the later stays. */
export function toSeries(rows: readonly Prediction[]): PredictionSeries {
  const byTime = new Map(rows.map((row) => [row.tsMs, row]));
  const sorted = [...byTime.values()].sort((a, b) => a.tsMs - b.tsMs);
  return {
    tsMs: Float64Array.from(sorted, (row) => row.tsMs),
    value: Float64Array.from(sorted, (row) => row.value),
    prediction: Uint8Array.from(sorted, (row) => row.prediction),
    score: Float64Array.from(sorted, (row) => row.score),
  };
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
