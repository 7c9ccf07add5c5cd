/**
 * Windows of a sensor's own as charts draw them: a level over the length of each, from its start to its end, cut to the
 * period that is drawn. A window of a batch begins before the period of the batch where it is longer than that. Pure.
 */
import type { Period } from '../../domain/time.ts';
import type { PredictionSeries } from '../collect/batch-data.ts';

/** The points to draw, in order of time: two for each longer window. Where all are the fleet's, the series as it is. */
export function levels(series: PredictionSeries, { fromMs, toMs }: Period): PredictionSeries {
  const { lengthMs, tsMs } = series;
  if (!lengthMs) return series;
  const points: { readonly at: number; readonly row: number }[] = [];
  for (let row = 0; row < tsMs.length; row++) {
    const start = tsMs[row]!;
    const end = Math.min(start + lengthMs[row]!, toMs) - 1;
    const shown = lengthMs[row]! > 0 && end >= fromMs ? Math.max(start, fromMs) : start;
    points.push({ at: shown, row });
    if (lengthMs[row]! > 0 && end > shown) points.push({ at: end, row });
  }
  points.sort((a, b) => a.at - b.at);
  const column = (of: { readonly [row: number]: number }): number[] => points.map(({ row }) => of[row]!);
  return {
    tsMs: Float64Array.from(points, ({ at }) => at),
    value: Float64Array.from(column(series.value)),
    prediction: Uint8Array.from(column(series.prediction)),
    score: Float64Array.from(column(series.score)),
  };
}
