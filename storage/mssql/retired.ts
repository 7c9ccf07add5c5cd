/** Sensors out of service, and those that a batch is not for. Who changes them does so under an application lock. */
import type { RetiredSensor, RetiredStore } from '../store.ts';
import { LISTED } from './batch-sql.ts';
import type { Database, Transaction } from './connection.ts';
import { releaseKey } from './releases.ts';
import { ALL, maxSensorId } from './sensors.ts';
import { tsql } from './statement.ts';

export const RETIRED_SQL = {
  inService: tsql(
    {},
    `
    SELECT n.sensor_id AS id FROM #listed n INNER JOIN sensors s ON s.id = n.sensor_id
    WHERE NOT EXISTS (SELECT 1 FROM retired_sensors r WHERE r.sensor_id = n.sensor_id) ORDER BY n.sensor_id`,
  ),
  retire: tsql(
    { atMs: 'BIGINT', by: 'NVARCHAR(400)', comment: 'NVARCHAR(1000)' },
    `
    INSERT INTO retired_sensors (sensor_id, at_ms, by_whom, comment)
    SELECT n.sensor_id, @atMs, @by, @comment FROM #listed n INNER JOIN sensors s ON s.id = n.sensor_id
    WHERE NOT EXISTS (SELECT 1 FROM retired_sensors r WHERE r.sensor_id = n.sensor_id)`,
  ),
  outOfService: tsql(
    {},
    `
    SELECT r.sensor_id AS id FROM retired_sensors r INNER JOIN #listed n ON n.sensor_id = r.sensor_id
    ORDER BY r.sensor_id`,
  ),
  restore: tsql({}, 'DELETE FROM retired_sensors WHERE sensor_id IN (SELECT n.sensor_id FROM #listed n)'),
  count: tsql({}, 'SELECT COUNT(*) AS n FROM retired_sensors'),
  byPool: tsql(
    { releaseKey: 'INT' },
    `
    SELECT COALESCE(m.pool, '') AS pool, COUNT(*) AS n FROM retired_sensors r
    LEFT JOIN release_models m ON m.release_key = @releaseKey AND m.sensor_id = r.sensor_id
    GROUP BY COALESCE(m.pool, '')`,
  ),
  countLeftOut: tsql(
    { batchId: 'NVARCHAR(128)' },
    `
    SELECT COUNT(*) AS n FROM batch_left_out x INNER JOIN batches b ON b.batch_key = x.batch_key WHERE b.id = @batchId`,
  ),
  list: tsql(
    { after: 'INT', limit: 'INT' },
    `
    SELECT TOP (@limit) id, device, sensor, unit, atMs, [by], comment FROM (
      SELECT s.id AS id, s.device AS device, s.sensor AS sensor, s.unit AS unit, r.at_ms AS atMs, r.by_whom AS [by],
             r.comment AS comment
      FROM retired_sensors r INNER JOIN sensors s ON s.id = r.sensor_id WHERE r.sensor_id > @after
    ) page ORDER BY id`,
  ),
  leftOut: tsql(
    { fromId: 'INT', toId: 'INT', releaseKey: 'INT' },
    `
    SELECT s.id AS id FROM sensors s WHERE s.id >= @fromId AND s.id < @toId AND (
      EXISTS (SELECT 1 FROM retired_sensors r WHERE r.sensor_id = s.id)
      OR (NOT EXISTS (SELECT 1 FROM release_models m WHERE m.release_key = @releaseKey AND m.sensor_id = s.id)
        AND NOT EXISTS (SELECT 1 FROM windows w WHERE w.sensor_id = s.id))
    ) ORDER BY s.id`,
  ),
} as const;

/** Sensors that are looked at in one statement. */
const SENSORS_AT_ONCE = 50_000;

export function retiredMethods(db: Database): RetiredStore {
  const changing = (ids: readonly number[], change: (tx: Transaction) => Promise<number[]>): Promise<number[]> =>
    db.write(async (tx) => {
      await tx.lock('fleetscore-retired');
      await tx.stage(
        LISTED,
        [...new Set(ids)].map((id) => [id]),
      );
      return change(tx);
    });
  const idsOf = (rows: readonly { readonly id: number }[]): number[] => rows.map(({ id }) => id);

  return {
    retireSensors: (ids, retirement) =>
      changing(ids, async (tx) => {
        const changed = idsOf(await tx.query<{ id: number }>(RETIRED_SQL.inService, {}));
        await tx.run(RETIRED_SQL.retire, { ...retirement });
        return changed;
      }),

    restoreSensors: (ids) =>
      changing(ids, async (tx) => {
        const changed = idsOf(await tx.query<{ id: number }>(RETIRED_SQL.outOfService, {}));
        await tx.run(RETIRED_SQL.restore, {});
        return changed;
      }),

    countRetired: () => db.read(async (session) => (await session.query<{ n: number }>(RETIRED_SQL.count, {}))[0]!.n),

    retiredByPool: (release) =>
      db.read(async (session) => {
        const values = { releaseKey: await releaseKey(session, release) };
        const rows = await session.query<{ pool: string; n: number }>(RETIRED_SQL.byPool, values);
        return new Map(rows.map(({ pool, n }) => [pool, n]));
      }),

    countLeftOut: (batchId) =>
      db.read(async (session) => (await session.query<{ n: number }>(RETIRED_SQL.countLeftOut, { batchId }))[0]!.n),

    retiredSensors: ({ after = 0, limit = ALL } = {}) =>
      db.read(async (session) =>
        (await session.query<RetiredSensor>(RETIRED_SQL.list, { after, limit })).map((row) => ({
          ...row,
          atMs: Number(row.atMs),
        })),
      ),

    async sensorsLeftOut(release) {
      const { key, end } = await db.read(async (session) => ({
        key: await releaseKey(session, release),
        end: (await maxSensorId(session)) + 1,
      }));
      const found: number[] = [];
      for (let fromId = 1; fromId < end; fromId += SENSORS_AT_ONCE) {
        const toId = Math.min(end, fromId + SENSORS_AT_ONCE);
        const values = { fromId, toId, releaseKey: key };
        const rows = await db.read((session) => session.query<{ id: number }>(RETIRED_SQL.leftOut, values));
        for (const { id } of rows) found.push(id);
      }
      return found;
    },
  };
}
