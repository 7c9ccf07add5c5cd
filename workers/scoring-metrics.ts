/** What a scoring worker tells about itself: totals since its start, so that rates are `rate()` of them. */
import type { RecordedChunk } from '../activities/scoring.ts';
import { SCORING_LABELS } from './outcome-labels.ts';
import { processMetrics } from '../telemetry/metrics.ts';
import type { Metric } from '../telemetry/metric.ts';

export interface ScoringTotals {
  record(chunk: RecordedChunk): void;
  metrics(): Metric[];
}

export interface ScoringNow {
  /** Task queue, and node of the pool when there is one. */
  readonly labels: Readonly<Record<string, string>>;
  readonly running: () => number;
  /** How long the activity that runs longest has run, ms. */
  readonly longestMs: () => number;
  readonly slots: number;
}

export function scoringTotals({ labels, running, longestMs, slots }: ScoringNow): ScoringTotals {
  // Begins with 0 each: a counter that is born with its first value has no increase.
  const sensors = new Map(SCORING_LABELS.map((one) => [`${one.outcome} ${one.class}`, { ...one, count: 0 }]));
  let chunks = 0;
  let seconds = 0;
  let windows = 0;
  let anomalies = 0;
  let predictions = 0;
  const own = (name: string, type: Metric['type'], unit: string, help: string, value: number): Metric => ({
    name: `fleetscore_scoring_${name}`,
    type,
    unit,
    help,
    samples: [{ labels, value }],
  });
  return {
    record({ outcomes, rows, ms }) {
      chunks += 1;
      seconds += ms / 1000;
      predictions += rows;
      for (const outcome of outcomes) {
        windows += outcome.windows;
        anomalies += outcome.anomalies;
        const key = `${outcome.status} ${outcome.class ?? ''}`;
        const entry = sensors.get(key) ?? { outcome: outcome.status, class: outcome.class ?? '', count: 0 };
        entry.count += 1;
        sensors.set(key, entry);
      }
    },
    metrics: () => [
      {
        name: 'fleetscore_scoring_sensors_total',
        type: 'counter',
        unit: '{sensor}',
        help: 'Sensors that this worker decided, by outcome and class of failure; its rate is sensors a second.',
        samples: [...sensors.values()].map((entry) => ({
          labels: { ...labels, outcome: entry.outcome, class: entry.class },
          value: entry.count,
        })),
      },
      own('chunks_total', 'counter', '{chunk}', 'Chunks that this worker recorded.', chunks),
      own('chunk_seconds_total', 'counter', 's', 'Time of these chunks, reading and writing included.', seconds),
      own('windows_total', 'counter', '{window}', 'Windows read for these sensors.', windows),
      own('predictions_total', 'counter', '{prediction}', 'Predictions written.', predictions),
      own(
        'anomalies_total',
        'counter',
        '{prediction}',
        'Predictions that say anomaly; with the predictions, the rate of anomalies.',
        anomalies,
      ),
      own('chunks_running', 'gauge', '{chunk}', 'Chunks under way.', running()),
      own(
        'oldest_chunk_seconds',
        'gauge',
        's',
        'How long the chunk that is under way longest has been; past the limit of an attempt the worker ends.',
        longestMs() / 1_000,
      ),
      own('chunk_slots', 'gauge', '{chunk}', 'Most chunks at once.', slots),
      ...processMetrics('scoring'),
    ],
  };
}
