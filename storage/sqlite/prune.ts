/**
 * Retention. Each transaction is small; a batch goes outcomes first, its own row last, so a cut-off prune can be
 * repeated.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { PruneStore } from '../store.ts';
import { DEFAULT_PRUNE_ROWS } from '../rows.ts';
import { LATE_STEP_MS } from '../progress-rows.ts';
import type { Connection } from './connection.ts';
import { pruneWindows } from './windows.ts';

export const PRUNE_SQL = {
  oldBatches:
    `SELECT batch_key AS "key" FROM batches WHERE status NOT IN ('waiting', 'running') AND finished_at_ms < ? ` +
    'ORDER BY batch_key',
  outcomes: `
    DELETE FROM outcomes WHERE batch_key = ?1 AND sensor_id IN (
      SELECT sensor_id FROM outcomes WHERE batch_key = ?1 ORDER BY sensor_id LIMIT ?2
    )`,
  challenged: `
    DELETE FROM challenged WHERE batch_key = ?1 AND sensor_id IN (
      SELECT sensor_id FROM challenged WHERE batch_key = ?1 ORDER BY sensor_id LIMIT ?2
    )`,
  challenger: 'DELETE FROM batch_challengers WHERE batch_key = ?',
  sensors: 'DELETE FROM batch_sensors WHERE batch_key = ?',
  leftOut: 'DELETE FROM batch_left_out WHERE batch_key = ?',
  pools: 'DELETE FROM batch_pools WHERE batch_key = ?',
  failedBy: 'DELETE FROM failed_by WHERE batch_key = ?',
  lateMinutes: 'DELETE FROM late_minutes WHERE start_ms < ?',
  chunks: 'DELETE FROM chunks WHERE batch_key = ?',
  alarmSignals: 'DELETE FROM alarm_signals WHERE batch_key = ?',
  alarmBatch: 'DELETE FROM alarm_batches WHERE batch_key = ?',
  batch: 'DELETE FROM batches WHERE batch_key = ?',
  // The newest link of a sensor that something is carried out of stays: the next batch goes on from there.
  alarmLinks: `
    DELETE FROM alarm_links WHERE (sensor_id, from_ms) IN (
      SELECT k.sensor_id, k.from_ms FROM alarm_links k INDEXED BY alarm_links_end
      WHERE k.to_ms < ?1 AND (k.live = 0 OR EXISTS (
        SELECT 1 FROM alarm_links n WHERE n.sensor_id = k.sensor_id AND n.from_ms > k.from_ms))
      LIMIT ?2
    )`,
  // The newest event stays: numbers of events only rise, and readers go on by them.
  alarmEvents: `
    DELETE FROM alarm_events WHERE seq IN (
      SELECT e.seq FROM alarms a INDEXED BY alarms_since CROSS JOIN alarm_events e ON e.alarm_id = a.id
      WHERE a.since_ms < ?1 AND a.until_ms < ?1 AND a.is_open = 0 AND e.seq < (SELECT MAX(seq) FROM alarm_events)
      LIMIT ?2
    )`,
  alarmNotices: `
    DELETE FROM alarm_notices WHERE (way, id) IN (
      SELECT n.way, n.id FROM alarm_notices n INDEXED BY alarm_notices_made
      WHERE n.made_ms < ?1 AND n.sent_ms IS NOT NULL AND n.is_open = 0 LIMIT ?2
    )`,
  alarms: `
    DELETE FROM alarms WHERE id IN (
      SELECT a.id FROM alarms a INDEXED BY alarms_since
      WHERE a.since_ms < ?1 AND a.until_ms < ?1 AND a.is_open = 0
        AND NOT EXISTS (SELECT 1 FROM alarm_events e WHERE e.alarm_id = a.id)
      LIMIT ?2
    )`,
} as const;

export function pruneMethods(db: Connection): PruneStore {
  return {
    async prune({ windowsBeforeMs, batchesBeforeMs, rowsPerTransaction = DEFAULT_PRUNE_ROWS }) {
      const windows = windowsBeforeMs === undefined ? 0 : await pruneWindows(db, windowsBeforeMs, rowsPerTransaction);
      if (windowsBeforeMs !== undefined)
        await db.write(() => db.run(PRUNE_SQL.lateMinutes, windowsBeforeMs - LATE_STEP_MS));
      const drain = async (sql: string, beforeMs: number): Promise<void> => {
        while ((await db.write(() => db.run(sql, beforeMs, rowsPerTransaction))) > 0) await breathe();
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
          : await db.read(() => db.all<{ key: number }>(PRUNE_SQL.oldBatches, batchesBeforeMs));
      for (const { key } of batches) {
        for (const rows of ['challenged', 'outcomes'] as const) {
          for (let gone = -1; gone !== 0;) {
            gone = await db.write(() => db.run(PRUNE_SQL[rows], key, rowsPerTransaction));
            if (rows === 'outcomes') outcomes += gone;
            await breathe();
          }
        }
        await db.write(() => {
          db.run(PRUNE_SQL.sensors, key);
          db.run(PRUNE_SQL.leftOut, key);
          db.run(PRUNE_SQL.pools, key);
          db.run(PRUNE_SQL.challenger, key);
          db.run(PRUNE_SQL.failedBy, key);
          db.run(PRUNE_SQL.alarmSignals, key);
          db.run(PRUNE_SQL.alarmBatch, key);
          db.run(PRUNE_SQL.chunks, key);
          db.run(PRUNE_SQL.batch, key);
        });
      }
      return { windows, outcomes, batches: batches.length };
    },
  };
}
