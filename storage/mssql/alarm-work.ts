/** What a batch needs to decide on alarms; everything of a slice in one transaction, rows of many sensors at once. */
import type { Link } from '../../alarms/chain.ts';
import type { AlarmRecord } from '../../domain/alarm.ts';
import { defined } from '../../domain/defined.ts';
import { fittingChains, fittingSignals, signalText, type LinkSize, type SizedChain } from '../alarm-chains.ts';
import {
  candidateOf,
  distinct,
  kindOf,
  placeOf,
  placeText,
  recordOf,
  type CandidateRow,
  type PlaceRow,
} from '../alarm-rows.ts';
import type {
  AlarmChain,
  AlarmSense,
  AlarmSignal,
  AlarmSlice,
  AlarmSpan,
  AlarmWorkStore,
  ChainLimits,
  StoredAlarmRules,
} from '../store.ts';
import { ALARM_SQL, commitChanged, rulesRow } from './alarms.ts';
import { batchRow } from './batches.ts';
import type { Database, Session, Transaction } from './connection.ts';
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
        UNION SELECT sensor_id AS id FROM outcomes WHERE batch_key = @batchKey AND status > 0 AND status < 3 AND sensor_id > @after
        UNION SELECT sensor_id AS id FROM alarm_live WHERE sensor_id > @after`;
const REORDERED = `
        UNION SELECT sensor_id AS id FROM alarm_links WHERE to_ms > @fromMs AND from_ms < @toMs AND sensor_id > @after
        UNION SELECT k.sensor_id AS id FROM alarm_links k
          WHERE k.to_ms <= @fromMs AND k.live = 1 AND k.sensor_id > @after AND NOT EXISTS (
            SELECT 1 FROM alarm_links n WHERE n.sensor_id = k.sensor_id AND n.from_ms > k.from_ms AND n.to_ms <= @fromMs)`;
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
    { ...KEY, upTo: 'INT', place: 'NVARCHAR(MAX)', placeSensor: 'INT', done: 'BIT' },
    'UPDATE alarm_batches SET after_id = @upTo, place = @place, place_sensor = @placeSensor, done = @done ' +
      'WHERE batch_key = @batchKey',
  ),
  addProgress: tsql(
    {
      ...KEY,
      fromMs: 'BIGINT',
      toMs: 'BIGINT',
      upTo: 'INT',
      place: 'NVARCHAR(MAX)',
      placeSensor: 'INT',
      done: 'BIT',
    },
    'INSERT INTO alarm_batches (batch_key, from_ms, to_ms, after_id, place, place_sensor, done) VALUES ' +
      '(@batchKey, @fromMs, @toMs, @upTo, @place, @placeSensor, @done)',
  ),
  others: tsql(
    { ...KEY, fromMs: 'BIGINT' },
    `
    SELECT from_ms AS fromMs, to_ms AS toMs FROM alarm_batches WHERE to_ms > @fromMs AND batch_key <> @batchKey ORDER BY from_ms, to_ms`,
  ),
  // A row a batch that keeps its alarms: as many as retention leaves.
  places: tsql(
    { batchId: 'NVARCHAR(128)' },
    `
    SELECT b.id AS batchId, a.place_sensor AS sensorId FROM alarm_batches a
    INNER JOIN batches b ON b.batch_key = a.batch_key WHERE a.place_sensor > 0 AND b.id <> @batchId`,
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
        type Row = { readonly after: number; readonly done: boolean | number } & PlaceRow;
        const [row] = await session.query<Row>(ALARM_WORK_SQL.progress, { batchKey });
        const at = row && placeOf(row);
        const others = await session.query<{ fromMs: string | number; toMs: string | number }>(ALARM_WORK_SQL.others, {
          batchKey,
          fromMs: Math.max(Number(fromMs), at?.ms ?? 0),
        });
        const [clock] = await session.query<{ epoch: number }>(ALARM_SQL.epoch, {});
        return {
          after: row?.after ?? 0,
          ...defined({ at }),
          done: Boolean(row?.done),
          epoch: Number(clock!.epoch),
          others: others.map((period) => ({ fromMs: Number(period.fromMs), toMs: Number(period.toMs) })),
        };
      }),

    // In a transaction, since the sensors are staged.
    alarmCandidates: (batchId, after, limit, options) =>
      db.write(async (tx) => {
        const batch = await batchRow(tx, batchId);
        const page = { batchKey: batch.batchKey, after, limit };
        const period = { fromMs: Number(batch.fromMs), toMs: Number(batch.toMs) };
        const kind = kindOf(options);
        const asked = kind === 'reordered' ? { ...page, ...period } : page;
        const rows = await tx.query<CandidateRow>(ALARM_WORK_SQL[kind], asked);
        const fitting = fittingSignals(rows);
        const fit = rows.slice(0, fitting);
        const signals = await signalsOf(tx, batch.batchKey, fit);
        return {
          candidates: fit.map((row) => candidateOf(row, signals.get(row.sensorId) ?? null)),
          isLast: rows.length < limit && fitting === rows.length,
        };
      }),

    alarmChains: (asked, limits) => db.write((tx) => chainsOf(tx, asked, limits)),

    alarmRecords: (spans) => db.write((tx) => recordsOf(tx, spans)),

    alarmRecordsOf: (ids) =>
      db.write(async (tx) => {
        if (ids.length === 0) return [];
        await tx.stage(
          ALARM_IDS,
          [...new Set(ids)].map((id) => [id]),
        );
        return (await tx.query<{ record: string }>(ALARM_WORK_SQL.alarmsOf, {})).map(recordOf);
      }),

    alarmPlaces: (batchId) =>
      db.read((session) => session.query<{ batchId: string; sensorId: number }>(ALARM_WORK_SQL.places, { batchId })),

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

async function signalsOf(
  tx: Transaction,
  batchKey: number,
  rows: readonly CandidateRow[],
): Promise<ReadonlyMap<number, string>> {
  const ids = rows.flatMap(({ sensorId, bytes }) => (bytes === null ? [] : [sensorId]));
  if (ids.length === 0) return new Map();
  await tx.stage(
    ASKED,
    ids.map((id) => [id, 0]),
  );
  const found = await tx.query<{ sensorId: number; items: string }>(ALARM_WORK_SQL.signals, { batchKey });
  return new Map(found.map(({ sensorId, items }) => [sensorId, items]));
}

type Asked = { readonly sensorId: number; readonly fromMs: number };
type SizeRow = { readonly sensorId: number } & Readonly<Record<'fromMs' | 'toMs' | 'bytes', string | number>>;

const stageAsked = (tx: Transaction, asked: readonly Asked[]): Promise<void> =>
  tx.stage(
    ASKED,
    asked.map(({ sensorId, fromMs }) => [sensorId, fromMs]),
  );

const sizeOf = ({ fromMs, toMs, bytes }: SizeRow): LinkSize => ({
  fromMs: Number(fromMs),
  toMs: Number(toMs),
  bytes: Number(bytes),
});

async function newestBefore(tx: Transaction, asked: readonly Asked[]): Promise<ReadonlyMap<number, LinkSize>> {
  if (asked.length === 0) return new Map();
  await stageAsked(tx, asked);
  const rows = await tx.query<SizeRow>(ALARM_WORK_SQL.sizesBefore, {});
  return new Map(rows.map((row) => [row.sensorId, sizeOf(row)]));
}

async function chainsOf(tx: Transaction, asked: readonly Asked[], limits: ChainLimits): Promise<AlarmChain[]> {
  if (asked.length === 0) return [];
  const last = await newestBefore(tx, asked);
  const limit = limits.links + 1;
  const sizes = await tx.query<SizeRow>(ALARM_WORK_SQL.sizesFrom, { limit });
  const after = Map.groupBy(sizes, ({ sensorId }) => sensorId);
  // Of the sensor of the last row there may be more, and of those behind it nothing is known.
  const cut = sizes.length === limit ? sizes.at(-1)!.sensorId : undefined;
  const known = asked.filter(({ sensorId }) => cut === undefined || sensorId <= cut);
  const reaching = known.flatMap(({ sensorId, fromMs }) => {
    const link = last.get(sensorId);
    return link && link.toMs > fromMs ? [{ sensorId, fromMs: link.fromMs }] : [];
  });
  const previous = await newestBefore(tx, reaching);
  const chains = known.map(({ sensorId, fromMs }): SizedChain & Asked => ({
    sensorId,
    fromMs,
    before: [last.get(sensorId), previous.get(sensorId)].filter((link) => link !== undefined),
    after: (after.get(sensorId) ?? []).map(sizeOf),
    isCut: sensorId === cut,
  }));
  const fitting = fittingChains(chains, limits);
  const wanted = fitting.flatMap(({ entry, links }, i) =>
    [...links, ...(entry === undefined ? [] : [entry])].map((fromMs) => ({ sensorId: chains[i]!.sensorId, fromMs })),
  );
  const nameOf = (sensorId: number, fromMs: number): string => `${sensorId}/${fromMs}`;
  const found = new Map<string, Link>();
  if (wanted.length > 0) {
    await stageAsked(tx, wanted);
    type Row = { readonly sensorId: number; readonly fromMs: string | number; readonly link: string };
    for (const { sensorId, fromMs, link } of await tx.query<Row>(ALARM_WORK_SQL.links, {}))
      found.set(nameOf(sensorId, Number(fromMs)), JSON.parse(link) as Link);
  }
  return fitting.map(({ entry, links, untilMs }, i) => {
    const linkAt = (fromMs: number): Link => found.get(nameOf(chains[i]!.sensorId, fromMs))!;
    return {
      links: links.map(linkAt),
      ...defined({ entry: entry === undefined ? undefined : linkAt(entry), untilMs }),
    };
  });
}

async function recordsOf(tx: Transaction, spans: readonly AlarmSpan[]): Promise<AlarmRecord[][]> {
  if (spans.length === 0) return [];
  const stageSpans = (rows: readonly (readonly [number, number, number])[]): Promise<void> =>
    tx.stage(SPANS, [...new Map(rows.map((row) => [`${row[0]}/${row[1]}`, row])).values()]);
  await stageSpans(
    spans.flatMap(({ sensorId, periods }) => periods.map(({ fromMs, toMs }) => [sensorId, fromMs, toMs] as const)),
  );
  type Row = { readonly sensorId: number; readonly record: string };
  const rows = [
    ...(await tx.query<Row>(ALARM_WORK_SQL.alarms, {})),
    ...(await tx.query<Row>(ALARM_WORK_SQL.alarmsBefore, {})),
  ];
  const starts = spans.flatMap(({ sensorId, starts: of }) => of.map((start) => [sensorId, start, start + 1] as const));
  if (starts.length > 0) {
    await stageSpans(starts);
    rows.push(...(await tx.query<Row>(ALARM_WORK_SQL.alarms, {})));
  }
  const bySensor = Map.groupBy(rows, ({ sensorId }) => sensorId);
  return spans.map(({ sensorId }) => distinct((bySensor.get(sensorId) ?? []).map(recordOf)));
}

async function commitSlice(
  tx: Transaction,
  { batchId, epoch, upTo, at, done, sensors, receivedMs }: AlarmSlice,
): Promise<boolean> {
  if ((await tx.run(ALARM_SQL.tickAt, { epoch })) === 0) return false;
  const { batchKey, fromMs, toMs } = await batchRow(tx, batchId);
  const place = placeText(at);
  const placeSensor = at ? upTo + 1 : null;
  for (const { sensorId, drop, live } of sensors) {
    for (const start of drop) await tx.run(ALARM_WORK_SQL.dropLink, { sensorId, fromMs: start });
    if (live !== undefined) await tx.run(live ? ALARM_WORK_SQL.setLive : ALARM_WORK_SQL.setRest, { sensorId });
  }
  const links = sensors.flatMap(({ sensorId, put }) =>
    put.map((link) => [sensorId, link.fromMs, link.toMs, link.state !== undefined, JSON.stringify(link)] as const),
  );
  if (links.length > 0) {
    await tx.stage(LINKS, links);
    await tx.run(ALARM_WORK_SQL.addLinks, {});
  }
  for (const { alarms } of sensors) await commitChanged(tx, alarms, receivedMs);
  if ((await tx.run(ALARM_WORK_SQL.moveProgress, { batchKey, upTo, place, placeSensor, done })) === 0)
    await tx.run(ALARM_WORK_SQL.addProgress, {
      batchKey,
      fromMs: Number(fromMs),
      toMs: Number(toMs),
      upTo,
      place,
      placeSensor,
      done,
    });
  await tx.run(ALARM_WORK_SQL.dropSignals, { batchKey, upTo });
  return true;
}

/** With the outcomes of their sensors, in one transaction. */
export async function addSignals(tx: Transaction, batchKey: number, signals: readonly AlarmSignal[]): Promise<void> {
  if (signals.length === 0) return;
  if (signals.length === 1) {
    const [signal] = signals as [AlarmSignal];
    await tx.run(ALARM_WORK_SQL.addSignal, { batchKey, sensorId: signal.sensorId, items: signalText(signal) });
    return;
  }
  await tx.stage(
    SIGNALS,
    signals.map((signal) => [signal.sensorId, signalText(signal)]),
  );
  await tx.run(ALARM_WORK_SQL.addSignals, { batchKey });
}
