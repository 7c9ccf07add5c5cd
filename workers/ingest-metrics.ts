/**
 * What an ingest worker tells about itself: to Prometheus at every scrape, and to the log. Told of a partition is
 * what is stored of it, so counters go on over restarts and moves; only its owner tells it, so sums are right.
 */
import { messageOf } from '../domain/errors.ts';
import { isoTime } from '../domain/time.ts';
import type { IngestWorker } from '../ingest/ingest-worker.ts';
import type { IngestStats } from '../ingest/stats.ts';
import type { Store } from '../storage/store.ts';
import type { Logger } from '../logging/log.ts';
import { processMetrics } from '../telemetry/metrics.ts';
import type { Metric, Sample } from '../telemetry/metric.ts';
import { partitionStates, readingsPerSecond, type PartitionState } from '../connect/partition-states.ts';
import type { HubReader } from '../connect/partitions.ts';
import { defined } from '../domain/defined.ts';

export interface IngestLook {
  readonly atMs: number;
  /** The partitions of this worker; empty when the store did not answer. */
  readonly partitions: readonly PartitionState[];
  readonly storeAnswers: boolean;
  readonly eventHubsAnswers: boolean;
  readonly problem?: string;
}

/** Looks at the partitions that the worker owns. Never fails. */
export async function lookAtIngest(
  worker: Pick<IngestWorker, 'stats'>,
  store: Store,
  hub: HubReader,
): Promise<IngestLook> {
  const { partitions } = worker.stats();
  const [progress, ends] = await Promise.allSettled([
    store.listProgress(hub.source),
    // One that holds none asks for all: whether the hub answers is not known otherwise.
    hub.ends(partitions.length === 0 ? undefined : partitions),
  ]);
  const failed = [progress, ends].find((result) => result.status === 'rejected');
  return {
    atMs: Date.now(),
    partitions:
      progress.status === 'rejected'
        ? []
        : partitionStates(
            progress.value.filter((p) => partitions.includes(p.partition)),
            hub.source,
            ends.status === 'fulfilled' ? ends.value : [],
          ),
    storeAnswers: progress.status === 'fulfilled',
    eventHubsAnswers: ends.status === 'fulfilled',
    ...(failed ? { problem: messageOf(failed.reason) } : {}),
  };
}

type Labels = Readonly<Record<string, string>>;

/** @param labels of every sample of a partition */
export function ingestMetrics(stats: IngestStats, look: IngestLook, labels: Labels): Metric[] {
  return [
    ...partitionMetrics(look, labels),
    ...ownMetrics(stats, labels),
    {
      name: 'fleetscore_ingest_source_up',
      type: 'gauge',
      help: 'Whether the store and Event Hubs answered this scrape.',
      samples: [
        { labels: { source: 'store' }, value: Number(look.storeAnswers) },
        { labels: { source: 'event_hubs' }, value: Number(look.eventHubsAnswers) },
      ],
    },
    ...processMetrics('ingest'),
  ];
}

/** What is stored of each partition. */
function partitionMetrics(look: IngestLook, labels: Labels): Metric[] {
  const perPartition = (
    name: string,
    type: Metric['type'],
    help: string,
    value: (state: PartitionState) => number | undefined,
  ): Metric => ({
    name: `fleetscore_ingest_${name}`,
    type,
    help,
    stored: type === 'counter',
    samples: look.partitions.flatMap((state): Sample[] => {
      const found = value(state);
      return found === undefined ? [] : [{ labels: { ...labels, partition: state.partition }, value: found }];
    }),
  });
  const afterFirst = (ms: number, value: number): number | undefined => (ms < 0 ? undefined : value);
  return [
    perPartition('lag_events', 'gauge', 'Events in Event Hubs that are not in the windows yet.', (s) => s.lagEvents),
    perPartition(
      'watermark_age_seconds',
      'gauge',
      'Time since the watermark: no reading older than it is expected any more.',
      (s) => afterFirst(s.watermarkMs, (look.atMs - s.watermarkMs) / 1000),
    ),
    perPartition('watermark_timestamp_seconds', 'gauge', 'The watermark, Unix time.', (s) =>
      afterFirst(s.watermarkMs, s.watermarkMs / 1000),
    ),
    perPartition('applied_sequence_number', 'gauge', 'Newest event in the windows.', (s) => s.appliedSeq),
    perPartition(
      'captured_sequence_number',
      'gauge',
      'Newest event in raw capture; -1 when this worker writes none.',
      (s) => s.capturedSeq,
    ),
    perPartition(
      'readings_total',
      'counter',
      'Readings put into windows; its rate is the rate of ingestion.',
      (s) => s.readings,
    ),
    perPartition(
      'late_readings_total',
      'counter',
      'Readings that came after the watermark had passed their window.',
      (s) => s.late,
    ),
    perPartition(
      'dead_readings_total',
      'counter',
      'Readings and whole events that could not be taken: see dead letters.',
      (s) => s.dead,
    ),
  ];
}

/** What this worker counted since its start. */
function ownMetrics(stats: IngestStats, labels: Labels): Metric[] {
  const own = (name: string, type: Metric['type'], help: string, value: number): Metric => ({
    name: `fleetscore_ingest_${name}`,
    type,
    help,
    samples: [{ labels, value }],
  });
  return [
    own('partitions', 'gauge', 'Partitions that this worker reads.', stats.partitions.length),
    own(
      'too_late_readings_total',
      'counter',
      'Late readings beyond the late limit, in raw capture only, since the start.',
      stats.tooLate,
    ),
    own('filtered_readings_total', 'counter', 'Readings that the filter left out, since the start.', stats.filtered),
    own(
      'redelivered_events_total',
      'counter',
      'Events that came again and changed nothing, since the start.',
      stats.redelivered,
    ),
    own('gaps_total', 'counter', 'Places where events had expired before they were read, since the start.', stats.gaps),
    own(
      'retries_total',
      'counter',
      'Attempts at the store or at Blob storage that failed and were made again, since the start.',
      stats.retries,
    ),
    own('capture_waiting_events', 'gauge', 'Events that wait for their raw capture file.', stats.captureWaiting),
  ];
}

/** A function for the worker's `onStats`: a line of the log with its totals and every partition of it. */
export function logIngest(log: Logger, look: () => Promise<IngestLook>): (stats: IngestStats) => void {
  let before: IngestLook | undefined;
  let looking = false;
  return (stats) => {
    // An answer that takes longer than the interval must not pile up questions.
    if (looking) return log.info({ stats }, 'ingest');
    looking = true;
    void look().then((now) => {
      looking = false;
      const last = before;
      if (now.storeAnswers) before = now;
      log.info(
        {
          stats,
          partitions: now.partitions.map((state) => summary(state, now.atMs, last)),
          ...defined({ problem: now.problem }),
        },
        'ingest',
      );
    });
  };
}

function summary(state: PartitionState, nowMs: number, before: IngestLook | undefined): object {
  const rate = before && readingsPerSecond(before.partitions, state, nowMs - before.atMs);
  return {
    partition: state.partition,
    lagEvents: state.lagEvents,
    ...(state.watermarkMs < 0
      ? {}
      : { watermark: isoTime(state.watermarkMs), watermarkAgeSeconds: Math.round((nowMs - state.watermarkMs) / 1000) }),
    ...(rate === undefined ? {} : { readingsPerSecond: Math.round(rate * 10) / 10 }),
    readings: state.readings,
    late: state.late,
    dead: state.dead,
  };
}
