/** What flows out: one row per window of one sensor. */
import type { SensorKey } from './sensor.ts';

export interface Prediction extends SensorKey {
  /** Start of the window, epoch milliseconds. */
  readonly tsMs: number;
  /** The window's mean, in the sensor's unit. */
  readonly value: number;
  /** 0 normal, 1 anomaly. */
  readonly prediction: 0 | 1;
  /** The model's decision value: for a one-class SVM positive inside, negative outside. */
  readonly score: number;
  /** Length of the window, ms, where the sensor has windows of its own; absent: the fleet's. */
  readonly windowMs?: number;
}

/** Header of every predictions file, in this order. */
export const PREDICTION_COLUMNS = ['TS', 'Device', 'Sensor', 'Val', 'Prediction', 'Score'] as const;

/** Column after these in files that hold longer windows than the fleet's: their length, s; nothing for the fleet's. */
export const WINDOW_COLUMN = 'Window' as const;
/** Version of the format of files without, and with that column. */
export const PREDICTIONS_VERSION = { plain: 1, windows: 2 } as const;

/** Which window of a sensor it is of: start and length. */
export const windowKey = ({ tsMs, windowMs }: Pick<Prediction, 'tsMs' | 'windowMs'>): number | string =>
  windowMs === undefined ? tsMs : `${tsMs}/${windowMs}`;

/** How predictions files are written. Readers take any of them, in one batch too. */
export const PREDICTIONS_FORMATS = ['csv', 'parquet'] as const;
export type PredictionsFormat = (typeof PREDICTIONS_FORMATS)[number];
