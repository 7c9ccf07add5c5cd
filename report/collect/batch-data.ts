/**
 * What a report is made of: one batch, or several over neighbouring periods shown together. Everything
 * that draws or prints is a pure function of this; nothing here knows a store, a clock or a screen.
 * Totals and causes always speak of every planned sensor, `sensors` only of those that are shown.
 */
import type { FailureClass, OutcomeCounts, OutcomeStatus, SkipClass } from '../../domain/outcome.ts';
import type { SensorKey } from '../../domain/sensor.ts';
import type { Period } from '../../domain/time.ts';
import type { Batch } from '../../storage/store.ts';

/** What a report says of a batch. A {@link Batch} of the store is one. */
export type ReportBatch = Pick<
  Batch,
  | 'id'
  | 'kind'
  | 'fromMs'
  | 'toMs'
  | 'release'
  | 'schedule'
  | 'supersedes'
  | 'status'
  | 'planned'
  | 'counts'
  | 'message'
  | 'startedAtMs'
  | 'finishedAtMs'
>;

/** Predictions of one sensor by column, window starts ascending and unique, epoch milliseconds. */
export interface PredictionSeries {
  readonly tsMs: Float64Array;
  /** Window means in the sensor's unit. */
  readonly value: Float64Array;
  /** 0 normal, 1 anomaly. */
  readonly prediction: Uint8Array;
  readonly score: Float64Array;
  /** Length of windows of the sensor's own, ms, 0 for the fleet's; absent where all are the fleet's. */
  readonly lengthMs?: Float64Array;
}

export const NO_SERIES: PredictionSeries = {
  tsMs: new Float64Array(0),
  value: new Float64Array(0),
  prediction: new Uint8Array(0),
  score: new Float64Array(0),
};

/** What became of a sensor over all batches of the report. */
export interface ReportOutcome {
  /** The worst over the batches: failed, then cancelled, then skipped, then scored. */
  readonly status: OutcomeStatus;
  /** Class and message that go with `status`. */
  readonly class?: SkipClass | FailureClass;
  readonly message?: string;
  /** Batches that planned the sensor, and those among them with this status. */
  readonly batches: number;
  readonly batchesWithStatus: number;
  /** Sums over the batches. */
  readonly windows: number;
  readonly anomalies: number;
}

export interface ReportSensor extends SensorKey, ReportOutcome {
  /** Empty when unknown. */
  readonly unit: string;
  /** Empty when nothing was scored, or its predictions could not be trusted (see `problems`). */
  readonly series: PredictionSeries;
}

/** Sums over every planned sensor, shown or not. A sensor counts once, under its worst status. */
export interface ReportTotals extends OutcomeCounts {
  readonly sensors: number;
}

/** Sensors that were not scored for the same reason. */
export interface Cause {
  readonly status: OutcomeStatus;
  readonly class: SkipClass | FailureClass | 'cancelled';
  readonly sensors: number;
  /** The first sensor of this cause, with its message. */
  readonly example: SensorKey & { readonly message?: string };
}

/** A fault known to lie in the data, because somebody put it there. */
export interface InjectedFault extends SensorKey, Period {
  /** For people: `stuck`, `spike`, `drift`, ... */
  readonly kind: string;
  /** False when a model of single windows cannot be expected to find it: missing it is then no surprise. */
  readonly findable?: boolean;
}

export interface BatchData extends Period {
  /** At least one; by period, then by start. */
  readonly batches: readonly ReportBatch[];
  readonly totals: ReportTotals;
  /** Failures before skips, the most frequent first. */
  readonly causes: readonly Cause[];
  /** The sensors shown, by device, then sensor, in natural order. */
  readonly sensors: readonly ReportSensor[];
  /** Sensors left out because there are too many to show. */
  readonly omitted: number;
  /** Sensors among the shown that were scored, but whose predictions were too many to read. */
  readonly undrawn?: number;
  /** Absent when nobody knows. */
  readonly faults?: readonly InjectedFault[];
  /** What the report could not take from the batch, for people: missing manifests, files that differ. */
  readonly problems: readonly string[];
}

const collator = new Intl.Collator('en', { numeric: true });

/** Natural order of names: `pump-2` before `pump-10`. */
export function compareNames(a: string, b: string): number {
  return collator.compare(a, b) || Number(a > b) - Number(a < b);
}

export function compareKeys(a: SensorKey, b: SensorKey): number {
  return compareNames(a.device, b.device) || compareNames(a.sensor, b.sensor);
}

/** Consecutive sensors of one device. */
export interface DeviceGroup {
  readonly device: string;
  readonly sensors: readonly ReportSensor[];
}

export function groupByDevice(sensors: readonly ReportSensor[]): DeviceGroup[] {
  const groups: { device: string; sensors: ReportSensor[] }[] = [];
  for (const sensor of sensors) {
    const last = groups.at(-1);
    if (last?.device === sensor.device) last.sensors.push(sensor);
    else groups.push({ device: sensor.device, sensors: [sensor] });
  }
  return groups;
}
