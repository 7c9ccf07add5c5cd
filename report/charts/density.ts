/** When anomalies occurred: windows and anomalous windows counted in equal slices of a period. */
import type { Period } from '../../domain/time.ts';
import type { PredictionSeries } from '../collect/batch-data.ts';

export interface Density {
  readonly windows: Uint32Array;
  readonly anomalies: Uint32Array;
}

/** Windows that start outside the period are not counted. */
export function density(series: Iterable<PredictionSeries>, period: Period, slices: number): Density {
  const windows = new Uint32Array(slices);
  const anomalies = new Uint32Array(slices);
  const perMs = slices / Math.max(1, period.toMs - period.fromMs);
  for (const { tsMs, prediction, lengthMs } of series) {
    for (let i = 0; i < tsMs.length; i++) {
      const start = tsMs[i]!;
      // A longer window than the period lies in it with its end.
      const ts = lengthMs && start + lengthMs[i]! > period.fromMs ? Math.max(start, period.fromMs) : start;
      if (ts < period.fromMs || ts >= period.toMs) continue;
      const slice = Math.min(slices - 1, Math.floor((ts - period.fromMs) * perMs));
      windows[slice]! += 1;
      if (prediction[i] === 1) anomalies[slice]! += 1;
    }
  }
  return { windows, anomalies };
}

const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/** One character a slice: a space without data, `·` without anomalies, else a bar as high as their share. */
export function sparkline({ windows, anomalies }: Density): string {
  let line = '';
  for (let i = 0; i < windows.length; i++) {
    if (windows[i] === 0) line += ' ';
    else line += anomalies[i] === 0 ? '·' : BARS[Math.min(7, Math.ceil((anomalies[i]! / windows[i]!) * 8) - 1)]!;
  }
  return line;
}
