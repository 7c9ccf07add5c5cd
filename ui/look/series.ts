/**
 * One sensor over time, as a chart needs it. Short spans come from predictions: value, score and label of every window.
 * Long ones from windows in slices, and from what each batch counted: a month costs some hundred rows. What is read is
 * bounded in bytes; where the bound is met, slices are drawn and the page says so.
 */
import { LRUCache } from 'lru-cache';
import type { Alarm } from '../../domain/alarm.ts';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import type { Prediction } from '../../domain/prediction.ts';
import type { Sensor } from '../../domain/sensor.ts';
import { HOUR_MS, type Period } from '../../domain/time.ts';
import { columnsOf } from '../../report/collect/columns.ts';
import type { PredictionSeries } from '../../report/collect/batch-data.ts';
import { sourcesOf } from '../../scoring/read-predictions.ts';
import { decodePredictions } from '../../scoring/predictions-file.ts';
import type { PredictionSource, SensorHistoryRow, WindowBucket } from '../../storage/store.ts';
import type { UiDeps } from '../deps.ts';
import { sha256Of } from '../../domain/sha256.ts';

export interface SensorSeries {
  readonly sensor: Sensor;
  /** What closed batches made of it, oldest first. */
  readonly history: readonly SensorHistoryRow[];
  readonly alarms: readonly Alarm[];
  /** Of every window; absent where there are too many, or nothing was scored. */
  readonly predictions?: PredictionSeries;
  /** Windows in slices of `stepMs`, where predictions are absent. */
  readonly buckets: readonly WindowBucket[];
  readonly stepMs: number;
  /** Why predictions are not drawn one by one. */
  readonly coarse?: string;
}

export interface SeriesReader {
  readonly read: (sensor: Sensor, period: Period, mostBytes: number) => Promise<SensorSeries>;
  /** Every prediction of a period, for a CSV file. @throws FleetscoreError `PREDICTIONS_CORRUPT` */
  readonly rows: (sensor: Sensor, sources: readonly PredictionSource[], period: Period) => Promise<Prediction[]>;
}

/** Spans up to this length are drawn window by window. */
const FINE_MS = 26 * HOUR_MS;
/** Slices of a long span. */
const SLICES = 360;
const MINUTE_MS = 60_000;
/** Batches of a month of every quarter of an hour. */
const MOST_BATCHES = 3_000;
const MOST_ALARMS = 200;
/** Predictions files that are kept in memory. */
const KEPT_BYTES = 96 * 1024 * 1024;
const FILES_AT_ONCE = 6;

export function openSeries(deps: UiDeps): SeriesReader {
  const files = new LRUCache<string, Uint8Array>({ maxSize: KEPT_BYTES, sizeCalculation: ({ length }) => length + 1 });
  const fileOf = async ({ batchId, file }: PredictionSource): Promise<Uint8Array> => {
    const known = files.get(file.blob);
    if (known) return known;
    const bytes = await (await deps.blobs()).get(CONTAINERS.predictions, file.blob);
    if (sha256Of(bytes) !== file.sha256)
      throw new FleetscoreError(
        'PREDICTIONS_CORRUPT',
        `predictions/${file.blob} is not the file that batch ${batchId} wrote (its SHA-256 differs). ` +
          `Look closer with: fleetscore verify ${batchId}`,
      );
    files.set(file.blob, bytes);
    return bytes;
  };
  const rows: SeriesReader['rows'] = async (sensor, sources, { fromMs, toMs }) => {
    const found: Prediction[] = [];
    for (let at = 0; at < sources.length; at += FILES_AT_ONCE)
      for (const read of await Promise.all(
        sources.slice(at, at + FILES_AT_ONCE).map(async (source) => decodePredictions(await fileOf(source), sensor)),
      ))
        for (const row of read) if (row.tsMs >= fromMs && row.tsMs < toMs) found.push(row);
    return found;
  };
  return {
    rows,
    async read(sensor, period, mostBytes) {
      const store = await deps.store();
      const [history, alarms] = [
        await store.sensorHistory(sensor.id, period, MOST_BATCHES),
        await store.listAlarms({ sensorId: sensor.id, within: period, limit: MOST_ALARMS }, deps.now()),
      ];
      const shared = { sensor, history, alarms };
      const fine = period.toMs - period.fromMs <= FINE_MS;
      const sources = fine ? await sourcesOf(store, sensor.id, period) : [];
      const bytes = sources.reduce((sum, { file }) => sum + (files.has(file.blob) ? 0 : file.bytes), 0);
      if (fine && bytes <= mostBytes && sources.length > 0)
        return { ...shared, predictions: columnsOf(await rows(sensor, sources, period)), buckets: [], stepMs: 0 };
      const stepMs = sliceMs(period);
      return {
        ...shared,
        buckets: await store.readBuckets(sensor.id, period, stepMs),
        stepMs,
        ...(fine && sources.length === 0 ? {} : { coarse: coarseWhy(fine) }),
      };
    },
  };
}

const coarseWhy = (tooLarge: boolean): string =>
  tooLarge
    ? 'The files with its predictions are too large to read for this span: zoom in for scores'
    : 'Spans above a day are drawn in slices: zoom in for scores';

/** A whole number of minutes. */
const sliceMs = ({ fromMs, toMs }: Period): number =>
  Math.max(MINUTE_MS, Math.ceil((toMs - fromMs) / SLICES / MINUTE_MS) * MINUTE_MS);
