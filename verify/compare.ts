/**
 * Two releases over the same windows, side by side: a challenger is judged before anyone is served its
 * predictions. Scores in this process, writes nothing; memory holds one page of sensors.
 */
import type { SensorKey } from '../domain/sensor.ts';
import type { Period } from '../domain/time.ts';
import type { ScoringEngine, ScoreResult } from '../scoring/engine.ts';
import type { PlannedSensor, SeriesBlock, Store } from '../storage/store.ts';

export interface ReleaseSummary {
  readonly release: string;
  readonly scored: number;
  readonly skipped: number;
  readonly failed: number;
  /** Predictions, and those that are anomalies, of sensors that both releases scored. */
  readonly windows: number;
  readonly anomalies: number;
  /** Failed sensors by class. */
  readonly causes: Readonly<Record<string, number>>;
}

export interface SensorDifference extends SensorKey {
  readonly windows: number;
  /** Anomalies of the one that are normal for the other. */
  readonly onlyBase: number;
  readonly onlyChallenger: number;
}

export interface Comparison {
  readonly sensors: number;
  readonly base: ReleaseSummary;
  readonly challenger: ReleaseSummary;
  /** Windows that both predicted, and those with the same label. */
  readonly windows: number;
  readonly agreed: number;
  /** Sensors whose labels differ most, first. */
  readonly differences: readonly SensorDifference[];
  readonly differing: number;
}

export interface CompareOptions {
  readonly base: string;
  readonly challenger: string;
  readonly period: Period;
  /** Share of the sensors, 0 to 1; always the same ones for the same share. Default 1. */
  readonly share?: number;
  /** From the start of one window to the start of the next, milliseconds. */
  readonly hopMs: number;
  readonly onProgress?: (done: number, total: number) => void;
}

const PAGE = 500;
const SHOWN = 20;

/** @throws FleetscoreError `RELEASE_UNKNOWN`, and what the engine throws when Blob is unavailable */
export async function compareReleases(deps: { readonly store: Store; readonly engine: ScoringEngine }, options: CompareOptions): Promise<Comparison> {
  const { store, engine } = deps;
  const { period, hopMs, share = 1 } = options;
  const base = summaryOf(options.base);
  const challenger = summaryOf(options.challenger);
  const differences: SensorDifference[] = [];
  const total = await store.countSensors();
  let [sensors, windows, agreed, differing, done] = [0, 0, 0, 0, 0];
  for (let after = 0; ; ) {
    const page = await store.listSensors({ after, limit: PAGE });
    const last = page.at(-1);
    if (!last) break;
    const chosen = page.filter(({ id }) => inShare(id, share));
    const plans = await Promise.all([options.base, options.challenger].map(async (release) => {
      const models = new Map((await store.listReleaseModels(release, { after, limit: PAGE })).map((model) => [model.sensorId, model]));
      return chosen.map((sensor): PlannedSensor => {
        const model = models.get(sensor.id);
        return { ...sensor, ...(model ? { model: model.model, ...(model.pack === undefined ? {} : { pack: model.pack, packRow: model.packRow! }) } : {}) };
      });
    }));
    const lookback = Math.max(...(await Promise.all(plans.map((plan) => engine.seriesNeeds(plan)))).map((needs) => needs.lookback));
    const series = await store.readSeries({ from: after + 1, to: last.id + 1 }, { fromMs: period.fromMs - lookback * hopMs, toMs: period.toMs });
    const [one, other] = (await Promise.all(plans.map((plan) => engine.score({ sensors: plan, series, period, intervalMs: hopMs })))) as [ScoreResult, ScoreResult];
    base.add(one);
    challenger.add(other);
    for (const tally of tallyRows(series, one, other).values()) {
      windows += tally.windows;
      base.rows(tally.windows, tally.both + tally.onlyBase);
      challenger.rows(tally.windows, tally.both + tally.onlyChallenger);
      const apart = tally.onlyBase + tally.onlyChallenger;
      agreed += tally.windows - apart;
      if (apart === 0) continue;
      differing += 1;
      const { device, sensor } = chosen.find(({ id }) => id === tally.sensorId)!;
      differences.push({ device, sensor, windows: tally.windows, onlyBase: tally.onlyBase, onlyChallenger: tally.onlyChallenger });
    }
    differences.sort((a, b) => b.onlyBase + b.onlyChallenger - a.onlyBase - a.onlyChallenger).splice(SHOWN);
    sensors += chosen.length;
    done += page.length;
    options.onProgress?.(done, total);
    after = last.id;
  }
  return { sensors, base: base.summary(), challenger: challenger.summary(), windows, agreed, differences, differing };
}

/** Knuth's multiplicative hash: spread over the fleet, and the same sensors each time. */
const inShare = (id: number, share: number): boolean => (Math.imul(id, 2_654_435_761) >>> 0) / 2 ** 32 < share;

interface Tally {
  readonly sensorId: number;
  windows: number;
  both: number;
  onlyBase: number;
  onlyChallenger: number;
}

function tallyRows(series: SeriesBlock, base: ScoreResult, challenger: ScoreResult): Map<number, Tally> {
  const tallies = new Map<number, Tally>();
  for (let row = 0; row < series.length; row++) {
    if (base.scored[row] !== 1 || challenger.scored[row] !== 1) continue;
    const sensorId = series.sensorId[row]!;
    let tally = tallies.get(sensorId);
    if (!tally) tallies.set(sensorId, (tally = { sensorId, windows: 0, both: 0, onlyBase: 0, onlyChallenger: 0 }));
    tally.windows += 1;
    const [a, b] = [base.anomaly[row] === 1, challenger.anomaly[row] === 1];
    if (a && b) tally.both += 1;
    else if (a) tally.onlyBase += 1;
    else if (b) tally.onlyChallenger += 1;
  }
  return tallies;
}

function summaryOf(release: string) {
  const counts = { scored: 0, skipped: 0, failed: 0 };
  const causes: Record<string, number> = {};
  let windows = 0;
  let anomalies = 0;
  return {
    add(result: ScoreResult): void {
      for (const verdict of result.verdicts) {
        counts[verdict.status] += 1;
        if (verdict.status === 'failed') causes[verdict.class ?? 'internal'] = (causes[verdict.class ?? 'internal'] ?? 0) + 1;
      }
    },
    rows(more: number, anomalous: number): void {
      windows += more;
      anomalies += anomalous;
    },
    summary: (): ReleaseSummary => ({ release, ...counts, windows, anomalies, causes }),
  };
}
