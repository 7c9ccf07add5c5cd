/**
 * Retention, in small transactions: outcomes of a batch first, its own row last, so a cut-off prune can be repeated.
 */
import { DEFAULT_PRUNE_ROWS } from '../rows.ts';
import { LATE_STEP_MS } from '../progress-rows.ts';
import type { PruneStore } from '../store.ts';
import type { Database } from './connection.ts';
import { tsql, type Statement } from './statement.ts';
import { pruneWindows } from './windows.ts';

const KEY = { batchKey: 'INT' } as const;
const BEFORE = { before: 'BIGINT', limit: 'INT' } as const;

export const PRUNE_SQL = {
  oldBatches: tsql(
    { before: 'BIGINT' },
    `
    SELECT batch_key AS batchKey FROM batches WHERE status NOT IN (N'waiting', N'running') AND finished_at_ms < @before ORDER BY batch_key`,
  ),
  outcomes: tsql({ ...KEY, limit: 'INT' }, 'DELETE TOP (@limit) FROM outcomes WHERE batch_key = @batchKey'),
  challenged: tsql({ ...KEY, limit: 'INT' }, 'DELETE TOP (@limit) FROM challenged WHERE batch_key = @batchKey'),
  challenger: tsql({ ...KEY, limit: 'INT' }, 'DELETE TOP (@limit) FROM batch_challengers WHERE batch_key = @batchKey'),
  sensors: tsql({ ...KEY, limit: 'INT' }, 'DELETE TOP (@limit) FROM batch_sensors WHERE batch_key = @batchKey'),
  leftOut: tsql({ ...KEY, limit: 'INT' }, 'DELETE TOP (@limit) FROM batch_left_out WHERE batch_key = @batchKey'),
  failedBy: tsql({ ...KEY, limit: 'INT' }, 'DELETE TOP (@limit) FROM failed_by WHERE batch_key = @batchKey'),
  lateMinutes: tsql({ before: 'BIGINT' }, 'DELETE FROM late_minutes WHERE start_ms < @before'),
  chunks: tsql({ ...KEY, limit: 'INT' }, 'DELETE TOP (@limit) FROM chunks WHERE batch_key = @batchKey'),
  pools: tsql({ ...KEY, limit: 'INT' }, 'DELETE TOP (@limit) FROM batch_pools WHERE batch_key = @batchKey'),
  alarmSignals: tsql({ ...KEY, limit: 'INT' }, 'DELETE TOP (@limit) FROM alarm_signals WHERE batch_key = @batchKey'),
  alarmBatch: tsql({ ...KEY, limit: 'INT' }, 'DELETE TOP (@limit) FROM alarm_batches WHERE batch_key = @batchKey'),
  // The newest link of a sensor that something is carried out of stays: the next batch goes on from there.
  alarmLinks: tsql(
    BEFORE,
    `DELETE TOP (@limit) FROM alarm_links WHERE to_ms < @before AND (live = 0 OR EXISTS (
      SELECT 1 FROM alarm_links n WHERE n.sensor_id = alarm_links.sensor_id AND n.from_ms > alarm_links.from_ms))`,
  ),
  // The newest event stays: numbers of events only rise, and readers go on by them.
  alarmEvents: tsql(
    BEFORE,
    `DELETE TOP (@limit) FROM alarm_events WHERE seq < (SELECT MAX(n.seq) FROM alarm_events n) AND EXISTS (
      SELECT 1 FROM alarms a WHERE a.id = alarm_events.alarm_id AND a.since_ms < @before AND a.until_ms < @before AND a.is_open = 0)`,
  ),
  alarmNotices: tsql(
    BEFORE,
    'DELETE TOP (@limit) FROM alarm_notices WHERE made_ms < @before AND sent_ms IS NOT NULL AND is_open = 0',
  ),
  alarms: tsql(
    BEFORE,
    `DELETE TOP (@limit) FROM alarms WHERE since_ms < @before AND until_ms < @before AND is_open = 0
      AND NOT EXISTS (SELECT 1 FROM alarm_events e WHERE e.alarm_id = alarms.id)`,
  ),
  batch: tsql(KEY, 'DELETE FROM batches WHERE batch_key = @batchKey'),
} as const;

export function pruneMethods(db: Database): PruneStore {
  return {
    async prune({ windowsBeforeMs, batchesBeforeMs, rowsPerTransaction: limit = DEFAULT_PRUNE_ROWS }) {
      const windows = windowsBeforeMs === undefined ? 0 : await pruneWindows(db, windowsBeforeMs, limit);
      if (windowsBeforeMs !== undefined)
        await db.write((tx) => tx.run(PRUNE_SQL.lateMinutes, { before: windowsBeforeMs - LATE_STEP_MS }));
      const drain = async (statement: Statement, before: number): Promise<void> => {
        while ((await db.write((tx) => tx.run(statement, { before, limit }))) === limit);
      };
      if (windowsBeforeMs !== undefined) await drain(PRUNE_SQL.alarmLinks, windowsBeforeMs);
      if (batchesBeforeMs !== undefined) {
        await drain(PRUNE_SQL.alarmEvents, batchesBeforeMs);
        await drain(PRUNE_SQL.alarms, batchesBeforeMs);
        await drain(PRUNE_SQL.alarmNotices, batchesBeforeMs);
      }
      let outcomes = 0;
      const batches =
        batchesBeforeMs === undefined
          ? []
          : await db.read((session) =>
              session.query<{ batchKey: number }>(PRUNE_SQL.oldBatches, { before: batchesBeforeMs }),
            );
      for (const { batchKey } of batches) {
        for (const statement of [
          PRUNE_SQL.challenged,
          PRUNE_SQL.challenger,
          PRUNE_SQL.outcomes,
          PRUNE_SQL.sensors,
          PRUNE_SQL.leftOut,
          PRUNE_SQL.pools,
          PRUNE_SQL.failedBy,
          PRUNE_SQL.alarmSignals,
          PRUNE_SQL.alarmBatch,
          PRUNE_SQL.chunks,
        ])
          for (let gone = limit; gone === limit;) {
            gone = await db.write((tx) => tx.run(statement, { batchKey, limit }));
            if (statement === PRUNE_SQL.outcomes) outcomes += gone;
          }
        await db.write((tx) => tx.run(PRUNE_SQL.batch, { batchKey }));
      }
      return { windows, outcomes, batches: batches.length };
    },
  };
}
