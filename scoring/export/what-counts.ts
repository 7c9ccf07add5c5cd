/**
 * The predictions of a period that count: of a sensor and a window, the row whose batch began last. Batches are taken
 * by their periods, their sensors by id, and beside each the batches that began later and share time with it: what is
 * in memory are pages of outcomes and a few files, whatever the period and the fleet.
 */
import { windowKey, type Prediction } from '../../domain/prediction.ts';
import type { Period } from '../../domain/time.ts';
import { filePages } from '../../storage/pages.ts';
import type { Batch, BatchFile, OutcomeRow, Store } from '../../storage/store.ts';
import { newestOverlaps, type Ranked } from './overlaps.ts';
import type { RowsOf } from './predictions-cache.ts';

export interface ExportQuery extends Period {
  /** Ids of sensors, ascending; all when absent. */
  readonly sensorIds?: readonly number[];
  /** Only what this release made, of what counts. */
  readonly release?: string;
}

/** Rows of one sensor in one batch, by time. */
export interface CountingRows {
  readonly batch: Batch;
  readonly rows: readonly Prediction[];
}

/** What was found; complete when all rows were taken. */
export interface Counted {
  readonly windows: number;
  readonly anomalies: number;
  /** Batches that at least one of these windows is of. */
  readonly batches: number;
  /** Rows in whose place a later batch has others. */
  readonly replaced: number;
  /** Batches with rows in the period, none of which counts. */
  readonly replacedBatches: number;
  /** Batches over the period that are not closed yet. */
  readonly open: number;
}

interface Deps {
  readonly store: Pick<Store, 'listBatches' | 'listFiles' | 'listOutcomes' | 'longestWindow'>;
  readonly rowsOf: RowsOf;
}

const PAGE = 1_000;

/**
 * Yields rows by the start of their batch's period, then by sensor, then by time; returns what it counted.
 * @throws what {@link RowsOf} throws
 */
export async function* whatCounts(deps: Deps, query: ExportQuery): AsyncGenerator<CountingRows, Counted> {
  // A longer window than the fleet's starts up to its length before the period of its batch.
  const longest = await deps.store.longestWindow();
  const all = await deps.store.listBatches({ covering: { fromMs: query.fromMs, toMs: query.toMs + longest } });
  const ranked = newestOverlaps(all.filter(({ manifest }) => manifest !== undefined));
  const files = filesOfBatches(deps.store);
  const total = { windows: 0, anomalies: 0, batches: 0, replaced: 0, replacedBatches: 0 };
  for (const one of ranked) {
    if (query.release !== undefined && one.batch.release !== query.release) continue;
    let [kept, replaced] = [0, 0];
    for await (const page of outcomesOf(deps.store, one.batch.id, query.sensorIds)) {
      const later = await laterOutcomes(deps.store, one, page);
      for (const outcome of page) {
        const found = await split(deps.rowsOf, files, query, one.batch, outcome, later.get(outcome.sensorId) ?? []);
        replaced += found.replaced;
        kept += found.rows.length;
        for (const { prediction } of found.rows) total.anomalies += prediction;
        if (found.rows.length > 0) yield { batch: one.batch, rows: found.rows };
      }
    }
    total.windows += kept;
    total.replaced += replaced;
    if (kept > 0) total.batches += 1;
    else if (replaced > 0) total.replacedBatches += 1;
  }
  const open = all.filter(({ status }) => status === 'waiting' || status === 'running').length;
  return { ...total, open };
}

interface Later {
  readonly batch: Batch;
  readonly chunk: string;
}

/** Which later batches scored each sensor of a page. */
async function laterOutcomes(
  store: Deps['store'],
  { later }: Ranked,
  page: readonly OutcomeRow[],
): Promise<ReadonlyMap<number, readonly Later[]>> {
  const found = new Map<number, Later[]>();
  const [first, last] = [page[0]!.sensorId, page.at(-1)!.sensorId];
  for (const batch of later)
    for await (const outcomes of scoredBetween(store, batch.id, first, last))
      for (const { sensorId, chunk } of outcomes) {
        const known = found.get(sensorId);
        if (known) known.push({ batch, chunk });
        else found.set(sensorId, [{ batch, chunk }]);
      }
  return found;
}

type FilesOf = (batchId: string) => Promise<ReadonlyMap<string, BatchFile>>;

/** The rows of one sensor in one batch that count, and how many do not. */
async function split(
  rowsOf: RowsOf,
  filesOf: FilesOf,
  { fromMs, toMs }: Period,
  batch: Batch,
  sensor: OutcomeRow,
  later: readonly Later[],
): Promise<{ readonly rows: readonly Prediction[]; readonly replaced: number }> {
  const ofBatch = async ({ id }: Batch, chunk: string): Promise<readonly Prediction[]> => {
    const file = (await filesOf(id)).get(chunk);
    return file ? rowsOf(id, file, sensor) : [];
  };
  const own = (await ofBatch(batch, sensor.chunk)).filter(({ tsMs }) => tsMs >= fromMs && tsMs < toMs);
  if (later.length === 0) return { rows: own, replaced: 0 };
  const newer = new Set<number | string>();
  for (const { batch: other, chunk } of later) for (const row of await ofBatch(other, chunk)) newer.add(windowKey(row));
  const rows = own.filter((row) => !newer.has(windowKey(row)));
  return { rows, replaced: own.length - rows.length };
}

/** Lists of files by chunk: of the batch at hand and of those beside it. */
function filesOfBatches(store: Pick<Store, 'listFiles'>): FilesOf {
  const kept = new Map<string, ReadonlyMap<string, BatchFile>>();
  return async (batchId) => {
    const known = kept.get(batchId);
    if (known) return known;
    const files = new Map<string, BatchFile>();
    for await (const page of filePages(store, batchId, PAGE)) for (const file of page) files.set(file.chunk, file);
    if (kept.size >= KEPT_LISTS) kept.delete(kept.keys().next().value!);
    kept.set(batchId, files);
    return files;
  };
}

const KEPT_LISTS = 16;

/** Scored sensors of a batch in pages, by id; of these ids where they are given. */
async function* outcomesOf(
  store: Pick<Store, 'listOutcomes'>,
  batchId: string,
  ids: readonly number[] | undefined,
): AsyncGenerator<readonly OutcomeRow[]> {
  if (!ids) return yield* scoredBetween(store, batchId, 0, Number.MAX_SAFE_INTEGER);
  for (const [from, to] of runsOf(ids)) yield* scoredBetween(store, batchId, from, to);
}

async function* scoredBetween(
  store: Pick<Store, 'listOutcomes'>,
  batchId: string,
  from: number,
  to: number,
): AsyncGenerator<readonly OutcomeRow[]> {
  for (let after = from - 1; after < to;) {
    const limit = Math.min(PAGE, to - after);
    const page = await store.listOutcomes(batchId, { status: 'scored', after, limit });
    const inside = page.filter(({ sensorId }) => sensorId <= to);
    if (inside.length > 0) yield inside;
    if (page.length < limit || inside.length < page.length) return;
    after = page.at(-1)!.sensorId;
  }
}

/** Ids that follow each other, as first and last. */
export function runsOf(ids: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const id of ids) {
    const last = runs.at(-1);
    if (last && id === last[1] + 1) last[1] = id;
    else runs.push([id, id]);
  }
  return runs;
}
