/** Notices of alarms as rows of either engine. */
import type { Notice } from '../alarms/notice.ts';
import type { NotifyWay } from '../alarms/notify-settings.ts';
import { defined } from '../domain/defined.ts';
import type { StoredNotice } from './store.ts';

export interface NoticeRow {
  readonly way: string;
  readonly notice: string;
  readonly madeMs: number | string;
  readonly dueMs: number | string;
  readonly sentMs: number | string | null;
  readonly message: string | null;
}

export const toNotice = (row: NoticeRow): StoredNotice => ({
  by: row.way as NotifyWay,
  notice: JSON.parse(row.notice) as Notice,
  madeMs: Number(row.madeMs),
  dueMs: Number(row.dueMs),
  ...defined({ sentMs: row.sentMs === null ? undefined : Number(row.sentMs), message: row.message ?? undefined }),
});

/** What is searched for, of a notice. */
export const noticeColumns = (way: NotifyWay, notice: Notice) => ({
  way,
  id: notice.id,
  incident: notice.about.incident,
  what: notice.what,
  severity: notice.severity,
  open: notice.what === 'opened',
  atMs: notice.timeMs,
  notice: JSON.stringify(notice),
});
