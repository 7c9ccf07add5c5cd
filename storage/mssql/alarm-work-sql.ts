/** The statements and staging tables of what a batch needs to decide on alarms. */
import { tsql, type StageTable } from './statement.ts';

/** Sensors that are decided on in one slice, and from when on. */
export const ASKED: StageTable = {
  name: '#asked',
  columns: [
    { name: 'sensor_id', type: 'INT', of: 'alarm_links.sensor_id' },
    { name: 'from_ms', type: 'BIGINT', of: 'alarm_links.from_ms' },
  ],
  key: ['sensor_id', 'from_ms'],
};

/** When the alarms of sensors began that are wanted. */
export const SPANS: StageTable = {
  name: '#spans',
  columns: [
    { name: 'sensor_id', type: 'INT', of: 'alarms.sensor_id' },
    { name: 'from_ms', type: 'BIGINT', of: 'alarms.since_ms' },
    { name: 'to_ms', type: 'BIGINT', of: 'alarms.since_ms' },
  ],
  key: ['sensor_id', 'from_ms'],
};

export const ALARM_IDS: StageTable = {
  name: '#alarm_ids',
  columns: [{ name: 'id', type: 'NVARCHAR(32)', of: 'alarms.id' }],
  key: ['id'],
};

export const SIGNALS: StageTable = {
  name: '#signals',
  columns: [
    { name: 'sensor_id', type: 'INT', of: 'alarm_signals.sensor_id' },
    { name: 'items', type: 'NVARCHAR(MAX)', of: 'alarm_signals.items' },
  ],
  key: ['sensor_id'],
};

export const LINKS: StageTable = {
  name: '#links',
  columns: [
    { name: 'sensor_id', type: 'INT', of: 'alarm_links.sensor_id' },
    { name: 'from_ms', type: 'BIGINT', of: 'alarm_links.from_ms' },
    { name: 'to_ms', type: 'BIGINT', of: 'alarm_links.to_ms' },
    { name: 'live', type: 'BIT', of: 'alarm_links.live' },
    { name: 'link', type: 'NVARCHAR(MAX)', of: 'alarm_links.link' },
  ],
  key: ['sensor_id', 'from_ms'],
};

const KEY = { batchKey: 'INT' } as const;
const PAGE = { ...KEY, after: 'INT', limit: 'INT' } as const;

const OWN = `
        SELECT sensor_id AS id FROM alarm_signals WHERE batch_key = @batchKey AND sensor_id > @after
        UNION SELECT sensor_id AS id FROM outcomes
          WHERE batch_key = @batchKey AND status > 0 AND status < 3 AND sensor_id > @after
        UNION SELECT sensor_id AS id FROM alarm_live WHERE sensor_id > @after`;
const REORDERED = `
        UNION SELECT sensor_id AS id FROM alarm_links WHERE to_ms > @fromMs AND from_ms < @toMs AND sensor_id > @after
        UNION SELECT k.sensor_id AS id FROM alarm_links k
          WHERE k.to_ms <= @fromMs AND k.live = 1 AND k.sensor_id > @after AND NOT EXISTS (
            SELECT 1 FROM alarm_links n
            WHERE n.sensor_id = k.sensor_id AND n.from_ms > k.from_ms AND n.to_ms <= @fromMs)`;
const candidates = (ids: string): string => `
    SELECT TOP (@limit) sensorId, device, sensor, status, class, windows, windowMs, bytes FROM (
      SELECT c.id AS sensorId, s.device AS device, s.sensor AS sensor, o.status AS status, o.class AS class,
             o.windows AS windows, m.window_ms AS windowMs, DATALENGTH(g.items) AS bytes
      FROM (${ids}
      ) c
      INNER JOIN outcomes o ON o.batch_key = @batchKey AND o.sensor_id = c.id
      INNER JOIN sensors s ON s.id = c.id
      INNER JOIN batches b ON b.batch_key = @batchKey
      LEFT JOIN release_models m ON m.release_key = b.release_key AND m.sensor_id = c.id
      LEFT JOIN alarm_signals g ON g.batch_key = @batchKey AND g.sensor_id = c.id
    ) page ORDER BY sensorId`;

export const ALARM_WORK_SQL = {
  addSignals: tsql(
    KEY,
    'INSERT INTO alarm_signals (batch_key, sensor_id, items) SELECT @batchKey, n.sensor_id, n.items FROM #signals n',
  ),
  addSignal: tsql(
    { ...KEY, sensorId: 'INT', items: 'NVARCHAR(MAX)' },
    'INSERT INTO alarm_signals (batch_key, sensor_id, items) VALUES (@batchKey, @sensorId, @items)',
  ),
  dropSignals: tsql(
    { ...KEY, upTo: 'INT' },
    'DELETE FROM alarm_signals WHERE batch_key = @batchKey AND sensor_id <= @upTo',
  ),
  live: tsql(
    { fromId: 'INT', toId: 'INT' },
    'SELECT sensor_id AS sensorId FROM alarm_live WHERE sensor_id >= @fromId AND sensor_id < @toId ORDER BY sensor_id',
  ),
  // Both answers about one sensor in one round trip; of many, the rules would come with each row.
  senseOne: tsql(
    { sensorId: 'INT' },
    `
    SELECT r.version AS version, r.rules AS [text], r.by_whom AS [by], r.at_ms AS atMs, l.sensor_id AS sensorId
    FROM (SELECT @sensorId AS id) s
    LEFT JOIN alarm_rules r ON r.version = (SELECT MAX(n.version) FROM alarm_rules n)
    LEFT JOIN alarm_live l ON l.sensor_id = s.id`,
  ),
  progress: tsql(
    KEY,
    'SELECT after_id AS [after], place AS place, done AS done FROM alarm_batches WHERE batch_key = @batchKey',
  ),
  moveProgress: tsql(
    { ...KEY, upTo: 'INT', place: 'NVARCHAR(MAX)', done: 'BIT' },
    'UPDATE alarm_batches SET after_id = @upTo, place = @place, done = @done WHERE batch_key = @batchKey',
  ),
  addProgress: tsql(
    {
      ...KEY,
      fromMs: 'BIGINT',
      toMs: 'BIGINT',
      upTo: 'INT',
      place: 'NVARCHAR(MAX)',
      done: 'BIT',
    },
    'INSERT INTO alarm_batches (batch_key, from_ms, to_ms, after_id, place, done) VALUES ' +
      '(@batchKey, @fromMs, @toMs, @upTo, @place, @done)',
  ),
  others: tsql(
    { ...KEY, fromMs: 'BIGINT' },
    `
    SELECT from_ms AS fromMs, to_ms AS toMs FROM alarm_batches
    WHERE to_ms > @fromMs AND batch_key <> @batchKey ORDER BY from_ms, to_ms`,
  ),
  // A row a batch that keeps its alarms: as many as retention leaves.
  places: tsql(
    { batchId: 'NVARCHAR(128)' },
    `
    SELECT b.id AS batchId, a.after_id + 1 AS sensorId FROM alarm_batches a
    INNER JOIN batches b ON b.batch_key = a.batch_key WHERE a.place IS NOT NULL AND b.id <> @batchId`,
  ),
  candidates: tsql(PAGE, candidates(OWN)),
  reordered: tsql({ ...PAGE, fromMs: 'BIGINT', toMs: 'BIGINT' }, candidates(OWN + REORDERED)),
  next: tsql(PAGE, candidates('SELECT @after + 1 AS id')),
  signals: tsql(
    KEY,
    `
    SELECT g.sensor_id AS sensorId, g.items AS items FROM #asked d
    INNER JOIN alarm_signals g ON g.batch_key = @batchKey AND g.sensor_id = d.sensor_id`,
  ),
  // The newest before a time; links of a sensor do not overlap.
  sizesBefore: tsql(
    {},
    `
    SELECT k.sensor_id AS sensorId, k.from_ms AS fromMs, k.to_ms AS toMs, DATALENGTH(k.link) AS bytes FROM #asked d
    INNER JOIN alarm_links k ON k.sensor_id = d.sensor_id AND k.from_ms = (
      SELECT MAX(n.from_ms) FROM alarm_links n WHERE n.sensor_id = d.sensor_id AND n.from_ms < d.from_ms)`,
  ),
  sizesFrom: tsql(
    { limit: 'INT' },
    `
    SELECT TOP (@limit) sensorId, fromMs, toMs, bytes FROM (
      SELECT k.sensor_id AS sensorId, k.from_ms AS fromMs, k.to_ms AS toMs, DATALENGTH(k.link) AS bytes FROM #asked d
      INNER JOIN alarm_links k ON k.sensor_id = d.sensor_id AND k.from_ms >= d.from_ms
    ) page ORDER BY sensorId, fromMs`,
  ),
  links: tsql(
    {},
    `
    SELECT k.sensor_id AS sensorId, k.from_ms AS fromMs, k.link AS link FROM #asked d
    INNER JOIN alarm_links k ON k.sensor_id = d.sensor_id AND k.from_ms = d.from_ms`,
  ),
  alarms: tsql(
    {},
    `
    SELECT a.sensor_id AS sensorId, a.record AS record FROM #spans d
    INNER JOIN alarms a ON a.sensor_id = d.sensor_id AND a.since_ms >= d.from_ms AND a.since_ms < d.to_ms`,
  ),
  alarmsBefore: tsql(
    {},
    `
    SELECT a.sensor_id AS sensorId, a.record AS record FROM #spans d
    INNER JOIN alarms a ON a.sensor_id = d.sensor_id AND a.since_ms = (
      SELECT MAX(n.since_ms) FROM alarms n WHERE n.sensor_id = d.sensor_id AND n.since_ms < d.from_ms)`,
  ),
  alarmsOf: tsql({}, 'SELECT a.record AS record FROM #alarm_ids d INNER JOIN alarms a ON a.id = d.id'),
  dropLink: tsql(
    { sensorId: 'INT', fromMs: 'BIGINT' },
    'DELETE FROM alarm_links WHERE sensor_id = @sensorId AND from_ms = @fromMs',
  ),
  addLinks: tsql(
    {},
    `
    INSERT INTO alarm_links (sensor_id, from_ms, to_ms, live, link)
    SELECT n.sensor_id, n.from_ms, n.to_ms, n.live, n.link FROM #links n`,
  ),
  setLive: tsql(
    { sensorId: 'INT' },
    'INSERT INTO alarm_live (sensor_id) SELECT @sensorId WHERE NOT EXISTS (SELECT 1 FROM alarm_live l WHERE ' +
      'l.sensor_id = @sensorId)',
  ),
  setRest: tsql({ sensorId: 'INT' }, 'DELETE FROM alarm_live WHERE sensor_id = @sensorId'),
  undecided: tsql(
    { sinceMs: 'BIGINT', closedBeforeMs: 'BIGINT', limit: 'INT' },
    `
    SELECT TOP (@limit) id FROM (
      SELECT b.id AS id, b.from_ms AS fromMs, b.batch_key AS batchKey FROM batches b
      WHERE b.started_at_ms > @sinceMs AND b.finished_at_ms < @closedBeforeMs AND b.manifest IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM alarm_batches a WHERE a.batch_key = b.batch_key AND a.done = 1)
    ) page ORDER BY fromMs, batchKey`,
  ),
  lastWindow: tsql(
    { sensorId: 'INT', beforeMs: 'BIGINT' },
    'SELECT TOP (1) start_ms AS startMs FROM windows WHERE sensor_id = @sensorId AND start_ms < @beforeMs ' +
      'ORDER BY start_ms DESC',
  ),
} as const;
