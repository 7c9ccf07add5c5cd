/** Sensors out of service, and those that a batch is not for. */
import { setImmediate as breathe } from 'node:timers/promises';
import type { RetiredSensor, RetiredStore } from '../store.ts';
import type { Connection } from './connection.ts';
import { releaseKey } from './releases.ts';
import { ALL, maxSensorId } from './sensors.ts';

export const RETIRED_SQL = {
  retire: `
    INSERT INTO retired_sensors (sensor_id, at_ms, by_whom, comment)
    SELECT id, ?2, ?3, ?4 FROM sensors WHERE id = ?1
    ON CONFLICT (sensor_id) DO NOTHING`,
  restore: 'DELETE FROM retired_sensors WHERE sensor_id = ?',
  count: 'SELECT COUNT(*) AS n FROM retired_sensors',
  byPool: `
    SELECT COALESCE(m.pool, '') AS pool, COUNT(*) AS n FROM retired_sensors r
    LEFT JOIN release_models m ON m.release_key = ? AND m.sensor_id = r.sensor_id
    GROUP BY COALESCE(m.pool, '')`,
  countLeftOut: `
    SELECT COUNT(*) AS n FROM batch_left_out WHERE batch_key = (SELECT batch_key FROM batches WHERE id = ?)`,
  list: `
    SELECT s.id, s.device, s.sensor, s.unit, r.at_ms AS atMs, r.by_whom AS "by", r.comment
    FROM retired_sensors r CROSS JOIN sensors s ON s.id = r.sensor_id
    WHERE r.sensor_id > ? ORDER BY r.sensor_id LIMIT ?`,
  leftOut: `
    SELECT s.id FROM sensors s WHERE s.id >= ?1 AND s.id < ?2 AND (
      EXISTS (SELECT 1 FROM retired_sensors r WHERE r.sensor_id = s.id)
      OR (NOT EXISTS (SELECT 1 FROM release_models m WHERE m.release_key = ?3 AND m.sensor_id = s.id)
        AND NOT EXISTS (SELECT 1 FROM windows w WHERE w.sensor_id = s.id))
    ) ORDER BY s.id`,
} as const;

/** Sensors that are looked at in one read: a long one would hold up the log of all writers. */
const SENSORS_AT_ONCE = 5_000;

const ascending = (ids: readonly number[]): number[] => [...new Set(ids)].sort((a, b) => a - b);

export function retiredMethods(db: Connection): RetiredStore {
  return {
    retireSensors: (ids, { atMs, by, comment }) =>
      db.write(() => ascending(ids).filter((id) => db.run(RETIRED_SQL.retire, id, atMs, by, comment) > 0)),

    restoreSensors: (ids) => db.write(() => ascending(ids).filter((id) => db.run(RETIRED_SQL.restore, id) > 0)),

    countRetired: () => db.read(() => db.get<{ n: number }>(RETIRED_SQL.count)!.n),

    retiredByPool: (release) =>
      db.read(() => {
        const rows = db.all<{ pool: string; n: number }>(RETIRED_SQL.byPool, releaseKey(db, release));
        return new Map(rows.map(({ pool, n }) => [pool, n]));
      }),

    countLeftOut: (batchId) => db.read(() => db.get<{ n: number }>(RETIRED_SQL.countLeftOut, batchId)!.n),

    retiredSensors: ({ after = 0, limit = ALL } = {}) =>
      db
        .read(() => db.all<RetiredSensor>(RETIRED_SQL.list, after, limit))
        .then((rows) => rows.map((row) => ({ ...row }))),

    async sensorsLeftOut(release) {
      const { key, end } = await db.read(() => ({ key: releaseKey(db, release), end: maxSensorId(db) + 1 }));
      const found: number[] = [];
      for (let from = 1; from < end; from += SENSORS_AT_ONCE) {
        const to = Math.min(end, from + SENSORS_AT_ONCE);
        for (const { id } of await db.read(() => db.all<{ id: number }>(RETIRED_SQL.leftOut, from, to, key)))
          found.push(id);
        await breathe();
      }
      return found;
    },
  };
}
