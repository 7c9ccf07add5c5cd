/** What a predictions file is made from and what comes out, whatever its format. */
import type { PlannedSensor, SeriesBlock } from '../storage/store.ts';
import type { ScoreResult } from './score-result.ts';

export type NamedSensor = Pick<PlannedSensor, 'id' | 'device' | 'sensor' | 'windowMs'>;
export type Scored = Pick<ScoreResult, 'scored' | 'anomaly' | 'score'>;

/** What a file says of the windows. */
export type PredictedSeries = Pick<SeriesBlock, 'length' | 'sensorId' | 'startMs' | 'mean'>;

/**
 * Sensors with windows of their own that have predictions, with the length in seconds; empty where all are the fleet's,
 * and then nothing of it is in the file.
 */
export function ownSeconds(
  sensors: readonly NamedSensor[],
  { length, sensorId }: PredictedSeries,
  { scored }: Scored,
): ReadonlyMap<number, number> {
  const own = new Map(sensors.flatMap(({ id, windowMs }) => (windowMs === undefined ? [] : [[id, windowMs / 1_000]])));
  if (own.size === 0) return own;
  for (let row = 0; row < length; row++) if (scored[row] === 1 && own.has(sensorId[row]!)) return own;
  return new Map();
}

/** A file without its hash. */
export interface PredictionsContent {
  readonly bytes: Uint8Array;
  /** Predictions in it. */
  readonly rows: number;
}

export interface EncodedPredictions extends PredictionsContent {
  /** Of the bytes, hex. */
  readonly sha256: string;
}
