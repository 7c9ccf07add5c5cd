/**
 * One partition, from events to windows and raw capture. Events are applied in order, one batch at a time, and no
 * event stops those behind it: what is wrong with one ends in its dead letter (see apply-events.ts). Events go into raw
 * capture after they are in the windows.
 */
import { windowsPerReading } from '../domain/windowing.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';
import type { Taken } from './admit.ts';
import { createApplier, type Applier } from './apply-events.ts';
import { createCaptureFlow, type Position } from './capture-flow.ts';
import { inOrder } from './delivery.ts';
import type { IngestEvent } from './event.ts';
import { loadProgress, type Retry } from './exactly-once.ts';
import type { ReadingFilter } from './filter.ts';
import { createInTurn } from './in-turn.ts';
import type { IngestLog } from './log.ts';
import { deadIn, type EventParser } from './parse-event.ts';
import { untilDone } from './retry.ts';
import type { SensorIds } from './sensor-ids.ts';
import type { IngestSettings } from './settings.ts';
import type { Totals } from './stats.ts';
import { createLetterWriter } from './write-letters.ts';

export interface PipelineDeps {
  readonly source: string;
  /** `{namespace}/{hub}`, where raw capture and dead letters lie. */
  readonly folder: string;
  readonly partition: string;
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly settings: IngestSettings;
  readonly parse: EventParser;
  readonly filter: ReadingFilter | undefined;
  readonly sensors: SensorIds;
  readonly totals: Totals;
  readonly log: IngestLog;
  /** Ends retries. */
  readonly giveUp: AbortSignal;
  /** Remembers where reading may start. Trouble is only logged: it costs reading events again, nothing else. */
  readonly checkpoint: (at: Position) => Promise<void>;
  /** True where numbers may leap without an event having been lost. */
  readonly numbersLeap?: boolean;
}

export interface Pipeline {
  /** Resolves when the events are in the windows: this is what holds the sender of events back. */
  process(events: readonly IngestEvent[]): Promise<void>;
  /** Closes a capture file that has waited long enough. */
  tick(nowMs: number): Promise<void>;
  /** Ends after what is under way. `flush`: raw capture and checkpoint are brought up to date. */
  close(flush: boolean): Promise<void>;
  readonly appliedSeq: number;
  readonly captureWaiting: number;
}

/**
 * A late reading goes to a page of its own, far back: in a store of half a year it took 15 times as long as one on time
 * (bench/RESULTS.md). A commit is synchronous, so mostly late ones are split, or nothing else would run for seconds.
 */
const LATE_COST = 15;

/** @throws FleetscoreError `INGEST_STOPPED` */
export async function openPipeline(deps: PipelineDeps): Promise<Pipeline> {
  const { partition, totals, log } = deps;
  const retry: Retry = (what, work, options) =>
    untilDone(work, {
      what: `${what} of partition ${partition}`,
      log,
      signal: deps.giveUp,
      longestPauseMs: deps.settings.longestPauseMs,
      onRetry: () => void totals.retries++,
      ...options,
    });
  const letters = createLetterWriter({ ...deps, retry, onLost: () => void totals.lettersLost++ });
  const start = await loadProgress({ ...deps, retry });
  const applier = createApplier({ ...deps, letters, retry }, start);
  const capture = createCaptureFlow({ ...deps, retry }, start.capturedSeq);
  const noteGap = deps.numbersLeap ? () => {} : gapDetector(deps, start.appliedSeq, applier);
  const nextBatch = batchTaker(deps, applier, noteGap);

  const take = async (events: readonly IngestEvent[]): Promise<void> => {
    for (let i = 0; i < events.length;) {
      const { batch, end } = nextBatch(events, i);
      const last = batch.at(-1)?.event;
      if (last) {
        await applier.apply(batch);
        capture.applied({ seq: last.seq, offset: last.offset });
      }
      await capture.take(events.slice(i, end));
      i = end;
    }
  };

  const delivery = { partition, log, onTwice: () => void totals.redelivered++ };
  const inTurn = createInTurn();
  let closed = false;
  return {
    process: (events) => inTurn(async () => (closed ? undefined : take(inOrder(events, delivery)))),
    tick: (nowMs) => inTurn(async () => (closed ? undefined : capture.tick(nowMs))),
    close: (flushing) =>
      inTurn(async () => {
        if (closed) return;
        closed = true;
        if (flushing) await capture.flush();
      }),
    get appliedSeq() {
      return applier.appliedSeq;
    },
    get captureWaiting() {
      return capture.waiting;
    },
  };
}

type BatchTaker = (events: readonly IngestEvent[], from: number) => { batch: readonly Taken[]; end: number };

/** The events of the next commit, parsed: as many as `maxCommitReadings` allows, without those that are applied. */
function batchTaker(
  { settings, totals, parse }: PipelineDeps,
  applier: Applier,
  noteGap: (event: IngestEvent) => void,
): BatchTaker {
  const copies = windowsPerReading(settings);
  return (events, from) => {
    const batch: Taken[] = [];
    let i = from;
    for (let readings = 0; i < events.length && readings < settings.maxCommitReadings; i++) {
      const event = events[i]!;
      if (event.seq <= applier.appliedSeq) {
        totals.redelivered++;
        continue;
      }
      noteGap(event);
      const parsed = parse(event);
      readings += commitCost(parsed.readings, applier.watermarkMs) * copies + deadIn(parsed);
      batch.push({ event, parsed });
    }
    return { batch, end: i };
  };
}

/** Counts and reports places where the numbers of events leap. */
function gapDetector(
  { partition, totals, log }: PipelineDeps,
  startSeq: number,
  applier: Applier,
): (event: IngestEvent) => void {
  let seenSeq = startSeq;
  return (event) => {
    const doneSeq = Math.max(seenSeq, applier.appliedSeq);
    if (seenSeq < 0 && event.seq > 0)
      log.info(
        { partition, firstSeq: event.seq },
        'events before the first one had expired when the partition was first read',
      );
    if (seenSeq >= 0 && event.seq > doneSeq + 1) {
      totals.gaps++;
      log.error(
        { partition, afterSeq: doneSeq, nextSeq: event.seq },
        'events are missing: the event hub deleted them (retention) before they were read. ' +
          'Read more often, or raise the retention of the event hub',
      );
    }
    seenSeq = Math.max(seenSeq, event.seq);
  };
}

/** What readings cost in a commit, in readings on time. */
function commitCost(readings: readonly { readonly tsMs: number }[], watermarkMs: number): number {
  let late = 0;
  for (const { tsMs } of readings) if (tsMs < watermarkMs) late += 1;
  return readings.length + late * (LATE_COST - 1);
}
