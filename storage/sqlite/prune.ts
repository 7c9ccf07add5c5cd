/**
 * Retention. Each transaction is small; a batch goes outcomes first, its own row last, so a cut-off prune can be
 * repeated.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { PruneStore } from '../store.ts';
import { DEFAULT_PRUNE_ROWS, LATE_STEP_MS } from '../rows.ts';
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
  pools: 'DELETE FROM batch_pools WHERE batch_key = ?',
  failedBy: 'DELETE FROM failed_by WHERE batch_key = ?',
  lateMinutes: 'DELETE FROM late_minutes WHERE start_ms < ?',
  chunks: 'DELETE FROM chunks WHERE batch_key = ?',
  batch: 'DELETE FROM batches WHERE batch_key = ?',
} as const;

export function pruneMethods(db: Connection): PruneStore {
  return {
    async prune({ windowsBeforeMs, batchesBeforeMs, rowsPerTransaction = DEFAULT_PRUNE_ROWS }) {
      const windows = windowsBeforeMs === undefined ? 0 : await pruneWindows(db, windowsBeforeMs, rowsPerTransaction);
      if (windowsBeforeMs !== undefined)
        await db.write(() => db.run(PRUNE_SQL.lateMinutes, windowsBeforeMs - LATE_STEP_MS));
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
          db.run(PRUNE_SQL.pools, key);
          db.run(PRUNE_SQL.challenger, key);
          db.run(PRUNE_SQL.failedBy, key);
          db.run(PRUNE_SQL.chunks, key);
          db.run(PRUNE_SQL.batch, key);
        });
      }
      return { windows, outcomes, batches: batches.length };
    },
  };
}
