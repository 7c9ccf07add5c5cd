/**
 * How much of the alarms of one sensor is decided on in one turn: rows in memory, in one go of the event loop, and in
 * one transaction. A batch over months has millions of windows of a sensor, and all of them may be abnormal.
 */
export interface AlarmLimits {
  /** Items of evidence in a stretch (alarms/evidence.ts); one that is read back may have up to twice as many. */
  readonly items: number;
  /** Links of chains that are read for a turn, and their size as text. */
  readonly links: number;
  readonly bytes: number;
  /** Stretches that are read back for a turn, where an alarm goes on through batches in which nothing else was. */
  readonly reads: number;
}

export const ALARM_LIMITS: AlarmLimits = { items: 2_048, links: 1_000, bytes: 1024 * 1024, reads: 16 };
