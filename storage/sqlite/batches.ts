/**
 * Batches and what they plan. The planned sensors are fixed when the batch is recorded: by the highest
 * sensor id of that moment and the few that are left out, which costs little for a million sensors, or by a list of
 * their own.
 */
import { defined } from '../../domain/defined.ts';
import type { OutcomeCounts } from '../../domain/outcome.ts';
import type { Period } from '../../domain/time.ts';
import { batchConflict, batchUnknown, clipMessage, sensorUnknown } from '../failures.ts';
import { plannedRange, plannedSensor, toBatch, toBatchPools, type BatchRow, type PoolRow } from '../batch-rows.ts';
import { toCounts, type CountsRow } from '../outcome-rows.ts';
import { rememberPlanned } from '../planned-models.ts';
import type { AnnouncedBatch, Batch, BatchFilter, BatchStore, IdRange, NewBatch, PlannedSensor } from '../store.ts';
import { artifactName } from './artifacts.ts';
import type { Connection } from './connection.ts';
import { releaseKey } from './releases.ts';
import { ALL, maxSensorId } from './sensors.ts';
import { BATCH_SQL, LIST_FILTERS, listSql, type ListFilter } from './batch-sql.ts';

/** In the order of the statements of planned sensors. */
type SensorColumns = readonly [
  id: number,
  device: string,
  sensor: string,
  unit: string,
  model: string | null,
  modelId: number | null,
  packId: number | null,
  packRow: number | null,
  threshold: string | null,
  windowMs: number | null,
];

function sensorsOf(db: Connection, sql: string, batchKey: number, ...values: (string | number)[]): PlannedSensor[] {
  const rows = db.arrays(sql).all(batchKey, ...values) as unknown as readonly SensorColumns[];
  rememberPlanned(db, batchKey, {
    sensorIds: rows.map((row) => row[0]),
    models: rows.map((row) => row[4]),
    keys: rows.map((row) => row[5]),
  });
  return rows.map(([id, device, sensor, unit, model, , packId, packRow, threshold, windowMs]) => {
    const pack = packId === null ? null : artifactName(db, packId);
    return plannedSensor(id, device, sensor, unit, { model, pack, packRow, threshold, windowMs });
  });
}

function listBatches(db: Connection, filter: BatchFilter): Batch[] {
  const names = (Object.keys(LIST_FILTERS) as ListFilter[]).filter((name) => filter[name] !== undefined);
  const values = names.flatMap((name): (string | number)[] => LIST_FILTERS[name].values(filter));
  return db.all<BatchRow>(listSql(names), ...values, filter.limit ?? ALL).map((row) => withCounts(db, row));
}

export function batchMethods(db: Connection): BatchStore {
  return {
    announceBatch: (batch) => db.write(() => withCounts(db, announceBatch(db, batch))),

    createBatch: (batch) => db.write(() => createBatch(db, batch)),

    batchPools: (batchId) =>
      db.read(() => {
        const { batchKey } = batchRow(db, batchId);
        const planned = db.all<PoolRow>(BATCH_SQL.pools, batchKey);
        return planned.length === 0
          ? []
          : toBatchPools(planned, db.all<{ pool: string; decided: number }>(BATCH_SQL.decidedByPool, batchKey));
      }),

    planRanges: (batchId, size, range) => db.read(() => planRanges(db, batchId, size, range)),

    plannedSensors: (batchId, range) =>
      db.read(() => {
        const batch = batchRow(db, batchId);
        const { from, to, pool } = plannedRange(batch, range);
        const sql = BATCH_SQL[`sensors${kindOf(batch, pool)}`];
        return sensorsOf(db, sql, batch.batchKey, from, to, batch.releaseKey, ...(pool === undefined ? [] : [pool]));
      }),

    undecidedSensors: (batchId, range, limit) =>
      db.read(() => {
        const batch = batchRow(db, batchId);
        const { from, to, pool } = plannedRange(batch, range);
        const sql = BATCH_SQL[`undecided${kindOf(batch, pool)}`];
        const ofPool = pool === undefined ? [] : [pool];
        return sensorsOf(db, sql, batch.batchKey, from, to, batch.releaseKey, limit, ...ofPool);
      }),

    finishBatch: (batchId, end) => db.write(() => finishBatch(db, batchId, end)),

    findBatch: (batchId) =>
      db.read(() => {
        const row = db.get<BatchRow>(BATCH_SQL.find, batchId);
        return row && withCounts(db, row);
      }),

    listBatches: (filter = {}) => db.read(() => listBatches(db, filter)),

    latePeriods: ({ fromMs, toMs }, { schedule, lookbackMs = 0 } = {}) =>
      db.read(() =>
        db.all<Period>(BATCH_SQL.latePeriods, fromMs, toMs, schedule ?? null, lookbackMs).map((row) => ({ ...row })),
      ),
  };
}

interface RangeRow {
  readonly from: number | null;
  readonly to: number | null;
  readonly count: number;
}

/** Which form of a statement a batch and a pool need. */
export function kindOf(
  batch: Pick<BatchRow, 'listed'>,
  pool: string | undefined,
): 'All' | 'Listed' | 'AllOfPool' | 'ListedOfPool' {
  const planned = batch.listed ? 'Listed' : 'All';
  return pool === undefined ? planned : `${planned}OfPool`;
}

/** @throws FleetscoreError `BATCH_UNKNOWN` */
export function batchRow(db: Connection, id: string): BatchRow {
  const row = db.get<BatchRow>(BATCH_SQL.find, id);
  if (!row) throw batchUnknown(id);
  return row;
}

/** What is recorded so far: the sum over the chunks. */
export function batchCounts(db: Connection, batchKey: number): OutcomeCounts {
  return toCounts(db.get<CountsRow>(BATCH_SQL.counts, batchKey));
}

function withCounts(db: Connection, row: BatchRow): Batch {
  return row.status === 'running' ? toBatch(row, batchCounts(db, row.batchKey)) : toBatch(row);
}

/** The row of a batch, if this run has one. @throws FleetscoreError `BATCH_CONFLICT` */
function rowOf(db: Connection, batch: Pick<NewBatch, 'id' | 'runId'>): BatchRow | undefined {
  const row = db.get<BatchRow>(BATCH_SQL.find, batch.id);
  if (row && row.runId !== batch.runId) throw batchConflict(batch, row);
  return row;
}

function announceBatch(db: Connection, batch: AnnouncedBatch): BatchRow {
  const existing = rowOf(db, batch);
  if (existing) return existing;
  db.run(
    BATCH_SQL.announce,
    batch.id,
    batch.workflowId,
    batch.runId,
    batch.kind,
    batch.schedule ?? null,
    batch.release ?? null,
    batch.supersedes ?? null,
    batch.codeVersion,
    batch.fromMs,
    batch.toMs,
    batch.startedAtMs,
  );
  return batchRow(db, batch.id);
}

function createBatch(db: Connection, batch: NewBatch): Batch {
  const row = announceBatch(db, batch);
  if (row.status !== 'waiting') return withCounts(db, row);
  const { batchKey } = row;
  const release = releaseKey(db, batch.release);
  const max = maxSensorId(db);
  const { kind, supersedes = null, codeVersion, startedAtMs } = batch;
  const listed = batch.sensorIds ? 1 : 0;
  db.run(BATCH_SQL.plan, kind, release, supersedes, codeVersion, startedAtMs, listed, max, max, batchKey);
  let planned = max;
  if (batch.sensorIds) {
    const unknown = batch.sensorIds.filter((id) => !db.get(BATCH_SQL.knownSensor, id));
    if (unknown.length > 0) throw sensorUnknown(batch.id, unknown);
    planned = 0;
    for (const id of batch.sensorIds) planned += db.run(BATCH_SQL.addSensor, batchKey, id);
    db.run(BATCH_SQL.setPlanned, planned, batchKey);
  } else if (batch.leftOut && batch.leftOut.length > 0) {
    for (const id of batch.leftOut) planned -= db.run(BATCH_SQL.leaveOut, batchKey, id);
    db.run(BATCH_SQL.setPlanned, planned, batchKey);
  }
  db.run(batch.sensorIds ? BATCH_SQL.addPoolsListed : BATCH_SQL.addPools, batchKey, release);
  db.run(BATCH_SQL.addPoolless, batchKey, planned);
  if (batch.kind === 'score') db.run(BATCH_SQL.addChallenger, batchKey, release);
  return toBatch(batchRow(db, batch.id));
}

function planRanges(
  db: Connection,
  batchId: string,
  size: number,
  range: IdRange | undefined,
): (IdRange & { readonly count: number })[] {
  const batch = batchRow(db, batchId);
  const { from, to, pool } = plannedRange(batch, range);
  const sql = BATCH_SQL[`ranges${kindOf(batch, pool)}`];
  const ofPool = pool === undefined ? [] : [batch.releaseKey, pool];
  const ranges: (IdRange & { readonly count: number })[] = [];
  for (let next = from; ;) {
    const step = db.get<RangeRow>(sql, batch.batchKey, next, to, size, ...ofPool)!;
    if (step.count === 0) return ranges;
    ranges.push({ from: step.from!, to: step.to!, count: step.count, ...defined({ pool }) });
    next = step.to!;
  }
}

function finishBatch(
  db: Connection,
  batchId: string,
  { status, manifest, class: why, message, finishedAtMs }: Parameters<BatchStore['finishBatch']>[1],
): Batch {
  const batch = batchRow(db, batchId);
  const c = batchCounts(db, batch.batchKey);
  db.run(
    BATCH_SQL.finish,
    status,
    manifest ?? null,
    why ?? null,
    clipMessage(message),
    finishedAtMs,
    c.scored,
    c.skipped,
    c.failed,
    c.cancelled,
    c.windows,
    c.anomalies,
    batch.batchKey,
  );
  return toBatch(batchRow(db, batchId));
}
