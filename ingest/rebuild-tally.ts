/**
 * What a rebuild tells at its end: what it read, and what it could not take, with the first event of every reason.
 * Whether ingest has a dead letter of that event is looked up, so that people are sent to letters that are there.
 */
import { CONTAINERS } from '../domain/blob-names.ts';
import type { Period } from '../domain/time.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { deadLetterName } from './dead-letters.ts';
import type { IngestEvent } from './event.ts';
import { countOf, type Findings, type PoisonReason } from './parse/problems.ts';

export interface RebuildCounts {
  /** Files that were read. */
  readonly files: number;
  readonly events: number;
  /** Readings of the period that were merged. */
  readonly readings: number;
  /** Readings and events that could not be taken, of events that came in the period or later. */
  readonly dead: number;
  /** Of these, how many came in the period, or up to the clock skew around it: the others may be of any time. */
  readonly deadInPeriod: number;
  /** Files that could not be read: their events are not in this rebuild. */
  readonly filesUnreadable: number;
}

export interface RebuildResult extends RebuildCounts {
  /** Why, with the first one of each reason. */
  readonly reasons: readonly DeadReason[];
  /** The first of the files that could not be read. */
  readonly unreadable: readonly UnreadableFile[];
  /** Files of Avro in the same place whose names have another format: they were not read. */
  readonly otherNames: number;
  /** The first of them. */
  readonly otherName?: string;
}

export interface DeadReason {
  readonly reason: PoisonReason;
  readonly count: number;
  readonly message: string;
  /** The event of that message. */
  readonly partition: string;
  readonly seq: number;
  /** Whether ingest has a dead letter of that event. */
  readonly letter: boolean;
}

export interface UnreadableFile {
  readonly name: string;
  readonly message: string;
}

export interface RebuildTally {
  readonly counts: Omit<RebuildCounts, 'readings'>;
  file(events: number): void;
  unreadable(file: UnreadableFile): void;
  dead(partition: string, event: IngestEvent, found: Findings): void;
  result(): Promise<Omit<RebuildResult, 'readings' | 'otherNames' | 'otherName'>>;
}

/** Files named; all are counted. */
const MOST_FILES = 100;

interface First {
  readonly message: string;
  readonly partition: string;
  readonly event: Pick<IngestEvent, 'seq' | 'enqueuedMs'>;
  count: number;
}

export function createRebuildTally(options: {
  readonly blobs: BlobStore;
  /** `{namespace}/{hub}` */
  readonly folder: string;
  readonly period: Period;
  readonly clockSkewMs: number;
}): RebuildTally {
  const { blobs, folder, period, clockSkewMs } = options;
  const counts = { files: 0, events: 0, dead: 0, deadInPeriod: 0, filesUnreadable: 0 };
  const files: UnreadableFile[] = [];
  const firsts = new Map<PoisonReason, First>();

  const reasonOf = async ([reason, first]: [PoisonReason, First]): Promise<DeadReason> => {
    const { message, partition, event, count } = first;
    const name = deadLetterName(folder, partition, event);
    return {
      reason,
      count,
      message,
      partition,
      seq: event.seq,
      letter: await blobs.exists(CONTAINERS.deadletters, name),
    };
  };
  return {
    counts,
    file(events) {
      counts.files++;
      counts.events += events;
    },
    unreadable(file) {
      counts.filesUnreadable++;
      if (files.length < MOST_FILES) files.push(file);
    },
    dead(partition, event, found) {
      // Nothing that came before the period is of it.
      if (event.enqueuedMs < period.fromMs - clockSkewMs) return;
      const dead = countOf(found);
      counts.dead += dead;
      if (event.enqueuedMs < period.toMs + clockSkewMs) counts.deadInPeriod += dead;
      for (const [reason, count] of Object.entries(found.reasons) as [PoisonReason, number][]) {
        const first = firsts.get(reason);
        if (first) first.count += count;
        else {
          const message = found.problems.find((problem) => problem.reason === reason)?.message ?? '';
          firsts.set(reason, { message, partition, event: { seq: event.seq, enqueuedMs: event.enqueuedMs }, count });
        }
      }
    },
    async result() {
      const reasons = await Promise.all([...firsts].map(reasonOf));
      return { ...counts, reasons: reasons.sort((a, b) => b.count - a.count), unreadable: files };
    },
  };
}
