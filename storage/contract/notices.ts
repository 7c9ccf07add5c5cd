/**
 * Notices of alarms on their way out: what is to be told by which way, until it is sent. Rules of all contracts:
 * store.ts. A notice is added once, whoever decides on it how often; whoever sends claims first, so that in quiet times
 * each goes out once, and in trouble again with the same id.
 */
import type { Notice, OpenNotice } from '../../alarms/notice.ts';
import type { NotifyWay } from '../../alarms/notify-settings.ts';

export interface DueNotice {
  readonly notice: Notice;
  /** When it is to go out, epoch ms. */
  readonly dueMs: number;
}

export interface NewNotices {
  readonly by: NotifyWay;
  /** As `alarmEpoch` said before anything was read that these rest on. */
  readonly epoch: number;
  readonly notices: readonly DueNotice[];
  /** Time of the clock, epoch ms. */
  readonly madeMs: number;
}

/** A notice as it was told, or waits. */
export interface StoredNotice extends DueNotice {
  readonly by: NotifyWay;
  readonly madeMs: number;
  readonly sentMs?: number;
  /** Id of the message that it went out in. */
  readonly message?: string;
}

export interface NoticeClaim {
  readonly by: NotifyWay;
  readonly nowMs: number;
  /** Nobody else is given them before; then they are due again. */
  readonly untilMs: number;
  readonly limit: number;
}

export interface NoticeStore {
  /** Incidents that were told as begun by a way, and not yet as over. */
  openNotices(by: NotifyWay): Promise<OpenNotice[]>;
  /**
   * Adds those that are not there yet, in their order. Returns false, and writes nothing, when alarms changed after
   * `epoch`: read and decide again.
   */
  addNotices(notices: NewNotices): Promise<boolean>;
  /** Those that are due, the oldest first; claimed until then. */
  claimNotices(claim: NoticeClaim): Promise<StoredNotice[]>;
  /** They went out together, or nobody wants them any more. */
  noticesSent(by: NotifyWay, ids: readonly string[], message: string, atMs: number): Promise<void>;
  /** Messages that went out after a time. */
  countMessages(by: NotifyWay, afterMs: number): Promise<number>;
  /** All that was told, or waits, of an incident, in order. */
  noticesOfIncident(incident: string): Promise<StoredNotice[]>;
}
