/**
 * The predictions of one sensor by column, as rows come. Columns grow by doubling and hold 25 bytes a row: a list of
 * rows is several times that, and turning it into columns at the end would be one long turn of the event loop.
 */
import { windowKey, type Prediction } from '../../domain/prediction.ts';
import type { PredictionSeries } from './batch-data.ts';

export interface Columns {
  tsMs: Float64Array;
  value: Float64Array;
  prediction: Uint8Array;
  score: Float64Array;
  /** Length of windows of the sensor's own, ms, 0 for the fleet's; absent while all are the fleet's. */
  lengthMs?: Float64Array;
  length: number;
  /** Each row is later than the one before. */
  inOrder: boolean;
}

const FIRST = 16;

export const newColumns = (): Columns => ({
  tsMs: new Float64Array(FIRST),
  value: new Float64Array(FIRST),
  prediction: new Uint8Array(FIRST),
  score: new Float64Array(FIRST),
  length: 0,
  inOrder: true,
});

type Row = Pick<Prediction, 'tsMs' | 'value' | 'prediction' | 'score' | 'windowMs'>;

export function addTo(columns: Columns, row: Row): void {
  const at = columns.length++;
  if (at === columns.tsMs.length) grow(columns);
  columns.tsMs[at] = row.tsMs;
  columns.value[at] = row.value;
  columns.prediction[at] = row.prediction;
  columns.score[at] = row.score;
  if (row.windowMs !== undefined) columns.lengthMs ??= new Float64Array(columns.tsMs.length);
  if (columns.lengthMs) columns.lengthMs[at] = row.windowMs ?? 0;
  if (at > 0 && !(columns.tsMs[at - 1]! < row.tsMs)) columns.inOrder = false;
}

function grow(columns: Columns): void {
  const { tsMs, value, prediction, score, lengthMs } = columns;
  const size = tsMs.length * 2;
  columns.tsMs = new Float64Array(size);
  columns.value = new Float64Array(size);
  columns.prediction = new Uint8Array(size);
  columns.score = new Float64Array(size);
  columns.tsMs.set(tsMs);
  columns.value.set(value);
  columns.prediction.set(prediction);
  columns.score.set(score);
  if (!lengthMs) return;
  columns.lengthMs = new Float64Array(size);
  columns.lengthMs.set(lengthMs);
}

/** Rows in order of arrival. */
export function columnsOf(rows: readonly Prediction[]): PredictionSeries {
  const columns = newColumns();
  for (const row of rows) addTo(columns, row);
  return seriesOf(columns);
}

/** Rows in order of time; of two rows for one window the later to come stays. Of one batch they are in order. */
export function seriesOf(columns: Columns): PredictionSeries {
  const { tsMs, value, prediction, score, lengthMs, length, inOrder } = columns;
  if (inOrder)
    return {
      tsMs: tsMs.subarray(0, length),
      value: value.subarray(0, length),
      prediction: prediction.subarray(0, length),
      score: score.subarray(0, length),
      ...(lengthMs ? { lengthMs: lengthMs.subarray(0, length) } : {}),
    };
  const newest = new Map<number | string, number>();
  for (let at = 0; at < length; at++)
    newest.set(lengthMs?.[at] ? windowKey({ tsMs: tsMs[at]!, windowMs: lengthMs[at]! }) : tsMs[at]!, at);
  const order = [...newest.values()].sort((a, b) => tsMs[a]! - tsMs[b]!);
  return {
    tsMs: Float64Array.from(order, (at) => tsMs[at]!),
    value: Float64Array.from(order, (at) => value[at]!),
    prediction: Uint8Array.from(order, (at) => prediction[at]!),
    score: Float64Array.from(order, (at) => score[at]!),
    ...(lengthMs ? { lengthMs: Float64Array.from(order, (at) => lengthMs[at]!) } : {}),
  };
}
