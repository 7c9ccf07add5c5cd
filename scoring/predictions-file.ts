/**
 * Predictions files: the rows of one chunk, by sensor id, then window, with the columns of PREDICTION_COLUMNS.
 * The same result gives the same bytes, so that a retry writes what is there. A reader takes either format and
 * knows it by the first bytes; zero has no sign, so both hold the same rows.
 */
import type { Prediction, PredictionsFormat } from '../domain/prediction.ts';
import type { SensorKey } from '../domain/sensor.ts';
import type { EncodedPredictions, NamedSensor, PredictedSeries, Scored } from './predictions-content.ts';
import { csvPages, encodeCsv } from './predictions-csv.ts';
import { encodeParquet, isParquet, parquetPages } from './predictions-parquet.ts';
import { sha256Of } from '../domain/sha256.ts';

export const CONTENT_TYPES: Readonly<Record<PredictionsFormat, string>> = {
  csv: 'text/csv; charset=utf-8',
  parquet: 'application/vnd.apache.parquet',
};

/** The file of one chunk. `sensors` names every sensor of the series. */
export function encodePredictions(
  format: PredictionsFormat,
  sensors: readonly NamedSensor[],
  series: PredictedSeries,
  result: Scored,
): EncodedPredictions {
  const content = format === 'parquet' ? encodeParquet(sensors, series, result) : encodeCsv(sensors, series, result);
  return { ...content, sha256: sha256Of(content.bytes) };
}

/**
 * Rows of a predictions file in its order, some thousand at a time; those of one sensor when given, found without
 * decoding the rest.
 * @throws FleetscoreError `PREDICTIONS_CORRUPT` that says where and what is wrong
 */
export const predictionPages = (bytes: Uint8Array, filter?: SensorKey): AsyncGenerator<Prediction[], undefined> =>
  isParquet(bytes) ? parquetPages(bytes, filter) : csvPages(bytes, filter);

/** As {@link predictionPages}, all rows at once. */
export async function decodePredictions(bytes: Uint8Array, filter?: SensorKey): Promise<Prediction[]> {
  const rows: Prediction[] = [];
  for await (const page of predictionPages(bytes, filter)) for (const row of page) rows.push(row);
  return rows;
}
