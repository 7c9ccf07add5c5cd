/** The statements of batches: all sensors up to the highest id, or a list; of one pool, or of all. */
import { CLOCK_SLACK_MS, LATE_STEP_MS } from '../progress-rows.ts';
import { SERIES_COLUMNS } from '../rows.ts';
import { tsql, type StageTable } from './statement.ts';

export const LISTED: StageTable = {
  name: '#listed',
  columns: [{ name: 'sensor_id', type: 'INT', of: 'batch_sensors.sensor_id' }],
  key: ['sensor_id'],
};

const COLUMNS = `b.batch_key AS batchKey, b.id AS id, b.workflow_id AS workflowId, b.run_id AS runId, b.kind AS kind,
  b.schedule AS schedule, r.name AS releaseName, b.release_key AS releaseKey, b.wanted_release AS wantedRelease,
  b.supersedes AS supersedes,
  b.code_version AS codeVersion, b.from_ms AS fromMs, b.to_ms AS toMs, b.started_at_ms AS startedAtMs,
  b.listed AS listed, b.max_sensor_id AS maxSensorId, b.planned AS planned, b.status AS status,
  b.manifest AS manifest, b.class AS class, b.message AS message, b.finished_at_ms AS finishedAtMs, b.scored AS scored,
  b.skipped AS skipped, b.failed AS failed, b.cancelled AS cancelled, b.windows AS windows, b.anomalies AS anomalies`;

const BATCH_NAMES = COLUMNS.replace(/\bb\.\w+ AS |r\.name AS /g, '');

const RANGE = { fromId: 'INT', toId: 'INT' } as const;

const BATCH_RANGE = { batchKey: 'INT', ...RANGE } as const;

const PLANNED_ALL = `FROM sensors s WHERE s.id >= @fromId AND s.id < @toId
        AND NOT EXISTS (SELECT 1 FROM batch_left_out x WHERE x.batch_key = @batchKey AND x.sensor_id = s.id)`;

const PLANNED_LISTED = `FROM batch_sensors l INNER JOIN sensors s ON s.id = l.sensor_id
      WHERE l.batch_key = @batchKey AND l.sensor_id >= @fromId AND l.sensor_id < @toId`;

/** Of these, the sensors whose model names a pool; '' those that name none. */
const ofPool = (planned: string): string =>
  `${planned} AND ISNULL((SELECT q.pool FROM release_models q WHERE q.release_key = @releaseKey AND q.sensor_id = s.id), N'') = @pool`;

const ranges = (planned: string): string => `
    SELECT MIN(id) AS [from], MAX(id) + 1 AS [to], COUNT(*) AS [count] FROM (
      SELECT s.id AS id, (ROW_NUMBER() OVER (ORDER BY s.id) - 1) / @size AS part
      ${planned}
    ) p GROUP BY part ORDER BY part`;

const sensors = (planned: string): string => `
      SELECT p.id AS id, p.device AS device, p.sensor AS sensor, p.unit AS unit, a.name AS model, k.name AS pack,
             m.pack_row AS packRow, m.threshold AS threshold, m.window_ms AS windowMs, m.model_id AS modelId
      FROM (SELECT s.id AS id, s.device AS device, s.sensor AS sensor, s.unit AS unit ${planned}) p
      LEFT JOIN release_models m ON m.release_key = @releaseKey AND m.sensor_id = p.id
      LEFT JOIN artifacts a ON a.id = m.model_id
      LEFT JOIN artifacts k ON k.id = m.pack_id`;

const undecided = (planned: string): string => `
    SELECT TOP (@limit) id, device, sensor, unit, model, pack, packRow, threshold, windowMs FROM (${sensors(planned)}
      WHERE NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.batch_key = @batchKey AND o.sensor_id = p.id)
    ) u ORDER BY id`;

/**
 * Milliseconds as the double that they become here: the driver makes a text of each BIGINT, row after row. A FLOAT has
 * 53 bits, and holds every millisecond exactly.
 */
export const START_AT = 'CAST(w.start_ms AS FLOAT) AS startAt';

// As WINDOW_SQL.series, from the planned sensors.
const series = (planned: string, columns: string): string => `
    SELECT w.sensor_id, ${START_AT}, ${columns}
    FROM (SELECT s.id AS id ${planned}) p
    INNER JOIN windows w WITH (FORCESEEK (pk_windows (sensor_id, start_ms))) ON w.sensor_id = p.id
    WHERE w.start_ms >= @fromMs AND w.start_ms < @toMs
    ORDER BY p.id, w.start_ms`;

const ID = { id: 'NVARCHAR(128)' } as const;

const MODELS = { releaseKey: 'INT' } as const;

const POOL = { ...MODELS, pool: 'NVARCHAR(128)' } as const;

const PERIOD = { fromMs: 'BIGINT', toMs: 'BIGINT' } as const;

/** Types of what is counted of a batch and of a chunk. */
export const COUNTS = {
  scored: 'BIGINT',
  skipped: 'BIGINT',
  failed: 'BIGINT',
  cancelled: 'BIGINT',
  windows: 'BIGINT',
  anomalies: 'BIGINT',
} as const;

export const BATCH_SQL = {
  find: tsql(
    ID,
    `
    SELECT ${COLUMNS} FROM batches b LEFT JOIN releases r ON r.release_key = b.release_key WHERE b.id = @id`,
  ),
  // Commits of chunks share the row, the end of the batch has it alone: no outcome slips in after the counting.
  share: tsql(
    ID,
    'SELECT b.batch_key AS batchKey, b.status AS status FROM batches b WITH (HOLDLOCK, ROWLOCK) WHERE b.id = @id',
  ),
  seize: tsql(
    ID,
    'SELECT b.batch_key AS batchKey, b.status AS status FROM batches b WITH (XLOCK, HOLDLOCK, ROWLOCK) WHERE b.id = @id',
  ),
  list: tsql(
    {
      schedule: 'NVARCHAR(1000)',
      status: 'NVARCHAR(32)',
      fromMs: 'BIGINT',
      toMs: 'BIGINT',
      withinFromMs: 'BIGINT',
      withinToMs: 'BIGINT',
      coveringFromMs: 'BIGINT',
      coveringToMs: 'BIGINT',
      endedBefore: 'BIGINT',
      supersedes: 'NVARCHAR(128)',
      limit: 'INT',
    },
    `
    SELECT TOP (@limit) ${BATCH_NAMES} FROM (
      SELECT ${COLUMNS}
      FROM batches b LEFT JOIN releases r ON r.release_key = b.release_key
      WHERE (@schedule IS NULL OR b.schedule = @schedule) AND (@status IS NULL OR b.status = @status)
        AND (@fromMs IS NULL OR (b.from_ms = @fromMs AND b.to_ms = @toMs)) AND (@supersedes IS NULL OR b.supersedes = @supersedes)
        AND (@withinFromMs IS NULL OR (b.from_ms >= @withinFromMs AND b.to_ms <= @withinToMs))
        AND (@endedBefore IS NULL OR b.finished_at_ms < @endedBefore)
        AND (@coveringFromMs IS NULL OR (b.from_ms < @coveringToMs AND b.to_ms > @coveringFromMs))
    ) page ORDER BY startedAtMs DESC, batchKey DESC`,
  ),
  latePeriods: tsql(
    { fromMs: 'BIGINT', toMs: 'BIGINT', schedule: 'NVARCHAR(1000)', lookbackMs: 'BIGINT' },
    `
    SELECT p.fromMs AS fromMs, p.toMs AS toMs FROM (
      SELECT b.from_ms AS fromMs, b.to_ms AS toMs, MAX(b.started_at_ms) AS startedMs,
             MAX(CASE WHEN b.schedule = @schedule THEN 1 ELSE 0 END) AS ours
      FROM batches b WHERE b.from_ms >= @fromMs AND b.to_ms <= @toMs AND b.manifest IS NOT NULL
      GROUP BY b.from_ms, b.to_ms
    ) p
    WHERE (@schedule IS NULL OR p.ours = 1) AND EXISTS (
      SELECT 1 FROM late_minutes l
      WHERE l.start_ms > p.fromMs - @lookbackMs - ${LATE_STEP_MS} AND l.start_ms < p.toMs AND l.changed_at_ms > p.startedMs - ${CLOCK_SLACK_MS}
    )
    ORDER BY p.fromMs, p.toMs`,
  ),
  announce: tsql(
    {
      ...ID,
      workflowId: 'NVARCHAR(1000)',
      runId: 'NVARCHAR(128)',
      kind: 'NVARCHAR(32)',
      schedule: 'NVARCHAR(1000)',
      wantedRelease: 'NVARCHAR(400)',
      supersedes: 'NVARCHAR(128)',
      codeVersion: 'NVARCHAR(128)',
      fromMs: 'BIGINT',
      toMs: 'BIGINT',
      startedAtMs: 'BIGINT',
    },
    `
    INSERT INTO batches (id, workflow_id, run_id, kind, schedule, release_key, wanted_release, supersedes, code_version,
                         from_ms, to_ms, started_at_ms, listed, max_sensor_id, planned, status)
    VALUES (@id, @workflowId, @runId, @kind, @schedule, 0, @wantedRelease, @supersedes, @codeVersion, @fromMs, @toMs,
            @startedAtMs, 0, 0, 0, N'waiting')`,
  ),
  plan: tsql(
    {
      batchKey: 'INT',
      kind: 'NVARCHAR(32)',
      releaseKey: 'INT',
      supersedes: 'NVARCHAR(128)',
      codeVersion: 'NVARCHAR(128)',
      startedAtMs: 'BIGINT',
      listed: 'BIT',
      maxSensorId: 'INT',
      planned: 'INT',
    },
    `
    UPDATE batches SET kind = @kind, release_key = @releaseKey, supersedes = @supersedes, code_version = @codeVersion,
      started_at_ms = @startedAtMs, listed = @listed, max_sensor_id = @maxSensorId, planned = @planned,
      status = N'running'
    WHERE batch_key = @batchKey`,
  ),
  unknownSensors: tsql(
    {},
    `
    SELECT n.sensor_id AS id FROM #listed n WHERE NOT EXISTS (SELECT 1 FROM sensors s WHERE s.id = n.sensor_id)
    ORDER BY n.sensor_id`,
  ),
  addSensors: tsql(
    { batchKey: 'INT' },
    'INSERT INTO batch_sensors (batch_key, sensor_id) SELECT @batchKey, n.sensor_id FROM #listed n',
  ),
  leaveOut: tsql(
    { batchKey: 'INT' },
    `
    INSERT INTO batch_left_out (batch_key, sensor_id)
    SELECT @batchKey, n.sensor_id FROM #listed n INNER JOIN sensors s ON s.id = n.sensor_id`,
  ),
  finish: tsql(
    {
      batchKey: 'INT',
      status: 'NVARCHAR(32)',
      manifest: 'NVARCHAR(400)',
      class: 'NVARCHAR(32)',
      message: 'NVARCHAR(1000)',
      finishedAtMs: 'BIGINT',
      ...COUNTS,
    },
    `
    UPDATE batches SET status = @status, manifest = @manifest, class = @class, message = @message, finished_at_ms = @finishedAtMs,
      scored = @scored, skipped = @skipped, failed = @failed, cancelled = @cancelled, windows = @windows,
      anomalies = @anomalies
    WHERE batch_key = @batchKey AND status IN (N'waiting', N'running')`,
  ),
  counts: tsql(
    { batchKey: 'INT' },
    `
    SELECT SUM(scored) AS scored, SUM(skipped) AS skipped, SUM(failed) AS failed, SUM(cancelled) AS cancelled,
           SUM(windows) AS windows, SUM(anomalies) AS anomalies
    FROM chunks WHERE batch_key = @batchKey`,
  ),
  rangesAll: tsql({ ...BATCH_RANGE, size: 'INT' }, ranges(PLANNED_ALL)),
  rangesListed: tsql({ ...BATCH_RANGE, size: 'INT' }, ranges(PLANNED_LISTED)),
  sensorsAll: tsql({ ...BATCH_RANGE, ...MODELS }, `${sensors(PLANNED_ALL)} ORDER BY p.id`),
  sensorsListed: tsql({ ...BATCH_RANGE, ...MODELS }, `${sensors(PLANNED_LISTED)} ORDER BY p.id`),
  undecidedAll: tsql({ ...BATCH_RANGE, ...MODELS, limit: 'INT' }, undecided(PLANNED_ALL)),
  undecidedListed: tsql({ ...BATCH_RANGE, ...MODELS, limit: 'INT' }, undecided(PLANNED_LISTED)),
  rangesAllOfPool: tsql({ ...BATCH_RANGE, ...POOL, size: 'INT' }, ranges(ofPool(PLANNED_ALL))),
  rangesListedOfPool: tsql({ ...BATCH_RANGE, ...POOL, size: 'INT' }, ranges(ofPool(PLANNED_LISTED))),
  sensorsAllOfPool: tsql({ ...BATCH_RANGE, ...POOL }, `${sensors(ofPool(PLANNED_ALL))} ORDER BY p.id`),
  sensorsListedOfPool: tsql({ ...BATCH_RANGE, ...POOL }, `${sensors(ofPool(PLANNED_LISTED))} ORDER BY p.id`),
  undecidedAllOfPool: tsql({ ...BATCH_RANGE, ...POOL, limit: 'INT' }, undecided(ofPool(PLANNED_ALL))),
  undecidedListedOfPool: tsql({ ...BATCH_RANGE, ...POOL, limit: 'INT' }, undecided(ofPool(PLANNED_LISTED))),
  seriesAll: tsql({ ...BATCH_RANGE, ...PERIOD }, series(PLANNED_ALL, SERIES_COLUMNS.series)),
  meansAll: tsql({ ...BATCH_RANGE, ...PERIOD }, series(PLANNED_ALL, SERIES_COLUMNS.means)),
  seriesListed: tsql({ ...BATCH_RANGE, ...PERIOD }, series(PLANNED_LISTED, SERIES_COLUMNS.series)),
  meansListed: tsql({ ...BATCH_RANGE, ...PERIOD }, series(PLANNED_LISTED, SERIES_COLUMNS.means)),
  seriesAllOfPool: tsql({ ...BATCH_RANGE, ...POOL, ...PERIOD }, series(ofPool(PLANNED_ALL), SERIES_COLUMNS.series)),
  meansAllOfPool: tsql({ ...BATCH_RANGE, ...POOL, ...PERIOD }, series(ofPool(PLANNED_ALL), SERIES_COLUMNS.means)),
  seriesListedOfPool: tsql(
    { ...BATCH_RANGE, ...POOL, ...PERIOD },
    series(ofPool(PLANNED_LISTED), SERIES_COLUMNS.series),
  ),
  meansListedOfPool: tsql({ ...BATCH_RANGE, ...POOL, ...PERIOD }, series(ofPool(PLANNED_LISTED), SERIES_COLUMNS.means)),
  pools: tsql({ batchKey: 'INT' }, 'SELECT pool, planned FROM batch_pools WHERE batch_key = @batchKey ORDER BY pool'),
  decidedByPool: tsql(
    { batchKey: 'INT' },
    `
    SELECT ISNULL(pool, N'') AS pool, SUM(scored + skipped + failed + cancelled) AS decided
    FROM chunks WHERE batch_key = @batchKey GROUP BY ISNULL(pool, N'')`,
  ),
  addPools: tsql(
    { batchKey: 'INT', ...MODELS },
    `
    INSERT INTO batch_pools (batch_key, pool, planned)
    SELECT @batchKey, n.pool, n.planned FROM (
      SELECT p.pool AS pool, p.sensors - ISNULL(l.sensors, 0) AS planned
      FROM release_pools p LEFT JOIN (
        SELECT m.pool AS pool, COUNT(*) AS sensors
        FROM batch_left_out x INNER JOIN release_models m ON m.release_key = @releaseKey AND m.sensor_id = x.sensor_id
        WHERE x.batch_key = @batchKey AND m.pool IS NOT NULL GROUP BY m.pool
      ) l ON l.pool = p.pool
      WHERE p.release_key = @releaseKey
    ) n WHERE n.planned > 0`,
  ),
  addPoolsListed: tsql(
    { batchKey: 'INT', ...MODELS },
    `
    INSERT INTO batch_pools (batch_key, pool, planned)
    SELECT @batchKey, m.pool, COUNT(*)
    FROM batch_sensors l INNER JOIN release_models m ON m.release_key = @releaseKey AND m.sensor_id = l.sensor_id
    WHERE l.batch_key = @batchKey AND m.pool IS NOT NULL GROUP BY m.pool`,
  ),
  addChallenger: tsql(
    { batchKey: 'INT', ...MODELS },
    `
    INSERT INTO batch_challengers (batch_key, release_key, share)
    SELECT @batchKey, c.release_key, c.share FROM challenger c WHERE c.release_key <> @releaseKey`,
  ),
  // Those that name no pool, where others do.
  addPoolless: tsql(
    { batchKey: 'INT', planned: 'INT' },
    `
    INSERT INTO batch_pools (batch_key, pool, planned)
    SELECT @batchKey, N'', n.rest FROM (
      SELECT @planned - ISNULL(SUM(p.planned), 0) AS rest, COUNT(*) AS pools FROM batch_pools p WHERE p.batch_key = @batchKey
    ) n
    WHERE n.pools > 0 AND n.rest > 0`,
  ),
} as const;
