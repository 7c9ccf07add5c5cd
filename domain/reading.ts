/** What flows in: readings, and the windows they are aggregated into. */
import type { SensorKey } from './sensor.ts';

/** One value of one sensor at one time. */
export interface Reading extends SensorKey {
  /** Event time, epoch milliseconds. */
  readonly tsMs: number;
  /** Finite, in the sensor's unit. */
  readonly value: number;
}

/**
 * Readings of one sensor in [startMs, startMs + length of a window). A reading is identified by its time: the same
 * reading twice counts once, a later value for the same time replaces the earlier one.
 */
export interface Window {
  readonly startMs: number;
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** Value of the newest reading by event time. */
  readonly last: number;
}
