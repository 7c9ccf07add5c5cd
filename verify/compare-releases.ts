/**
 * Two releases over the same windows, side by side: a challenger is judged before anyone is served its
 * predictions. Scores in this process, writes nothing; memory holds one page of sensors.
 */
import { pageOfSensors, windowsOf } from '../domain/sizing.ts';
import type { Period } from '../domain/time.ts';
import type { WindowShape } from '../domain/windowing.ts';
import { compareLabels, sameWindows, sensorsWithModels, type Labelled } from '../scoring/challenger.ts';
import type { ScoringEngine } from '../scoring/engine.ts';
import { readOwnSeries } from '../scoring/own-series.ts';
import type { ScoreResult } from '../scoring/score-result.ts';
import { inShare, type Challenger, type ChallengeSummary, type SensorDifference } from '../domain/challenge.ts';
import type { Store } from '../storage/store.ts';

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

/** The challenger of a batch, and what the batch recorded of it. */
export interface BatchChallenge extends Pick<Challenger, 'release' | 'share'> {
  /** Absent while nothing is recorded. */
  readonly summary?: ChallengeSummary;
  /** Sensors whose labels differ most, first. */
  readonly differences: readonly SensorDifference[];
}

/** Undefined for a batch without a challenger. @throws FleetscoreError `BATCH_UNKNOWN` */
export async function challengeOf(
  store: Store,
  batchId: string,
  differences: number,
): Promise<BatchChallenge | undefined> {
  const challenger = await store.batchChallenger(batchId);
  if (!challenger) return undefined;
  const [summary] = await store.challengeSummaries({ batchId });
  return {
    ...challenger,
    ...(summary ? { summary } : {}),
    differences: summary && differences > 0 ? await store.challengeDifferences({ batchId }, differences) : [],
  };
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
  /** Of the fleet's windows. */
  readonly shape: WindowShape;
  readonly onProgress?: (done: number, total: number) => void;
}

const PAGE = 500;
const SHOWN = 20;

/** @throws FleetscoreError `RELEASE_UNKNOWN`, and what the engine throws when Blob is unavailable */
export async function compareReleases(
  deps: { readonly store: Store; readonly engine: ScoringEngine },
  options: CompareOptions,
): Promise<Comparison> {
  const { store, engine } = deps;
  const { period, shape, share = 1 } = options;
  const base = summaryOf(options.base);
  const challenger = summaryOf(options.challenger);
  const differences: SensorDifference[] = [];
  const total = await store.countSensors();
  const limit = pageOfSensors(PAGE, windowsOf(period, shape));
  let [sensors, windows, agreed, differing, done] = [0, 0, 0, 0, 0];
  for (let after = 0; ;) {
    const page = await store.listSensors({ after, limit });
    const last = page.at(-1);
    if (!last) break;
    const chosen = page.filter(({ id }) => inShare(id, share));
    const plans = await Promise.all(
      [options.base, options.challenger].map((release) => sensorsWithModels(store, release, chosen)),
    );
    const needs = await Promise.all(plans.map((plan) => engine.seriesNeeds(plan)));
    const range = { from: after + 1, to: last.id + 1 };
    // One series serves both, unless they look at windows of other lengths.
    const shared = sameWindows(plans[0]!, plans[1]!)
      ? await readOwnSeries(store, { sensors: plans[0]!, range, period, shape, needs })
      : undefined;
    const [one, other] = (await Promise.all(
      plans.map(async (sensors, i): Promise<Labelled> => {
        const need = needs[i]!;
        const series = shared ?? (await readOwnSeries(store, { sensors, range, period, shape, needs: [need] }));
        return {
          sensors,
          series,
          result: await engine.score({ sensors, series, period, models: need.models, ...shape }),
        };
      }),
    )) as [Labelled, Labelled];
    base.add(one.result);
    challenger.add(other.result);
    for (const [id, tally] of compareLabels(one, other)) {
      windows += tally.windows;
      base.rows(tally.windows, tally.both + tally.onlyBase);
      challenger.rows(tally.windows, tally.both + tally.onlyChallenger);
      const apart = tally.onlyBase + tally.onlyChallenger;
      agreed += tally.windows - apart;
      if (apart === 0) continue;
      differing += 1;
      const { device, sensor } = chosen.find((sensor) => sensor.id === id)!;
      differences.push({
        device,
        sensor,
        windows: tally.windows,
        onlyBase: tally.onlyBase,
        onlyChallenger: tally.onlyChallenger,
      });
    }
    differences.sort((a, b) => b.onlyBase + b.onlyChallenger - a.onlyBase - a.onlyChallenger).splice(SHOWN);
    sensors += chosen.length;
    done += page.length;
    options.onProgress?.(done, total);
    after = last.id;
  }
  return { sensors, base: base.summary(), challenger: challenger.summary(), windows, agreed, differences, differing };
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
        if (verdict.status === 'failed')
          causes[verdict.class ?? 'internal'] = (causes[verdict.class ?? 'internal'] ?? 0) + 1;
      }
    },
    rows(more: number, anomalous: number): void {
      windows += more;
      anomalies += anomalous;
    },
    summary: (): ReleaseSummary => ({ release, ...counts, windows, anomalies, causes }),
  };
}
