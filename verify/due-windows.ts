/**
 * How many windows of a sensor a batch had to predict: counted anew from the store and the model's features, so that
 * a batch that read too little is found although its own numbers agree with each other.
 */
import type { Period } from '../domain/time.ts';
import { INGEST_DEFAULTS, storedWindows } from '../ingest/settings.ts';
import { maxLag, parseFeatures, rowRanges, sensorFeatures } from '../scoring/features.ts';
import type { Batch, Store } from '../storage/store.ts';

export interface DueWindows {
  /** Windows that start in the period now. */
  readonly windows: number;
  /** Those of them that have every feature of the model. */
  readonly due: number;
  /** True when they may differ from what the batch read: readings came later, or a later batch renewed the period. */
  readonly moved: boolean;
}

/** Undefined when the model looks at the window itself only, so that every window is due. */
export async function dueWindows(store: Store, batch: Batch, sensorId: number): Promise<DueWindows | undefined> {
  const [model] = await store.listReleaseModels(batch.release, { after: sensorId - 1, limit: 1 });
  if (model?.sensorId !== sensorId) return undefined;
  const features = parseFeatures(JSON.stringify(model.features));
  const lag = typeof features === 'string' ? 0 : maxLag(features);
  if (typeof features === 'string' || lag === 0) return undefined;
  const { hopMs } = await storedWindows(store, INGEST_DEFAULTS);
  const lookbackMs = lag * hopMs;
  const period: Period = { fromMs: batch.fromMs, toMs: batch.toMs };
  const series = await store.readSeries(
    { from: sensorId, to: sensorId + 1 },
    { fromMs: period.fromMs - lookbackMs, toMs: period.toMs },
  );
  const range = rowRanges(series).get(sensorId) ?? { from: 0, to: 0 };
  const rowNumbers = Int32Array.from({ length: series.length }, (_, row) => row);
  const { rows, windows } = sensorFeatures(series, rowNumbers, range, period, hopMs, features);
  const moved = async (): Promise<boolean> => {
    const [changed] = await store.changedSensors(period, { after: sensorId - 1, limit: 1, lookbackMs });
    if (changed === sensorId) return true;
    const others = await store.listBatches({ period });
    return others.some(({ id, startedAtMs }) => id !== batch.id && startedAtMs > batch.startedAtMs);
  };
  return { windows, due: rows.length, moved: await moved() };
}
