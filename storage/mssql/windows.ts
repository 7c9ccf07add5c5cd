/**
 * Reading, loading and pruning windows. FORCESEEK on both key columns makes the plan a seek per sensor of
 * the range (nested loops from the sensor list), never a scan of the sensors' whole history. The target of
 * a DELETE cannot take that hint; TOP leads to the same plan there.
 */
import { readingsOf, type StoredReadings } from '../window-merge.ts';
import type { Window } from '../../domain/reading.ts';
import type { Period } from '../../domain/time.ts';
import type { ChangedOptions, WindowBucket, WindowLoad, WindowStats, WindowStore } from '../store.ts';
import { ownStarts, SERIES_COLUMNS } from '../rows.ts';
import { seriesColumns } from '../series-columns.ts';
import { plannedRange } from '../batch-rows.ts';
import { kindOf } from './batches.ts';
import { plannedBatch } from './planned-batch.ts';
import { BATCH_SQL, START_AT } from './batch-sql.ts';
import type { Database } from './connection.ts';
import type { OnRow } from './quick-rows.ts';
import { ALL, maxSensorId } from './sensors.ts';
import { tsql, type SqlValue, type StageTable } from './statement.ts';

export const LOADED: StageTable = {
  name: '#loaded',
  columns: [
    { name: 'sensor_id', type: 'INT', of: 'windows.sensor_id' },
    { name: 'start_ms', type: 'BIGINT', of: 'windows.start_ms' },
    { name: 'value', type: 'FLOAT', of: 'windows.mean' },
  ],
  key: ['sensor_id', 'start_ms'],
};

const RANGE = { fromId: 'INT', toId: 'INT' } as const;
const PERIOD = { fromMs: 'BIGINT', toMs: 'BIGINT' } as const;

const series = (columns: string): string => `
    SELECT w.sensor_id, ${START_AT}, ${columns}
    FROM sensors s
    INNER JOIN windows w WITH (FORCESEEK (pk_windows (sensor_id, start_ms))) ON w.sensor_id = s.id
    WHERE s.id >= @fromId AND s.id < @toId AND w.start_ms >= @fromMs AND w.start_ms < @toMs
    ORDER BY s.id, w.start_ms`;

const CHANGED = { ...RANGE, ...PERIOD, windowsFromMs: 'BIGINT', limit: 'INT' } as const;

/**
 * The sensors of a period whose windows changed: those that start in `[from, to)`, of a row of `seen`. After an export
 * and import ROWVERSION starts anew and outcomes have numbers that are still to come: what they saw is then not known,
 * so their windows count as changed.
 */
const changed = (own: Readonly<Record<'column' | 'join' | 'from' | 'to', string>>): string => `
    SELECT TOP (@limit) id FROM (
      SELECT seen.sensor_id AS id FROM (
        SELECT o.sensor_id AS sensor_id,
               CASE WHEN MAX(o.change_id) >= CAST(MIN_ACTIVE_ROWVERSION() AS BIGINT) THEN 0 ELSE MAX(o.change_id) END AS change_id${own.column}
        FROM batches b INNER JOIN outcomes o ON o.batch_key = b.batch_key
        ${own.join}
        WHERE b.from_ms = @fromMs AND b.to_ms = @toMs AND b.manifest IS NOT NULL
          AND o.sensor_id >= @fromId AND o.sensor_id < @toId AND (o.status = 0 OR o.class = N'no_data')
        GROUP BY o.sensor_id
      ) seen
      WHERE EXISTS (
        SELECT 1 FROM windows w WITH (FORCESEEK (pk_windows (sensor_id, start_ms)))
        WHERE w.sensor_id = seen.sensor_id AND w.start_ms >= ${own.from} AND w.start_ms < ${own.to}
          AND CAST(w.change_id AS BIGINT) > seen.change_id
      ) AND NOT EXISTS (SELECT 1 FROM retired_sensors r WHERE r.sensor_id = seen.sensor_id)
    ) changed ORDER BY id`;

export const WINDOW_SQL = {
  // Below every uncommitted change: read before the windows, it can only be too low.
  changeId: tsql({}, 'SELECT CAST(MIN_ACTIVE_ROWVERSION() AS BIGINT) - 1 AS changeId'),
  series: tsql({ ...RANGE, ...PERIOD }, series(SERIES_COLUMNS.series)),
  means: tsql({ ...RANGE, ...PERIOD }, series(SERIES_COLUMNS.means)),
  sensorWindows: tsql(
    { sensorId: 'INT', ...PERIOD },
    `
    SELECT w.start_ms AS startMs, w.count AS [count], w.mean AS mean, w.min AS [min], w.max AS [max], w.last AS [last]
    FROM windows w WHERE w.sensor_id = @sensorId AND w.start_ms >= @fromMs AND w.start_ms < @toMs ORDER BY w.start_ms`,
  ),
  buckets: tsql(
    { sensorId: 'INT', ...PERIOD, bucketMs: 'BIGINT' },
    `
    SELECT startMs, COUNT(*) AS windows, AVG(mean) AS mean, MIN([min]) AS [min], MAX([max]) AS [max] FROM (
      SELECT start_ms - start_ms % @bucketMs AS startMs, mean, [min], [max]
      FROM windows WHERE sensor_id = @sensorId AND start_ms >= @fromMs AND start_ms < @toMs
    ) slices GROUP BY startMs ORDER BY startMs`,
  ),
  windowReadings: tsql(
    { sensorId: 'INT', ...PERIOD },
    `
    SELECT w.start_ms AS startMs, w.count AS [count], w.last AS [last], w.last_ts AS lastTs, w.readings AS readings
    FROM windows w WHERE w.sensor_id = @sensorId AND w.start_ms >= @fromMs AND w.start_ms < @toMs ORDER BY w.start_ms`,
  ),
  stats: tsql(
    RANGE,
    `
    SELECT s.id AS sensorId,
      (SELECT MIN(w.start_ms) FROM windows w WHERE w.sensor_id = s.id) AS firstMs,
      (SELECT MAX(w.start_ms) FROM windows w WHERE w.sensor_id = s.id) AS lastMs
    FROM sensors s WHERE s.id >= @fromId AND s.id < @toId ORDER BY s.id`,
  ),
  count: tsql(
    { sensorId: 'INT', fromMs: 'BIGINT' },
    'SELECT COUNT(*) AS n FROM windows w WHERE w.sensor_id = @sensorId AND w.start_ms >= @fromMs',
  ),
  addLoaded: tsql(
    {},
    `
    INSERT INTO windows (sensor_id, start_ms, [count], mean, [min], [max], [last], last_ts, readings)
    SELECT n.sensor_id, n.start_ms, 1, n.value, n.value, n.value, n.value, n.start_ms, NULL
    FROM #loaded n
    WHERE NOT EXISTS (SELECT 1 FROM windows w WHERE w.sensor_id = n.sensor_id AND w.start_ms = n.start_ms)`,
  ),
  changed: tsql(CHANGED, changed({ column: '', join: '', from: '@windowsFromMs', to: '@toMs' })),
  changedOwn: tsql(
    { ...CHANGED, firstMs: 'BIGINT', endMs: 'BIGINT', lag: 'BIGINT' },
    changed({
      column: ', MAX(COALESCE(m.window_ms, 0)) AS own_ms',
      join: 'LEFT JOIN release_models m ON m.release_key = b.release_key AND m.sensor_id = o.sensor_id',
      from: `CASE WHEN seen.own_ms = 0 THEN @windowsFromMs
              ELSE @firstMs - @firstMs % seen.own_ms - @lag * seen.own_ms END`,
      to: `CASE WHEN seen.own_ms = 0 THEN @toMs
              WHEN @firstMs - @firstMs % seen.own_ms = @endMs - @endMs % seen.own_ms THEN 0
              ELSE @endMs - @endMs % seen.own_ms END`,
    }),
  ),
  prune: tsql(
    { ...RANGE, before: 'BIGINT', limit: 'INT' },
    `
    DELETE TOP (@limit) w
    FROM sensors s
    INNER JOIN windows w WITH (ROWLOCK) ON w.sensor_id = s.id
    WHERE s.id >= @fromId AND s.id < @toId AND w.start_ms < @before`,
  ),
} as const;

/** Windows added in one transaction of a load. */
const LOAD_ROWS = 50_000;
/** Sensors looked at in one statement of changedSensors and prune. */
const SENSORS_AT_ONCE = 5_000;

export function windowMethods(db: Database): WindowStore {
  return {
    async readSeries(range, { fromMs, toMs }, { batchId, columns: wanted = 'all' } = {}) {
      const batch = batchId === undefined ? undefined : await db.read((session) => plannedBatch(db, session, batchId));
      const { from, to, pool } = batch ? plannedRange(batch, range) : { ...range, pool: undefined };
      const width = wanted === 'all' ? 7 : 3;
      let changeId = 0;
      let columns = seriesColumns(width);
      const collect = (): OnRow => {
        columns = seriesColumns(width);
        return (row) => {
          // The answer of WINDOW_SQL.changeId, which comes first.
          if (row.length === 1) changeId = Number(row[0]);
          // Ids are dense.
          else columns.add(row as readonly number[], ((row[0] as number) - from + 1) / (to - from));
        };
      };
      const name = wanted === 'all' ? 'series' : 'means';
      const values = { fromId: from, toId: to, fromMs, toMs };
      const kind = batch ? kindOf(batch, pool) : 'All';
      if (!batch || (kind === 'All' && batch.planned === batch.maxSensorId))
        await db.stream(WINDOW_SQL[name], values, collect, WINDOW_SQL.changeId);
      else
        await db.stream(
          BATCH_SQL[`${name}${kind}`],
          {
            ...values,
            batchKey: batch.batchKey,
            ...(pool === undefined ? {} : { releaseKey: batch.releaseKey, pool }),
          },
          collect,
          WINDOW_SQL.changeId,
        );
      return columns.block(changeId);
    },

    readSensorWindows: (sensorId, { fromMs, toMs }) =>
      db.read(async (session) => {
        const rows = await session.query<Window>(WINDOW_SQL.sensorWindows, { sensorId, fromMs, toMs });
        return rows.map((row) => ({ ...row, startMs: Number(row.startMs) }));
      }),

    readBuckets: (sensorId, { fromMs, toMs }, bucketMs) =>
      db.read(async (session) => {
        const rows = await session.query<WindowBucket>(WINDOW_SQL.buckets, { sensorId, fromMs, toMs, bucketMs });
        return rows.map((row) => ({ ...row, startMs: Number(row.startMs) }));
      }),

    readWindowReadings: (sensorId, { fromMs, toMs }) =>
      db.read(async (session) => {
        const rows = await session.query<Omit<StoredReadings, 'lastTs'> & { startMs: string; lastTs: string }>(
          WINDOW_SQL.windowReadings,
          { sensorId, fromMs, toMs },
        );
        return rows.map((row) => {
          const startMs = Number(row.startMs);
          return { startMs, count: row.count, ...readingsOf({ ...row, lastTs: Number(row.lastTs) }, startMs) };
        });
      }),

    windowStats: ({ from, to }, { countFromMs } = {}) =>
      db.read(async (session) => {
        const rows = await session.query<{ sensorId: number; firstMs: string | null; lastMs: string | null }>(
          WINDOW_SQL.stats,
          { fromId: from, toId: to },
        );
        const found: WindowStats[] = [];
        for (const { sensorId, firstMs, lastMs } of rows) {
          if (firstMs === null || lastMs === null) continue;
          const stats = { sensorId, firstMs: Number(firstMs), lastMs: Number(lastMs) };
          if (countFromMs === undefined) found.push(stats);
          else {
            const [count] = await session.query<{ n: number }>(WINDOW_SQL.count, { sensorId, fromMs: countFromMs });
            found.push({ ...stats, windows: Number(count!.n) });
          }
        }
        return found;
      }),

    loadWindows: (load) => loadWindows(db, load),

    changedSensors: (period, options = {}) => changedSensors(db, period, options),
  };
}

async function loadWindows(db: Database, load: WindowLoad): Promise<number> {
  const { sensorIdFrom, startMs, stepMs, windowsPerSensor, values } = load;
  let total = 0;
  for (let at = 0; at < values.length; at += LOAD_ROWS) {
    const rows: SqlValue[][] = [];
    for (let i = at; i < Math.min(at + LOAD_ROWS, values.length); i++)
      rows.push([
        sensorIdFrom + Math.floor(i / windowsPerSensor),
        startMs + (i % windowsPerSensor) * stepMs,
        values[i]!,
      ]);
    total += await db.write(async (tx) => {
      await tx.stage(LOADED, rows);
      return tx.run(WINDOW_SQL.addLoaded, {});
    });
  }
  return total;
}

async function changedSensors(
  db: Database,
  { fromMs, toMs }: Period,
  { after = 0, limit = ALL, lookbackMs = 0, own }: ChangedOptions,
): Promise<number[]> {
  const end = (await db.read(maxSensorId)) + 1;
  const changed: number[] = [];
  for (let fromId = after + 1; fromId < end && changed.length < limit; fromId += SENSORS_AT_ONCE) {
    const values = {
      fromId,
      toId: fromId + SENSORS_AT_ONCE,
      fromMs,
      toMs,
      windowsFromMs: fromMs - lookbackMs,
      limit: limit - changed.length,
    };
    const rows = await db.read((session) => {
      if (!own) return session.query<{ id: number }>(WINDOW_SQL.changed, values);
      const [firstMs, endMs] = ownStarts({ fromMs, toMs }, own);
      return session.query<{ id: number }>(WINDOW_SQL.changedOwn, { ...values, firstMs, endMs, lag: own.lag });
    });
    for (const { id } of rows) changed.push(id);
  }
  return changed;
}

/** Deletes windows that start before `before`, at most `limit` in a transaction. */
export async function pruneWindows(db: Database, before: number, limit: number): Promise<number> {
  const end = (await db.read(maxSensorId)) + 1;
  let total = 0;
  for (let fromId = 1; fromId < end; fromId += SENSORS_AT_ONCE) {
    for (let gone = limit; gone === limit; total += gone)
      gone = await db.write((tx) =>
        tx.run(WINDOW_SQL.prune, { fromId, toId: fromId + SENSORS_AT_ONCE, before, limit }),
      );
  }
  return total;
}
