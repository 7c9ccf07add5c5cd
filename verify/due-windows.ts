/**
 * How many windows of a sensor a batch had to predict: counted anew from the store and the model's features, so that
 * a batch that read too little is found although its own numbers agree with each other.
 */
import { defined } from '../domain/defined.ts';
import type { Period } from '../domain/time.ts';
import { startsIn, windowsOfSensor } from '../domain/windowing.ts';
import { INGEST_DEFAULTS, storedWindows } from '../ingest/settings.ts';
import { readOwnSeries } from '../scoring/own-series.ts';
import { maxLag, parseFeatures, rowRanges, sensorFeatures } from '../scoring/features.ts';
import type { Batch, Store } from '../storage/store.ts';

export interface DueWindows {
  /** Windows that belong to the period now. */
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
  const fleet = await storedWindows(store, INGEST_DEFAULTS);
  const shape = windowsOfSensor(fleet, model.windowMs);
  const period: Period = { fromMs: batch.fromMs, toMs: batch.toMs };
  const series = await readOwnSeries(store, {
    sensors: [{ id: sensorId, ...defined({ windowMs: model.windowMs }) }],
    range: { from: sensorId, to: sensorId + 1 },
    period,
    shape: fleet,
    needs: [{ lookback: lag, columns: 'all', models: new Map([[sensorId, { model: model.model, features }]]) }],
  });
  const range = rowRanges(series).get(sensorId) ?? { from: 0, to: 0 };
  const rowNumbers = Int32Array.from({ length: series.length }, (_, row) => row);
  const { count, windows } = sensorFeatures(series, rowNumbers, range, startsIn(period, shape), shape.hopMs, features);
  const moved = async (): Promise<boolean> => {
    const own = { fleetMs: fleet.windowMs, lag };
    const looks = model.windowMs === undefined ? { lookbackMs: lag * fleet.hopMs } : { own };
    const [changed] = await store.changedSensors(period, { after: sensorId - 1, limit: 1, ...looks });
    if (changed === sensorId) return true;
    const others = await store.listBatches({ period });
    return others.some(({ id, startedAtMs }) => id !== batch.id && startedAtMs > batch.startedAtMs);
  };
  return { windows, due: count, moved: await moved() };
}
