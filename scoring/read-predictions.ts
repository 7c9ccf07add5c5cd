/**
 * Predictions of one sensor, read back. Only files of committed batches are read, each checked against the
 * hash on record; where batches overlap, the one that began last counts: what its
 * manifest says of itself (`startedAt`).
 */
import { CONTAINERS } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { Prediction } from '../domain/prediction.ts';
import type { Sensor } from '../domain/sensor.ts';
import type { Period } from '../domain/time.ts';
import { windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { PredictionSource, Store } from '../storage/store.ts';
import { predictionPages } from './predictions-file.ts';
import { withoutShadowed } from './shadowed-sources.ts';
import { sha256InTurns } from '../domain/sha256.ts';
import { ROWS_PER_TURN } from '../domain/turns.ts';

/** A prediction with where it comes from. */
export interface PredictionRow extends Prediction {
  readonly batchId: string;
  readonly model: string;
}

/** Committed files that may hold predictions of windows of a sensor that start in a period, in the order of batches. */
export async function sourcesOf(
  store: Pick<Store, 'predictionSources' | 'windowsOfSensor'>,
  sensorId: number,
  { fromMs, toMs }: Period,
): Promise<PredictionSource[]> {
  // Longer windows than the fleet's start up to their length before the period of their batch.
  const longest = Math.max(0, ...(await store.windowsOfSensor(sensorId)));
  const sources = await store.predictionSources(sensorId, { fromMs, toMs: toMs + longest });
  return longest === 0 ? sources : sources.filter((source) => source.fromMs - (source.windowMs ?? 0) < toMs);
}

/** Which windows are read: those that start in the period, or with `belonging` those that belong to it. */
export interface ReadOptions {
  /** The fleet's windows (domain/windowing.ts). */
  readonly belonging?: WindowShape;
  /** Sources that {@link sourcesOf} or the store named; asked for where absent. */
  readonly sources?: readonly PredictionSource[];
}

interface ReadDeps {
  readonly store: Store;
  readonly blobs: Pick<BlobStore, 'get'>;
}

/**
 * By start ascending, one row a window, all at once. For millions of windows: {@link predictionRows}.
 * @throws FleetscoreError `PREDICTIONS_CORRUPT` when a file is not what was committed
 */
export async function readPredictions(
  deps: ReadDeps,
  sensor: Sensor,
  period: Period,
  options: ReadOptions = {},
): Promise<PredictionRow[]> {
  const rows: PredictionRow[] = [];
  for await (const page of predictionRows(deps, sensor, period, options)) for (const row of page) rows.push(row);
  return rows;
}

/**
 * By start ascending, one row a window, some thousand at a time. A file is read when its time has come, and is in
 * memory while its rows are: of batches that follow each other one, of those that overlap as many as overlap.
 * @throws FleetscoreError `PREDICTIONS_CORRUPT` when a file is not what was committed
 */
export async function* predictionRows(
  deps: ReadDeps,
  sensor: Sensor,
  period: Period,
  { belonging, sources: given }: ReadOptions = {},
): AsyncGenerator<PredictionRow[], undefined> {
  const all = given ?? (await servedSources(deps.store, sensor.id, period, belonging));
  const sources = belonging
    ? await withoutShadowed(all, period, belonging, (source, part) => countIn(deps, sensor, source, part, belonging))
    : all;
  const leadMs = Math.max(0, ...sources.map(({ windowMs }) => windowMs ?? 0));
  const waiting = sources
    .map((source, rank) => ({ source, rank, fromMs: source.fromMs - leadMs }))
    .sort((a, b) => a.fromMs - b.fromMs);
  let open: Head[] = [];
  for (;;) {
    for (;;) {
      const firstMs = firstOf(open)?.tsMs ?? waiting[0]?.fromMs;
      if (firstMs === undefined) return undefined;
      if (waiting.length === 0 || waiting[0]!.fromMs > firstMs) break;
      const { source, rank } = waiting.shift()!;
      const head = { rank, rows: [], at: 0, pages: rowsOfSource(deps, sensor, source, period, belonging) };
      if (await isFilled(head)) open.push(head);
    }
    yield merged(open, waiting[0]?.fromMs ?? Number.POSITIVE_INFINITY);
    const filled: Head[] = [];
    for (const head of open) if (head.at < head.rows.length || (await isFilled(head))) filled.push(head);
    open = filled;
  }
}

/**
 * The next rows, as far as all that are open have been read, and no further than the next source may begin. Of several
 * rows of one window those of the batch that began last count.
 */
function merged(open: readonly Head[], nextMs: number): PredictionRow[] {
  const [only] = open;
  if (only && open.length === 1 && only.rows.at(-1)!.tsMs < nextMs) {
    const rest = only.rows.slice(only.at);
    only.at = only.rows.length;
    return rest;
  }
  const rows: PredictionRow[] = [];
  while (rows.length < ROWS_PER_TURN) {
    const first = firstOf(open)!;
    if (first.tsMs >= nextMs && rows.length > 0) break;
    let last: Head | undefined;
    let isOver = false;
    for (const head of open) {
      if (byWindow(head.rows[head.at]!, first) !== 0) continue;
      if (!last || head.rank > last.rank) last = head;
    }
    rows.push(last!.rows[last!.at]!);
    for (const head of open)
      if (byWindow(head.rows[head.at]!, first) === 0) {
        head.at += 1;
        isOver ||= head.at === head.rows.length;
      }
    if (isOver) break;
  }
  return rows;
}

/** Where windows are served from that start in a period, or belong to it. */
const servedSources = (
  store: Pick<Store, 'predictionSources' | 'windowsOfSensor'>,
  sensorId: number,
  period: Period,
  belonging?: WindowShape,
): Promise<PredictionSource[]> =>
  belonging ? store.predictionSources(sensorId, period) : sourcesOf(store, sensorId, period);

/** How far the rows of one source are read. */
interface Head {
  /** Of the source among all: the later one counts. */
  readonly rank: number;
  rows: readonly PredictionRow[];
  at: number;
  readonly pages: AsyncGenerator<PredictionRow[], undefined>;
}

async function isFilled(head: Head): Promise<boolean> {
  for (;;) {
    const { value } = await head.pages.next();
    if (!value) return false;
    if (value.length === 0) continue;
    head.rows = value;
    head.at = 0;
    return true;
  }
}

function firstOf(open: readonly Head[]): PredictionRow | undefined {
  let first: PredictionRow | undefined;
  for (const { rows, at } of open) if (!first || byWindow(rows[at]!, first) < 0) first = rows[at]!;
  return first;
}

/** How many windows of the length that a source is for belong to a period in its file. */
async function countIn(
  deps: ReadDeps,
  sensor: Sensor,
  source: PredictionSource,
  period: Period,
  fleet: WindowShape,
): Promise<number> {
  let count = 0;
  for await (const page of rowsOfSource(deps, sensor, source, period, fleet))
    for (const { windowMs } of page) if (windowMs === source.windowMs) count += 1;
  return count;
}

async function* rowsOfSource(
  { blobs }: ReadDeps,
  sensor: Sensor,
  { batchId, model, file }: PredictionSource,
  { fromMs, toMs }: Period,
  belonging: WindowShape | undefined,
): AsyncGenerator<PredictionRow[], undefined> {
  const bytes = await blobs.get(CONTAINERS.predictions, file.blob);
  if ((await sha256InTurns(bytes)) !== file.sha256)
    throw new FleetscoreError(
      'PREDICTIONS_CORRUPT',
      `predictions/${file.blob} is not the file that batch ${batchId} wrote (its SHA-256 differs). ` +
        'Score the period again: fleetscore batch run.',
    );
  const at = ({ tsMs, windowMs }: Prediction): number =>
    belonging ? tsMs + (windowsOfSensor(belonging, windowMs).leadMs ?? 0) : tsMs;
  for await (const page of predictionPages(bytes, sensor))
    yield page.filter((row) => at(row) >= fromMs && at(row) < toMs).map((row) => ({ ...row, batchId, model }));
  return undefined;
}

/** By start; of windows that start together the fleet's comes first, then the shorter. */
const byWindow = (a: Prediction, b: Prediction): number => a.tsMs - b.tsMs || (a.windowMs ?? 0) - (b.windowMs ?? 0);
