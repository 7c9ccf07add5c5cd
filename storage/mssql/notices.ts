/** Notices of alarms: added with the clock of alarms, whose row stays locked meanwhile; claimed by who sends. */
import { noticeColumns, toNotice, type NoticeRow } from '../notice-rows.ts';
import type { NewNotices, NoticeStore } from '../store.ts';
import { ALARM_SQL } from './alarms.ts';
import type { Database, Transaction } from './connection.ts';
import { tsql } from './statement.ts';

const WAY = 'NVARCHAR(32)';
const ID = 'NVARCHAR(128)';
const INCIDENT = 'NVARCHAR(32)';
const ROW = 'way, notice, made_ms AS madeMs, due_ms AS dueMs, sent_ms AS sentMs, message FROM alarm_notices';

export const NOTICE_SQL = {
  open: tsql({ way: WAY }, 'SELECT incident, severity FROM alarm_notices WHERE way = @way AND is_open = 1'),
  known: tsql({ way: WAY, id: ID }, 'SELECT id FROM alarm_notices WHERE way = @way AND id = @id'),
  add: tsql(
    {
      way: WAY,
      id: ID,
      incident: INCIDENT,
      what: 'NVARCHAR(32)',
      severity: 'INT',
      open: 'BIT',
      atMs: 'BIGINT',
      madeMs: 'BIGINT',
      dueMs: 'BIGINT',
      notice: 'NVARCHAR(MAX)',
    },
    `
    INSERT INTO alarm_notices (way, id, incident, what, severity, is_open, at_ms, made_ms, due_ms, notice)
    VALUES (@way, @id, @incident, @what, @severity, @open, @atMs, @madeMs, @dueMs, @notice)`,
  ),
  worse: tsql(
    { severity: 'INT', way: WAY, incident: INCIDENT },
    'UPDATE alarm_notices SET severity = @severity WHERE way = @way AND incident = @incident AND is_open = 1',
  ),
  over: tsql(
    { way: WAY, incident: INCIDENT },
    'UPDATE alarm_notices SET is_open = 0 WHERE way = @way AND incident = @incident AND is_open = 1',
  ),
  due: tsql(
    { way: WAY, nowMs: 'BIGINT', limit: 'INT' },
    `SELECT TOP (@limit) ${ROW} WHERE way = @way AND due_ms <= @nowMs AND sent_ms IS NULL ORDER BY at_ms, id`,
  ),
  claim: tsql(
    { untilMs: 'BIGINT', way: WAY, id: ID, nowMs: 'BIGINT' },
    `UPDATE alarm_notices SET due_ms = @untilMs
    WHERE way = @way AND id = @id AND due_ms <= @nowMs AND sent_ms IS NULL`,
  ),
  sent: tsql(
    { atMs: 'BIGINT', message: 'NVARCHAR(128)', way: WAY, id: ID },
    `UPDATE alarm_notices SET sent_ms = @atMs, message = @message
    WHERE way = @way AND id = @id AND sent_ms IS NULL`,
  ),
  messages: tsql(
    { way: WAY, afterMs: 'BIGINT' },
    'SELECT COUNT(DISTINCT message) AS n FROM alarm_notices WHERE way = @way AND sent_ms > @afterMs',
  ),
  ofIncident: tsql({ incident: INCIDENT }, `SELECT ${ROW} WHERE incident = @incident ORDER BY at_ms, made_ms, id`),
} as const;

export function noticeMethods(db: Database): NoticeStore {
  return {
    openNotices: (by) =>
      db.read(async (session) =>
        (await session.query<{ incident: string; severity: number }>(NOTICE_SQL.open, { way: by })).map((row) => ({
          incident: row.incident,
          severity: Number(row.severity),
        })),
      ),
    addNotices: (added) =>
      db.write(async (tx) => {
        if ((await tx.run(ALARM_SQL.tickAt, { epoch: added.epoch })) === 0) return false;
        await addAll(tx, added);
        return true;
      }),
    claimNotices: ({ by: way, nowMs, untilMs, limit }) =>
      db.write(async (tx) => {
        const claimed = [];
        // Whoever comes at the same time finds the row changed, and claims the next.
        for (const row of await tx.query<NoticeRow>(NOTICE_SQL.due, { way, nowMs, limit })) {
          const found = toNotice(row);
          if ((await tx.run(NOTICE_SQL.claim, { untilMs, way, id: found.notice.id, nowMs })) > 0) claimed.push(found);
        }
        return claimed;
      }),
    noticesSent: (way, ids, message, atMs) =>
      db.write(async (tx) => {
        for (const id of ids) await tx.run(NOTICE_SQL.sent, { atMs, message, way, id });
      }),
    countMessages: (way, afterMs) =>
      db.read(async (session) =>
        Number((await session.query<{ n: number }>(NOTICE_SQL.messages, { way, afterMs }))[0]!.n),
      ),
    noticesOfIncident: (incident) =>
      db.read(async (session) =>
        incident.length > 32 ? [] : (await session.query<NoticeRow>(NOTICE_SQL.ofIncident, { incident })).map(toNotice),
      ),
  };
}

async function addAll(tx: Transaction, { by, notices, madeMs }: NewNotices): Promise<void> {
  for (const { notice, dueMs } of notices) {
    const columns = noticeColumns(by, notice);
    const { way, id, incident, severity, what, open } = columns;
    if ((await tx.query(NOTICE_SQL.known, { way, id })).length > 0) continue;
    await tx.run(NOTICE_SQL.add, { ...columns, madeMs, dueMs });
    if (what === 'closed') await tx.run(NOTICE_SQL.over, { way, incident });
    else if (!open) await tx.run(NOTICE_SQL.worse, { severity, way, incident });
  }
}
