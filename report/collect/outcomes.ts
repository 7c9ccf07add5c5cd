/**
 * Outcomes of several batches, merged by sensor as they stream by in the order of sensor ids: totals and
 * causes of a fleet of any size in bounded memory, and a short list of the sensors worth showing.
 */
import type { OutcomeStatus } from '../../domain/outcome.ts';
import { keyOf } from '../../domain/sensor.ts';
import type { Batch, OutcomeRow, Store } from '../../storage/store.ts';
import type { Cause, ReportOutcome, ReportTotals } from './batch-data.ts';
import { defined } from '../../domain/defined.ts';
import { outcomePages } from '../../storage/pages.ts';

type OutcomeSource = Pick<Store, 'listOutcomes'>;

const PAGE = 5_000;

/** A sensor that may be shown. */
export interface Candidate {
  readonly id: number;
  readonly device: string;
  readonly sensor: string;
  readonly faulty: boolean;
  readonly outcome: ReportOutcome;
  /** Chunk by batch, to know which files hold the sensor. */
  readonly chunks: readonly { readonly batchId: string; readonly chunk: string }[];
}

export interface Survey {
  readonly totals: ReportTotals;
  readonly causes: Map<string, Cause>;
  /** Where the candidates for being shown are: with known faults, failed, and all by anomalies. */
  readonly shortlists: { readonly faulty: Candidate[]; readonly failed: Candidate[]; readonly ranked: Candidate[] };
}

const SEVERITY: Readonly<Record<OutcomeStatus, number>> = { scored: 0, skipped: 1, cancelled: 2, failed: 3 };
export const severity = (status: OutcomeStatus): number => SEVERITY[status];

/**
 * @param faulty keys of the sensors with known faults: always candidates. @param limit most sensors that will be shown
 */
export async function surveyOutcomes(
  store: OutcomeSource,
  batches: readonly Batch[],
  faulty: ReadonlySet<string>,
  limit: number,
): Promise<Survey> {
  const totals = { sensors: 0, scored: 0, skipped: 0, failed: 0, cancelled: 0, windows: 0, anomalies: 0 };
  const causes = new Map<string, Cause>();
  const shortlists = { faulty: [] as Candidate[], failed: [] as Candidate[], ranked: [] as Candidate[] };
  for await (const rows of mergeBySensor(batches.map((batch) => outcomesOf(store, batch.id)))) {
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
      causes.set(
        reason,
        cause
          ? { ...cause, sensors: cause.sensors + 1 }
          : {
              status: outcome.status,
              class: reason,
              sensors: 1,
              example: { ...key, ...defined({ message: outcome.message }) },
            },
      );
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
      b.outcome.anomalies - a.outcome.anomalies ||
      severity(b.outcome.status) - severity(a.outcome.status) ||
      a.id - b.id,
  );
  ranked.length = Math.min(ranked.length, limit);
}

/** Sensors with known faults first, then failures on at most half of the places, then by anomalies. */
export function choose(
  { shortlists: { faulty, failed, ranked } }: Survey,
  maxSensors: number,
  maxWindows: number,
): Candidate[] {
  const fromFailed = Math.max(Math.floor(maxSensors / 2), maxSensors - faulty.length - ranked.length);
  const order = [...faulty, ...failed.slice(0, fromFailed), ...ranked].slice(0, maxSensors);
  let windows = 0;
  return order.filter(({ outcome }, i) => {
    if (i > 0 && windows + outcome.windows > maxWindows) return false;
    windows += outcome.windows;
    return true;
  });
}

/** A file of a batch, as a key of maps. */
export const chunkKey = (of: { readonly batchId: string; readonly chunk: string }): string =>
  `${of.batchId}\u0000${of.chunk}`;

/**
 * Those of the chosen, in their order, whose files hold at most `maxRows` rows together: a file is read whole,
 * so the next sensor in it costs nothing. One whose own file is larger is not among them: reading the months of one
 * sensor would hold up everything else in the process. Those without windows never are.
 */
export function withinRows(
  chosen: readonly Candidate[],
  rowsOf: ReadonlyMap<string, number>,
  maxRows: number,
): Candidate[] {
  const read = new Set<string>();
  let rows = 0;
  return chosen.filter(({ chunks, outcome }) => {
    if (outcome.windows === 0) return false;
    const fresh = chunks.map(chunkKey).filter((key) => !read.has(key));
    const more = fresh.reduce((sum, key) => sum + (rowsOf.get(key) ?? 0), 0);
    if (rows + more > maxRows) return false;
    rows += more;
    for (const key of fresh) read.add(key);
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
    ...defined({ class: worst.class, message: worst.message }),
    batches: rows.length,
    batchesWithStatus: rows.filter((row) => row.status === worst.status).length,
    windows: rows.reduce((sum, row) => sum + row.windows, 0),
    anomalies: rows.reduce((sum, row) => sum + row.anomalies, 0),
  };
}

async function* outcomesOf(store: OutcomeSource, batchId: string): AsyncGenerator<OutcomeRow> {
  for await (const page of outcomePages(store, batchId, PAGE)) yield* page;
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
