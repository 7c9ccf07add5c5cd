/**
 * What a threshold on the score of a sensor would flag over a past period: scored in this process with the sensor's
 * model, nothing is written. A noisy sensor then needs no retraining.
 */
import { FleetscoreError } from '../domain/errors.ts';
import type { Sensor } from '../domain/sensor.ts';
import { isBeyond, type Threshold } from '../domain/threshold.ts';
import type { Period } from '../domain/time.ts';
import type { WindowShape } from '../domain/windowing.ts';
import { sensorsWithModels } from '../scoring/challenger.ts';
import type { ScoringEngine } from '../scoring/engine.ts';
import { readOwnSeries } from '../scoring/own-series.ts';
import type { Store } from '../storage/store.ts';

export interface Flagged {
  /** Windows that are anomalies. */
  readonly anomalies: number;
  /** Runs of anomalous windows, one after the other: what an operator would be told of. */
  readonly stretches: number;
}

export interface TunedThreshold extends Flagged {
  readonly threshold: Threshold;
}

export interface Tuning {
  readonly windows: number;
  /** The threshold that the sensor has in this release. */
  readonly threshold?: Threshold;
  /** What is flagged as it is: by that threshold, or by the label of the model. */
  readonly now: Flagged;
  /** By share of anomalies ascending. */
  readonly candidates: readonly TunedThreshold[];
}

/** Shares of anomalies that a threshold is looked for, per window. */
const RATES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1] as const;

export interface TuneOptions {
  readonly release: string;
  readonly sensor: Sensor;
  readonly period: Period;
  /** Of the fleet's windows. */
  readonly shape: WindowShape;
  /** Side of the scores of anomalies; found by the model's labels when absent. */
  readonly side?: Threshold['side'];
}

/** @throws FleetscoreError `NOTHING_TO_TUNE` where nothing can be scored, `SIDE_UNKNOWN`, and what the engine throws */
export async function tuneThreshold(
  { store, engine }: { readonly store: Store; readonly engine: ScoringEngine },
  { release, sensor, period, shape, side }: TuneOptions,
): Promise<Tuning> {
  const sensors = await sensorsWithModels(store, release, [sensor]);
  const needs = await engine.seriesNeeds(sensors);
  const range = { from: sensor.id, to: sensor.id + 1 };
  const series = await readOwnSeries(store, { sensors, range, period, shape, needs: [needs] });
  const { verdicts, scored, anomaly, score } = await engine.score({
    sensors,
    series,
    period,
    models: needs.models,
    ...shape,
  });
  const [verdict] = verdicts;
  if (verdict?.status !== 'scored')
    throw new FleetscoreError(
      'NOTHING_TO_TUNE',
      `${sensor.device} / ${sensor.sensor} cannot be scored over this period with release ${release}: ` +
        `${verdict?.message ?? 'there is no such sensor'}.`,
    );
  const rows = [...scored.keys()].filter((row) => scored[row] === 1);
  const scores = Float64Array.from(rows, (row) => score[row]!);
  const labels = Uint8Array.from(rows, (row) => anomaly[row]!);
  const { threshold } = sensors[0]!;
  const chosen = side ?? threshold?.side ?? sideOf(scores, labels);
  if (!chosen)
    throw new FleetscoreError(
      'SIDE_UNKNOWN',
      `the model of ${sensor.device} / ${sensor.sensor} gives one label for all ${rows.length} windows of ` +
        'this period, so nothing says on which side of a threshold its anomalies lie. ' +
        'Say it with --side below (scikit-learn) or --side above (PyOD, distances), or take a longer period.',
    );
  return {
    windows: rows.length,
    ...(threshold ? { threshold } : {}),
    now: flagged((i) => labels[i] === 1, rows.length),
    candidates: thresholdsOf(scores, chosen).map((candidate) => ({
      threshold: candidate,
      ...flagged((i) => isBeyond(candidate, scores[i]!), rows.length),
    })),
  };
}

/** The side on which the model itself sees anomalies; undefined when it gives one label only. */
function sideOf(scores: Float64Array, labels: Uint8Array): Threshold['side'] | undefined {
  const mean = (label: number): number => {
    const own = scores.filter((value, i) => labels[i] === label && Number.isFinite(value));
    return own.length === 0 ? Number.NaN : own.reduce((sum, value) => sum + value, 0) / own.length;
  };
  const [normal, odd] = [mean(0), mean(1)];
  if (Number.isNaN(normal) || Number.isNaN(odd) || normal === odd) return undefined;
  return odd < normal ? 'below' : 'above';
}

/**
 * For each rate the threshold that at most that share of the scores lies beyond, but one at least: where many windows
 * share the worst score, as those of a sensor that stands still do, the least threshold flags them all. Each once.
 */
function thresholdsOf(scores: Float64Array, side: Threshold['side']): Threshold[] {
  const finite = scores.filter(Number.isFinite).sort();
  if (side === 'above') finite.reverse();
  const worst = finite.findIndex((value) => value !== finite[0]);
  if (worst < 0) return [];
  const values = RATES.map((rate) => finite[Math.max(worst, Math.floor(rate * finite.length))]!);
  return [...new Set(values)].map((value) => ({ side, value }));
}

function flagged(isAnomaly: (i: number) => boolean, windows: number): Flagged {
  let [anomalies, stretches] = [0, 0];
  for (let i = 0; i < windows; i++) {
    if (!isAnomaly(i)) continue;
    anomalies += 1;
    if (i === 0 || !isAnomaly(i - 1)) stretches += 1;
  }
  return { anomalies, stretches };
}
