/**
 * Alarms: rows, events, shelves and rules. Whoever changes alarms moves the clock first: its row stays locked to the
 * end of the transaction, so changes come one after the other, and the numbers of events in the order of their commits.
 */
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
import type { Database, Session, Transaction } from './connection.ts';
import { ALL } from './sensors.ts';
import { tsql, type StageTable, type Statement } from './statement.ts';

const ID = 'NVARCHAR(32)';

/** Alarms that belong to another incident than before. */
export const MOVED: StageTable = {
  name: '#moved',
  columns: [
    { name: 'id', type: ID, of: 'alarms.id' },
    { name: 'incident', type: ID, of: 'alarms.incident' },
    { name: 'record', type: 'NVARCHAR(MAX)', of: 'alarms.record' },
  ],
  key: ['id'],
};

const FILTER = {
  kind: 'NVARCHAR(32)',
  minSeverity: 'INT',
  fromMs: 'BIGINT',
  toMs: 'BIGINT',
  device: 'NVARCHAR(128)',
  incident: ID,
  sensorId: 'INT',
  open: 'BIT',
  activeMs: 'BIGINT',
  active: 'BIT',
  inService: 'BIT',
  limit: 'INT',
} as const;

const FROM = `
      FROM alarms a INNER JOIN sensors s ON s.id = a.sensor_id
      LEFT JOIN alarm_shelves h ON h.sensor_id = a.sensor_id AND h.kind = a.kind
      LEFT JOIN retired_sensors r ON r.sensor_id = a.sensor_id`;

const ROW = `a.record AS record, s.device AS device, s.sensor AS sensor, s.unit AS unit, h.shelf AS shelf,
        CASE WHEN r.sensor_id IS NULL THEN 0 ELSE 1 END AS retired`;

const list = (where: string): string => `
    SELECT TOP (@limit) record, device, sensor, unit, shelf, retired FROM (
      SELECT a.since_ms AS sinceMs, a.id AS id, ${ROW}${FROM}
      WHERE ${where} AND a.since_ms < @toMs AND a.until_ms > @fromMs AND a.severity >= @minSeverity
        AND (@kind IS NULL OR a.kind = @kind) AND (@device IS NULL OR s.device = @device) AND (@incident IS NULL OR a.incident = @incident)
        AND (@sensorId IS NULL OR a.sensor_id = @sensorId) AND (@open IS NULL OR a.is_open = @open)
        AND (@activeMs IS NULL OR (@active = 1 AND a.until_ms = @activeMs) OR (@active = 0 AND a.until_ms < @activeMs))
        AND (@inService IS NULL OR r.sensor_id IS NULL)
    ) page ORDER BY sinceMs DESC, id`;

export const ALARM_SQL = {
  listOfSensor: tsql(FILTER, list('a.sensor_id = @sensorId')),
  listOfIncident: tsql(FILTER, list('a.incident = @incident')),
  listOfDevice: tsql(FILTER, list('s.device = @device')),
  listOpen: tsql(FILTER, list('a.is_open = 1')),
  listLasting: tsql(FILTER, list('a.until_ms > 0')),
  listAll: tsql(FILTER, list('a.since_ms >= 0')),
  lasting: tsql(
    {
      afterUntilMs: 'BIGINT',
      afterSinceMs: 'BIGINT',
      afterId: ID,
      toMs: 'BIGINT',
      withdrawn: 'NVARCHAR(32)',
      limit: 'INT',
    },
    `
    SELECT TOP (@limit) id, device, kind, sinceMs, untilMs, incident FROM (
      SELECT a.id AS id, s.device AS device, a.kind AS kind, a.since_ms AS sinceMs, a.until_ms AS untilMs,
             a.incident AS incident
      FROM alarms a INNER JOIN sensors s ON s.id = a.sensor_id
      LEFT JOIN retired_sensors r ON r.sensor_id = a.sensor_id
      WHERE a.since_ms < @toMs AND a.until_ms >= @afterUntilMs
        AND (a.until_ms > @afterUntilMs OR a.since_ms > @afterSinceMs
          OR (a.since_ms = @afterSinceMs AND a.id > @afterId))
        AND a.record NOT LIKE @withdrawn AND r.sensor_id IS NULL
    ) page ORDER BY untilMs, sinceMs, id`,
  ),
  move: tsql(
    {},
    `
    UPDATE a SET a.incident = n.incident, a.record = n.record
    FROM alarms a INNER JOIN #moved n ON n.id = a.id`,
  ),
  find: tsql(
    { id: ID },
    `
    SELECT ${ROW}${FROM}
    WHERE a.id = @id`,
  ),
  put: tsql(
    {
      id: ID,
      sinceMs: 'BIGINT',
      untilMs: 'BIGINT',
      open: 'BIT',
      severity: 'INT',
      incident: ID,
      record: 'NVARCHAR(MAX)',
    },
    `
    UPDATE alarms SET since_ms = @sinceMs, until_ms = @untilMs, is_open = @open, severity = @severity, incident = @incident, record = @record
    WHERE id = @id`,
  ),
  add: tsql(
    {
      id: ID,
      sensorId: 'INT',
      kind: 'NVARCHAR(32)',
      sinceMs: 'BIGINT',
      untilMs: 'BIGINT',
      open: 'BIT',
      severity: 'INT',
      incident: ID,
      record: 'NVARCHAR(MAX)',
    },
    `
    INSERT INTO alarms (id, sensor_id, kind, since_ms, until_ms, is_open, severity, incident, record)
    VALUES (@id, @sensorId, @kind, @sinceMs, @untilMs, @open, @severity, @incident, @record)`,
  ),
  addEvent: tsql(
    { alarmId: ID, number: 'INT', event: 'NVARCHAR(MAX)' },
    'INSERT INTO alarm_events (alarm_id, number, event) VALUES (@alarmId, @number, @event)',
  ),
  seqOf: tsql(
    { alarmId: ID, number: 'INT' },
    'SELECT seq FROM alarm_events WHERE alarm_id = @alarmId AND number = @number',
  ),
  events: tsql(
    { after: 'INT', limit: 'INT' },
    'SELECT TOP (@limit) seq, event FROM alarm_events WHERE seq > @after ORDER BY seq',
  ),
  eventsOfAlarm: tsql(
    { alarmId: ID, after: 'INT', limit: 'INT' },
    'SELECT TOP (@limit) seq, event FROM alarm_events WHERE alarm_id = @alarmId AND seq > @after ORDER BY number',
  ),
  unshelve: tsql(
    { sensorId: 'INT', kind: 'NVARCHAR(32)' },
    'DELETE FROM alarm_shelves WHERE sensor_id = @sensorId AND kind = @kind',
  ),
  shelve: tsql(
    { sensorId: 'INT', kind: 'NVARCHAR(32)', shelf: 'NVARCHAR(MAX)' },
    'INSERT INTO alarm_shelves (sensor_id, kind, shelf) VALUES (@sensorId, @kind, @shelf)',
  ),
  epoch: tsql({}, 'SELECT epoch FROM alarm_clock WHERE id = 1'),
  tickAt: tsql({ epoch: 'INT' }, 'UPDATE alarm_clock SET epoch = epoch + 1 WHERE id = 1 AND epoch = @epoch'),
  shelfOf: tsql(
    { sensorId: 'INT', kind: 'NVARCHAR(32)' },
    'SELECT shelf FROM alarm_shelves WHERE sensor_id = @sensorId AND kind = @kind',
  ),
  tick: tsql({}, 'UPDATE alarm_clock SET epoch = epoch + 1 WHERE id = 1'),
  rules: tsql(
    {},
    'SELECT TOP (1) version, rules AS [text], by_whom AS [by], at_ms AS atMs FROM alarm_rules ORDER BY version DESC',
  ),
  addRules: tsql(
    { version: 'INT', rules: 'NVARCHAR(MAX)', by: 'NVARCHAR(400)', atMs: 'BIGINT' },
    'INSERT INTO alarm_rules (version, rules, by_whom, at_ms) VALUES (@version, @rules, @by, @atMs)',
  ),
} as const;

const LISTS: Readonly<Record<AlarmPath, Statement>> = {
  sensor: ALARM_SQL.listOfSensor,
  incident: ALARM_SQL.listOfIncident,
  device: ALARM_SQL.listOfDevice,
  open: ALARM_SQL.listOpen,
  lasting: ALARM_SQL.listLasting,
  time: ALARM_SQL.listAll,
};

export function alarmMethods(db: Database): AlarmStore {
  return {
    alarmEpoch: () =>
      db.read(async (session) => Number((await session.query<{ epoch: number }>(ALARM_SQL.epoch, {}))[0]!.epoch)),

    commitAlarms: ({ epoch, alarms, receivedMs }) =>
      db.write(async (tx) => {
        if ((await tx.run(ALARM_SQL.tickAt, { epoch })) === 0) return false;
        await commitChanged(tx, alarms, receivedMs);
        return true;
      }),

    listAlarms: (filter = {}, nowMs = Date.now()) =>
      db.read(async (session) => (await listRows(session, filter)).map((row) => toAlarm(row, nowMs))),

    lastingAlarms: (within, page) =>
      db.read(async (session) => {
        const values = { ...outlineValues(within, page), withdrawn: `%${WITHDRAWN}%` };
        const rows = await session.query<AlarmOutline>(ALARM_SQL.lasting, values);
        return rows.map((row) => ({ ...row, sinceMs: Number(row.sinceMs), untilMs: Number(row.untilMs) }));
      }),

    moveAlarms: (epoch, alarms) =>
      db.write(async (tx) => {
        if ((await tx.run(ALARM_SQL.tickAt, { epoch })) === 0) return false;
        await tx.stage(
          MOVED,
          alarms.map((record) => [record.id, record.incident, JSON.stringify(record)]),
        );
        await tx.run(ALARM_SQL.move, {});
        return true;
      }),

    findAlarm: (id, nowMs = Date.now()) =>
      db.read(async (session) => {
        const row = await findRow(session, id);
        return row && toAlarm(row, nowMs);
      }),

    countAlarms: (nowMs = Date.now()) =>
      db.read(async (session) =>
        alarmCounts((await listRows(session, { retain: true })).map((row) => toAlarm(row, nowMs))),
      ),

    alarmEvents: ({ alarmId, after = 0, limit = ALL } = {}) =>
      db.read(async (session) => {
        const rows =
          alarmId === undefined
            ? await session.query<EventRow>(ALARM_SQL.events, { after, limit })
            : await session.query<EventRow>(ALARM_SQL.eventsOfAlarm, { alarmId, after, limit });
        return rows.map(toEvent);
      }),

    actOnAlarm: (action) =>
      db.write(async (tx) => {
        await tx.run(ALARM_SQL.tick, {});
        const row = await findRow(tx, action.id);
        if (!row) throw alarmUnknown(action.id);
        const { record, shelf, event } = acted(row, action);
        await putRecord(tx, record);
        await putShelf(tx, record, shelf);
        const seq = await addEvent(tx, event);
        const shelfText = shelf === undefined ? null : JSON.stringify(shelf);
        const alarm = toAlarm({ ...row, record: JSON.stringify(record), shelf: shelfText }, action.atMs);
        return { alarm, event: { ...event, seq } };
      }),

    alarmRules: () => db.read(rulesRow),

    setAlarmRules: ({ text, by, atMs }) =>
      db.write(async (tx) => {
        await tx.run(ALARM_SQL.tick, {});
        const before = await rulesRow(tx);
        if (before?.text === text) return before;
        const rules = { version: (before?.version ?? 0) + 1, text, by, atMs };
        await tx.run(ALARM_SQL.addRules, { version: rules.version, rules: text, by, atMs });
        return rules;
      }),
  };
}

const listRows = (session: Session, filter: AlarmFilter): Promise<AlarmRow[]> =>
  session.query<AlarmRow>(LISTS[pathOf(filter)], { ...filterValues(filter), limit: filter.limit ?? ALL });

async function findRow(session: Session, id: string): Promise<AlarmRow | undefined> {
  const { alarmId } = parseAlarmId(id);
  // Longer than any id: the column would refuse it.
  return alarmId.length > 32 ? undefined : (await session.query<AlarmRow>(ALARM_SQL.find, { id: alarmId }))[0];
}

export async function commitChanged(
  tx: Transaction,
  alarms: readonly ChangedAlarm[],
  receivedMs: number,
): Promise<void> {
  for (const changed of alarms) {
    const { sensorId, kind } = changed.record;
    const [row] = await tx.query<{ shelf: string }>(ALARM_SQL.shelfOf, { sensorId, kind });
    await putRecord(tx, changed.record);
    for (const event of changedEvents(changed, shelfOf({ shelf: row?.shelf ?? null }), receivedMs))
      await addEvent(tx, event);
  }
}

async function putRecord(tx: Transaction, record: AlarmRecord): Promise<void> {
  const columns = alarmColumns(record);
  const { sensorId: _, kind: __, ...changed } = columns;
  if ((await tx.run(ALARM_SQL.put, changed)) === 0) await tx.run(ALARM_SQL.add, columns);
}

async function putShelf(
  tx: Transaction,
  { sensorId, kind }: Pick<AlarmRecord, 'sensorId' | 'kind'>,
  shelf: AlarmShelf | undefined,
): Promise<void> {
  await tx.run(ALARM_SQL.unshelve, { sensorId, kind });
  if (shelf) await tx.run(ALARM_SQL.shelve, { sensorId, kind, shelf: JSON.stringify(shelf) });
}

/** Returns its place among all events. */
async function addEvent(tx: Transaction, event: NewAlarmEvent): Promise<number> {
  const at = { alarmId: event.alarmId, number: parseAlarmId(event.id).event! };
  await tx.run(ALARM_SQL.addEvent, { ...at, event: JSON.stringify(event) });
  return Number((await tx.query<{ seq: number }>(ALARM_SQL.seqOf, at))[0]!.seq);
}

export async function rulesRow(session: Session): Promise<StoredAlarmRules | undefined> {
  const [row] = await session.query<StoredAlarmRules>(ALARM_SQL.rules, {});
  return row && { ...row, version: Number(row.version), atMs: Number(row.atMs) };
}
