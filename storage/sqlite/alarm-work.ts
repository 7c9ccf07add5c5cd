/** What a batch needs to decide on alarms; everything of a slice in one transaction. */
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
  type AlarmRow,
  type CandidateRow,
  type PlaceRow,
} from '../alarm-rows.ts';
import type {
  AlarmChain,
  AlarmSignal,
  AlarmSlice,
  AlarmSpan,
  AlarmWorkStore,
  ChainLimits,
  DecidedSensor,
} from '../store.ts';
import { ALARM_SQL, commitChanged, rulesRow } from './alarms.ts';
import { batchRow } from './batches.ts';
import type { Connection } from './connection.ts';

// Of a batch, by sensor: those with signals, those that were not scored, those that something is carried on for. Each
// by itself up to the limit, so that a slice of a fleet that is silent costs no more than any other.
const first = (from: string, id: string): string =>
  `SELECT * FROM (SELECT ${id} AS id FROM ${from} AND ${id} > ?2 ORDER BY ${id} LIMIT ?3)`;
const unscored = (status: number): string =>
  first(
    `outcomes INDEXED BY outcomes_unscored WHERE batch_key = ?1 AND status > 0 AND status = ${status}`,
    'sensor_id',
  );
const OWN = [
  first('alarm_signals WHERE batch_key = ?1', 'sensor_id'),
  unscored(1),
  unscored(2),
  first(
    'alarm_live l CROSS JOIN outcomes p ON p.batch_key = ?1 AND p.sensor_id = l.sensor_id WHERE TRUE',
    'l.sensor_id',
  ),
].join('\n  UNION ');
// And those that have a link in its period, or one before it that carries something into it.
const REORDERED = `
  UNION SELECT sensor_id FROM alarm_links INDEXED BY alarm_links_end WHERE to_ms > ?4 AND from_ms < ?5 AND sensor_id > ?2
  UNION SELECT k.sensor_id FROM alarm_links k INDEXED BY alarm_links_end
    WHERE k.to_ms <= ?4 AND k.live = 1 AND k.sensor_id > ?2 AND NOT EXISTS (
      SELECT 1 FROM alarm_links n WHERE n.sensor_id = k.sensor_id AND n.from_ms > k.from_ms AND n.to_ms <= ?4)`;
const candidates = (ids: string): string => `
  SELECT c.id AS sensorId, s.device, s.sensor, o.status, o.class, o.windows, m.window_ms AS windowMs,
         octet_length(g.items) AS bytes
  FROM (${ids}) c
  CROSS JOIN outcomes o ON o.batch_key = ?1 AND o.sensor_id = c.id
  CROSS JOIN sensors s ON s.id = c.id
  CROSS JOIN batches b ON b.batch_key = ?1
  LEFT JOIN release_models m ON m.release_key = b.release_key AND m.sensor_id = c.id
  LEFT JOIN alarm_signals g ON g.batch_key = ?1 AND g.sensor_id = c.id
  ORDER BY c.id LIMIT ?3`;

export const ALARM_WORK_SQL = {
  addSignal: 'INSERT INTO alarm_signals (batch_key, sensor_id, items) VALUES (?, ?, ?)',
  dropSignals: 'DELETE FROM alarm_signals WHERE batch_key = ? AND sensor_id <= ?',
  live: 'SELECT sensor_id AS sensorId FROM alarm_live WHERE sensor_id >= ? AND sensor_id < ? ORDER BY sensor_id',
  progress: 'SELECT after_id AS "after", place, done FROM alarm_batches WHERE batch_key = ?',
  putProgress: `
    INSERT INTO alarm_batches (batch_key, from_ms, to_ms, after_id, place, done) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (batch_key) DO UPDATE SET after_id = excluded.after_id, place = excluded.place, done = excluded.done`,
  places: `
    SELECT b.id AS batchId, a.after_id + 1 AS sensorId FROM alarm_batches a INDEXED BY alarm_batches_place
    CROSS JOIN batches b ON b.batch_key = a.batch_key WHERE a.place IS NOT NULL AND b.id <> ?`,
  others: `
    SELECT from_ms AS fromMs, to_ms AS toMs FROM alarm_batches WHERE to_ms > ? AND batch_key <> ? ORDER BY from_ms, to_ms`,
  candidates: candidates(OWN),
  reordered: candidates(`${OWN} ${REORDERED}`),
  next: candidates('SELECT ?2 + 1 AS id'),
  signal: 'SELECT items FROM alarm_signals WHERE batch_key = ? AND sensor_id = ?',
  sizesBefore: `
    SELECT from_ms AS fromMs, to_ms AS toMs, octet_length(link) AS bytes FROM alarm_links
    WHERE sensor_id = ? AND from_ms < ? ORDER BY from_ms DESC LIMIT 2`,
  sizesFrom: `
    SELECT from_ms AS fromMs, to_ms AS toMs, octet_length(link) AS bytes FROM alarm_links
    WHERE sensor_id = ? AND from_ms >= ? ORDER BY from_ms LIMIT ?`,
  link: 'SELECT link FROM alarm_links WHERE sensor_id = ? AND from_ms = ?',
  alarms: `
    SELECT record FROM alarms INDEXED BY alarms_sensor WHERE sensor_id = ? AND since_ms >= ? AND since_ms < ?`,
  alarmBefore: `
    SELECT record FROM alarms INDEXED BY alarms_sensor WHERE sensor_id = ? AND since_ms < ?
    ORDER BY since_ms DESC LIMIT 1`,
  alarmsAt: 'SELECT record FROM alarms INDEXED BY alarms_sensor WHERE sensor_id = ? AND since_ms = ?',
  alarm: 'SELECT record FROM alarms WHERE id = ?',
  dropLink: 'DELETE FROM alarm_links WHERE sensor_id = ? AND from_ms = ?',
  putLink: 'INSERT INTO alarm_links (sensor_id, from_ms, to_ms, live, link) VALUES (?, ?, ?, ?, ?)',
  setLive: 'INSERT INTO alarm_live (sensor_id) VALUES (?) ON CONFLICT (sensor_id) DO NOTHING',
  setRest: 'DELETE FROM alarm_live WHERE sensor_id = ?',
  undecided: `
    SELECT b.id FROM batches b INDEXED BY batches_started WHERE b.started_at_ms > ? AND b.finished_at_ms < ? AND b.manifest IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM alarm_batches a WHERE a.batch_key = b.batch_key AND a.done = 1)
    ORDER BY b.from_ms, b.batch_key LIMIT ?`,
  lastWindow:
    'SELECT start_ms AS startMs FROM windows WHERE sensor_id = ? AND start_ms < ? ORDER BY start_ms DESC LIMIT 1',
} as const;

export function alarmWorkMethods(db: Connection): AlarmWorkStore {
  return {
    alarmSense: ({ from, to }) =>
      db.read(() => ({
        ...defined({ rules: rulesRow(db) }),
        live: db.all<{ sensorId: number }>(ALARM_WORK_SQL.live, from, to).map(({ sensorId }) => sensorId),
      })),

    alarmProgress: (batchId) =>
      db.read(() => {
        const { batchKey, fromMs } = batchRow(db, batchId);
        const row = db.get<{ after: number; done: number } & PlaceRow>(ALARM_WORK_SQL.progress, batchKey);
        const at = row && placeOf(row);
        return {
          after: row?.after ?? 0,
          ...defined({ at }),
          done: row?.done === 1,
          epoch: db.get<{ epoch: number }>(ALARM_SQL.epoch)!.epoch,
          others: db
            .all<{ fromMs: number; toMs: number }>(ALARM_WORK_SQL.others, Math.max(fromMs, at?.ms ?? fromMs), batchKey)
            .map((period) => ({ ...period })),
        };
      }),

    alarmCandidates: (batchId, after, limit, options) =>
      db.read(() => {
        const { batchKey, fromMs, toMs } = batchRow(db, batchId);
        const sql = ALARM_WORK_SQL[kindOf(options)];
        const period = sql === ALARM_WORK_SQL.reordered ? [fromMs, toMs] : [];
        const rows = db.all<CandidateRow>(sql, batchKey, after, limit, ...period);
        const fitting = fittingSignals(rows);
        return {
          candidates: rows.slice(0, fitting).map((row) => {
            const signal = db.get<{ items: string }>(ALARM_WORK_SQL.signal, batchKey, row.sensorId);
            return candidateOf(row, signal?.items ?? null);
          }),
          isLast: rows.length < limit && fitting === rows.length,
        };
      }),

    alarmChains: (asked, limits) => db.read(() => chainsOf(db, asked, limits)),

    alarmRecords: (spans) => db.read(() => spans.map((span) => recordsOf(db, span))),

    alarmRecordsOf: (ids) =>
      db.read(() => ids.flatMap((id) => db.all<RecordRow>(ALARM_WORK_SQL.alarm, id).map(recordOf))),

    alarmPlaces: (batchId) =>
      db.read(() =>
        db.all<{ batchId: string; sensorId: number }>(ALARM_WORK_SQL.places, batchId).map((place) => ({ ...place })),
      ),

    commitAlarmSlice: (slice) => db.write(() => commitSlice(db, slice)),

    undecidedAlarmBatches: (sinceMs, closedBeforeMs, limit) =>
      db.read(() =>
        db.all<{ id: string }>(ALARM_WORK_SQL.undecided, sinceMs, closedBeforeMs, limit).map(({ id }) => id),
      ),

    lastWindowBefore: (sensorId, ms) =>
      db.read(() => db.get<{ startMs: number }>(ALARM_WORK_SQL.lastWindow, sensorId, ms)?.startMs),
  };
}

type RecordRow = Pick<AlarmRow, 'record'>;

function chainsOf(
  db: Connection,
  asked: readonly { readonly sensorId: number; readonly fromMs: number }[],
  limits: ChainLimits,
): AlarmChain[] {
  const sizesOf = function* (): Generator<SizedChain & { readonly fromMs: number }, undefined> {
    for (const { sensorId, fromMs } of asked) {
      const before = db.all<LinkSize>(ALARM_WORK_SQL.sizesBefore, sensorId, fromMs);
      yield { fromMs, before, ...sizesFrom(db, sensorId, fromMs, limits) };
    }
    return undefined;
  };
  const linkAt = (sensorId: number, fromMs: number): Link =>
    JSON.parse(db.get<{ link: string }>(ALARM_WORK_SQL.link, sensorId, fromMs)!.link) as Link;
  return fittingChains(sizesOf(), limits).map(({ entry, links, untilMs }, i) => {
    const { sensorId } = asked[i]!;
    return {
      links: links.map((start) => linkAt(sensorId, start)),
      ...defined({ entry: entry === undefined ? undefined : linkAt(sensorId, entry), untilMs }),
    };
  });
}

/** Sizes that are read at once: to tell one, SQLite follows its link from page to page. */
const SIZES_AT_ONCE = 16;

/** Links from a time on, as many as may fit and one more. */
function sizesFrom(
  db: Connection,
  sensorId: number,
  fromMs: number,
  limits: ChainLimits,
): Pick<SizedChain, 'after' | 'isCut'> {
  const after: LinkSize[] = [];
  for (let [next, bytes] = [fromMs, 0]; bytes <= limits.bytes && after.length <= limits.links;) {
    const rows = db.all<LinkSize>(ALARM_WORK_SQL.sizesFrom, sensorId, next, SIZES_AT_ONCE);
    after.push(...rows);
    if (rows.length < SIZES_AT_ONCE) return { after, isCut: after.length > limits.links };
    bytes += rows.reduce((sum, row) => sum + row.bytes, 0);
    next = rows.at(-1)!.fromMs + 1;
  }
  return { after, isCut: true };
}

function recordsOf(db: Connection, { sensorId, periods, starts }: AlarmSpan): AlarmRecord[] {
  const rows = [
    ...periods.flatMap(({ fromMs, toMs }) => [
      ...db.all<RecordRow>(ALARM_WORK_SQL.alarms, sensorId, fromMs, toMs),
      ...db.all<RecordRow>(ALARM_WORK_SQL.alarmBefore, sensorId, fromMs),
    ]),
    ...starts.flatMap((start) => db.all<RecordRow>(ALARM_WORK_SQL.alarmsAt, sensorId, start)),
  ];
  return distinct(rows.map(recordOf));
}

function commitSlice(db: Connection, slice: AlarmSlice): boolean {
  const { batchId, epoch, upTo, at, done, sensors, receivedMs } = slice;
  if (db.run(ALARM_SQL.tickAt, epoch) === 0) return false;
  const { batchKey, fromMs, toMs } = batchRow(db, batchId);
  for (const decided of sensors) putDecided(db, decided, receivedMs);
  db.run(ALARM_WORK_SQL.putProgress, batchKey, fromMs, toMs, upTo, placeText(at), Number(done));
  db.run(ALARM_WORK_SQL.dropSignals, batchKey, upTo);
  return true;
}

function putDecided(db: Connection, { sensorId, put, drop, live, alarms }: DecidedSensor, receivedMs: number): void {
  for (const fromMs of drop) db.run(ALARM_WORK_SQL.dropLink, sensorId, fromMs);
  for (const link of put)
    db.run(
      ALARM_WORK_SQL.putLink,
      sensorId,
      link.fromMs,
      link.toMs,
      Number(link.state !== undefined),
      JSON.stringify(link),
    );
  if (live !== undefined) db.run(live ? ALARM_WORK_SQL.setLive : ALARM_WORK_SQL.setRest, sensorId);
  commitChanged(db, alarms, receivedMs);
}

/** With the outcomes of their sensors, in one transaction. */
export function addSignals(db: Connection, batchKey: number, signals: readonly AlarmSignal[]): void {
  for (const signal of signals) db.run(ALARM_WORK_SQL.addSignal, batchKey, signal.sensorId, signalText(signal));
}
