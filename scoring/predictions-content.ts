/** What a predictions file is made from and what comes out, whatever its format. */
import type { PlannedSensor, SeriesBlock } from '../storage/store.ts';
import type { ScoreResult } from './score-result.ts';

export type NamedSensor = Pick<PlannedSensor, 'id' | 'device' | 'sensor'>;
export type Scored = Pick<ScoreResult, 'scored' | 'anomaly' | 'score'>;

/** What a file says of the windows. */
export type PredictedSeries = Pick<SeriesBlock, 'length' | 'sensorId' | 'startMs' | 'mean'>;

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
