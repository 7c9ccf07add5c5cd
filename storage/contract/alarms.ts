/**
 * Alarms: what batches found and what people did, read by lists and the web application. Rules of all contracts:
 * store.ts. Every change of an alarm is one event, written in the same transaction; `seq` of events rises, so a reader
 * goes on where it stopped and misses none.
 */
import type {
  Alarm,
  AlarmAction,
  AlarmChange,
  AlarmEvent,
  AlarmKind,
  AlarmOutline,
  AlarmRecord,
} from '../../domain/alarm.ts';
import type { Period } from '../../domain/time.ts';

/** Alarms that have all of what is given. */
export interface AlarmFilter {
  readonly active?: boolean;
  /** Only those still of interest: active, latched, not acknowledged or not confirmed. */
  readonly retain?: boolean;
  readonly kind?: AlarmKind;
  readonly sensorId?: number;
  readonly device?: string;
  readonly incident?: string;
  readonly minSeverity?: number;
  /** Only those that lasted in part of this period. */
  readonly within?: Period;
  readonly limit?: number;
}

export interface AlarmEventFilter {
  readonly alarmId?: string;
  /** Only events after this one. @default 0 */
  readonly after?: number;
  readonly limit?: number;
}

/** Alarms that are still of interest, by what a first screen counts. */
export interface AlarmCounts {
  readonly active: number;
  readonly unacked: number;
  readonly shelved: number;
  /** Different incidents among the active ones. */
  readonly incidents: number;
}

/** Rules as they were set, as text: alarms/rules.ts reads them. */
export interface StoredAlarmRules {
  /** Rises with every change, from 1. */
  readonly version: number;
  /** JSON. */
  readonly text: string;
  readonly by: string;
  readonly atMs: number;
}

/** An alarm as it is to be, and the events that brought it there, oldest first; `version` of the record counts them. */
export interface ChangedAlarm {
  readonly record: AlarmRecord;
  readonly changes: readonly { readonly change: AlarmChange; readonly timeMs: number; readonly batchId?: string }[];
}

export interface AlarmCommit {
  /** {@link AlarmStore.alarmEpoch} before anything was read that these changes rest on. */
  readonly epoch: number;
  readonly alarms: readonly ChangedAlarm[];
  /** Time of the clock, epoch ms. */
  readonly receivedMs: number;
}

export interface AlarmStore {
  /** Rises with every change of alarms, also by people. */
  alarmEpoch(): Promise<number>;
  /**
   * Writes alarms and their events, all or nothing. Returns false, and writes nothing, when somebody else changed
   * alarms after `epoch`: read and decide again.
   */
  commitAlarms(commit: AlarmCommit): Promise<boolean>;
  /** The newest start first. `nowMs` of the clock: timed shelving ends by itself. */
  listAlarms(filter?: AlarmFilter, nowMs?: number): Promise<Alarm[]>;
  /**
   * Little of each alarm that lasted in part of a period, page by page in an order of its own: those behind `after`.
   * Without those that were withdrawn, or whose sensor is out of service.
   */
  lastingAlarms(
    within: Period,
    page: { readonly after?: AlarmOutline; readonly limit: number },
  ): Promise<AlarmOutline[]>;
  /**
   * Writes to which incident alarms belong, all or nothing and without an event. Returns false, and writes nothing,
   * when somebody changed alarms after `epoch`, which is one more afterwards.
   */
  moveAlarms(epoch: number, alarms: readonly AlarmRecord[]): Promise<boolean>;
  /** By the id of the alarm or of any of its events. */
  findAlarm(id: string, nowMs?: number): Promise<Alarm | undefined>;
  countAlarms(nowMs?: number): Promise<AlarmCounts>;
  /** Oldest first. */
  alarmEvents(filter?: AlarmEventFilter): Promise<AlarmEvent[]>;
  /**
   * Does what a person asks for, and records the event. @throws FleetscoreError `ALARM_UNKNOWN`; `ALARM_REFUSED` when
   * its state does not allow it: nothing was changed
   */
  actOnAlarm(action: AlarmAction): Promise<{ readonly alarm: Alarm; readonly event: AlarmEvent }>;
  /** The rules that batches go by; undefined while nobody has set any: then the defaults hold. */
  alarmRules(): Promise<StoredAlarmRules | undefined>;
  /** Sets rules for the batches that end from now on; the same text again changes nothing. */
  setAlarmRules(rules: Omit<StoredAlarmRules, 'version'>): Promise<StoredAlarmRules>;
}
