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
}

/** Header of every predictions file, in this order. */
export const PREDICTION_COLUMNS = ['TS', 'Device', 'Sensor', 'Val', 'Prediction', 'Score'] as const;

/** How predictions files are written. Readers take any of them, in one batch too. */
export const PREDICTIONS_FORMATS = ['csv', 'parquet'] as const;
export type PredictionsFormat = (typeof PREDICTIONS_FORMATS)[number];
