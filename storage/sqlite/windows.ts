/**
 * Reading, loading and pruning windows. All of it goes sensor by sensor through the primary key, with the
 * sensor list as the outer loop (CROSS JOIN keeps SQLite from turning it round): a scan over the windows
 * of a range of sensors would read their whole history.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { Window } from '../../domain/reading.ts';
import type { Period } from '../../domain/time.ts';
import type { ChangedOptions, IdRange, WindowBucket, WindowLoad, WindowStats, WindowStore } from '../store.ts';
import { ownStarts } from '../rows.ts';
import { readingsOf, type StoredReadings } from '../window-merge.ts';
import type { Connection } from './connection.ts';
import { INGEST_SQL, writeWindows } from './ingest.ts';
import { ALL, maxSensorId } from './sensors.ts';
import { readSeries } from './series.ts';

/** The sensors of a period whose windows changed: those that start in `[from, to)`, of a row of `seen`. */
const changed = (own: Readonly<Record<'column' | 'join' | 'from' | 'to', string>>): string => `
    WITH seen AS (
      SELECT o.sensor_id, MAX(o.change_id) AS change_id${own.column}
      FROM batches b
      CROSS JOIN outcomes o ON o.batch_key = b.batch_key
      ${own.join}
      WHERE b.from_ms = ?1 AND b.to_ms = ?2 AND b.manifest IS NOT NULL
        AND o.sensor_id >= ?3 AND o.sensor_id < ?4 AND (o.status = 0 OR o.class = 'no_data')
      GROUP BY o.sensor_id
    )
    SELECT s.sensor_id AS id FROM seen s
    WHERE EXISTS (
      SELECT 1 FROM windows w
      WHERE w.sensor_id = s.sensor_id AND w.start_ms >= ${own.from} AND w.start_ms < ${own.to}
        AND w.change_id > s.change_id
    ) AND NOT EXISTS (SELECT 1 FROM retired_sensors r WHERE r.sensor_id = s.sensor_id)
    ORDER BY s.sensor_id LIMIT ?5`;

export const WINDOW_SQL = {
  sensorWindows: `
    SELECT start_ms AS startMs, count, mean, min, max, last
    FROM windows WHERE sensor_id = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms`,
  // Slice by slice: grouping in SQL sorts every window of a month, which is four times the work.
  bucket: `
    SELECT ?2 - ?2 % ?4 AS startMs, COUNT(*) AS windows, AVG(mean) AS mean, MIN(min) AS min, MAX(max) AS max
    FROM windows WHERE sensor_id = ?1 AND start_ms >= ?2 AND start_ms < ?3`,
  nextWindow: `
    SELECT start_ms AS startMs FROM windows
    WHERE sensor_id = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms LIMIT 1`,
  windowReadings: `
    SELECT start_ms AS startMs, count, last, last_ts AS lastTs, readings
    FROM windows WHERE sensor_id = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms`,
  stats: `
    SELECT s.id AS sensorId,
      (SELECT w.start_ms FROM windows w WHERE w.sensor_id = s.id ORDER BY w.start_ms LIMIT 1) AS firstMs,
      (SELECT w.start_ms FROM windows w WHERE w.sensor_id = s.id ORDER BY w.start_ms DESC LIMIT 1) AS lastMs
    FROM sensors s WHERE s.id >= ? AND s.id < ? ORDER BY s.id`,
  count: 'SELECT COUNT(*) AS n FROM windows WHERE sensor_id = ? AND start_ms >= ?',
  changed: changed({ column: '', join: '', from: '?6', to: '?2' }),
  // ?7 and ?8: start and end of the period, so that the multiple of a length at or before them is where the first
  // window of that length starts that belongs to it, and where the last one ends. ?9: lag.
  changedOwn: changed({
    column: ', MAX(COALESCE(m.window_ms, 0)) AS own_ms',
    join: 'LEFT JOIN release_models m ON m.release_key = b.release_key AND m.sensor_id = o.sensor_id',
    from: 'CASE s.own_ms WHEN 0 THEN ?6 ELSE ?7 - ?7 % s.own_ms - ?9 * s.own_ms END',
    to: `CASE WHEN s.own_ms = 0 THEN ?2
      WHEN ?7 - ?7 % s.own_ms = ?8 - ?8 % s.own_ms THEN 0 ELSE ?8 - ?8 % s.own_ms END`,
  }),
  // The first window of a sensor that no longer fits into a transaction; none when all do.
  pruneUpTo: `
    SELECT start_ms AS startMs FROM windows
    WHERE sensor_id = ? AND start_ms < ? ORDER BY start_ms LIMIT 1 OFFSET ?`,
  prune: 'DELETE FROM windows WHERE sensor_id = ? AND start_ms < ?',
} as const;

/** Windows added in one transaction of a load. */
const LOAD_ROWS = 20_000;
/** Sensors looked at in one read of changedSensors, and in one transaction of a prune. */
const SENSORS_AT_ONCE = 5_000;
/** Sensors of one read of windowStats. */
const STATS_AT_ONCE = 1_000;

export function windowMethods(db: Connection): WindowStore {
  return {
    readSeries: (range, period, options = {}) => db.read(() => readSeries(db, range, period, options)),

    readSensorWindows: (sensorId, { fromMs, toMs }) =>
      db
        .read(() => db.all<Window>(WINDOW_SQL.sensorWindows, sensorId, fromMs, toMs))
        .then((rows) => rows.map((row) => ({ ...row }))),

    readBuckets: (sensorId, period, bucketMs) => readBuckets(db, sensorId, period, bucketMs),

    readWindowReadings: (sensorId, { fromMs, toMs }) =>
      db
        .read(() => db.all<StoredReadings & { startMs: number }>(WINDOW_SQL.windowReadings, sensorId, fromMs, toMs))
        .then((rows) =>
          rows.map((row) => ({ startMs: row.startMs, count: row.count, ...readingsOf(row, row.startMs) })),
        ),

    windowStats: (range, options = {}) => windowStats(db, range, options),

    loadWindows: (load) => loadWindows(db, load),

    changedSensors: (period, options = {}) => changedSensors(db, period, options),
  };
}

/** Slices of one read: it holds up the log of all writers, and in this process everybody else. */
const SLICES_AT_ONCE = 60;

async function readBuckets(
  db: Connection,
  sensorId: number,
  { fromMs, toMs }: Period,
  bucketMs: number,
): Promise<WindowBucket[]> {
  const found: WindowBucket[] = [];
  for (let at: number | undefined = fromMs; at !== undefined;) {
    const from: number = at;
    const part = await db.read(() => slices(db, sensorId, { fromMs: from, toMs }, bucketMs));
    found.push(...part.found);
    at = part.next;
  }
  return found;
}

/** Some slices, and where to go on; time without windows is passed over in one step. */
function slices(
  db: Connection,
  sensorId: number,
  { fromMs, toMs }: Period,
  bucketMs: number,
): { readonly found: WindowBucket[]; readonly next: number | undefined } {
  const found: WindowBucket[] = [];
  let at = fromMs;
  while (at < toMs && found.length < SLICES_AT_ONCE) {
    const end = Math.min(toMs, (Math.floor(at / bucketMs) + 1) * bucketMs);
    const row = db.get<WindowBucket>(WINDOW_SQL.bucket, sensorId, at, end, bucketMs)!;
    if (row.windows > 0) found.push({ ...row });
    const skipped =
      row.windows > 0 ? end : db.get<{ startMs: number }>(WINDOW_SQL.nextWindow, sensorId, end, toMs)?.startMs;
    if (skipped === undefined) return { found, next: undefined };
    at = skipped;
  }
  return { found, next: at < toMs ? at : undefined };
}

/** In short reads: a long one would hold up the log of all writers. */
async function windowStats(
  db: Connection,
  { from, to }: IdRange,
  { countFromMs }: { readonly countFromMs?: number },
): Promise<WindowStats[]> {
  const found: WindowStats[] = [];
  const end = Math.min(to, (await db.read(() => maxSensorId(db))) + 1);
  for (let next = from; next < end; next += STATS_AT_ONCE) {
    const rows = await db.read(() =>
      db.all<{ sensorId: number; firstMs: number | null; lastMs: number | null }>(
        WINDOW_SQL.stats,
        next,
        Math.min(end, next + STATS_AT_ONCE),
      ),
    );
    for (const { sensorId, firstMs, lastMs } of rows) {
      if (firstMs === null || lastMs === null) continue;
      const counted =
        countFromMs === undefined
          ? {}
          : { windows: (await db.read(() => db.get<{ n: number }>(WINDOW_SQL.count, sensorId, countFromMs)))!.n };
      found.push({ sensorId, firstMs, lastMs, ...counted });
    }
    await breathe();
  }
  return found;
}

async function loadWindows(db: Connection, load: WindowLoad): Promise<number> {
  const { sensorIdFrom, startMs, stepMs, windowsPerSensor, values } = load;
  let total = 0;
  for (let at = 0; at < values.length; at += LOAD_ROWS) {
    const end = Math.min(at + LOAD_ROWS, values.length);
    total += await db.write(() =>
      writeWindows(db, (changeId) => {
        const add = db.statement(INGEST_SQL.addWindow);
        let added = 0;
        for (let i = at; i < end; i++) {
          const sensorId = sensorIdFrom + Math.floor(i / windowsPerSensor);
          const start = startMs + (i % windowsPerSensor) * stepMs;
          const value = values[i]!;
          added += Number(add.run(sensorId, start, 1, value, value, value, value, start, changeId, null).changes);
        }
        return added;
      }),
    );
    await breathe();
  }
  return total;
}

async function changedSensors(
  db: Connection,
  { fromMs, toMs }: Period,
  { after = 0, limit = Number.POSITIVE_INFINITY, lookbackMs = 0, own }: ChangedOptions,
): Promise<number[]> {
  const end = await db.read(() => maxSensorId(db) + 1);
  const changed: number[] = [];
  for (let from = after + 1; from < end && changed.length < limit; from += SENSORS_AT_ONCE) {
    const left = Number.isFinite(limit) ? limit - changed.length : ALL;
    const values = [fromMs, toMs, from, from + SENSORS_AT_ONCE, left, fromMs - lookbackMs];
    const rows = await db.read(() =>
      own
        ? db.all<{ id: number }>(WINDOW_SQL.changedOwn, ...values, ...ownStarts({ fromMs, toMs }, own), own.lag)
        : db.all<{ id: number }>(WINDOW_SQL.changed, ...values),
    );
    for (const { id } of rows) changed.push(id);
    await breathe();
  }
  return changed;
}

/** Deletes windows that start before `beforeMs`, at most about `rows` in a transaction. */
export async function pruneWindows(db: Connection, beforeMs: number, rows: number): Promise<number> {
  const end = await db.read(() => maxSensorId(db) + 1);
  let total = 0;
  let next = 1;
  while (next < end) {
    const stop = Math.min(end, next + SENSORS_AT_ONCE);
    const slice = await db.write(() => {
      let deleted = 0;
      let id = next;
      while (id < stop && deleted < rows) {
        const more = db.get<{ startMs: number }>(WINDOW_SQL.pruneUpTo, id, beforeMs, rows - deleted);
        deleted += db.run(WINDOW_SQL.prune, id, more?.startMs ?? beforeMs);
        if (!more) id += 1;
      }
      return { deleted, id };
    });
    total += slice.deleted;
    next = slice.id;
    await breathe();
  }
  return total;
}
