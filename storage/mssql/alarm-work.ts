/** What a batch needs to decide on alarms; everything of a slice in one transaction, rows of many sensors at once. */
import type { Link } from '../../alarms/chain.ts';
import type { EvidenceItem } from '../../alarms/evidence.ts';
import { CHATTER_MS } from '../../alarms/reconcile.ts';
import { defined } from '../../domain/defined.ts';
import { recordOf, type CandidateRow } from '../alarm-rows.ts';
import { STATUSES, toWindow } from '../rows.ts';
import type {
  AlarmCandidate,
  AlarmSense,
  AlarmSignal,
  AlarmSlice,
  AlarmWorkStore,
  StoredAlarmRules,
} from '../store.ts';
import { ALARM_SQL, commitChanged, rulesRow } from './alarms.ts';
import { batchRow } from './batches.ts';
import type { Database, Session, Transaction } from './connection.ts';
import { tsql, type StageTable } from './statement.ts';

/** Sensors that are decided on in one slice, and whether something is carried on for them. */
export const ASKED: StageTable = {
  name: '#asked',
  columns: [{ name: 'sensor_id', type: 'INT', of: 'alarm_live.sensor_id' }],
  key: ['sensor_id'],
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
        UNION SELECT sensor_id AS id FROM outcomes WHERE batch_key = @batchKey AND status > 0 AND status < 3 AND sensor_id > @after
        UNION SELECT sensor_id AS id FROM alarm_live WHERE sensor_id > @after`;
const REORDERED = `
        UNION SELECT sensor_id AS id FROM alarm_links WHERE to_ms > @fromMs AND from_ms < @toMs AND sensor_id > @after
        UNION SELECT k.sensor_id AS id FROM alarm_links k
          WHERE k.to_ms <= @fromMs AND k.live = 1 AND k.sensor_id > @after AND NOT EXISTS (
            SELECT 1 FROM alarm_links n WHERE n.sensor_id = k.sensor_id AND n.from_ms > k.from_ms AND n.to_ms <= @fromMs)`;
const candidates = (ids: string): string => `
    SELECT TOP (@limit) sensorId, device, sensor, status, class, windows, windowMs, items FROM (
      SELECT c.id AS sensorId, s.device AS device, s.sensor AS sensor, o.status AS status, o.class AS class,
             o.windows AS windows, m.window_ms AS windowMs, g.items AS items
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
  progress: tsql(KEY, 'SELECT after_id AS [after], done AS done FROM alarm_batches WHERE batch_key = @batchKey'),
  moveProgress: tsql(
    { ...KEY, upTo: 'INT', done: 'BIT' },
    'UPDATE alarm_batches SET after_id = @upTo, done = @done WHERE batch_key = @batchKey',
  ),
  addProgress: tsql(
    { ...KEY, fromMs: 'BIGINT', toMs: 'BIGINT', upTo: 'INT', done: 'BIT' },
    'INSERT INTO alarm_batches (batch_key, from_ms, to_ms, after_id, done) VALUES (@batchKey, @fromMs, ' +
      '@toMs, @upTo, @done)',
  ),
  others: tsql(
    { ...KEY, fromMs: 'BIGINT' },
    `
    SELECT from_ms AS fromMs, to_ms AS toMs FROM alarm_batches WHERE to_ms > @fromMs AND batch_key <> @batchKey ORDER BY from_ms, to_ms`,
  ),
  candidates: tsql(PAGE, candidates(OWN)),
  reordered: tsql({ ...PAGE, fromMs: 'BIGINT', toMs: 'BIGINT' }, candidates(OWN + REORDERED)),
  links: tsql(
    { fromMs: 'BIGINT' },
    `
    SELECT k.sensor_id AS sensorId, k.link AS link FROM #asked d INNER JOIN alarm_links k ON k.sensor_id = d.sensor_id
    WHERE k.to_ms > @fromMs ORDER BY k.sensor_id, k.from_ms`,
  ),
  // The newest that ends at or before the period; links of a sensor do not overlap.
  entries: tsql(
    { fromMs: 'BIGINT' },
    `
    SELECT k.sensor_id AS sensorId, k.link AS link FROM #asked d INNER JOIN alarm_links k ON k.sensor_id = d.sensor_id
    WHERE k.to_ms <= @fromMs AND NOT EXISTS (
      SELECT 1 FROM alarm_links n WHERE n.sensor_id = k.sensor_id AND n.from_ms > k.from_ms AND n.to_ms <= @fromMs)`,
  ),
  alarms: tsql(
    { afterMs: 'BIGINT' },
    `
    SELECT a.sensor_id AS sensorId, a.record AS record FROM #asked d INNER JOIN alarms a ON a.sensor_id = d.sensor_id
    WHERE a.until_ms > @afterMs ORDER BY a.sensor_id, a.since_ms`,
  ),
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

export function alarmWorkMethods(db: Database): AlarmWorkStore {
  return {
    alarmSense: ({ from, to }) =>
      db.read(async (session) =>
        to - from === 1
          ? senseOne(session, from)
          : {
              ...defined({ rules: await rulesRow(session) }),
              live: (await session.query<{ sensorId: number }>(ALARM_WORK_SQL.live, { fromId: from, toId: to })).map(
                ({ sensorId }) => sensorId,
              ),
            },
      ),

    alarmProgress: (batchId) =>
      db.read(async (session) => {
        const { batchKey, fromMs } = await batchRow(session, batchId);
        const [row] = await session.query<{ after: number; done: boolean | number }>(ALARM_WORK_SQL.progress, {
          batchKey,
        });
        const others = await session.query<{ fromMs: string | number; toMs: string | number }>(ALARM_WORK_SQL.others, {
          batchKey,
          fromMs: Number(fromMs),
        });
        const [clock] = await session.query<{ epoch: number }>(ALARM_SQL.epoch, {});
        return {
          after: row?.after ?? 0,
          done: Boolean(row?.done),
          epoch: Number(clock!.epoch),
          others: others.map((period) => ({ fromMs: Number(period.fromMs), toMs: Number(period.toMs) })),
        };
      }),

    // In a transaction, since the sensors are staged.
    alarmCandidates: (batchId, after, limit, { reordered }) =>
      db.write(async (tx) => {
        const batch = await batchRow(tx, batchId);
        const { batchKey } = batch;
        const period = { fromMs: Number(batch.fromMs), toMs: Number(batch.toMs) };
        const rows = reordered
          ? await tx.query<CandidateRow>(ALARM_WORK_SQL.reordered, { batchKey, after, limit, ...period })
          : await tx.query<CandidateRow>(ALARM_WORK_SQL.candidates, { batchKey, after, limit });
        return rows.length === 0 ? [] : withRecords(tx, rows, period.fromMs);
      }),

    commitAlarmSlice: (slice) => db.write((tx) => commitSlice(tx, slice)),

    undecidedAlarmBatches: (sinceMs, closedBeforeMs, limit) =>
      db.read(async (session) =>
        (await session.query<{ id: string }>(ALARM_WORK_SQL.undecided, { sinceMs, closedBeforeMs, limit })).map(
          ({ id }) => id,
        ),
      ),

    lastWindowBefore: (sensorId, ms) =>
      db.read(async (session) => {
        const [row] = await session.query<{ startMs: string | number }>(ALARM_WORK_SQL.lastWindow, {
          sensorId,
          beforeMs: ms,
        });
        return row && Number(row.startMs);
      }),
  };
}

async function senseOne(session: Session, id: number): Promise<AlarmSense> {
  type Row = Omit<StoredAlarmRules, 'version'> & Readonly<Record<'version' | 'sensorId', number | null>>;
  const [row] = await session.query<Row>(ALARM_WORK_SQL.senseOne, { sensorId: id });
  const { version, text, by, atMs, sensorId } = row!;
  return {
    ...(version === null ? {} : { rules: { version: Number(version), text, by, atMs: Number(atMs) } }),
    live: sensorId === null ? [] : [id],
  };
}

async function withRecords(tx: Transaction, rows: readonly CandidateRow[], fromMs: number): Promise<AlarmCandidate[]> {
  await tx.stage(
    ASKED,
    rows.map(({ sensorId }) => [sensorId]),
  );
  type LinkRow = { readonly sensorId: number; readonly link: string };
  const links = Map.groupBy(await tx.query<LinkRow>(ALARM_WORK_SQL.links, { fromMs }), ({ sensorId }) => sensorId);
  const entries = new Map(
    (await tx.query<LinkRow>(ALARM_WORK_SQL.entries, { fromMs })).map(({ sensorId, link }) => [sensorId, link]),
  );
  // A link may begin before the batch, of another one that overlaps it: all of it is decided on anew.
  const linksOf = (sensorId: number): readonly Link[] =>
    (links.get(sensorId) ?? []).map(({ link }) => JSON.parse(link) as Link);
  const known = new Map(rows.map(({ sensorId }) => [sensorId, linksOf(sensorId)]));
  const firstMs = Math.min(fromMs, ...[...known.values()].map((of) => of[0]?.fromMs ?? fromMs));
  const alarms = Map.groupBy(
    await tx.query<{ sensorId: number; record: string }>(ALARM_WORK_SQL.alarms, { afterMs: firstMs - CHATTER_MS }),
    ({ sensorId }) => sensorId,
  );
  return rows.map((row): AlarmCandidate => {
    const { sensorId, device, sensor } = row;
    const entry = entries.get(sensorId);
    return {
      sensorId,
      device,
      sensor,
      status: STATUSES[row.status]!,
      windows: Number(row.windows),
      links: known.get(sensorId)!,
      alarms: (alarms.get(sensorId) ?? []).map(recordOf),
      ...defined({
        ...toWindow(row.windowMs),
        class: row.class ?? undefined,
        items: row.items === null ? undefined : (JSON.parse(row.items) as EvidenceItem[]),
        entry: entry === undefined ? undefined : (JSON.parse(entry) as Link),
      }),
    };
  });
}

async function commitSlice(
  tx: Transaction,
  { batchId, epoch, upTo, done, sensors, receivedMs }: AlarmSlice,
): Promise<boolean> {
  if ((await tx.run(ALARM_SQL.tickAt, { epoch })) === 0) return false;
  const { batchKey, fromMs, toMs } = await batchRow(tx, batchId);
  for (const { sensorId, drop, live } of sensors) {
    for (const start of drop) await tx.run(ALARM_WORK_SQL.dropLink, { sensorId, fromMs: start });
    await tx.run(live ? ALARM_WORK_SQL.setLive : ALARM_WORK_SQL.setRest, { sensorId });
  }
  const links = sensors.flatMap(({ sensorId, put }) =>
    put.map((link) => [sensorId, link.fromMs, link.toMs, link.state !== undefined, JSON.stringify(link)] as const),
  );
  if (links.length > 0) {
    await tx.stage(LINKS, links);
    await tx.run(ALARM_WORK_SQL.addLinks, {});
  }
  for (const { alarms } of sensors) await commitChanged(tx, alarms, receivedMs);
  if ((await tx.run(ALARM_WORK_SQL.moveProgress, { batchKey, upTo, done })) === 0)
    await tx.run(ALARM_WORK_SQL.addProgress, {
      batchKey,
      fromMs: Number(fromMs),
      toMs: Number(toMs),
      upTo,
      done,
    });
  await tx.run(ALARM_WORK_SQL.dropSignals, { batchKey, upTo });
  return true;
}

/** With the outcomes of their sensors, in one transaction. */
export async function addSignals(tx: Transaction, batchKey: number, signals: readonly AlarmSignal[]): Promise<void> {
  if (signals.length === 0) return;
  if (signals.length === 1) {
    const [{ sensorId, items }] = signals as [AlarmSignal];
    await tx.run(ALARM_WORK_SQL.addSignal, { batchKey, sensorId, items: JSON.stringify(items) });
    return;
  }
  await tx.stage(
    SIGNALS,
    signals.map(({ sensorId, items }) => [sensorId, JSON.stringify(items)]),
  );
  await tx.run(ALARM_WORK_SQL.addSignals, { batchKey });
}
