/** Rows of batches, and of the sensors that they plan, as values of the contract; of either engine. */
import type { BatchClass } from '../domain/batch-failure.ts';
import type { OutcomeCounts } from '../domain/outcome.ts';
import type { SensorKey } from '../domain/sensor.ts';
import type { Batch, BatchKind, BatchPool, BatchStatus, IdRange, PlannedSensor } from './store.ts';
import { toCounts, type CountsRow } from './outcome-rows.ts';
import { thresholdOf } from './rows.ts';

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
