/**
 * Why a model said what it said of one window: every feature beside the values that would have been normal, the others
 * as they were; what else moved on the device then; and when it last happened. Reads only, and a bounded part of the
 * past.
 */
import type { Sensor } from '../../domain/sensor.ts';
import type { Window } from '../../domain/reading.ts';
import { windowsOfSensor, type WindowShape } from '../../domain/windowing.ts';
import { ownWindows } from '../../scoring/own-series.ts';
import { parseFeatures, maxLag, type Feature } from '../../scoring/features.ts';
import type { Range } from '../../scoring/normal-range.ts';
import type { SensorHistoryRow, Store } from '../../storage/store.ts';
import type { Normal } from './normal.ts';
import { HOUR_MS } from '../../domain/time.ts';

/** A feature as the model saw it. */
export interface FeatureSeen {
  readonly name: string;
  readonly value: number;
  /** Normal values of it while the others are as they were; undefined where that is not known. */
  readonly normal?: readonly Range[];
}

/**
 * The features of the window that starts then, one of the sensor's own where it has these; undefined where a window of
 * them is not held any more.
 */
export async function featuresAt(
  store: Pick<Store, 'readSensorWindows' | 'readSeries'>,
  { id, windowMs }: { readonly id: number; readonly windowMs?: number },
  startMs: number,
  fleet: WindowShape,
  normal: Normal,
): Promise<readonly FeatureSeen[] | undefined> {
  if (normal.kind === 'none') return undefined;
  const features = parseFeatures(JSON.stringify(normal.model.features));
  if (typeof features === 'string') return undefined;
  const { hopMs } = windowsOfSensor(fleet, windowMs);
  const fromMs = startMs - maxLag(features) * hopMs;
  const windows =
    windowMs === undefined
      ? await store.readSensorWindows(id, { fromMs, toMs: startMs + 1 })
      : await ownWindows(store, { id, windowMs }, { fromMs, toMs: startMs + windowMs }, fleet);
  const byStart = new Map(windows.map((window) => [window.startMs, window]));
  const row = features.map((feature) => valueOf(byStart.get(startMs - feature.lag * hopMs), feature));
  if (row.includes(undefined)) return undefined;
  return seen(features, row as number[], normal);
}

const valueOf = (window: Window | undefined, { statistic }: Feature): number | undefined => window?.[statistic];

/** Pure. */
function seen(features: readonly Feature[], row: readonly number[], normal: Normal): FeatureSeen[] {
  return features.map(({ name }, f) => {
    const value = row[f]!;
    if (normal.kind === 'unknown' || normal.kind === 'none') return { name, value };
    return { name, value, normal: normal.model.normal(row, f) };
  });
}

/** Another sensor of the device around that time. */
export interface Moved {
  readonly sensor: Sensor;
  /** Mean in the hour before, and around the window. */
  readonly before: number;
  readonly near: number;
  /** Change in standard deviations of the hour before; undefined where that hour has no spread. */
  readonly spreads?: number;
}

/** Around the window: a minute to either side. */
const NEAR_MS = 60_000;
/** Before it so much is left out: what moved slowly had begun. */
const SETTLE_MS = 5 * 60_000;
/** Sensors of one device that are looked at. */
const MOST_SENSORS = 100;

export async function whatMoved(
  store: Pick<Store, 'readSeries'>,
  others: readonly Sensor[],
  startMs: number,
): Promise<readonly Moved[]> {
  const found: Moved[] = [];
  for (const sensor of others.slice(0, MOST_SENSORS)) {
    const series = await store.readSeries(
      { from: sensor.id, to: sensor.id + 1 },
      { fromMs: startMs - HOUR_MS, toMs: startMs + NEAR_MS },
      { columns: 'mean' },
    );
    const before: number[] = [];
    const near: number[] = [];
    for (let i = 0; i < series.length; i++) {
      const at = series.startMs[i]!;
      if (at >= startMs - NEAR_MS) near.push(series.mean[i]!);
      else if (at < startMs - SETTLE_MS) before.push(series.mean[i]!);
    }
    const moved = movedOf(before, near);
    if (moved) found.push({ sensor, ...moved });
  }
  return found.sort((a, b) => Math.abs(b.spreads ?? 0) - Math.abs(a.spreads ?? 0));
}

/** Pure; undefined where there is too little to compare. */
function movedOf(before: readonly number[], near: readonly number[]): Omit<Moved, 'sensor'> | undefined {
  if (before.length < 10 || near.length === 0) return undefined;
  const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;
  const [usual, around] = [mean(before), mean(near)];
  const spread = Math.sqrt(mean(before.map((value) => (value - usual) ** 2)));
  return { before: usual, near: around, ...(spread > 0 ? { spreads: (around - usual) / spread } : {}) };
}

const MONTH_MS = 31 * 24 * HOUR_MS;
const MOST_BATCHES = 3_000;

/**
 * The newest batch before this one, of the last month, in which the sensor had anomalies; undefined when there is none.
 */
export async function lastTime(
  store: Pick<Store, 'sensorHistory'>,
  sensorId: number,
  beforeMs: number,
): Promise<SensorHistoryRow | undefined> {
  const history = await store.sensorHistory(sensorId, { fromMs: beforeMs - MONTH_MS, toMs: beforeMs }, MOST_BATCHES);
  return history.filter(({ toMs, anomalies }) => toMs <= beforeMs && anomalies > 0).at(-1);
}
