/**
 * What models that were just published say of windows that the store holds: the check of publishing sees made-up
 * numbers, and a label that is turned round or features in another order show on real ones only. A bounded look: some
 * sensors, the newest windows of each. Nothing is written.
 */
import { windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import type { Store } from '../storage/store.ts';
import type { SensorKey } from '../domain/sensor.ts';
import { sensorsWithModels } from './challenger.ts';
import type { ScoringEngine } from './engine.ts';
import { readOwnSeries } from './own-series.ts';

export interface TriedSensor extends SensorKey {
  readonly windows: number;
  readonly anomalies: number;
}

export interface TriedOnWindows {
  /** Sensors with windows of which their model said something. */
  readonly sensors: number;
  readonly windows: number;
  readonly anomalies: number;
  /** Sensors of whose windows more than a half are anomalies, the worst first. */
  readonly loud: readonly TriedSensor[];
  /** Sensors whose model failed on their windows. */
  readonly failed: readonly (SensorKey & { readonly message: string })[];
}

const MOST_SENSORS = 50;
const WINDOWS = 1_000;

/** @returns undefined where the store has no windows of the sensors looked at */
export async function tryOnWindows(
  store: Store,
  openEngine: () => Promise<ScoringEngine>,
  release: string,
  fleet: WindowShape,
): Promise<TriedOnWindows | undefined> {
  const models = await store.listReleaseModels(release);
  const step = Math.max(1, Math.ceil(models.length / MOST_SENSORS));
  const tried: TriedSensor[] = [];
  const failed: (SensorKey & { message: string })[] = [];
  let engine: ScoringEngine | undefined;
  try {
    for (let i = 0; i < models.length; i += step) {
      const { sensorId, device, sensor, windowMs } = models[i]!;
      const range = { from: sensorId, to: sensorId + 1 };
      const [stats] = await store.windowStats(range);
      if (!stats) continue;
      engine ??= await openEngine();
      const { hopMs } = windowsOfSensor(fleet, windowMs);
      const period = { fromMs: stats.lastMs + fleet.hopMs - WINDOWS * hopMs, toMs: stats.lastMs + fleet.hopMs };
      const sensors = await sensorsWithModels(store, release, [{ id: sensorId, device, sensor, unit: '' }]);
      const needs = await engine.seriesNeeds(sensors);
      const series = await readOwnSeries(store, { sensors, range, period, shape: fleet, needs: [needs] });
      const { verdicts, scored } = await engine.score({ sensors, series, period, models: needs.models, ...fleet });
      const verdict = verdicts[0]!;
      const windows = scored.reduce((sum, one) => sum + one, 0);
      if (verdict.status === 'failed') failed.push({ device, sensor, message: verdict.message ?? '' });
      else if (windows > 0) tried.push({ device, sensor, windows, anomalies: verdict.anomalies });
    }
  } finally {
    await engine?.close();
  }
  if (tried.length === 0 && failed.length === 0) return undefined;
  const sum = (of: (one: TriedSensor) => number): number => tried.reduce((all, one) => all + of(one), 0);
  const share = ({ anomalies, windows }: TriedSensor): number => anomalies / windows;
  return {
    sensors: tried.length,
    windows: sum(({ windows }) => windows),
    anomalies: sum(({ anomalies }) => anomalies),
    loud: tried.filter((one) => share(one) > 0.5).sort((a, b) => share(b) - share(a)),
    failed,
  };
}
