/**
 * Where ingestion of each partition stands: the progress in the store beside the end of the partition in Event
 * Hubs. Either may not answer; the other is told all the same. For the metrics, the log, `status` and `ingest status`.
 */
import { waitingIn } from '../ingest/hub-identity.ts';
import type { PartitionProgress } from '../storage/store.ts';

/** What Event Hubs holds of a partition. */
export interface HubEnd {
  readonly partition: string;
  /** No event is there (any more). */
  readonly empty: boolean;
  /** Oldest and newest event; -1 before the first one. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** When the newest event came, epoch ms. */
  readonly lastEnqueuedMs?: number;
}

export interface PartitionState {
  readonly source: string;
  readonly partition: string;
  /** -1: none yet. */
  readonly appliedSeq: number;
  readonly capturedSeq: number;
  /** Absent when Event Hubs did not tell. */
  readonly lastSeq?: number;
  /** Events in Event Hubs that are not in the windows yet; absent when Event Hubs did not tell. */
  readonly lagEvents?: number;
  /** Epoch ms; -1 before the first event. */
  readonly watermarkMs: number;
  readonly readings: number;
  readonly late: number;
  readonly dead: number;
  /** Epoch ms; absent when nothing was ever applied. */
  readonly updatedAtMs?: number;
  /** Why it is not read: it is not the partition that was read before. */
  readonly problem?: string;
}

/** Partitions known to the store or to Event Hubs, by source and number. `ends` belong to `source`. */
export function partitionStates(
  progress: readonly PartitionProgress[],
  source: string | undefined,
  ends: readonly HubEnd[] = [],
): PartitionState[] {
  const endOf = new Map(ends.map((end) => [end.partition, end]));
  const known = new Set(progress.filter((p) => p.source === source).map((p) => p.partition));
  const untouched =
    source === undefined
      ? []
      : ends
          .filter((end) => !known.has(end.partition))
          .map(({ partition }) => ({
            source,
            partition,
            appliedSeq: -1,
            capturedSeq: -1,
            watermarkMs: -1,
            readings: 0,
            late: 0,
            dead: 0,
          }));
  return [...progress, ...untouched]
    .map((p) => {
      const end = p.source === source ? endOf.get(p.partition) : undefined;
      return end === undefined
        ? p
        : { ...p, lastSeq: end.lastSeq, lagEvents: 'problem' in p ? waitingIn(end) : lagOf(p.appliedSeq, end) };
    })
    .sort(
      (a, b) => a.source.localeCompare(b.source) || a.partition.localeCompare(b.partition, 'en', { numeric: true }),
    );
}

/** What expired before it was read is a gap, not a lag: nobody can read it any more. */
function lagOf(appliedSeq: number, { empty, firstSeq, lastSeq }: HubEnd): number {
  return empty ? 0 : Math.max(0, lastSeq - Math.max(appliedSeq, firstSeq - 1));
}

/** Readings a second between two looks at a partition; undefined when the first one did not see it. */
export function readingsPerSecond(
  before: readonly PartitionState[],
  after: PartitionState,
  ms: number,
): number | undefined {
  const earlier = before.find((state) => state.source === after.source && state.partition === after.partition);
  return earlier === undefined || !(ms > 0) ? undefined : Math.max(0, after.readings - earlier.readings) / (ms / 1000);
}
