/** Rows of outcomes, of their sums, and of predictions files, as values of the contract; of either engine. */
import {
  NO_OUTCOMES,
  type FailureClass,
  type OutcomeCounts,
  type OutcomeStatus,
  type SkipClass,
} from '../domain/outcome.ts';
import type { SensorKey } from '../domain/sensor.ts';
import type { BatchFile, BatchKind, OutcomeRow, PredictionSource, SensorHistoryRow } from './store.ts';
import { toWindow } from './rows.ts';

/** The place of a status in this list is its code in the database: append only. */
export const STATUSES = ['scored', 'skipped', 'failed', 'cancelled'] as const satisfies readonly OutcomeStatus[];

export function statusCode(status: OutcomeStatus): number {
  return STATUSES.indexOf(status);
}

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
