/** Windows as scoring and people read them. Rules of all contracts: store.ts. */
import type { Window } from '../../domain/reading.ts';
import type { Period } from '../../domain/time.ts';
import type { ReadingSet } from '../../domain/window.ts';
import type { IdRange } from './sensors.ts';

/** Windows held for one sensor; times are starts, epoch ms. */
export interface WindowStats {
  readonly sensorId: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** Absent where nothing was counted. */
  readonly windows?: number;
}

/**
 * `mean`: without count, min, max and last, which are left empty. Most models ask for no more, and it is read twice as
 * fast.
 */
export type SeriesColumns = 'all' | 'mean';

export interface SeriesOptions {
  /** Only the sensors that this batch plans in the range: a list of sensors or a pool may be thin in a wide range. */
  readonly batchId?: string;
  /** Default `all`. */
  readonly columns?: SeriesColumns;
}

/** Windows of a range of sensors, by column; rows ordered by sensor id, then window start. */
export interface SeriesBlock {
  readonly length: number;
  readonly sensorId: Float64Array;
  readonly startMs: Float64Array;
  readonly count: Float64Array;
  readonly mean: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly last: Float64Array;
  /**
   * State of the windows this read saw: a window whose change number is higher may hold readings that this
   * read did not see. Never too high; an engine under load may report it a little low.
   */
  readonly changeId: number;
}

/**
 * Windows of one reading each, for fleets that are generated rather than measured. Sensor
 * `sensorIdFrom + i` gets the windows `startMs + w * stepMs`, w = 0 .. windowsPerSensor - 1, with the
 * value `values[i * windowsPerSensor + w]`; the reading lies at the window's start.
 */
export interface WindowLoad {
  readonly sensorIdFrom: number;
  readonly startMs: number;
  readonly stepMs: number;
  readonly windowsPerSensor: number;
  /** Finite; its length is a multiple of `windowsPerSensor`. */
  readonly values: Float64Array;
}

/** Windows of one sensor over a slice of time, together. */
export interface WindowBucket {
  /** Start of the slice: a multiple of its length, epoch ms. */
  readonly startMs: number;
  readonly windows: number;
  /** Mean of the means, and the lowest and highest reading. */
  readonly mean: number;
  readonly min: number;
  readonly max: number;
}

export interface ChangedOptions {
  /** Ids above it. Default 0. */
  readonly after?: number;
  readonly limit?: number;
  /** Windows that start up to this long before the period count too, as models with lags read them. Default 0. */
  readonly lookbackMs?: number;
  /**
   * Where sensors have windows of their own: those that belong to the period count, and `lag` of them before
   * (domain/windowing.ts). Length of the fleet's windows, ms.
   */
  readonly own?: { readonly fleetMs: number; readonly lag: number };
}

/** A window and the readings that it was made of. */
export interface WindowReadings extends ReadingSet {
  readonly startMs: number;
  /** Readings it counts: more than are listed where whoever wrote the window keeps none (Stream Analytics). */
  readonly count: number;
}

export interface WindowStore {
  /**
   * Adds windows of registered sensors in bulk; windows that exist stay as they are, so a load that was
   * cut short can be repeated. Several transactions. Returns how many windows were added.
   */
  loadWindows(load: WindowLoad): Promise<number>;
  /**
   * Sensors whose windows in `period` changed after a committed batch (one with a manifest) over exactly
   * this period had scored them, or found no data for them. By id ascending, ids above `after`.
   */
  changedSensors(period: Period, options?: ChangedOptions): Promise<number[]>;
  /** Windows that start in `period`, of registered sensors in `range`. */
  readSeries(range: IdRange, period: Period, options?: SeriesOptions): Promise<SeriesBlock>;
  readSensorWindows(sensorId: number, period: Period): Promise<Window[]>;
  /** Windows that start in `period` in slices of `bucketMs`, by start; slices without windows are left out. */
  readBuckets(sensorId: number, period: Period, bucketMs: number): Promise<WindowBucket[]>;
  /** The readings of windows that start in `period`, by start; a reading is in every window that holds its time. */
  readWindowReadings(sensorId: number, period: Period): Promise<WindowReadings[]>;
  /**
   * Starts of the first and the last window held for each sensor of `range`, by two seeks each; sensors without windows
   * are left out. `windows` counts those that start at or after `countFromMs`: none without it, for counting reads
   * them.
   */
  windowStats(range: IdRange, options?: { readonly countFromMs?: number }): Promise<WindowStats[]>;
}
