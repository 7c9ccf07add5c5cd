/** The statements of batches: all sensors up to the highest id, or a list; of one pool, or of all. */
import { CLOCK_SLACK_MS, LATE_STEP_MS } from '../progress-rows.ts';
import { SERIES_COLUMNS } from '../rows.ts';
import type { BatchFilter } from '../store.ts';

const BATCH = `
  SELECT b.batch_key AS batchKey, b.id, b.workflow_id AS workflowId, b.run_id AS runId, b.kind, b.schedule,
         r.name AS releaseName, b.release_key AS releaseKey, b.wanted_release AS wantedRelease, b.supersedes,
         b.code_version AS codeVersion,
         b.from_ms AS fromMs, b.to_ms AS toMs, b.started_at_ms AS startedAtMs, b.listed,
         b.max_sensor_id AS maxSensorId, b.planned, b.status, b.manifest, b.class, b.message,
         b.finished_at_ms AS finishedAtMs,
         b.scored, b.skipped, b.failed, b.cancelled, b.windows, b.anomalies
  FROM batches b LEFT JOIN releases r ON r.release_key = b.release_key`;

// Where the planned sensors come from, with the column that orders them: sorting is free in that order.
// ?1 batch, ?2 and ?3 the range of ids. Both are given in either form, so that callers need not tell them apart.
const ALL_SENSORS = {
  id: 's.id',
  from: `
  FROM sensors s WHERE s.id >= ?2 AND s.id < ?3
    AND NOT EXISTS (SELECT 1 FROM batch_left_out x WHERE x.batch_key = ?1 AND x.sensor_id = s.id)`,
};
const LISTED = {
  id: 'l.sensor_id',
  from: `
  FROM batch_sensors l CROSS JOIN sensors s ON s.id = l.sensor_id
  WHERE l.batch_key = ?1 AND l.sensor_id >= ?2 AND l.sensor_id < ?3`,
};
type Planned = typeof LISTED;

/** Of these, the sensors whose model names a pool; '' those that name none. Parameters: the release's key, the pool. */
const pooled = ({ id, from }: Planned, release: number, pool: number): Planned => ({
  id,
  from:
    `${from} AND COALESCE((SELECT q.pool FROM release_models q WHERE q.release_key = ?${release} AND ` +
    `q.sensor_id = ${id}), '') = ?${pool}`,
});

// One range a call, from where the last one ended: four times as fast as numbering the rows of a fleet.
const ranges = ({ id, from }: Planned): string => `
  SELECT MIN(id) AS "from", MAX(id) + 1 AS "to", COUNT(*) AS count
  FROM (SELECT ${id} AS id ${from} ORDER BY ${id} LIMIT ?4)`;

const sensors = ({ id, from }: Planned): string => `
  SELECT p.id, p.device, p.sensor, p.unit, a.name, m.model_id, m.pack_id, m.pack_row, m.threshold, m.window_ms
  FROM (SELECT ${id} AS id, s.device, s.sensor, s.unit ${from}) p
  LEFT JOIN release_models m ON m.release_key = ?4 AND m.sensor_id = p.id
  LEFT JOIN artifacts a ON a.id = m.model_id`;

const undecided = (planned: Planned): string => `
  ${sensors(planned)}
  WHERE NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.batch_key = ?1 AND o.sensor_id = p.id)
  ORDER BY p.id LIMIT ?5`;

// As WINDOW_SQL.series, with the planned sensors as the outer loop.
const series = ({ id, from }: Planned, columns: string): string => `
  SELECT w.sensor_id, w.start_ms, ${columns}
  FROM (SELECT ${id} AS id ${from} ORDER BY ${id}) p CROSS JOIN windows w ON w.sensor_id = p.id
  WHERE w.start_ms >= ?4 AND w.start_ms < ?5
  ORDER BY p.id, w.start_ms`;

/** Each filter a statement of its own: one for all of them would walk the newest batches for every question. */
export const LIST_FILTERS = {
  schedule: { where: 'b.schedule = ?', values: (f: BatchFilter) => [f.schedule!] },
  status: { where: 'b.status = ?', values: (f: BatchFilter) => [f.status!] },
  period: { where: 'b.from_ms = ? AND b.to_ms = ?', values: (f: BatchFilter) => [f.period!.fromMs, f.period!.toMs] },
  within: {
    where: 'b.from_ms >= ? AND b.from_ms <= ? AND b.to_ms <= ?',
    values: (f: BatchFilter) => [f.within!.fromMs, f.within!.toMs, f.within!.toMs],
  },
  covering: {
    where: 'b.from_ms < ? AND b.to_ms > ?',
    values: (f: BatchFilter) => [f.covering!.toMs, f.covering!.fromMs],
  },
  endedBefore: { where: 'b.finished_at_ms < ?', values: (f: BatchFilter) => [f.endedBefore!] },
  supersedes: { where: 'b.supersedes = ?', values: (f: BatchFilter) => [f.supersedes!] },
} as const;
export type ListFilter = keyof typeof LIST_FILTERS;

export const listSql = (filters: readonly ListFilter[]): string =>
  `${BATCH}${filters.map((name, i) => `${i === 0 ? ' WHERE' : ' AND'} ${LIST_FILTERS[name].where}`).join('')}
    ORDER BY b.started_at_ms DESC, b.batch_key DESC LIMIT ?`;

export const BATCH_SQL = {
  find: `${BATCH} WHERE b.id = ?`,
  // The batches of a lookback are few; of the marks, only those near the period are looked at.
  latePeriods: `
    SELECT p.from_ms AS fromMs, p.to_ms AS toMs FROM (
      SELECT from_ms, to_ms, MAX(started_at_ms) AS started_ms, MAX(CASE WHEN schedule = ?3 THEN 1 ELSE 0 END) AS ours
      FROM batches WHERE from_ms >= ?1 AND to_ms <= ?2 AND manifest IS NOT NULL
      GROUP BY from_ms, to_ms
    ) p
    WHERE (?3 IS NULL OR p.ours = 1) AND EXISTS (
      SELECT 1 FROM late_minutes l
      WHERE l.start_ms > p.from_ms - ?4 - ${LATE_STEP_MS} AND l.start_ms < p.to_ms
        AND l.changed_at_ms > p.started_ms - ${CLOCK_SLACK_MS}
    )
    ORDER BY p.from_ms, p.to_ms`,
  announce: `
    INSERT INTO batches (id, workflow_id, run_id, kind, schedule, release_key, wanted_release, supersedes, code_version,
                         from_ms, to_ms, started_at_ms, listed, max_sensor_id, planned, status)
    VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, 0, 0, 0, 'waiting')`,
  plan: `
    UPDATE batches SET kind = ?, release_key = ?, supersedes = ?, code_version = ?, started_at_ms = ?, listed = ?,
      max_sensor_id = ?, planned = ?, status = 'running'
    WHERE batch_key = ?`,
  addSensor: 'INSERT INTO batch_sensors (batch_key, sensor_id) VALUES (?, ?) ON CONFLICT DO NOTHING',
  leaveOut: `
    INSERT INTO batch_left_out (batch_key, sensor_id) SELECT ?1, id FROM sensors WHERE id = ?2 ON CONFLICT DO NOTHING`,
  knownSensor: 'SELECT 1 FROM sensors WHERE id = ?',
  setPlanned: 'UPDATE batches SET planned = ? WHERE batch_key = ?',
  finish: `
    UPDATE batches SET status = ?, manifest = ?, class = ?, message = ?, finished_at_ms = ?,
      scored = ?, skipped = ?, failed = ?, cancelled = ?, windows = ?, anomalies = ?
    WHERE batch_key = ? AND status IN ('waiting', 'running')`,
  counts: `
    SELECT SUM(scored) AS scored, SUM(skipped) AS skipped, SUM(failed) AS failed, SUM(cancelled) AS cancelled,
           SUM(windows) AS windows, SUM(anomalies) AS anomalies
    FROM chunks WHERE batch_key = ?`,
  rangesAll: ranges(ALL_SENSORS),
  rangesListed: ranges(LISTED),
  sensorsAll: `${sensors(ALL_SENSORS)} ORDER BY p.id`,
  sensorsListed: `${sensors(LISTED)} ORDER BY p.id`,
  undecidedAll: undecided(ALL_SENSORS),
  undecidedListed: undecided(LISTED),
  rangesAllOfPool: ranges(pooled(ALL_SENSORS, 5, 6)),
  rangesListedOfPool: ranges(pooled(LISTED, 5, 6)),
  sensorsAllOfPool: `${sensors(pooled(ALL_SENSORS, 4, 5))} ORDER BY p.id`,
  sensorsListedOfPool: `${sensors(pooled(LISTED, 4, 5))} ORDER BY p.id`,
  undecidedAllOfPool: undecided(pooled(ALL_SENSORS, 4, 6)),
  undecidedListedOfPool: undecided(pooled(LISTED, 4, 6)),
  seriesAll: series(ALL_SENSORS, SERIES_COLUMNS.series),
  meansAll: series(ALL_SENSORS, SERIES_COLUMNS.means),
  seriesListed: series(LISTED, SERIES_COLUMNS.series),
  meansListed: series(LISTED, SERIES_COLUMNS.means),
  seriesAllOfPool: series(pooled(ALL_SENSORS, 6, 7), SERIES_COLUMNS.series),
  meansAllOfPool: series(pooled(ALL_SENSORS, 6, 7), SERIES_COLUMNS.means),
  seriesListedOfPool: series(pooled(LISTED, 6, 7), SERIES_COLUMNS.series),
  meansListedOfPool: series(pooled(LISTED, 6, 7), SERIES_COLUMNS.means),
  pools: 'SELECT pool, planned FROM batch_pools WHERE batch_key = ? ORDER BY pool',
  decidedByPool: `
    SELECT COALESCE(pool, '') AS pool, SUM(scored + skipped + failed + cancelled) AS decided
    FROM chunks WHERE batch_key = ? GROUP BY COALESCE(pool, '')`,
  addPools: `
    INSERT INTO batch_pools (batch_key, pool, planned)
    SELECT ?1, n.pool, n.planned FROM (
      SELECT p.pool, p.sensors - (
        SELECT COUNT(*) FROM batch_left_out x
        CROSS JOIN release_models m ON m.release_key = p.release_key AND m.sensor_id = x.sensor_id
        WHERE x.batch_key = ?1 AND m.pool = p.pool
      ) AS planned
      FROM release_pools p WHERE p.release_key = ?2
    ) n WHERE n.planned > 0`,
  addPoolsListed: `
    INSERT INTO batch_pools (batch_key, pool, planned)
    SELECT ?1, m.pool, COUNT(*) FROM batch_sensors l
    CROSS JOIN release_models m ON m.release_key = ?2 AND m.sensor_id = l.sensor_id
    WHERE l.batch_key = ?1 AND m.pool IS NOT NULL GROUP BY m.pool`,
  addChallenger: `
    INSERT INTO batch_challengers (batch_key, release_key, share)
    SELECT ?1, release_key, share FROM challenger WHERE release_key <> ?2`,
  // Those that name no pool, where others do.
  addPoolless: `
    INSERT INTO batch_pools (batch_key, pool, planned)
    SELECT ?1, '', n.rest FROM (
      SELECT ?2 - COALESCE(SUM(planned), 0) AS rest, COUNT(*) AS pools FROM batch_pools WHERE batch_key = ?1
    ) n
    WHERE n.pools > 0 AND n.rest > 0`,
} as const;
