/**
 * What ingest writes: windows and the progress of a partition move together or not at all.
 * Rules of all contracts: store.ts.
 */
import type { SendTally } from '../../domain/send-tally.ts';
import type { WindowUpdate } from '../../domain/window.ts';

/** What is known of one Event Hubs partition. Sequence numbers start at 0; -1 means none yet. */
export interface PartitionProgress {
  /** `{fully qualified namespace}/{hub}/{consumer group}` */
  readonly source: string;
  readonly partition: string;
  /** Events up to here (inclusive) are in the windows. */
  readonly appliedSeq: number;
  /** Events up to here (inclusive) are in raw capture. */
  readonly capturedSeq: number;
  /** No reading older than this is expected any more; epoch ms, -1 before the first event. */
  readonly watermarkMs: number;
  readonly readings: number;
  readonly late: number;
  readonly dead: number;
  readonly updatedAtMs: number;
  /** When the hub that was read was created, epoch ms; absent where an earlier version wrote the progress. */
  readonly hubCreatedMs?: number;
  /** The event at `appliedSeq`; absent where it is not known. */
  readonly last?: AppliedEvent;
  /** Why nothing of the partition is read, until somebody decides. */
  readonly problem?: string;
}

/** Tells the event of a sequence number from another hub's of the same number. */
export interface AppliedEvent {
  /** As the service gave it; nothing but its beginning may be read (see ingest/hub-identity.ts). */
  readonly offset: string;
  /** Epoch ms. */
  readonly enqueuedMs: number;
}

/** Events (after `expectedSeq`, up to `throughSeq`) of one partition, as window updates. */
export interface IngestCommit {
  readonly source: string;
  readonly partition: string;
  readonly expectedSeq: number;
  readonly throughSeq: number;
  /** The event at `throughSeq`. */
  readonly last?: AppliedEvent;
  readonly watermarkMs: number;
  readonly updates: readonly WindowUpdate[];
  /** Added to the partition's counters. */
  readonly readings: number;
  readonly late: number;
  readonly dead: number;
  /** What became of the readings of sends that wait for an answer; `from` of the updates counts in this list. */
  readonly sends?: readonly SendOutcome[];
}

/** Part of a {@link SendTally}, without duplicates: the store finds those. */
export interface SendOutcome {
  readonly id: string;
  readonly tally: SendTally;
}

export interface IngestStore {
  /**
   * Merges readings into windows and moves the partition's progress, together or not at all.
   * @throws FleetscoreError `PROGRESS_CONFLICT` when the stored appliedSeq is not `expectedSeq`:
   * another worker owns the partition now; nothing was written.
   */
  commitReadings(commit: IngestCommit): Promise<void>;
  /** Has commits count what becomes of the readings of a send. */
  openSend(id: string): Promise<void>;
  /** What was counted until now; undefined for a send that is not open. */
  readSend(id: string): Promise<SendTally | undefined>;
  /** Forgets a send, and those that nobody has closed within a day. */
  closeSend(id: string): Promise<void>;
  /** Raw capture holds everything up to `capturedSeq`. Never moves backwards. */
  commitCapture(source: string, partition: string, capturedSeq: number): Promise<void>;
  /** Raw capture holds no more than up to `capturedSeq`: its later files are lost. */
  rewindCapture(source: string, partition: string, capturedSeq: number): Promise<void>;
  listProgress(source?: string): Promise<PartitionProgress[]>;
  /** Notes which hub a partition is read of, and why it is not read; undefined: it is. */
  noteHub(source: string, partition: string, hubCreatedMs: number, problem: string | undefined): Promise<void>;
  /**
   * Progress of a partition begins anew, with another hub: nothing of it is applied or captured yet. Its counters go
   * on.
   * @returns false when the stored appliedSeq is not `expectedSeq`: somebody else went on, and nothing was written
   */
  beginHub(source: string, partition: string, expectedSeq: number, hubCreatedMs: number): Promise<boolean>;
}
