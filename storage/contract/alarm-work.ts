/**
 * What a batch needs to decide on alarms. Scoring leaves signals of the few sensors that have something to say, in the
 * transaction of their outcomes; once a batch is closed its sensors are decided on in slices, each all or nothing, by
 * compare-and-set on the epoch of alarms. Doing it twice, or at once in two places, is doing it once.
 */
import type { EvidenceItem } from '../../alarms/evidence.ts';
import type { Link } from '../../alarms/chain.ts';
import type { Unfinished } from '../../alarms/track.ts';
import type { AlarmRecord } from '../../domain/alarm.ts';
import type { OutcomeStatus } from '../../domain/outcome.ts';
import type { SensorKey } from '../../domain/sensor.ts';
import type { Period } from '../../domain/time.ts';
import type { ChangedAlarm, StoredAlarmRules } from './alarms.ts';
import type { IdRange } from './sensors.ts';

/** The windows of a sensor in one batch, where they say something. */
export interface AlarmSignal {
  readonly sensorId: number;
  /** Absent where they are too many to be kept twice: they are read back from the predictions file. */
  readonly items?: readonly EvidenceItem[];
  /** Where `items` is absent: windows that were not scored, which are in no file. */
  readonly unscored?: readonly EvidenceItem[];
}

/** What scoring has to know. */
export interface AlarmSense {
  readonly rules?: StoredAlarmRules;
  /** Sensors of the range that something is carried on for: their windows are wanted in any case. */
  readonly live: readonly number[];
}

/** Where the alarms of one sensor stand that take several turns. */
export interface AlarmPlace extends Unfinished {
  /** They are decided on up to this time, epoch ms. */
  readonly ms: number;
}

/** How far the alarms of a batch are. */
export interface AlarmProgress {
  readonly done: boolean;
  /** Sensors up to this id are decided on. */
  readonly after: number;
  /** How far the sensor with the id after that is; absent: not begun with. */
  readonly at?: AlarmPlace;
  readonly epoch: number;
  /** Other batches that were decided on and end after what is left of this one begins, in order of their periods. */
  readonly others: readonly Period[];
}

/** A sensor to decide on. */
export interface AlarmCandidate extends SensorKey {
  readonly sensorId: number;
  readonly status: OutcomeStatus;
  readonly class?: string;
  readonly windows: number;
  /** Length of the windows of its own that it was scored in, ms; absent: the fleet's. */
  readonly windowMs?: number;
  readonly items?: readonly EvidenceItem[];
  /** As {@link AlarmSignal.unscored}. */
  readonly unscored?: readonly EvidenceItem[];
}

export interface AlarmCandidates {
  readonly candidates: readonly AlarmCandidate[];
  /** There are no more after these. */
  readonly isLast: boolean;
}

/** The chain of a sensor from a time on. */
export interface AlarmChain {
  /** The newest link that ends at or before the first of `links`, and before that time. */
  readonly entry?: Link;
  /** Those that end after it, in order. */
  readonly links: readonly Link[];
  /** Start of the first link that is not among them, epoch ms; absent where all are. */
  readonly untilMs?: number;
}

/** How much of chains is read at once. */
export interface ChainLimits {
  readonly links: number;
  /** Of the links as text. */
  readonly bytes: number;
}

/** Which alarms of a sensor are wanted. */
export interface AlarmSpan {
  readonly sensorId: number;
  /** When they began. */
  readonly periods: readonly Period[];
  /** Starts of others. */
  readonly starts: readonly number[];
}

/** What was decided of one sensor. */
export interface DecidedSensor {
  readonly sensorId: number;
  readonly put: readonly Link[];
  /** Starts of the links that are to go. */
  readonly drop: readonly number[];
  /** Absent: as it was. */
  readonly live?: boolean;
  readonly alarms: readonly ChangedAlarm[];
}

export interface AlarmSlice {
  readonly batchId: string;
  /** As {@link AlarmProgress.epoch} said before the candidates were read. */
  readonly epoch: number;
  /** Sensors up to this id are decided on then. */
  readonly upTo: number;
  /** How far the next sensor is; absent: not begun with. */
  readonly at?: AlarmPlace;
  readonly done: boolean;
  readonly sensors: readonly DecidedSensor[];
  readonly receivedMs: number;
}

export interface AlarmWorkStore {
  alarmSense(range: IdRange): Promise<AlarmSense>;
  /** @throws FleetscoreError `BATCH_UNKNOWN` */
  alarmProgress(batchId: string): Promise<AlarmProgress>;
  /**
   * Sensors of a batch that alarms have to be decided on, by id above `after`: at most `limit`, and fewer where they
   * have much to say. With `reordered`, for a batch that was not the newest, also those that earlier decisions rest on.
   * With `next` the sensor with the id after `after`, whatever it has to say.
   */
  alarmCandidates(
    batchId: string,
    after: number,
    limit: number,
    options: { readonly reordered: boolean } | { readonly next: true },
  ): Promise<AlarmCandidates>;
  /**
   * The chains of sensors by id ascending, each from a time of its own on: of the first ones as many as fit the limits,
   * the last of them in part if need be, but at least a link of the first.
   */
  alarmChains(
    asked: readonly { readonly sensorId: number; readonly fromMs: number }[],
    limits: ChainLimits,
  ): Promise<readonly AlarmChain[]>;
  /**
   * The alarms of sensors that began in one of some periods, the newest that began before each, and those that began
   * at one of the other starts; in the order of the spans, which are of different sensors.
   */
  alarmRecords(spans: readonly AlarmSpan[]): Promise<readonly (readonly AlarmRecord[])[]>;
  /** The alarms that have one of these ids, in any order. */
  alarmRecordsOf(ids: readonly string[]): Promise<readonly AlarmRecord[]>;
  /** Other batches that have not come to the end of a sensor that takes several turns, and that sensor. */
  alarmPlaces(batchId: string): Promise<readonly { readonly batchId: string; readonly sensorId: number }[]>;
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
