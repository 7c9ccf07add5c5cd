/**
 * Alarms in the words of OPC UA Part 9 (OPC 10000-9) and ISA-18.2. An alarm here is one excursion of one sensor: the
 * newest of a sensor and kind is the standard's trunk, earlier ones that nobody acknowledged are its branches. What
 * follows from predictions (facts) and what people did (marks) stay apart: facts are written anew when late data come,
 * marks never are. The states are flags, independent of each other, and are computed from both.
 */
import type { SensorKey } from './sensor.ts';

/**
 * - `anomaly`: windows that the model calls anomalous
 * - `silent`: no readings
 * - `stuck`: every window has one and the same value
 * - `model`: it cannot be scored, since its model is missing or fails
 * - `unplanned`: readings come, and no batch is for it
 */
export const ALARM_KINDS = ['anomaly', 'silent', 'stuck', 'model', 'unplanned'] as const;
export type AlarmKind = (typeof ALARM_KINDS)[number];

/** Of the newest window: `bad` when it could not be scored. That never ends an alarm. */
export type AlarmQuality = 'good' | 'bad';

export type Shelving = 'unshelved' | 'oneShotShelved' | 'timedShelved';

/** Severity of an alarm is 1 to 1000, above 400 (OPC 10000-9, 4.6). */
export const MIN_SEVERITY = 401;
export const MAX_SEVERITY = 1000;

/** What happened to an alarm by itself, at the end of the window that did it. */
export interface AlarmStep {
  readonly change: 'activated' | 'escalated' | 'realarmed' | 'quality' | 'cleared';
  /** Epoch ms, of window time. */
  readonly timeMs: number;
  /** From here on. */
  readonly severity: number;
  readonly quality: AlarmQuality;
}

/** Steps that are kept of one alarm; later changes of quality alone are left out. */
export const MAX_STEPS = 100;

/** What follows from predictions, the same whatever the order they came in. Times are of windows, epoch ms. */
export interface AlarmFacts {
  /** Start of its first abnormal window. */
  readonly sinceMs: number;
  /** End of the window with which it became active, the on-delay over. */
  readonly activeMs: number;
  /** End of its newest abnormal window; of what no window shows (silent, model) when it began, until it is over. */
  readonly lastMs: number;
  /** End of the window with which the off-delay was over; absent while it is active. */
  readonly clearedMs?: number;
  /** Abnormal windows. */
  readonly windows: number;
  /**
   * Lowest score of the model, and start of its window; where a threshold decides, how far inside of it: below 0 is
   * beyond.
   */
  readonly peakScore?: number;
  readonly peakMs?: number;
  /** Value of that window, in the sensor's unit. */
  readonly peakValue?: number;
  readonly severity: number;
  /** Before the newest change of severity. */
  readonly lastSeverity?: number;
  /** How often it asked for attention: at activation, at every step to a worse severity, at every re-alarm. */
  readonly raises: number;
  readonly quality: AlarmQuality;
  /** Why quality is bad, or what the alarm is about where the kind does not say it: a class of domain/outcome.ts. */
  readonly cause?: string;
  /** Activations of this sensor and kind within the hour before this one, itself included: chattering. */
  readonly activations: number;
  /** Oldest first. */
  readonly steps: readonly AlarmStep[];
  /** Batches of its first and of its newest abnormal window. */
  readonly firstBatch: string;
  readonly lastBatch: string;
}

export interface AlarmRemark {
  readonly text: string;
  readonly by: string;
  /** Time of the clock, epoch ms. */
  readonly atMs: number;
}

/** What people did. */
export interface AlarmMarks {
  /** {@link AlarmFacts.raises} at the newest acknowledgement and confirmation; 0 before. */
  readonly ackedRaises: number;
  readonly confirmedRaises: number;
  readonly ackedBy?: string;
  readonly ackedMs?: number;
  readonly comment?: AlarmRemark;
  /** The latch was reset. */
  readonly reset?: true;
}

export const NO_MARKS: AlarmMarks = { ackedRaises: 0, confirmedRaises: 0 };

/** What is stored of one alarm, but for the names of its sensor and its shelving. */
export interface AlarmRecord {
  /** Made of sensor, kind and start. */
  readonly id: string;
  readonly sensorId: number;
  readonly kind: AlarmKind;
  readonly facts: AlarmFacts;
  readonly marks: AlarmMarks;
  /** Its rule wants a confirmation after the acknowledgement. */
  readonly confirm?: true;
  /** Its rule latches: it stays until somebody resets it. */
  readonly latch?: true;
  /** It was found in windows older than those that had been looked at. */
  readonly late?: true;
  /** Late data or a new score changed what was said before. */
  readonly corrected?: true;
  /** No window supports it any more; it is retained until it is acknowledged. */
  readonly withdrawn?: true;
  /** Alarms with the same incident belong together; the id of its first alarm. */
  readonly incident: string;
  /** Number of its newest event. */
  readonly version: number;
}

/** Shelving is of a sensor and kind: it outlasts the alarm, as long as it is timed. */
export interface AlarmShelf {
  readonly sensorId: number;
  readonly kind: AlarmKind;
  readonly shelving: Exclude<Shelving, 'unshelved'>;
  /** When it ends by itself, epoch ms. */
  readonly untilMs?: number;
  readonly by: string;
  readonly atMs: number;
}

/** The states, each by itself. */
export interface AlarmFlags {
  readonly active: boolean;
  readonly acked: boolean;
  /** True where no confirmation is wanted. */
  readonly confirmed: boolean;
  readonly latched: boolean;
  readonly shelving: Shelving;
  /** Shelved alarms live on; only screens and notifications leave them out. */
  readonly suppressedOrShelved: boolean;
  /** Still of interest: active, latched, not acknowledged or not confirmed. Computed, never set. */
  readonly retain: boolean;
}

/** An alarm as lists show it. */
export interface Alarm extends SensorKey, AlarmRecord, AlarmFlags {
  readonly unit: string;
  /** When timed shelving ends, epoch ms. */
  readonly unshelveMs?: number;
  /** Its sensor is: the alarm stays as it is, is not retained, and calls nobody. */
  readonly outOfService?: true;
}

/** What of an alarm says to which incident it belongs. */
export interface AlarmOutline {
  readonly id: string;
  readonly device: string;
  readonly kind: AlarmKind;
  readonly sinceMs: number;
  /** When it was over, epoch ms; while it is active the largest time there is. */
  readonly untilMs: number;
  readonly incident: string;
}

/** What an event says has changed. `realarmed`: still active after the re-alarm time. */
export type AlarmChange =
  | 'activated'
  | 'escalated'
  | 'realarmed'
  | 'cleared'
  | 'reopened'
  | 'quality'
  | 'corrected'
  | 'withdrawn'
  | 'acked'
  | 'confirmed'
  | 'commented'
  | 'shelved'
  | 'unshelved'
  | 'reset';

/** One change of one alarm. The newest events of an alarm tell its state; ids are the alarm's with a number. */
export interface AlarmEvent extends AlarmFlags {
  /** `ALARM.NUMBER`. Any of them names the alarm in an acknowledgement. */
  readonly id: string;
  /** Rises over all alarms: where a reader goes on. */
  readonly seq: number;
  readonly alarmId: string;
  readonly change: AlarmChange;
  /** End of the window that changed it, or when a person did; epoch ms. */
  readonly timeMs: number;
  /** When it was stored, epoch ms. */
  readonly receivedMs: number;
  readonly severity: number;
  readonly quality: AlarmQuality;
  /** Who caused this event; absent for what a batch found. */
  readonly user?: string;
  readonly comment?: string;
  readonly batchId?: string;
}

/** What a person does to an alarm. `id` is that of the alarm or of any of its events. */
export type AlarmAction = {
  readonly id: string;
  readonly user: string;
  readonly atMs: number;
  /** An empty one keeps the one before (OPC 10000-9, 5.7.3). */
  readonly comment?: string;
} & (
  | { readonly do: 'ack' | 'confirm' | 'comment' | 'unshelve' | 'reset' }
  | { readonly do: 'shelve'; readonly untilMs: number }
  | { readonly do: 'shelveOnce' }
);
