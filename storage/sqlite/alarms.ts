/** Alarms: rows, events, shelves and rules. Whoever changes alarms moves the clock first, in the same transaction. */
import { parseAlarmId } from '../../alarms/act.ts';
import type { AlarmOutline, AlarmRecord, AlarmShelf } from '../../domain/alarm.ts';
import {
  acted,
  alarmColumns,
  alarmCounts,
  changedEvents,
  filterValues,
  outlineValues,
  pathOf,
  shelfOf,
  toAlarm,
  toEvent,
  WITHDRAWN,
  type AlarmPath,
  type AlarmRow,
  type EventRow,
  type NewAlarmEvent,
} from '../alarm-rows.ts';
import { alarmUnknown } from '../failures.ts';
import type { AlarmFilter, AlarmStore, ChangedAlarm, StoredAlarmRules } from '../store.ts';
import type { Connection } from './connection.ts';
import { ALL } from './sensors.ts';

const SHELF = 'LEFT JOIN alarm_shelves h ON h.sensor_id = a.sensor_id AND h.kind = a.kind';
const RETIRED = 'EXISTS (SELECT 1 FROM retired_sensors r WHERE r.sensor_id = a.sensor_id)';
const ROW = `SELECT a.record, s.device, s.sensor, s.unit, h.shelf, ${RETIRED} AS retired`;

const PATHS: Readonly<Record<AlarmPath, string>> = {
  sensor:
    `FROM alarms a INDEXED BY alarms_sensor CROSS JOIN sensors s ON s.id = a.sensor_id ${SHELF} WHERE ` +
    'a.sensor_id = ?7',
  incident:
    `FROM alarms a INDEXED BY alarms_incident CROSS JOIN sensors s ON s.id = a.sensor_id ${SHELF} ` +
    'WHERE a.incident = ?6',
  device:
    `FROM sensors s CROSS JOIN alarms a INDEXED BY alarms_sensor ON a.sensor_id = s.id ${SHELF} ` +
    'WHERE s.device = ?5',
  open: `FROM alarms a INDEXED BY alarms_open CROSS JOIN sensors s ON s.id = a.sensor_id ${SHELF} WHERE a.is_open = 1`,
  lasting:
    `FROM alarms a INDEXED BY alarms_until CROSS JOIN sensors s ON s.id = a.sensor_id ${SHELF} ` +
    'WHERE a.until_ms > 0',
  time:
    `FROM alarms a INDEXED BY alarms_since CROSS JOIN sensors s ON s.id = a.sensor_id ${SHELF} ` +
    'WHERE a.since_ms >= 0',
};

const list = (path: AlarmPath): string => `
  ${ROW} ${PATHS[path]}
    AND a.since_ms < ?4 AND a.until_ms > ?3 AND a.severity >= ?2
    AND (?1 IS NULL OR a.kind = ?1) AND (?5 IS NULL OR s.device = ?5) AND (?6 IS NULL OR a.incident = ?6)
    AND (?7 IS NULL OR a.sensor_id = ?7) AND (?8 IS NULL OR a.is_open = ?8) AND (?9 IS NULL OR (a.until_ms = ?9) = ?10)
    AND (?12 IS NULL OR NOT ${RETIRED})
  ORDER BY a.since_ms DESC, a.id LIMIT ?11`;

export const ALARM_SQL = {
  listOfSensor: list('sensor'),
  listOfIncident: list('incident'),
  listOfDevice: list('device'),
  listOpen: list('open'),
  listLasting: list('lasting'),
  listAll: list('time'),
  // From a page to the next by the columns of the index: an alarm is looked up when it lasted in the period.
  lasting: `
    SELECT a.id, s.device, a.kind, a.since_ms AS sinceMs, a.until_ms AS untilMs, a.incident
    FROM alarms a INDEXED BY alarms_until CROSS JOIN sensors s ON s.id = a.sensor_id
    WHERE (a.until_ms, a.since_ms, a.id) > (?1, ?2, ?3) AND a.since_ms < ?4
      AND instr(a.record, '${WITHDRAWN}') = 0 AND NOT ${RETIRED}
    ORDER BY a.until_ms, a.since_ms, a.id LIMIT ?5`,
  move: 'UPDATE alarms SET incident = ?, record = ? WHERE id = ?',
  find: `${ROW} FROM alarms a CROSS JOIN sensors s ON s.id = a.sensor_id ${SHELF} WHERE a.id = ?`,
  put: `
    INSERT INTO alarms (id, sensor_id, kind, since_ms, until_ms, is_open, severity, incident, record)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET since_ms = excluded.since_ms, until_ms = excluded.until_ms, is_open = excluded.is_open,
      severity = excluded.severity, incident = excluded.incident, record = excluded.record`,
  addEvent: 'INSERT INTO alarm_events (alarm_id, number, event) VALUES (?, ?, ?)',
  seqOf: 'SELECT seq FROM alarm_events WHERE alarm_id = ? AND number = ?',
  events: 'SELECT seq, event FROM alarm_events WHERE seq > ? ORDER BY seq LIMIT ?',
  eventsOfAlarm: 'SELECT seq, event FROM alarm_events WHERE alarm_id = ? AND seq > ? ORDER BY number LIMIT ?',
  unshelve: 'DELETE FROM alarm_shelves WHERE sensor_id = ? AND kind = ?',
  shelve: `
    INSERT INTO alarm_shelves (sensor_id, kind, shelf) VALUES (?, ?, ?)
    ON CONFLICT (sensor_id, kind) DO UPDATE SET shelf = excluded.shelf`,
  epoch: 'SELECT epoch FROM alarm_clock WHERE id = 1',
  tickAt: 'UPDATE alarm_clock SET epoch = epoch + 1 WHERE id = 1 AND epoch = ?',
  shelfOf: 'SELECT shelf FROM alarm_shelves WHERE sensor_id = ? AND kind = ?',
  tick: 'UPDATE alarm_clock SET epoch = epoch + 1 WHERE id = 1',
  rules: 'SELECT version, rules AS text, by_whom AS "by", at_ms AS atMs FROM alarm_rules ORDER BY version DESC LIMIT 1',
  addRules: 'INSERT INTO alarm_rules (version, rules, by_whom, at_ms) VALUES (?, ?, ?, ?)',
} as const;

const LISTS: Readonly<Record<AlarmPath, string>> = {
  sensor: ALARM_SQL.listOfSensor,
  incident: ALARM_SQL.listOfIncident,
  device: ALARM_SQL.listOfDevice,
  open: ALARM_SQL.listOpen,
  lasting: ALARM_SQL.listLasting,
  time: ALARM_SQL.listAll,
};

export function alarmMethods(db: Connection): AlarmStore {
  return {
    alarmEpoch: () => db.read(() => db.get<{ epoch: number }>(ALARM_SQL.epoch)!.epoch),

    commitAlarms: ({ epoch, alarms, receivedMs }) =>
      db.write(() => {
        if (db.run(ALARM_SQL.tickAt, epoch) === 0) return false;
        commitChanged(db, alarms, receivedMs);
        return true;
      }),

    listAlarms: (filter = {}, nowMs = Date.now()) =>
      db.read(() => listRows(db, filter).map((row) => toAlarm(row, nowMs))),

    lastingAlarms: (within, page) =>
      db.read(() =>
        db
          .all<AlarmOutline>(ALARM_SQL.lasting, ...Object.values(outlineValues(within, page)))
          .map((row) => ({ ...row })),
      ),

    moveAlarms: (epoch, alarms) =>
      db.write(() => {
        if (db.run(ALARM_SQL.tickAt, epoch) === 0) return false;
        for (const record of alarms) db.run(ALARM_SQL.move, record.incident, JSON.stringify(record), record.id);
        return true;
      }),

    findAlarm: (id, nowMs = Date.now()) =>
      db.read(() => {
        const row = findRow(db, id);
        return row && toAlarm(row, nowMs);
      }),

    countAlarms: (nowMs = Date.now()) =>
      db.read(() => alarmCounts(listRows(db, { retain: true }).map((row) => toAlarm(row, nowMs)))),

    alarmEvents: ({ alarmId, after = 0, limit = ALL } = {}) =>
      db.read(() =>
        (alarmId === undefined
          ? db.all<EventRow>(ALARM_SQL.events, after, limit)
          : db.all<EventRow>(ALARM_SQL.eventsOfAlarm, alarmId, after, limit)
        ).map(toEvent),
      ),

    actOnAlarm: (action) =>
      db.write(() => {
        db.run(ALARM_SQL.tick);
        const row = findRow(db, action.id);
        if (!row) throw alarmUnknown(action.id);
        const { record, shelf, event } = acted(row, action);
        putRecord(db, record);
        putShelf(db, record, shelf);
        const seq = addEvent(db, event);
        const shelfText = shelf === undefined ? null : JSON.stringify(shelf);
        const alarm = toAlarm({ ...row, record: JSON.stringify(record), shelf: shelfText }, action.atMs);
        return { alarm, event: { ...event, seq } };
      }),

    alarmRules: () => db.read(() => rulesRow(db)),

    setAlarmRules: ({ text, by, atMs }) =>
      db.write(() => {
        const before = rulesRow(db);
        if (before?.text === text) return before;
        const rules = { version: (before?.version ?? 0) + 1, text, by, atMs };
        db.run(ALARM_SQL.addRules, rules.version, text, by, atMs);
        return rules;
      }),
  };
}

function listRows(db: Connection, filter: AlarmFilter): AlarmRow[] {
  const v = filterValues(filter);
  const flag = (value: boolean | null): number | null => (value === null ? null : Number(value));
  return db.all<AlarmRow>(
    LISTS[pathOf(filter)],
    v.kind,
    v.minSeverity,
    v.fromMs,
    v.toMs,
    v.device,
    v.incident,
    v.sensorId,
    flag(v.open),
    v.activeMs,
    flag(v.active),
    filter.limit ?? ALL,
    flag(v.inService),
  );
}

const findRow = (db: Connection, id: string): AlarmRow | undefined =>
  db.get<AlarmRow>(ALARM_SQL.find, parseAlarmId(id).alarmId);

export function commitChanged(db: Connection, alarms: readonly ChangedAlarm[], receivedMs: number): void {
  for (const changed of alarms) {
    const { record } = changed;
    const row = db.get<{ shelf: string }>(ALARM_SQL.shelfOf, record.sensorId, record.kind);
    putRecord(db, record);
    for (const event of changedEvents(changed, shelfOf({ shelf: row?.shelf ?? null }), receivedMs)) addEvent(db, event);
  }
}

function putRecord(db: Connection, record: AlarmRecord): void {
  const c = alarmColumns(record);
  db.run(
    ALARM_SQL.put,
    c.id,
    c.sensorId,
    c.kind,
    c.sinceMs,
    c.untilMs,
    Number(c.open),
    c.severity,
    c.incident,
    c.record,
  );
}

function putShelf(
  db: Connection,
  { sensorId, kind }: Pick<AlarmRecord, 'sensorId' | 'kind'>,
  shelf: AlarmShelf | undefined,
): void {
  if (shelf) db.run(ALARM_SQL.shelve, sensorId, kind, JSON.stringify(shelf));
  else db.run(ALARM_SQL.unshelve, sensorId, kind);
}

/** Returns its place among all events. */
function addEvent(db: Connection, event: NewAlarmEvent): number {
  const number = parseAlarmId(event.id).event!;
  db.run(ALARM_SQL.addEvent, event.alarmId, number, JSON.stringify(event));
  return db.get<{ seq: number }>(ALARM_SQL.seqOf, event.alarmId, number)!.seq;
}

export function rulesRow(db: Connection): StoredAlarmRules | undefined {
  const row = db.get<StoredAlarmRules>(ALARM_SQL.rules);
  return row && { ...row };
}
