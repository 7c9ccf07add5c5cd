/** What a batch needs to decide on alarms; everything of a slice in one transaction. */
import type { Link } from '../../alarms/chain.ts';
import type { EvidenceItem } from '../../alarms/evidence.ts';
import { CHATTER_MS } from '../../alarms/reconcile.ts';
import { defined } from '../../domain/defined.ts';
import { recordOf, type AlarmRow, type CandidateRow } from '../alarm-rows.ts';
import { STATUSES, toWindow } from '../rows.ts';
import type { AlarmCandidate, AlarmSignal, AlarmSlice, AlarmWorkStore, DecidedSensor } from '../store.ts';
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
  SELECT c.id AS sensorId, s.device, s.sensor, o.status, o.class, o.windows, m.window_ms AS windowMs, g.items
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
  progress: 'SELECT after_id AS "after", done FROM alarm_batches WHERE batch_key = ?',
  putProgress: `
    INSERT INTO alarm_batches (batch_key, from_ms, to_ms, after_id, done) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (batch_key) DO UPDATE SET after_id = excluded.after_id, done = excluded.done`,
  others: `
    SELECT from_ms AS fromMs, to_ms AS toMs FROM alarm_batches WHERE to_ms > ? AND batch_key <> ? ORDER BY from_ms, to_ms`,
  candidates: candidates(OWN),
  reordered: candidates(`${OWN} ${REORDERED}`),
  links: 'SELECT link FROM alarm_links WHERE sensor_id = ? AND to_ms > ? ORDER BY from_ms',
  entry: 'SELECT link FROM alarm_links WHERE sensor_id = ? AND from_ms < ? ORDER BY from_ms DESC LIMIT 1',
  alarms: 'SELECT record FROM alarms INDEXED BY alarms_sensor WHERE sensor_id = ? AND until_ms > ?',
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
        const row = db.get<{ after: number; done: number }>(ALARM_WORK_SQL.progress, batchKey);
        return {
          after: row?.after ?? 0,
          done: row?.done === 1,
          epoch: db.get<{ epoch: number }>(ALARM_SQL.epoch)!.epoch,
          others: db
            .all<{ fromMs: number; toMs: number }>(ALARM_WORK_SQL.others, fromMs, batchKey)
            .map((period) => ({ ...period })),
        };
      }),

    alarmCandidates: (batchId, after, limit, { reordered }) =>
      db.read(() => {
        const { batchKey, fromMs, toMs } = batchRow(db, batchId);
        const rows = reordered
          ? db.all<CandidateRow>(ALARM_WORK_SQL.reordered, batchKey, after, limit, fromMs, toMs)
          : db.all<CandidateRow>(ALARM_WORK_SQL.candidates, batchKey, after, limit);
        return rows.map((row) => candidate(db, row, fromMs));
      }),

    commitAlarmSlice: (slice) => db.write(() => commitSlice(db, slice)),

    undecidedAlarmBatches: (sinceMs, closedBeforeMs, limit) =>
      db.read(() =>
        db.all<{ id: string }>(ALARM_WORK_SQL.undecided, sinceMs, closedBeforeMs, limit).map(({ id }) => id),
      ),

    lastWindowBefore: (sensorId, ms) =>
      db.read(() => db.get<{ startMs: number }>(ALARM_WORK_SQL.lastWindow, sensorId, ms)?.startMs),
  };
}

function candidate(db: Connection, row: CandidateRow, fromMs: number): AlarmCandidate {
  const { sensorId, device, sensor, status } = row;
  const links = db.all<{ link: string }>(ALARM_WORK_SQL.links, sensorId, fromMs).map(({ link }) => parseLink(link));
  // A link may begin before the batch, of another one that overlaps it: all of it is decided on anew.
  const firstMs = Math.min(fromMs, links[0]?.fromMs ?? fromMs);
  const before = db.get<{ link: string }>(ALARM_WORK_SQL.entry, sensorId, firstMs);
  return {
    sensorId,
    device,
    sensor,
    windows: Number(row.windows),
    status: STATUSES[status]!,
    links,
    alarms: db.all<Pick<AlarmRow, 'record'>>(ALARM_WORK_SQL.alarms, sensorId, firstMs - CHATTER_MS).map(recordOf),
    ...defined({
      ...toWindow(row.windowMs),
      class: row.class ?? undefined,
      items: row.items === null ? undefined : (JSON.parse(row.items) as EvidenceItem[]),
      entry: before && parseLink(before.link),
    }),
  };
}

const parseLink = (text: string): Link => JSON.parse(text) as Link;

function commitSlice(db: Connection, { batchId, epoch, upTo, done, sensors, receivedMs }: AlarmSlice): boolean {
  if (db.run(ALARM_SQL.tickAt, epoch) === 0) return false;
  const { batchKey, fromMs, toMs } = batchRow(db, batchId);
  for (const decided of sensors) putDecided(db, decided, receivedMs);
  db.run(ALARM_WORK_SQL.putProgress, batchKey, fromMs, toMs, upTo, Number(done));
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
  db.run(live ? ALARM_WORK_SQL.setLive : ALARM_WORK_SQL.setRest, sensorId);
  commitChanged(db, alarms, receivedMs);
}

/** With the outcomes of their sensors, in one transaction. */
export function addSignals(db: Connection, batchKey: number, signals: readonly AlarmSignal[]): void {
  for (const { sensorId, items } of signals)
    db.run(ALARM_WORK_SQL.addSignal, batchKey, sensorId, JSON.stringify(items));
}
