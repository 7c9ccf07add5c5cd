/**
 * Totals of the batches that a control worker closed since its start, as counters. They begin with 0 for every series
 * that is known, so that the first batch of a schedule is an increase, too.
 */
import type { ClosedBatch } from '../batches/deps.ts';
import { agreedOf } from '../domain/challenge.ts';
import type { BatchEnd } from '../storage/store.ts';
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
export const BY_HAND = '';

const ENDS = ['completed', 'failed', 'cancelled'] as const satisfies readonly BatchEnd[];
const CHALLENGED = ['same', 'only_base', 'only_challenger'] as const;

interface ScheduleTotals {
  readonly seconds: number;
  readonly predictions: number;
  readonly anomalies: number;
}

const NO_TOTALS: ScheduleTotals = { seconds: 0, predictions: 0, anomalies: 0 };

/** Values of one metric, by their labels as JSON. */
type Series = Map<string, Sample & { value: number }>;

interface Counted {
  readonly batches: Series;
  readonly sensors: Series;
  readonly challengedWindows: Series;
  readonly challengedSensors: Series;
  readonly totals: Map<string, ScheduleTotals>;
}

export function controlTotals(): ControlTotals {
  const counted: Counted = {
    batches: new Map(),
    sensors: new Map(),
    challengedWindows: new Map(),
    challengedSensors: new Map(),
    totals: new Map(),
  };
  know(counted, { schedules: [] });
  return {
    know: (known) => know(counted, known),
    record: (closed) => record(counted, closed),
    metrics: () => metricsOf(counted),
  };
}

function add(to: Series, labels: Record<string, string>, value: number): void {
  const key = JSON.stringify(labels);
  to.set(key, { labels, value: (to.get(key)?.value ?? 0) + value });
}

function know(
  { batches, sensors, challengedWindows, challengedSensors, totals }: Counted,
  { schedules, challenger }: KnownLabels,
): void {
  for (const schedule of [BY_HAND, ...schedules]) {
    for (const status of ENDS) add(batches, { schedule, kind: 'score', status }, 0);
    if (!totals.has(schedule)) totals.set(schedule, NO_TOTALS);
    if (challenger === undefined) continue;
    for (const label of CHALLENGED) add(challengedWindows, { schedule, challenger, label }, 0);
    for (const labels of OUTCOME_LABELS) add(challengedSensors, { schedule, challenger, ...labels }, 0);
  }
  for (const labels of OUTCOME_LABELS) add(sensors, labels, 0);
}

function record(counted: Counted, { batch, rows, causes, challenge }: ClosedBatch): void {
  const { batches, sensors, totals } = counted;
  const schedule = batch.schedule ?? BY_HAND;
  const { scored, skipped, failed, cancelled, anomalies } = batch.counts;
  add(batches, { schedule, kind: batch.kind, status: batch.status }, 1);
  for (const [outcome, count] of Object.entries({ scored, skipped, cancelled }))
    if (count > 0) add(sensors, { outcome, class: '' }, count);
  for (const cause of causes) add(sensors, { outcome: 'failed', class: cause.class }, cause.count);
  const unnamed = failed - causes.reduce((sum, cause) => sum + cause.count, 0);
  if (unnamed > 0) add(sensors, { outcome: 'failed', class: 'internal' }, unnamed);
  if (challenge) recordChallenge(counted, schedule, challenge);
  const before = totals.get(schedule) ?? NO_TOTALS;
  totals.set(schedule, {
    seconds: before.seconds + Math.max(0, (batch.finishedAtMs ?? batch.startedAtMs) - batch.startedAtMs) / 1000,
    predictions: before.predictions + rows,
    anomalies: before.anomalies + anomalies,
  });
}

function recordChallenge(
  { challengedWindows, challengedSensors }: Counted,
  schedule: string,
  challenge: NonNullable<ClosedBatch['challenge']>,
): void {
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

function metricsOf({ batches, sensors, challengedWindows, challengedSensors, totals }: Counted): Metric[] {
  const perSchedule = (name: string, unit: string, help: string, of: (entry: ScheduleTotals) => number): Metric => ({
    name: `fleetscore_${name}`,
    type: 'counter',
    unit,
    help,
    samples: [...totals].map(([schedule, entry]) => ({ labels: { schedule }, value: of(entry) })),
  });
  return [
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
      help:
        'Windows that the challenger of these batches and their own release both predicted, by label: the same ' +
        'for both, or an anomaly for one of them alone.',
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
  ];
}
