/**
 * Anomalous windows of a sensor that belong together: a person reads one event with a beginning and an end, not 32
 * dots. Windows with less than {@link PAUSE} normal ones between them are one stretch.
 */
import type { SensorKey } from '../../domain/sensor.ts';
import type { PredictionSeries, ReportSensor } from './batch-data.ts';

/** Normal windows that end a stretch. A single spike that comes back within half a minute is one event at 5 s. */
const PAUSE = 6;

export interface Stretch extends SensorKey {
  /** Start of the first anomalous window, and end of the last one; epoch ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Anomalous windows in it. */
  readonly windows: number;
  /** No normal windows that would end it have followed: it may go on. */
  readonly open: boolean;
}

/** Of all sensors, those that last still first, then the longest. */
export function stretchesOf(sensors: readonly Pick<ReportSensor, 'device' | 'sensor' | 'series'>[]): Stretch[] {
  return sensors
    .flatMap(({ device, sensor, series }) => stretchesIn(series).map((stretch) => ({ device, sensor, ...stretch })))
    .sort((a, b) => Number(b.open) - Number(a.open) || lengthOf(b) - lengthOf(a) || a.fromMs - b.fromMs);
}

export const lengthOf = ({ fromMs, toMs }: Pick<Stretch, 'fromMs' | 'toMs'>): number => toMs - fromMs;

function stretchesIn({ tsMs, prediction }: PredictionSeries): Omit<Stretch, keyof SensorKey>[] {
  const stepMs = stepOf(tsMs);
  const found: { fromMs: number; toMs: number; windows: number; last: number }[] = [];
  for (let i = 0; i < tsMs.length; i++) {
    if (prediction[i] !== 1) continue;
    const ts = tsMs[i]!;
    const current = found.at(-1);
    if (current && i - current.last <= PAUSE) {
      current.toMs = ts + stepMs;
      current.windows += 1;
      current.last = i;
    } else found.push({ fromMs: ts, toMs: ts + stepMs, windows: 1, last: i });
  }
  return found.map(({ last, ...stretch }) => ({ ...stretch, open: tsMs.length - 1 - last < PAUSE }));
}

/** The least time between two windows; 0 where there is one alone. */
function stepOf(tsMs: Float64Array): number {
  let step = Number.POSITIVE_INFINITY;
  for (let i = 1; i < tsMs.length; i++) step = Math.min(step, tsMs[i]! - tsMs[i - 1]!);
  return Number.isFinite(step) ? step : 0;
}
