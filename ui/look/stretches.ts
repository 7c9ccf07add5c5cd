/**
 * Stretches of anomalous windows, from predictions, for stores that hold no alarms yet: those of batches that were
 * scored before there were any. Only what the newest batches say, and of the sensors with most anomalies; bounded.
 * Alarms replace it as soon as a batch finds one.
 */
import type { SensorKey } from '../../domain/sensor.ts';
import { collectBatchData } from '../../report/collect/collect.ts';
import type { PredictionSeries } from '../../report/collect/batch-data.ts';
import { decodePredictions } from '../../scoring/predictions-file.ts';
import type { Batch } from '../../storage/store.ts';
import { keptByKey } from '../cache.ts';
import type { UiDeps } from '../deps.ts';

export interface Stretch extends SensorKey {
  readonly unit: string;
  /** Start of its first anomalous window, and end of the newest one, epoch ms. */
  readonly sinceMs: number;
  readonly lastMs: number;
  /** The newest window of the batch is anomalous, or one shortly before it. */
  readonly goesOn: boolean;
  readonly windows: number;
  /** Value of the window whose score is furthest from those of normal windows. */
  readonly peakValue: number;
  readonly peakMs: number;
  readonly release: string;
}

/** So many windows without an anomaly end a stretch. */
const GAP_WINDOWS = 12;
const MOST_SENSORS = 100;
/** Rows of predictions that are read for it. */
const MOST_ROWS = 1_000_000;

export function openStretches(deps: UiDeps): (batches: readonly Batch[]) => Promise<readonly Stretch[]> {
  const byBatches = keptByKey(4, async (ids): Promise<readonly Stretch[]> => {
    const data = await collectBatchData({
      store: await deps.store(),
      blobs: await deps.blobs(),
      batchIds: JSON.parse(ids) as string[],
      decodePredictions,
      maxSensors: MOST_SENSORS,
      maxRows: MOST_ROWS,
    });
    const release = data.batches.at(-1)!.release;
    return data.sensors
      .filter(({ anomalies }) => anomalies > 0)
      .flatMap(({ device, sensor, unit, series }) => {
        const newest = stretchesOf(series).at(-1);
        return newest ? [{ device, sensor, unit, release, ...newest }] : [];
      });
  });
  return async (batches) => (batches.length === 0 ? [] : byBatches(JSON.stringify(batches.map(({ id }) => id))));
}

/** The stretches of one series, oldest first. Pure. */
function stretchesOf({
  tsMs,
  value,
  prediction,
  score,
  lengthMs,
}: PredictionSeries): Omit<Stretch, 'device' | 'sensor' | 'unit' | 'release'>[] {
  const normal = Array.from(score).filter((_, i) => prediction[i] === 0);
  const usual = normal.length === 0 ? 0 : normal.reduce((sum, one) => sum + one, 0) / normal.length;
  const step = tsMs.length > 1 ? (tsMs.at(-1)! - tsMs[0]!) / (tsMs.length - 1) : 0;
  const found: { first: number; last: number; windows: number; peak: number }[] = [];
  prediction.forEach((label, i) => {
    if (label !== 1) return;
    const open = found.at(-1);
    if (!open || i - open.last > GAP_WINDOWS) found.push({ first: i, last: i, windows: 1, peak: i });
    else {
      open.last = i;
      open.windows += 1;
      if (Math.abs(score[i]! - usual) > Math.abs(score[open.peak]! - usual)) open.peak = i;
    }
  });
  return found.map(({ first, last, windows, peak }) => ({
    sinceMs: tsMs[first]!,
    lastMs: tsMs[last]! + (lengthMs?.[last] || step),
    goesOn: tsMs.length - 1 - last <= GAP_WINDOWS,
    windows,
    peakValue: value[peak]!,
    peakMs: tsMs[peak]!,
  }));
}
