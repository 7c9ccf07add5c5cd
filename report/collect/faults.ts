/**
 * Known faults against what was predicted. A fault is found when at least one anomalous window starts in
 * [from, to); an anomalous window outside every fault of its sensor is a false alarm.
 */
import { keyOf } from '../../domain/sensor.ts';
import type { Period } from '../../domain/time.ts';
import { compareKeys, type InjectedFault, type ReportSensor } from './batch-data.ts';

export interface MatchedFault extends InjectedFault {
  readonly found: boolean;
  /** Scored windows inside the fault; a fault without any could not be found. */
  readonly windows: number;
  /** Anomalous ones among them. */
  readonly anomalies: number;
  /** From the start of the fault to the first anomalous window, milliseconds; absent when missed. */
  readonly delayMs?: number;
}

export interface FaultMatch {
  /** By time, then sensor. */
  readonly faults: readonly MatchedFault[];
  readonly found: number;
  readonly missed: number;
  /** Anomalous windows outside every fault, and all windows there. */
  readonly falseAlarms: number;
  readonly quietWindows: number;
}

/**
 * @param sensors the sensors whose predictions are known; false alarms are counted on these
 * @param period when given, faults that do not touch it are left out
 */
export function matchFaults(
  faults: readonly InjectedFault[],
  sensors: readonly Pick<ReportSensor, 'device' | 'sensor' | 'series'>[],
  period?: Period,
): FaultMatch {
  const relevant = period ? faults.filter((f) => f.fromMs < period.toMs && f.toMs > period.fromMs) : faults;
  const tallies = relevant.map((fault) => ({ fault, windows: 0, anomalies: 0, firstMs: Number.POSITIVE_INFINITY }));
  const bySensor = Map.groupBy(tallies, (tally) => keyOf(tally.fault));
  let falseAlarms = 0;
  let quietWindows = 0;
  for (const sensor of sensors) {
    const own = bySensor.get(keyOf(sensor)) ?? [];
    const { tsMs, prediction } = sensor.series;
    for (let i = 0; i < tsMs.length; i++) {
      const ts = tsMs[i]!;
      const anomalous = prediction[i] === 1;
      let inside = false;
      for (const tally of own) {
        if (ts < tally.fault.fromMs || ts >= tally.fault.toMs) continue;
        inside = true;
        tally.windows += 1;
        if (!anomalous) continue;
        tally.anomalies += 1;
        tally.firstMs = Math.min(tally.firstMs, ts);
      }
      if (inside) continue;
      quietWindows += 1;
      if (anomalous) falseAlarms += 1;
    }
  }
  const matched = tallies.map(({ fault, windows, anomalies, firstMs }): MatchedFault => ({
    ...fault,
    found: anomalies > 0,
    windows,
    anomalies,
    ...(anomalies > 0 ? { delayMs: firstMs - fault.fromMs } : {}),
  }));
  matched.sort((a, b) => a.fromMs - b.fromMs || compareKeys(a, b) || a.toMs - b.toMs);
  const found = matched.filter((fault) => fault.found).length;
  return { faults: matched, found, missed: matched.length - found, falseAlarms, quietWindows };
}
