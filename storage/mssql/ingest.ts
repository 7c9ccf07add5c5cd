/**
 * Readings into windows, as in the embedded store: progress and windows together, from the expected event
 * only, and no write to a window that does not change. The change number is a ROWVERSION: it rises with
 * every change without a counter that all partitions would queue for.
 */
import { progressConflict } from '../failures.ts';
import { lateMinutes, progressOf, type ProgressRow } from '../progress-rows.ts';
import type { IngestCommit, IngestStore } from '../store.ts';
import {
  countDuplicates,
  mergedWindow,
  mergeUpdates,
  newWindow,
  readingsOf,
  type StoredWindow,
} from '../window-merge.ts';
import { LostRace } from './transient.ts';
import { PLANS_LOCK, type Database, type Transaction } from './connection.ts';
import { checkStillFits } from './schema.ts';
import { addToSends, sendMethods } from './sends.ts';
import { tsql, type SqlValue, type StageColumn, type StageTable } from './statement.ts';

const WINDOW_COLUMNS: readonly StageColumn[] = [
  { name: 'sensor_id', type: 'INT', of: 'windows.sensor_id' },
  { name: 'start_ms', type: 'BIGINT', of: 'windows.start_ms' },
  { name: 'count', type: 'INT', of: 'windows.count' },
  { name: 'mean', type: 'FLOAT', of: 'windows.mean' },
  { name: 'min', type: 'FLOAT', of: 'windows.min' },
  { name: 'max', type: 'FLOAT', of: 'windows.max' },
  { name: 'last', type: 'FLOAT', of: 'windows.last' },
  { name: 'last_ts', type: 'BIGINT', of: 'windows.last_ts' },
  { name: 'readings', type: 'VARBINARY(MAX)', nullable: true, of: 'windows.readings' },
];

/** The updates as windows of their own; `known` marks those whose window is stored already. */
export const ARRIVED: StageTable = {
  name: '#arrived',
  columns: [...WINDOW_COLUMNS, { name: 'known', type: 'BIT' }],
  key: ['sensor_id', 'start_ms'],
};
/** Stored windows with their new readings. */
export const MERGED: StageTable = { name: '#merged', columns: WINDOW_COLUMNS, key: ['sensor_id', 'start_ms'] };

const PARTITION = { source: 'NVARCHAR(400)', partition: 'NVARCHAR(32)' } as const;

export const INGEST_SQL = {
  // FORCESEEK: statistics always lag behind a table that grows all day, and a scan of it would be the end.
  markKnown: tsql(
    {},
    `
    UPDATE a SET a.known = 1
    FROM #arrived a
    INNER JOIN windows w WITH (UPDLOCK, ROWLOCK, FORCESEEK) ON w.sensor_id = a.sensor_id AND w.start_ms = a.start_ms`,
  ),
  known: tsql(
    {},
    `
    SELECT w.sensor_id AS sensorId, w.start_ms AS startMs, w.count AS [count], w.mean AS mean, w.min AS [min],
           w.max AS [max], w.last AS [last], w.last_ts AS lastTs, w.readings AS readings
    FROM #arrived a
    INNER JOIN windows w WITH (UPDLOCK, ROWLOCK, FORCESEEK) ON w.sensor_id = a.sensor_id AND w.start_ms = a.start_ms
    WHERE a.known = 1`,
  ),
  addNew: tsql(
    {},
    `
    INSERT INTO windows (sensor_id, start_ms, [count], mean, [min], [max], [last], last_ts, readings)
    SELECT a.sensor_id, a.start_ms, a.count, a.mean, a.min, a.max, a.last, a.last_ts, a.readings
    FROM #arrived a
    WHERE a.known = 0 AND NOT EXISTS (
      SELECT 1 FROM windows w WHERE w.sensor_id = a.sensor_id AND w.start_ms = a.start_ms
    )`,
  ),
  updateKnown: tsql(
    {},
    `
    UPDATE w SET w.count = m.count, w.mean = m.mean, w.min = m.min, w.max = m.max, w.last = m.last,
                 w.last_ts = m.last_ts, w.readings = m.readings
    FROM windows w WITH (ROWLOCK)
    INNER JOIN #merged m ON m.sensor_id = w.sensor_id AND m.start_ms = w.start_ms`,
  ),
  // Up to where batches were planned: what changes before it is late for one of them.
  plannedUpTo: tsql({}, 'SELECT MAX(to_ms) AS endMs FROM batches WHERE release_key > 0'),
  markLate: tsql(
    { startMs: 'BIGINT', now: 'BIGINT' },
    'UPDATE late_minutes SET changed_at_ms = @now WHERE start_ms = @startMs',
  ),
  addLate: tsql(
    { startMs: 'BIGINT', now: 'BIGINT' },
    `
    INSERT INTO late_minutes (start_ms, changed_at_ms)
    SELECT @startMs, @now WHERE NOT EXISTS (SELECT 1 FROM late_minutes WITH (UPDLOCK, HOLDLOCK) WHERE start_ms = @startMs)`,
  ),
  progress: tsql(
    PARTITION,
    `
    SELECT applied_seq AS seq FROM partition_progress WITH (UPDLOCK, HOLDLOCK)
    WHERE source = @source AND partition_id = @partition`,
  ),
  addProgress: tsql(
    { ...PARTITION, now: 'BIGINT' },
    `
    INSERT INTO partition_progress
      (source, partition_id, applied_seq, captured_seq, watermark_ms, readings, late, dead, updated_at_ms)
    SELECT @source, @partition, -1, -1, -1, 0, 0, 0, @now
    WHERE NOT EXISTS (SELECT 1 FROM partition_progress WHERE source = @source AND partition_id = @partition)`,
  ),
  moveProgress: tsql(
    {
      ...PARTITION,
      expected: 'BIGINT',
      through: 'BIGINT',
      watermark: 'BIGINT',
      readings: 'BIGINT',
      late: 'BIGINT',
      dead: 'BIGINT',
      now: 'BIGINT',
      lastOffset: 'NVARCHAR(400)',
      lastEnqueued: 'BIGINT',
    },
    `
    UPDATE partition_progress
    SET applied_seq = @through,
        watermark_ms = CASE WHEN watermark_ms > @watermark THEN watermark_ms ELSE @watermark END,
        readings = readings + @readings, late = late + @late, dead = dead + @dead, updated_at_ms = @now,
        last_seq = CASE WHEN @lastOffset IS NULL THEN last_seq ELSE @through END,
        last_offset = COALESCE(@lastOffset, last_offset), last_enqueued_ms = COALESCE(@lastEnqueued, last_enqueued_ms)
    WHERE source = @source AND partition_id = @partition AND applied_seq = @expected`,
  ),
  noteHub: tsql(
    { ...PARTITION, created: 'BIGINT', problem: 'NVARCHAR(1000)' },
    `
    UPDATE partition_progress SET hub_created_ms = @created, problem = @problem
    WHERE source = @source AND partition_id = @partition`,
  ),
  beginHub: tsql(
    { ...PARTITION, expected: 'BIGINT', created: 'BIGINT', now: 'BIGINT' },
    `
    UPDATE partition_progress
    SET applied_seq = -1, captured_seq = -1, hub_created_ms = @created, problem = NULL, last_seq = NULL,
        last_offset = NULL, last_enqueued_ms = NULL, updated_at_ms = @now
    WHERE source = @source AND partition_id = @partition AND applied_seq = @expected`,
  ),
  moveCapture: tsql(
    { ...PARTITION, captured: 'BIGINT', now: 'BIGINT' },
    `
    UPDATE partition_progress SET captured_seq = @captured, updated_at_ms = @now
    WHERE source = @source AND partition_id = @partition AND captured_seq < @captured`,
  ),
  rewindCapture: tsql(
    { ...PARTITION, captured: 'BIGINT' },
    `
    UPDATE partition_progress SET captured_seq = @captured
    WHERE source = @source AND partition_id = @partition AND captured_seq > @captured`,
  ),
  listProgress: tsql(
    { source: 'NVARCHAR(400)' },
    `
    SELECT source, partition_id AS [partition], applied_seq AS appliedSeq, captured_seq AS capturedSeq,
           watermark_ms AS watermarkMs, readings, late, dead, updated_at_ms AS updatedAtMs,
           hub_created_ms AS hubCreatedMs, last_seq AS lastSeq, last_offset AS lastOffset,
           last_enqueued_ms AS lastEnqueuedMs, problem
    FROM partition_progress WHERE @source IS NULL OR source = @source ORDER BY source, partition_id`,
  ),
} as const;

export function ingestMethods(db: Database): IngestStore {
  return {
    ...sendMethods(db),

    async commitReadings(commit) {
      // One update a window, in the order of the clustered key.
      const updates = mergeUpdates(commit.updates);
      const arrived = updates.map((update) => [
        ...windowRow(update.sensorId, update.startMs, newWindow(update)!),
        false,
      ]);
      await db.write(async (tx) => {
        await checkStillFits(tx, db.where);
        if (!(await moveProgress(tx, commit))) return;
        const duplicates: number[] = [];
        if (updates.length === 0) {
          await addToSends(tx, commit, duplicates);
          return;
        }
        await tx.stage(ARRIVED, arrived);
        const known = await tx.run(INGEST_SQL.markKnown, {});
        const before = known > 0 ? await mergeKnown(tx, updates) : new Map<string, StoredWindow>();
        if (commit.sends)
          for (const update of updates) {
            const stored = before.get(keyOfUpdate(update));
            countDuplicates(update, stored && readingsOf(stored, update.startMs), duplicates);
          }
        if (known < updates.length) {
          const added = await tx.run(INGEST_SQL.addNew, {});
          // Another partition added one of these windows after we looked: begin again, now it is known.
          if (added !== updates.length - known)
            throw new LostRace(`${updates.length - known - added} windows were added by another commit`);
        }
        await addToSends(tx, commit, duplicates);
        await markLate(tx, updates);
      });
    },

    commitCapture: (source, partition, captured) =>
      db.write(async (tx) => {
        const now = Date.now();
        await tx.run(INGEST_SQL.addProgress, { source, partition, now });
        await tx.run(INGEST_SQL.moveCapture, { source, partition, captured, now });
      }),

    rewindCapture: async (source, partition, captured) => {
      await db.write((tx) => tx.run(INGEST_SQL.rewindCapture, { source, partition, captured }));
    },

    listProgress: (source) =>
      db.read(async (session) => {
        const rows = await session.query<ProgressRow>(INGEST_SQL.listProgress, { source: source ?? null });
        return rows.map(progressOf);
      }),

    noteHub: (source, partition, created, problem) =>
      db.write(async (tx) => {
        await tx.run(INGEST_SQL.addProgress, { source, partition, now: Date.now() });
        await tx.run(INGEST_SQL.noteHub, { source, partition, created, problem: problem ?? null });
      }),

    beginHub: (source, partition, expected, created) =>
      db.write(
        async (tx) =>
          (await tx.run(INGEST_SQL.beginHub, { source, partition, expected, created, now: Date.now() })) === 1,
      ),
  };
}

/** False when an earlier try of this very commit went through and only its answer was lost. */
async function moveProgress(tx: Transaction, commit: IngestCommit): Promise<boolean> {
  const { source, partition, expectedSeq, throughSeq } = commit;
  const now = Date.now();
  const moved = await tx.run(INGEST_SQL.addProgress, { source, partition, now }).then(() =>
    tx.run(INGEST_SQL.moveProgress, {
      source,
      partition,
      expected: expectedSeq,
      through: throughSeq,
      watermark: commit.watermarkMs,
      readings: commit.readings,
      late: commit.late,
      dead: commit.dead,
      now,
      lastOffset: commit.last?.offset ?? null,
      lastEnqueued: commit.last?.enqueuedMs ?? null,
    }),
  );
  if (moved === 1) return true;
  const rows = await tx.query<{ seq: string | number }>(INGEST_SQL.progress, { source, partition });
  const seq = Number(rows[0]?.seq ?? -1);
  if (tx.attempt > 1 && seq === throughSeq && throughSeq !== expectedSeq) return false;
  throw progressConflict(commit, seq);
}

const keyOfUpdate = ({ sensorId, startMs }: { readonly sensorId: number; readonly startMs: number }): string =>
  `${sensorId}/${startMs}`;

/** @returns the windows as they were before, by {@link keyOfUpdate} */
async function mergeKnown(
  tx: Transaction,
  updates: ReturnType<typeof mergeUpdates>,
): Promise<ReadonlyMap<string, StoredWindow>> {
  const byKey = new Map(updates.map((update) => [keyOfUpdate(update), update]));
  const before = new Map<string, StoredWindow>();
  const merged: SqlValue[][] = [];
  for (const row of await tx.query<StoredWindow & { sensorId: number; startMs: string | number }>(
    INGEST_SQL.known,
    {},
  )) {
    const startMs = Number(row.startMs);
    const key = keyOfUpdate({ sensorId: row.sensorId, startMs });
    const stored = { ...row, lastTs: Number(row.lastTs) };
    before.set(key, stored);
    const next = mergedWindow(stored, byKey.get(key)!);
    if (next) merged.push(windowRow(row.sensorId, startMs, next));
  }
  if (merged.length > 0) {
    await tx.stage(MERGED, merged);
    await tx.run(INGEST_SQL.updateKnown, {});
  }
  return before;
}

/**
 * Last in the transaction: the rows it locks are shared by all partitions. Takes repeated readings for late too, which
 * costs a look.
 */
async function markLate(tx: Transaction, updates: ReturnType<typeof mergeUpdates>): Promise<void> {
  // With row versions a batch could be planned, and read its windows, between this look and our commit.
  await tx.lock(PLANS_LOCK, 'Shared');
  const [planned] = await tx.query<{ endMs: string | number | null }>(INGEST_SQL.plannedUpTo, {});
  if (planned?.endMs === null || planned?.endMs === undefined) return;
  for (const startMs of lateMinutes(
    updates.map((update) => update.startMs),
    Number(planned.endMs),
  )) {
    const values = { startMs, now: Date.now() };
    if ((await tx.run(INGEST_SQL.markLate, values)) === 0) await tx.run(INGEST_SQL.addLate, values);
  }
}

/** A row of a staging table, in the order of {@link WINDOW_COLUMNS}. */
function windowRow(sensorId: number, startMs: number, w: StoredWindow): SqlValue[] {
  const readings = w.readings && Buffer.from(w.readings.buffer, w.readings.byteOffset, w.readings.byteLength);
  return [sensorId, startMs, w.count, w.mean, w.min, w.max, w.last, w.lastTs, readings];
}
