/** Batches and what they plan, as in the embedded store: all sensors up to the highest id, or a list. */
import type { OutcomeCounts } from '../../domain/outcome.ts';
import type { Period } from '../../domain/time.ts';
import { batchConflict, batchUnknown, clipMessage, sensorUnknown } from '../failures.ts';
import {
  plannedRange,
  plannedSensor,
  toBatch,
  toBatchPools,
  toPlanned,
  type BatchRow,
  type PlannedRow,
  type PoolRow,
} from '../batch-rows.ts';
import { toCounts, type CountsRow } from '../outcome-rows.ts';
import { rememberPlanned } from '../planned-models.ts';
import type { AnnouncedBatch, Batch, BatchFilter, BatchStore, IdRange, NewBatch, PlannedSensor } from '../store.ts';
import { PLANS_LOCK, type Database, type Session, type Transaction } from './connection.ts';
import { plannedBatch } from './planned-batch.ts';
import { releaseKey } from './releases.ts';
import { ALL, maxSensorId } from './sensors.ts';
import type { SqlValue, Statement } from './statement.ts';
import { BATCH_SQL, LISTED } from './batch-sql.ts';

export function batchMethods(db: Database): BatchStore {
  const planned = async (session: Session, batchId: string, range: IdRange | undefined) => {
    const batch = await plannedBatch(db, session, batchId);
    const { from, to, pool } = plannedRange(batch, range);
    const ofPool: Readonly<Record<string, SqlValue>> = pool === undefined ? {} : { releaseKey: batch.releaseKey, pool };
    return {
      batch,
      kind: kindOf(batch, pool),
      pool,
      values: { batchKey: batch.batchKey, fromId: from, toId: to, ...ofPool },
    };
  };

  return {
    announceBatch: (batch) => db.write(async (tx) => withCounts(tx, await announceBatch(tx, batch))),

    createBatch: (batch) => db.write((tx) => createBatch(tx, batch)),

    batchPools: (batchId) =>
      db.read(async (session) => {
        const { batchKey } = await batchRow(session, batchId);
        const rows = await session.query<PoolRow>(BATCH_SQL.pools, { batchKey });
        return rows.length === 0
          ? []
          : toBatchPools(
              rows,
              await session.query<{ pool: string; decided: string | number }>(BATCH_SQL.decidedByPool, { batchKey }),
            );
      }),

    planRanges: (batchId, size, range) =>
      db.read(async (session) => {
        const { kind, pool, values } = await planned(session, batchId, range);
        const rows = await session.query<IdRange & { count: number }>(BATCH_SQL[`ranges${kind}`], { ...values, size });
        return pool === undefined ? rows : rows.map((row) => ({ ...row, pool }));
      }),

    async plannedSensors(batchId, range) {
      const { batch, kind, values } = await db.read((session) => planned(session, batchId, range));
      return plannedSensors(db, BATCH_SQL[`sensors${kind}`], { ...values, releaseKey: batch.releaseKey });
    },

    undecidedSensors: (batchId, range, limit) =>
      db.read(async (session) => {
        const { batch, kind, values } = await planned(session, batchId, range);
        return (
          await session.query<PlannedRow>(BATCH_SQL[`undecided${kind}`], {
            ...values,
            releaseKey: batch.releaseKey,
            limit,
          })
        ).map(toPlanned);
      }),

    finishBatch: (batchId, end) => db.write((tx) => finishBatch(tx, batchId, end)),

    findBatch: (batchId) =>
      db.read(async (session) => {
        const [row] = await session.query<BatchRow>(BATCH_SQL.find, { id: batchId });
        return row && withCounts(session, row);
      }),

    latePeriods: ({ fromMs, toMs }, { schedule, lookbackMs = 0 } = {}) =>
      db.read(async (session) => {
        const rows = await session.query<Record<keyof Period, number | string>>(BATCH_SQL.latePeriods, {
          fromMs,
          toMs,
          schedule: schedule ?? null,
          lookbackMs,
        });
        return rows.map((row) => ({ fromMs: Number(row.fromMs), toMs: Number(row.toMs) }));
      }),

    listBatches: (filter = {}) => db.read((session) => listBatches(session, filter)),
  };
}

/** In the order of the statements of planned sensors. */
type SensorColumns = readonly [
  id: number,
  device: string,
  sensor: string,
  unit: string,
  model: string | null,
  pack: string | null,
  packRow: number | null,
  threshold: string | null,
  windowMs: string | null,
  modelId: number | null,
];

async function plannedSensors(
  db: Database,
  statement: Statement,
  values: Readonly<Record<string, SqlValue>> & { readonly batchKey: number },
): Promise<PlannedSensor[]> {
  let sensors: PlannedSensor[] = [];
  let keys: (number | null)[] = [];
  await db.stream(statement, values, () => {
    sensors = [];
    keys = [];
    return (row) => {
      const [id, device, sensor, unit, model, pack, packRow, threshold, windowMs, key] = row as SensorColumns;
      sensors.push(plannedSensor(id, device, sensor, unit, { model, pack, packRow, threshold, windowMs }));
      keys.push(key);
    };
  });
  rememberPlanned(db, values.batchKey, {
    sensorIds: sensors.map(({ id }) => id),
    models: sensors.map(({ model = null }) => model),
    keys,
  });
  return sensors;
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
export async function batchRow(session: Session, id: string): Promise<BatchRow> {
  const [row] = await session.query<BatchRow>(BATCH_SQL.find, { id });
  if (!row) throw batchUnknown(id);
  return row;
}

/** What is recorded so far: the sum over the chunks. */
export async function batchCounts(session: Session, batchKey: number): Promise<OutcomeCounts> {
  return toCounts((await session.query<CountsRow>(BATCH_SQL.counts, { batchKey }))[0]);
}

async function withCounts(session: Session, row: BatchRow): Promise<Batch> {
  return row.status === 'running' ? toBatch(row, await batchCounts(session, row.batchKey)) : toBatch(row);
}

async function announceBatch(tx: Transaction, batch: AnnouncedBatch): Promise<BatchRow> {
  const [existing] = await tx.query<BatchRow>(BATCH_SQL.find, { id: batch.id });
  if (existing) {
    if (existing.runId !== batch.runId) throw batchConflict(batch, existing);
    return existing;
  }
  await tx.run(BATCH_SQL.announce, {
    id: batch.id,
    workflowId: batch.workflowId,
    runId: batch.runId,
    kind: batch.kind,
    schedule: batch.schedule ?? null,
    wantedRelease: batch.release ?? null,
    supersedes: batch.supersedes ?? null,
    codeVersion: batch.codeVersion,
    fromMs: batch.fromMs,
    toMs: batch.toMs,
    startedAtMs: batch.startedAtMs,
  });
  return batchRow(tx, batch.id);
}

async function createBatch(tx: Transaction, batch: NewBatch): Promise<Batch> {
  await tx.lock(PLANS_LOCK);
  const row = await announceBatch(tx, batch);
  if (row.status !== 'waiting') return withCounts(tx, row);
  const maxId = await maxSensorId(tx);
  const listed = batch.sensorIds && [...new Set(batch.sensorIds)];
  if (listed) {
    await tx.stage(
      LISTED,
      listed.map((id) => [id]),
    );
    const unknown = await tx.query<{ id: number }>(BATCH_SQL.unknownSensors, {});
    if (unknown.length > 0)
      throw sensorUnknown(
        batch.id,
        unknown.map(({ id }) => id),
      );
  }
  const leftOut = listed || !batch.leftOut ? [] : [...new Set(batch.leftOut)];
  if (leftOut.length > 0)
    await tx.stage(
      LISTED,
      leftOut.map((id) => [id]),
    );
  const { batchKey } = row;
  const key = await releaseKey(tx, batch.release);
  const left = leftOut.length > 0 ? await tx.run(BATCH_SQL.leaveOut, { batchKey }) : 0;
  const planned = listed?.length ?? maxId - left;
  await tx.run(BATCH_SQL.plan, {
    batchKey,
    kind: batch.kind,
    releaseKey: key,
    supersedes: batch.supersedes ?? null,
    codeVersion: batch.codeVersion,
    startedAtMs: batch.startedAtMs,
    listed: listed !== undefined,
    maxSensorId: maxId,
    planned,
  });
  if (listed) await tx.run(BATCH_SQL.addSensors, { batchKey });
  await tx.run(listed ? BATCH_SQL.addPoolsListed : BATCH_SQL.addPools, { batchKey, releaseKey: key });
  await tx.run(BATCH_SQL.addPoolless, { batchKey, planned });
  if (batch.kind === 'score') await tx.run(BATCH_SQL.addChallenger, { batchKey, releaseKey: key });
  return toBatch(await batchRow(tx, batch.id));
}

async function finishBatch(
  tx: Transaction,
  batchId: string,
  { status, manifest, class: why, message, finishedAtMs }: Parameters<BatchStore['finishBatch']>[1],
): Promise<Batch> {
  await tx.query(BATCH_SQL.seize, { id: batchId });
  const { batchKey } = await batchRow(tx, batchId);
  const counts = await batchCounts(tx, batchKey);
  await tx.run(BATCH_SQL.finish, {
    batchKey,
    status,
    manifest: manifest ?? null,
    class: why ?? null,
    message: clipMessage(message),
    finishedAtMs,
    ...counts,
  });
  return toBatch(await batchRow(tx, batchId));
}

async function listBatches(
  session: Session,
  { schedule, status, period, within, covering, endedBefore, supersedes, limit = ALL }: BatchFilter,
): Promise<Batch[]> {
  const rows = await session.query<BatchRow>(BATCH_SQL.list, {
    schedule: schedule ?? null,
    status: status ?? null,
    fromMs: period?.fromMs ?? null,
    toMs: period?.toMs ?? null,
    withinFromMs: within?.fromMs ?? null,
    withinToMs: within?.toMs ?? null,
    coveringFromMs: covering?.fromMs ?? null,
    coveringToMs: covering?.toMs ?? null,
    endedBefore: endedBefore ?? null,
    supersedes: supersedes ?? null,
    limit,
  });
  const batches: Batch[] = [];
  for (const row of rows) batches.push(await withCounts(session, row));
  return batches;
}
