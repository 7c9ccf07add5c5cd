/** What a predictions file holds, sensor by sensor: rows and anomalies, with the order of its rows checked. */
import { keyOf } from '../domain/sensor.ts';
import { defined } from '../domain/defined.ts';
import { isoTime, type Period } from '../domain/time.ts';
import { startsIn, windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import { decodePredictions } from '../scoring/predictions-file.ts';

export interface SensorTally {
  rows: number;
  anomalies: number;
  /** Length of its own windows as its rows say, ms; absent: the fleet's. */
  windowMs?: number;
}

export interface FileTally {
  readonly rows: number;
  /** By {@link keyOf}. */
  readonly sensors: ReadonlyMap<string, SensorTally>;
  /** The first few things that are wrong inside. */
  readonly problems: readonly string[];
}

const PROBLEMS = 3;

/** @param fleet the fleet's windows @throws FleetscoreError `PREDICTIONS_CORRUPT` */
export async function tallyFile(bytes: Uint8Array, period: Period, fleet: WindowShape): Promise<FileTally> {
  const rows = await decodePredictions(bytes);
  const sensors = new Map<string, SensorTally>();
  const problems: string[] = [];
  const problem = (text: string): void => void (problems.length < PROBLEMS && problems.push(text));
  let key = '';
  let lastMs = Number.NEGATIVE_INFINITY;
  let tally: SensorTally | undefined;
  for (const row of rows) {
    const rowKey = keyOf(row);
    if (rowKey !== key || !tally) {
      key = rowKey;
      lastMs = Number.NEGATIVE_INFINITY;
      tally = sensors.get(key);
      if (tally) problem(`the rows of ${row.device} / ${row.sensor} do not stand together`);
      else sensors.set(key, (tally = { rows: 0, anomalies: 0, ...defined({ windowMs: row.windowMs }) }));
    }
    if (row.tsMs <= lastMs)
      problem(`the window ${isoTime(row.tsMs)} of ${row.device} / ${row.sensor} is there twice, or out of order`);
    if (row.windowMs !== tally.windowMs) problem(`the windows of ${row.device} / ${row.sensor} have several lengths`);
    const { fromMs, toMs } = startsIn(period, windowsOfSensor(fleet, row.windowMs));
    if (row.tsMs < fromMs || row.tsMs >= toMs)
      problem(`the window ${isoTime(row.tsMs)} of ${row.device} / ${row.sensor} is outside of the period`);
    lastMs = row.tsMs;
    tally.rows += 1;
    tally.anomalies += row.prediction;
  }
  return { rows: rows.length, sensors, problems };
}
