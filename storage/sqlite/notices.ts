/** Notices of alarms: added with the clock of alarms, claimed by who sends. */
import { noticeColumns, toNotice, type NoticeRow } from '../notice-rows.ts';
import type { NewNotices, NoticeStore } from '../store.ts';
import { ALARM_SQL } from './alarms.ts';
import type { Connection } from './connection.ts';

const ROW = 'SELECT way, notice, made_ms AS madeMs, due_ms AS dueMs, sent_ms AS sentMs, message FROM alarm_notices';

export const NOTICE_SQL = {
  open: 'SELECT incident, severity FROM alarm_notices INDEXED BY alarm_notices_open WHERE way = ? AND is_open = 1',
  add: `
    INSERT INTO alarm_notices (way, id, incident, what, severity, is_open, at_ms, made_ms, due_ms, notice)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (way, id) DO NOTHING`,
  worse: 'UPDATE alarm_notices SET severity = ? WHERE way = ? AND incident = ? AND is_open = 1',
  over: 'UPDATE alarm_notices SET is_open = 0 WHERE way = ? AND incident = ? AND is_open = 1',
  due: `
    ${ROW} INDEXED BY alarm_notices_due WHERE way = ? AND due_ms <= ? AND sent_ms IS NULL
    ORDER BY at_ms, id LIMIT ?`,
  claim: 'UPDATE alarm_notices SET due_ms = ? WHERE way = ? AND id = ?',
  sent: 'UPDATE alarm_notices SET sent_ms = ?, message = ? WHERE way = ? AND id = ? AND sent_ms IS NULL',
  messages: `
    SELECT COUNT(DISTINCT message) AS n FROM alarm_notices INDEXED BY alarm_notices_sent
    WHERE way = ? AND sent_ms > ?`,
  ofIncident: `${ROW} WHERE incident = ? ORDER BY at_ms, made_ms, id`,
} as const;

export function noticeMethods(db: Connection): NoticeStore {
  return {
    openNotices: (by) =>
      db.read(() => db.all<{ incident: string; severity: number }>(NOTICE_SQL.open, by).map((row) => ({ ...row }))),
    addNotices: (added) =>
      db.write(() => {
        if (db.run(ALARM_SQL.tickAt, added.epoch) === 0) return false;
        addAll(db, added);
        return true;
      }),
    claimNotices: ({ by, nowMs, untilMs, limit }) =>
      db.write(() =>
        db.all<NoticeRow>(NOTICE_SQL.due, by, nowMs, limit).map((row) => {
          const claimed = toNotice(row);
          db.run(NOTICE_SQL.claim, untilMs, by, claimed.notice.id);
          return claimed;
        }),
      ),
    noticesSent: (by, ids, message, atMs) =>
      db.write(() => {
        for (const id of ids) db.run(NOTICE_SQL.sent, atMs, message, by, id);
      }),
    countMessages: (by, afterMs) => db.read(() => db.get<{ n: number }>(NOTICE_SQL.messages, by, afterMs)!.n),
    noticesOfIncident: (incident) => db.read(() => db.all<NoticeRow>(NOTICE_SQL.ofIncident, incident).map(toNotice)),
  };
}

function addAll(db: Connection, { by, notices, madeMs }: NewNotices): void {
  for (const { notice, dueMs } of notices) {
    const c = noticeColumns(by, notice);
    const row = [c.way, c.id, c.incident, c.what, c.severity, Number(c.open), c.atMs, madeMs, dueMs, c.notice] as const;
    if (db.run(NOTICE_SQL.add, ...row) === 0) continue;
    if (c.what === 'closed') db.run(NOTICE_SQL.over, by, c.incident);
    else if (!c.open) db.run(NOTICE_SQL.worse, c.severity, by, c.incident);
  }
}
