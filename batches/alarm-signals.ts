/**
 * What scoring leaves for alarms: the windows of the few sensors that have something to say, to be recorded with their
 * outcomes. A sensor at rest with nothing abnormal leaves nothing, and costs one look at its verdict.
 */
import { fewItemsOf, isNotable, unscoredOf, type SensorRows } from '../alarms/evidence.ts';
import { ALARM_LIMITS } from './alarm-limits.ts';
import { NO_RULES, parseRules, senseOf, type Sense } from '../alarms/rules.ts';
import { marginOf, type Threshold } from '../domain/threshold.ts';
import type { Period } from '../domain/time.ts';
import { isDue, startsIn, windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import type { ScoreResult } from '../scoring/score-result.ts';
import type { AlarmSense, AlarmSignal, PlannedSensor, SeriesBlock } from '../storage/store.ts';

export interface SignalInput {
  /** In the order of the verdicts. */
  readonly sensors: readonly Pick<PlannedSensor, 'threshold' | 'windowMs'>[];
  readonly series: SeriesBlock;
  readonly result: ScoreResult;
  readonly period: Period;
  /** Of the fleet's windows. */
  readonly shape: WindowShape;
  readonly known: AlarmSense;
  /** Items of evidence that are kept of a sensor; of more the predictions file is read. @default ALARM_LIMITS */
  readonly most?: number;
}

const senses = new Map<number, Sense>();

/** The sense of a version of the rules: rules never change under their number. */
function senseFor({ rules }: AlarmSense): Sense {
  const version = rules?.version ?? 0;
  let sense = senses.get(version);
  if (!sense) {
    sense = senseOf(rules ? parseRules(rules.text, `version ${version} of the rules of alarms`) : NO_RULES);
    senses.set(version, sense);
  }
  return sense;
}

export function signalsOf(input: SignalInput): AlarmSignal[] {
  const { sensors, series, result, period, shape: fleet, known, most = ALARM_LIMITS.items } = input;
  const sense = senseFor(known);
  const live = new Set(known.live);
  const { startMs, mean: value } = series;
  const { scored, anomaly, score } = result;
  const signals: AlarmSignal[] = [];
  let from = 0;
  // Rows and verdicts are both in the order of ids.
  for (const [i, { sensorId, status, anomalies }] of result.verdicts.entries()) {
    while (from < series.length && series.sensorId[from]! < sensorId) from += 1;
    let to = from;
    while (to < series.length && series.sensorId[to] === sensorId) to += 1;
    const shape = windowsOfSensor(fleet, sensors[i]?.windowMs);
    const starts = startsIn(period, shape);
    // Windows before the period are there for lags.
    while (from < to && startMs[from]! < starts.fromMs) from += 1;
    const rows = { from, to, startMs, value, scored, anomaly, score };
    from = to;
    if (status !== 'scored') continue;
    if (live.has(sensorId) || (isDue(period, shape) && isNotable(rows, anomalies, starts, sense, shape)))
      signals.push(signalOf(sensorId, withMargins(rows, sensors[i]?.threshold), sense, shape, most));
  }
  return signals;
}

/** Millions of abnormal windows of one sensor are neither one row nor one transaction. */
function signalOf(sensorId: number, rows: SensorRows, sense: Sense, shape: WindowShape, most: number): AlarmSignal {
  const items = fewItemsOf(rows, sense, shape, most);
  return items ? { sensorId, items } : { sensorId, unscored: unscoredOf(rows, shape) };
}

/** Where a threshold decides, its side and value are taken out of the score: below 0 is beyond it. */
function withMargins(rows: SensorRows, threshold: Threshold | undefined): SensorRows {
  if (!threshold) return rows;
  const { from, to } = rows;
  return {
    from: 0,
    to: to - from,
    startMs: rows.startMs.subarray(from, to),
    value: rows.value.subarray(from, to),
    scored: rows.scored.subarray(from, to),
    anomaly: rows.anomaly.subarray(from, to),
    score: rows.score.slice(from, to).map((score) => marginOf(threshold, score)),
  };
}
