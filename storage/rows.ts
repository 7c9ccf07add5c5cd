/** Rows of either engine as values of the contract: absent instead of null, words instead of codes. */
import { defined } from '../domain/defined.ts';
import type { BatchClass } from '../domain/batch-failure.ts';
import {
  NO_OUTCOMES,
  type FailureClass,
  type OutcomeCounts,
  type OutcomeStatus,
  type SkipClass,
} from '../domain/outcome.ts';
import type { SensorKey } from '../domain/sensor.ts';
import { parseThreshold, type Threshold } from '../domain/threshold.ts';
import type { Period } from '../domain/time.ts';
import type {
  AuditEntry,
  Batch,
  BatchFile,
  BatchKind,
  BatchPool,
  BatchStatus,
  ChangedOptions,
  IdRange,
  OutcomeRow,
  PartitionProgress,
  PlannedSensor,
  PredictionSource,
  ReleaseLook,
  SensorHistoryRow,
} from './store.ts';
import { MAX_MESSAGE } from '../domain/limits.ts';

/** The place of a status in this list is its code in the database: append only. */
export const STATUSES = ['scored', 'skipped', 'failed', 'cancelled'] as const satisfies readonly OutcomeStatus[];

export function statusCode(status: OutcomeStatus): number {
  return STATUSES.indexOf(status);
}

/** A column of a JSON array of strings that we wrote. */
export function parseFeatures(json: string): string[] {
  return JSON.parse(json) as string[];
}

/** What is read of a window beside sensor and start; the order is that of the columns of a block. */
export const SERIES_COLUMNS = { series: 'w.mean, w.count, w.min, w.max, w.last', means: 'w.mean' } as const;

/**
 * Of a period, for windows of any length of a sensor's own: times whose multiple of that length at or before them is
 * the start of the first window that belongs to it, and the end of the last (`startsIn` of domain/windowing.ts).
 */
export const ownStarts = (
  { fromMs, toMs }: Period,
  { fleetMs }: NonNullable<ChangedOptions['own']>,
): [number, number] => [fromMs + fleetMs - 1, toMs + fleetMs - 1];

export interface CountsRow {
  readonly scored: number | null;
  readonly skipped: number | null;
  readonly failed: number | null;
  readonly cancelled: number | null;
  readonly windows: number | null;
  readonly anomalies: number | null;
}

/** Sums over no rows are null. */
export function toCounts(row: CountsRow | undefined): OutcomeCounts {
  return {
    scored: Number(row?.scored ?? 0),
    skipped: Number(row?.skipped ?? 0),
    failed: Number(row?.failed ?? 0),
    cancelled: Number(row?.cancelled ?? 0),
    windows: Number(row?.windows ?? 0),
    anomalies: Number(row?.anomalies ?? 0),
  };
}

export interface BatchRow extends CountsRow {
  readonly batchKey: number;
  readonly id: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly kind: string;
  readonly schedule: string | null;
  /** Null, with the key 0, before it is planned. */
  readonly releaseName: string | null;
  readonly releaseKey: number;
  readonly wantedRelease: string | null;
  readonly supersedes: string | null;
  readonly codeVersion: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly startedAtMs: number;
  readonly listed: number | boolean;
  readonly maxSensorId: number;
  readonly planned: number;
  readonly status: string;
  readonly manifest: string | null;
  readonly class: string | null;
  readonly message: string | null;
  readonly finishedAtMs: number | null;
}

/** `counts` of a batch that still runs; a finished one carries its own. */
export function toBatch(row: BatchRow, counts: OutcomeCounts = toCounts(row)): Batch {
  return {
    id: row.id,
    workflowId: row.workflowId,
    runId: row.runId,
    kind: row.kind as BatchKind,
    ...(row.schedule === null ? {} : { schedule: row.schedule }),
    release: row.releaseName ?? row.wantedRelease ?? '',
    ...(row.supersedes === null ? {} : { supersedes: row.supersedes }),
    codeVersion: row.codeVersion,
    fromMs: Number(row.fromMs),
    toMs: Number(row.toMs),
    startedAtMs: Number(row.startedAtMs),
    planned: Number(row.planned),
    status: row.status as BatchStatus,
    counts,
    ...(row.manifest === null ? {} : { manifest: row.manifest }),
    ...(row.class === null ? {} : { class: row.class as BatchClass }),
    ...(row.message === null ? {} : { message: row.message }),
    ...(row.finishedAtMs === null ? {} : { finishedAtMs: Number(row.finishedAtMs) }),
  };
}

/** Ids to look at: the part of `range` that was there when the batch was planned. */
export function plannedRange(batch: Pick<BatchRow, 'maxSensorId'>, range: IdRange | undefined): IdRange {
  const end = batch.maxSensorId + 1;
  return {
    from: Math.max(range?.from ?? 1, 1),
    to: Math.min(range?.to ?? end, end),
    ...(range?.pool === undefined ? {} : { pool: range.pool }),
  };
}

export interface PlannedRow extends SensorKey {
  readonly id: number;
  readonly unit: string;
  readonly model: string | null;
  readonly pack: string | null;
  readonly packRow: number | null;
  readonly threshold: string | null;
  readonly windowMs: number | string | null;
}

export function toPlanned(row: PlannedRow): PlannedSensor {
  return plannedSensor(Number(row.id), row.device, row.sensor, row.unit, {
    model: row.model,
    pack: row.pack,
    packRow: row.packRow,
    threshold: row.threshold,
    windowMs: row.windowMs,
  });
}

/** Key by key: a fleet has many of them, and to spread what may be missing costs more than to score a sensor. */
export function plannedSensor(
  id: number,
  device: string,
  sensor: string,
  unit: string,
  released: Omit<PlannedRow, 'id' | 'device' | 'sensor' | 'unit'>,
): PlannedSensor {
  const { model, pack, packRow, threshold, windowMs } = released;
  const planned: { -readonly [K in keyof PlannedSensor]: PlannedSensor[K] } = { id, device, sensor, unit };
  if (model !== null) planned.model = model;
  if (pack !== null) planned.pack = pack;
  if (packRow !== null) planned.packRow = Number(packRow);
  if (threshold !== null) planned.threshold = thresholdOf(threshold);
  if (windowMs !== null) planned.windowMs = Number(windowMs);
  return planned;
}

/** As a column holds it; SQL Server gives long numbers as text. */
export const toWindow = (windowMs: number | string | null): { readonly windowMs?: number } =>
  windowMs === null ? {} : { windowMs: Number(windowMs) };

export interface LookRow {
  readonly features: string;
  readonly windowMs: number | string | null;
}

export const toLook = ({ features, windowMs }: LookRow): ReleaseLook => ({
  features: parseFeatures(features),
  ...toWindow(windowMs),
});

/** As a column holds it: its written form, or nothing. */
export const toThreshold = (text: string | null): { readonly threshold?: Threshold } =>
  text === null ? {} : { threshold: thresholdOf(text) };

function thresholdOf(text: string): Threshold {
  const threshold = parseThreshold(text);
  if (!threshold) throw new Error(`the store holds a threshold ${JSON.stringify(text)} that nobody wrote`);
  return threshold;
}

export interface PoolRow {
  readonly pool: string;
  readonly planned: number;
}

/** What is planned in each pool, with what is decided there. */
export function toBatchPools(
  planned: readonly PoolRow[],
  decided: readonly { readonly pool: string; readonly decided: number | string | null }[],
): BatchPool[] {
  const done = new Map(decided.map((row) => [row.pool, Number(row.decided ?? 0)]));
  return planned.map(({ pool, planned }) => ({ pool, planned: Number(planned), decided: done.get(pool) ?? 0 }));
}

export interface OutcomeRecord extends SensorKey {
  readonly sensorId: number;
  readonly chunk: string;
  readonly status: number;
  readonly class: string | null;
  readonly message: string | null;
  readonly windows: number;
  readonly anomalies: number;
  readonly model: string | null;
  readonly attempt: number;
  readonly worker: string | null;
}

/** What a store holds is what was written, and that had the form of its status; `verify` looks. */
export function toOutcome(batchId: string, row: OutcomeRecord): OutcomeRow {
  return {
    batchId,
    chunk: row.chunk,
    sensorId: Number(row.sensorId),
    device: row.device,
    sensor: row.sensor,
    status: STATUSES[row.status]!,
    ...(row.class === null ? {} : { class: row.class as SkipClass | FailureClass }),
    ...(row.message === null ? {} : { message: row.message }),
    windows: Number(row.windows),
    anomalies: Number(row.anomalies),
    ...(row.model === null ? {} : { model: row.model }),
    attempt: Number(row.attempt),
    ...(row.worker === null ? {} : { worker: row.worker }),
  } as OutcomeRow;
}

/** Event time that one mark of late readings stands for. */
export const LATE_STEP_MS = 60_000;
/** Numbers of SQL Server come as text. */
export type ProgressRow = {
  readonly [K in keyof Omit<PartitionProgress, 'source' | 'partition' | 'hubCreatedMs' | 'last' | 'problem'>]:
    | number
    | string;
} & {
  readonly source: string;
  readonly partition: string;
  readonly hubCreatedMs: number | string | null;
  readonly lastSeq: number | string | null;
  readonly lastOffset: string | null;
  readonly lastEnqueuedMs: number | string | null;
  readonly problem: string | null;
};

/** What is kept of an event that is not the newest is of a version that did not know of it. */
export function progressOf(row: ProgressRow): PartitionProgress {
  const appliedSeq = Number(row.appliedSeq);
  return defined({
    source: row.source,
    partition: row.partition,
    appliedSeq,
    capturedSeq: Number(row.capturedSeq),
    watermarkMs: Number(row.watermarkMs),
    readings: Number(row.readings),
    late: Number(row.late),
    dead: Number(row.dead),
    updatedAtMs: Number(row.updatedAtMs),
    hubCreatedMs: row.hubCreatedMs === null ? undefined : Number(row.hubCreatedMs),
    last:
      row.lastOffset === null || row.lastEnqueuedMs === null || Number(row.lastSeq) !== appliedSeq
        ? undefined
        : { offset: row.lastOffset, enqueuedMs: Number(row.lastEnqueuedMs) },
    problem: row.problem ?? undefined,
  });
}

/** Clocks of ingest and control workers may differ by this much. */
export const CLOCK_SLACK_MS = 5_000;

/** Starts of the minutes with windows that start before `endMs`. */
export function lateMinutes(startsMs: Iterable<number>, endMs: number): number[] {
  const minutes = new Set<number>();
  for (const start of startsMs) if (start < endMs) minutes.add(Math.floor(start / LATE_STEP_MS) * LATE_STEP_MS);
  return [...minutes].sort((a, b) => a - b);
}

/** An outcome that is in the database already. */
export interface Recorded {
  readonly status: number;
  readonly windows: number;
  readonly anomalies: number;
}

export function recordedCounts(row: Recorded): OutcomeCounts {
  return { ...NO_OUTCOMES, [STATUSES[row.status]!]: 1, windows: Number(row.windows), anomalies: Number(row.anomalies) };
}

export interface FileRow {
  readonly chunk: string;
  readonly blob: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

export function toFile(row: FileRow): BatchFile {
  return { chunk: row.chunk, blob: row.blob, rows: Number(row.rows), bytes: Number(row.bytes), sha256: row.sha256 };
}

export interface SourceRow extends FileRow {
  readonly batchId: string;
  readonly releaseName: string;
  readonly model: string | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly finishedAtMs: number;
  readonly windowMs: number | string | null;
}

export function toSource(row: SourceRow): PredictionSource {
  return {
    batchId: row.batchId,
    release: row.releaseName,
    model: row.model ?? '',
    fromMs: Number(row.fromMs),
    toMs: Number(row.toMs),
    finishedAtMs: Number(row.finishedAtMs),
    ...toWindow(row.windowMs),
    file: toFile(row),
  };
}

/** Rows one transaction of a prune deletes, unless told otherwise. SQL Server locks the whole table from 5,000 on. */
export const DEFAULT_PRUNE_ROWS = 4_000;

/** Texts of an entry of the log of actions, cut to their columns, in the order of those. */
export const auditTexts = ({ by, action, target, detail, result }: Omit<AuditEntry, 'id'>) => ({
  by: by.slice(0, 400),
  action: action.slice(0, 32),
  target: target.slice(0, 400),
  detail: detail.slice(0, MAX_MESSAGE),
  result: result.slice(0, MAX_MESSAGE),
});

export interface HistoryRow {
  readonly batchId: string;
  readonly kind: string;
  readonly releaseName: string | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly status: number;
  readonly class: string | null;
  readonly windows: number;
  readonly anomalies: number;
}

export const toHistory = (row: HistoryRow): SensorHistoryRow => ({
  batchId: row.batchId,
  kind: row.kind as BatchKind,
  release: row.releaseName ?? '',
  fromMs: Number(row.fromMs),
  toMs: Number(row.toMs),
  status: STATUSES[row.status]!,
  windows: Number(row.windows),
  anomalies: Number(row.anomalies),
  ...(row.class === null ? {} : { class: row.class as SkipClass | FailureClass }),
});
