/** What a heat map shows: rows of windows and anomalous windows, counted in equal slices. */
import type { Period } from '../../domain/time.ts';
import { groupByDevice, type BatchData, type ReportSensor } from '../collect/batch-data.ts';
import { density, type Density } from './density.ts';

const SECOND = 1_000;
const SLICES_MS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
].map((seconds) => seconds * SECOND);
const MOST_SLICES = 120;

/** Slices of round length, at most 120, none shorter than a window. */
function sliceCount({ fromMs, toMs }: Period, sensors: readonly ReportSensor[]): number {
  let step = Number.POSITIVE_INFINITY;
  for (const {
    series: { tsMs },
  } of sensors)
    if (tsMs.length > 1) step = Math.min(step, (tsMs.at(-1)! - tsMs[0]!) / (tsMs.length - 1));
  const span = toMs - fromMs;
  const shortest = Math.max(span / MOST_SLICES, Number.isFinite(step) ? step * 0.99 : 0);
  const slice = SLICES_MS.find((length) => length >= shortest) ?? shortest;
  return Math.max(1, Math.min(MOST_SLICES, Math.round(span / slice)));
}

export interface HeatRow {
  readonly name: string;
  readonly density: Density;
}

export interface HeatMap {
  readonly slices: number;
  /** All rows together, when there is more than one. */
  readonly all?: Density;
  readonly rows: readonly HeatRow[];
  /** Rows there were before the quiet ones were cut. */
  readonly of?: number;
}

/** Slices of time, a row a device. */
export function heatMap(data: BatchData): HeatMap {
  const slices = sliceCount(data, data.sensors);
  return withAll(
    slices,
    groupByDevice(data.sensors).map((group) => ({
      name: group.device,
      density: density(
        group.sensors.map((sensor) => sensor.series),
        data,
        slices,
      ),
    })),
  );
}

/** At most so many rows, those with most anomalies, in the order they had; all together stays the sum of every row. */
export function busiestRows(map: HeatMap, most: number): HeatMap {
  if (map.rows.length <= most) return map;
  const anomalies = new Map(map.rows.map((row) => [row, row.density.anomalies.reduce((sum, n) => sum + n, 0)]));
  const kept = new Set(map.rows.toSorted((a, b) => anomalies.get(b)! - anomalies.get(a)!).slice(0, most));
  return { ...map, rows: map.rows.filter((row) => kept.has(row)), of: map.rows.length };
}

/** Slices of time, a row a sensor of one device. */
export function sensorHeatMap(period: Period, sensors: readonly ReportSensor[]): HeatMap {
  const slices = sliceCount(period, sensors);
  return withAll(
    slices,
    sensors.map(({ sensor, series }) => ({ name: sensor, density: density([series], period, slices) })),
  );
}

export function withAll(slices: number, rows: readonly HeatRow[]): HeatMap {
  if (rows.length < 2) return { slices, rows };
  const all = { windows: new Uint32Array(slices), anomalies: new Uint32Array(slices) };
  for (const {
    density: { windows, anomalies },
  } of rows)
    for (let at = 0; at < slices; at++) {
      all.windows[at]! += windows[at]!;
      all.anomalies[at]! += anomalies[at]!;
    }
  return { slices, all, rows };
}
