/** What scoring gives back: a verdict for every sensor, a prediction for every window. */
import type { SensorOutcome } from '../domain/outcome.ts';

/** What became of a sensor: its outcome but for the attempt and the worker, which the caller knows. */
export type SensorVerdict = WithoutAttempt<Exclude<SensorOutcome, { readonly status: 'cancelled' }>> & {
  /** Windows of the period without the earlier windows that the model's lags need: not predicted. */
  readonly leftOut: number;
};

type WithoutAttempt<T> = T extends unknown ? Omit<T, 'attempt' | 'worker'> : never;

export interface ScoreResult {
  /** In the order of the request's sensors. */
  readonly verdicts: readonly SensorVerdict[];
  /** By row of the series: 1 when it has a prediction. */
  readonly scored: Uint8Array;
  /** By row: 1 anomaly, 0 normal. */
  readonly anomaly: Uint8Array;
  /** By row: decision value of the model. */
  readonly score: Float64Array;
}
