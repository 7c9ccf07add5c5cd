/**
 * What a control worker tells: totals of the batches that it closed since its start, and what the store and the
 * pools say now. Several control workers tell the same of the store and of pools: take the maximum of those.
 */
import type { ClosedBatch } from '../batches/deps.ts';
import { agreedOf } from '../domain/challenge.ts';
import { decided } from '../domain/outcome.ts';
import { hasEnded, type Batch, type BatchEnd, type Store } from '../storage/store.ts';
import { processMetrics } from '../telemetry/metrics.ts';
import type { Metric, Sample } from '../telemetry/metric.ts';
import { OUTCOME_LABELS } from './outcome-labels.ts';

export interface ControlTotals {
  /**
   * Begins the series that are known with 0, and leaves those that count already. A counter that is born with its first
   * value has no increase, so whoever asks for the last hour counts none of it.
   */
  know(known: KnownLabels): void;
  record(closed: ClosedBatch): void;
  metrics(): Metric[];
}

export interface KnownLabels {
  readonly schedules: Iterable<string>;
  readonly challenger?: string | undefined;
}

/** Schedule of batches that were started by hand. */
const BY_HAND = '';

const ENDS = ['completed', 'failed', 'cancelled'] as const satisfies readonly BatchEnd[];
const CHALLENGED = ['same', 'only_base', 'only_challenger'] as const;
const NO_TOTALS = { seconds: 0, predictions: 0, anomalies: 0 };

export function controlTotals(): ControlTotals {
  const batches = new Map<string, Sample & { value: number }>();
  const sensors = new Map<string, Sample & { value: number }>();
  const challengedWindows = new Map<string, Sample & { value: number }>();
  const challengedSensors = new Map<string, Sample & { value: number }>();
  const totals = new Map<string, { seconds: number; predictions: number; anomalies: number }>();
  const add = (to: Map<string, Sample & { value: number }>, labels: Record<string, string>, value: number): void => {
    const key = JSON.stringify(labels);
    const entry = to.get(key);
    if (entry) to.set(key, { labels, value: entry.value + value });
    else to.set(key, { labels, value });
  };
  const perSchedule = (
    name: string,
    unit: string,
    help: string,
    of: (entry: { seconds: number; predictions: number; anomalies: number }) => number,
  ): Metric => ({
    name: `fleetscore_${name}`,
    type: 'counter',
    unit,
    help,
    samples: [...totals].map(([schedule, entry]) => ({ labels: { schedule }, value: of(entry) })),
  });
  const know = ({ schedules, challenger }: KnownLabels): void => {
    for (const schedule of [BY_HAND, ...schedules]) {
      for (const status of ENDS) add(batches, { schedule, kind: 'score', status }, 0);
      if (!totals.has(schedule)) totals.set(schedule, NO_TOTALS);
      if (challenger === undefined) continue;
      for (const label of CHALLENGED) add(challengedWindows, { schedule, challenger, label }, 0);
      for (const labels of OUTCOME_LABELS) add(challengedSensors, { schedule, challenger, ...labels }, 0);
    }
    for (const labels of OUTCOME_LABELS) add(sensors, labels, 0);
  };
  know({ schedules: [] });
  return {
    know,
    record({ batch, rows, causes, challenge }) {
      const schedule = batch.schedule ?? BY_HAND;
      const { scored, skipped, failed, cancelled, anomalies } = batch.counts;
      add(batches, { schedule, kind: batch.kind, status: batch.status }, 1);
      for (const [outcome, count] of Object.entries({ scored, skipped, cancelled }))
        if (count > 0) add(sensors, { outcome, class: '' }, count);
      for (const cause of causes) add(sensors, { outcome: 'failed', class: cause.class }, cause.count);
      const unnamed = failed - causes.reduce((sum, cause) => sum + cause.count, 0);
      if (unnamed > 0) add(sensors, { outcome: 'failed', class: 'internal' }, unnamed);
      if (challenge) {
        const labels = { schedule, challenger: challenge.challenger };
        for (const [label, windows] of Object.entries({
          same: agreedOf(challenge),
          only_base: challenge.onlyBase,
          only_challenger: challenge.onlyChallenger,
        }))
          add(challengedWindows, { ...labels, label }, windows);
        for (const [outcome, count] of Object.entries({ scored: challenge.scored, skipped: challenge.skipped }))
          if (count > 0) add(challengedSensors, { ...labels, outcome, class: '' }, count);
        for (const [cause, count] of Object.entries(challenge.causes))
          add(challengedSensors, { ...labels, outcome: 'failed', class: cause }, count);
      }
      const before = totals.get(schedule) ?? NO_TOTALS;
      totals.set(schedule, {
        seconds: before.seconds + Math.max(0, (batch.finishedAtMs ?? batch.startedAtMs) - batch.startedAtMs) / 1000,
        predictions: before.predictions + rows,
        anomalies: before.anomalies + anomalies,
      });
    },
    metrics: () => [
      {
        name: 'fleetscore_batches_total',
        type: 'counter',
        unit: '{batch}',
        help: 'Batches that this worker closed, by how they ended.',
        samples: [...batches.values()],
      },
      {
        name: 'fleetscore_batch_sensors_total',
        type: 'counter',
        unit: '{sensor}',
        help: 'Sensors of these batches, by outcome and class of failure.',
        samples: [...sensors.values()],
      },
      perSchedule(
        'batch_seconds_total',
        's',
        'Time from planning to the end of these batches.',
        (entry) => entry.seconds,
      ),
      perSchedule(
        'batch_predictions_total',
        '{prediction}',
        'Predictions of these batches.',
        (entry) => entry.predictions,
      ),
      perSchedule(
        'batch_anomalies_total',
        '{prediction}',
        'Predictions of these batches that say anomaly.',
        (entry) => entry.anomalies,
      ),
      {
        name: 'fleetscore_challenger_windows_total',
        type: 'counter',
        unit: '{window}',
        help: 'Windows that the challenger of these batches and their own release both predicted, by label: the same for both, or an anomaly for one of them alone.',
        samples: [...challengedWindows.values()],
      },
      {
        name: 'fleetscore_challenger_sensors_total',
        type: 'counter',
        unit: '{sensor}',
        help: 'Sensors that a challenger was given, by outcome and class of failure.',
        samples: [...challengedSensors.values()],
      },
      ...processMetrics('control'),
    ],
  };
}

/** Batches looked at: the newest one of every schedule is among them, unless it has not run for long. */
const LOOKED_AT = 200;

/** What the store says now; only that it is down when it does not answer. */
export async function storeMetrics(
  store: Store,
  nowMs: number,
  know: ControlTotals['know'] = () => undefined,
): Promise<Metric[]> {
  const up = (value: number): Metric => ({
    name: 'fleetscore_store_up',
    type: 'gauge',
    unit: '1',
    help: 'Whether the store answered.',
    samples: [{ value }],
  });
  try {
    return [up(1), ...(await answered(store, nowMs, know))];
  } catch {
    return [up(0)];
  }
}

async function answered(store: Store, nowMs: number, know: ControlTotals['know']): Promise<Metric[]> {
  const [batches, sensors] = [await store.listBatches({ limit: LOOKED_AT }), await store.countSensors()];
  know({
    schedules: new Set(batches.flatMap(({ schedule }) => schedule ?? [])),
    challenger: (await store.findChallenger())?.release,
  });
  const running = batches.filter((batch) => batch.status === 'running');
  const waiting = batches.filter((batch) => batch.status === 'waiting');
  const newest = new Map<string, Batch>();
  for (const batch of batches)
    if (batch.kind === 'score' && hasEnded(batch) && !newest.has(batch.schedule ?? BY_HAND))
      newest.set(batch.schedule ?? BY_HAND, batch);
  const last = (name: string, unit: string, help: string, of: (batch: Batch) => number | undefined): Metric => ({
    name: `fleetscore_last_batch_${name}`,
    type: 'gauge',
    unit,
    help,
    samples: [...newest].flatMap(([schedule, batch]) => {
      const value = of(batch);
      return value === undefined ? [] : [{ labels: { schedule, status: batch.status }, value }];
    }),
  });
  const now = (name: string, unit: string, help: string, value: number): Metric => ({
    name: `fleetscore_${name}`,
    type: 'gauge',
    unit,
    help,
    samples: [{ value }],
  });
  return [
    now('sensors', '{sensor}', 'Sensors in the fleet.', sensors),
    now('batches_running', '{batch}', 'Batches under way.', running.length),
    now('batches_waiting', '{batch}', 'Batches that are not planned yet: they wait for readings.', waiting.length),
    now(
      'batch_oldest_waiting_seconds',
      's',
      'Time since the end of the period of the oldest batch that waits; 0 when none does.',
      waiting.reduce((most, batch) => Math.max(most, nowMs - batch.toMs), 0) / 1000,
    ),
    now(
      'batch_sensors_to_go',
      '{sensor}',
      'Sensors of batches under way that have no outcome yet.',
      running.reduce((sum, batch) => sum + Math.max(0, batch.planned - decided(batch.counts)), 0),
    ),
    now(
      'batch_oldest_running_seconds',
      's',
      'Age of the oldest batch under way; 0 when there is none.',
      running.reduce((most, batch) => Math.max(most, nowMs - batch.startedAtMs), 0) / 1000,
    ),
    last('end_timestamp_seconds', 's', 'When the newest batch of each schedule ended, Unix time.', (batch) =>
      batch.finishedAtMs === undefined ? undefined : batch.finishedAtMs / 1000,
    ),
    last('duration_seconds', 's', 'How long it took.', (batch) =>
      batch.finishedAtMs === undefined ? undefined : (batch.finishedAtMs - batch.startedAtMs) / 1000,
    ),
    last('sensors', '{sensor}', 'Sensors it planned.', (batch) => batch.planned),
    last(
      'skipped_sensors',
      '{sensor}',
      'Sensors of it that were skipped: no readings, or no model.',
      (batch) => batch.counts.skipped,
    ),
    last('failed_sensors', '{sensor}', 'Sensors of it that failed.', (batch) => batch.counts.failed),
    last('anomaly_ratio', '1', 'Share of its windows that are anomalous, 0 to 1.', (batch) =>
      batch.counts.windows === 0 ? 0 : batch.counts.anomalies / batch.counts.windows,
    ),
  ];
}
