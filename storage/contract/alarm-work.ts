/**
 * What a batch needs to decide on alarms. Scoring leaves signals of the few sensors that have something to say, in the
 * transaction of their outcomes; once a batch is closed its sensors are decided on in slices, each all or nothing, by
 * compare-and-set on the epoch of alarms. Doing it twice, or at once in two places, is doing it once.
 */
import type { EvidenceItem } from '../../alarms/evidence.ts';
import type { Link } from '../../alarms/chain.ts';
import type { AlarmRecord } from '../../domain/alarm.ts';
import type { OutcomeStatus } from '../../domain/outcome.ts';
import type { SensorKey } from '../../domain/sensor.ts';
import type { Period } from '../../domain/time.ts';
import type { ChangedAlarm, StoredAlarmRules } from './alarms.ts';
import type { IdRange } from './sensors.ts';

/** The windows of a sensor in one batch, where they say something. */
export interface AlarmSignal {
  readonly sensorId: number;
  readonly items: readonly EvidenceItem[];
}

/** What scoring has to know. */
export interface AlarmSense {
  readonly rules?: StoredAlarmRules;
  /** Sensors of the range that something is carried on for: their windows are wanted in any case. */
  readonly live: readonly number[];
}

/** How far the alarms of a batch are. */
export interface AlarmProgress {
  readonly done: boolean;
  /** Sensors up to this id are decided on. */
  readonly after: number;
  readonly epoch: number;
  /** Other batches that were decided on and end after this one begins, in order of their periods. */
  readonly others: readonly Period[];
}

/** A sensor to decide on, with all that is on record of it. */
export interface AlarmCandidate extends SensorKey {
  readonly sensorId: number;
  readonly status: OutcomeStatus;
  readonly class?: string;
  readonly windows: number;
  /** Length of the windows of its own that it was scored in, ms; absent: the fleet's. */
  readonly windowMs?: number;
  readonly items?: readonly EvidenceItem[];
  readonly entry?: Link;
  readonly links: readonly Link[];
  readonly alarms: readonly AlarmRecord[];
}

/** What was decided of one sensor. */
export interface DecidedSensor {
  readonly sensorId: number;
  readonly put: readonly Link[];
  /** Starts of the links that are to go. */
  readonly drop: readonly number[];
  readonly live: boolean;
  readonly alarms: readonly ChangedAlarm[];
}

export interface AlarmSlice {
  readonly batchId: string;
  /** As {@link AlarmProgress.epoch} said before the candidates were read. */
  readonly epoch: number;
  /** Sensors up to this id are decided on then. */
  readonly upTo: number;
  readonly done: boolean;
  readonly sensors: readonly DecidedSensor[];
  readonly receivedMs: number;
}

export interface AlarmWorkStore {
  alarmSense(range: IdRange): Promise<AlarmSense>;
  /** @throws FleetscoreError `BATCH_UNKNOWN` */
  alarmProgress(batchId: string): Promise<AlarmProgress>;
  /**
   * Sensors of a batch that alarms have to be decided on, by id above `after`. With `reordered`, for a batch that was
   * not the newest, also those that earlier decisions rest on.
   */
  alarmCandidates(
    batchId: string,
    after: number,
    limit: number,
    options: { readonly reordered: boolean },
  ): Promise<AlarmCandidate[]>;
  /** Returns false, and writes nothing, when alarms changed after `epoch`: read and decide again. */
  commitAlarmSlice(slice: AlarmSlice): Promise<boolean>;
  /**
   * Closed batches that were started after `sinceMs` and closed before `closedBeforeMs`, whose alarms nobody decided on
   * to the end; the oldest period first.
   */
  undecidedAlarmBatches(sinceMs: number, closedBeforeMs: number, limit: number): Promise<string[]>;
  /** Start of the newest window of a sensor before a time, epoch ms. */
  lastWindowBefore(sensorId: number, ms: number): Promise<number | undefined>;
}
