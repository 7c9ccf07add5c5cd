/**
 * One partition, from events to windows and raw capture. Events are applied in order, one batch at a time, and no
 * event stops those behind it: what is wrong with one ends in its dead letter (see apply-events.ts).
 */
import { windowsPerReading } from '../domain/windowing.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';
import type { Taken } from './admit.ts';
import { createApplier, loadProgress, type Retry } from './apply-events.ts';
import { createCaptureBuffer, type CaptureBuffer } from './capture.ts';
import type { IngestEvent } from './event.ts';
import type { ReadingFilter } from './filter.ts';
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
}

export interface Position {
  readonly seq: number;
  readonly offset: string;
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
  const { source, partition, store, blobs, settings, totals, log } = deps;
  const retry: Retry = (what, work, options) =>
    untilDone(work, {
      what: `${what} of partition ${partition}`,
      log,
      signal: deps.giveUp,
      onRetry: () => void totals.retries++,
      ...options,
    });
  const letters = createLetterWriter({ ...deps, retry, onLost: () => void totals.lettersLost++ });
  const start = await loadProgress({ source, partition, store, retry });
  const applier = createApplier({ ...deps, letters, retry }, start);
  let seenSeq = start.appliedSeq;
  let applied: Position | undefined;
  let captured: Position | undefined;
  let checkpointSeq = -1;
  const capture: CaptureBuffer | undefined = settings.capture
    ? createCaptureBuffer(
        {
          blobs,
          folder: `${deps.folder}/${partition}`,
          settings: { intervalMs: settings.captureIntervalMs, maxBytes: settings.captureBytes },
        },
        start.capturedSeq,
      )
    : undefined;

  const checkpoint = async (): Promise<void> => {
    // The one that is further behind: reading must start where both find what they miss.
    const at = capture ? (applied && captured && applied.seq < captured.seq ? applied : captured) : applied;
    if (!at || at.seq <= checkpointSeq) return;
    await deps.checkpoint(at);
    checkpointSeq = at.seq;
  };

  const flush = async (until: (buffer: CaptureBuffer) => boolean): Promise<void> => {
    if (!capture) return checkpoint();
    while (until(capture)) {
      const file = await retry('raw capture', () => capture.flush());
      if (!file) break;
      await retry('progress of raw capture', () => store.commitCapture(source, partition, file.lastSeq));
      captured = file.lastOffset === undefined ? captured : { seq: file.lastSeq, offset: file.lastOffset };
      // Also one that was there: written by a call whose answer was lost, and recorded only now.
      totals.captureFiles += 1;
      totals.capturedEvents += file.events;
      log.debug(
        { partition, ...file },
        file.written ? 'raw capture file written' : 'raw capture file was there already',
      );
    }
    await checkpoint();
  };

  const noteGap = (event: IngestEvent): void => {
    const doneSeq = Math.max(seenSeq, applier.appliedSeq);
    if (seenSeq >= 0 && event.seq > doneSeq + 1) {
      totals.gaps++;
      log.error(
        { partition, afterSeq: doneSeq, nextSeq: event.seq },
        'events are missing: the event hub deleted them (retention) before they were read. Read more often, or raise the retention of the event hub',
      );
    }
    seenSeq = Math.max(seenSeq, event.seq);
  };

  const copies = windowsPerReading(settings);
  const take = async (events: readonly IngestEvent[]): Promise<void> => {
    for (let i = 0; i < events.length;) {
      const batch: Taken[] = [];
      const from = i;
      for (let readings = 0; i < events.length && readings < settings.maxCommitReadings; i++) {
        const event = events[i]!;
        if (event.seq <= applier.appliedSeq) {
          totals.redelivered++;
          continue;
        }
        noteGap(event);
        const parsed = deps.parse(event);
        readings += commitCost(parsed.readings, applier.watermarkMs) * copies + deadIn(parsed);
        batch.push({ event, parsed });
      }
      const last = batch.at(-1)?.event;
      if (last) {
        await applier.apply(batch);
        applied = { seq: last.seq, offset: last.offset };
      }
      if (!capture) continue;
      for (let k = from; k < i; k++) {
        capture.add(events[k]!);
        if (capture.bytes >= settings.captureBytes) await flush((buffer) => buffer.bytes >= settings.captureBytes);
      }
    }
  };

  // One thing at a time: events, ticks and the end queue up behind each other.
  let queue: Promise<unknown> = Promise.resolve();
  let closed = false;
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = queue.then(work);
    queue = turn.catch(() => {});
    return turn;
  };

  let checkpointedAtMs = 0;
  return {
    process: (events) => inTurn(async () => (closed ? undefined : take(events))),
    tick: (nowMs) =>
      inTurn(async () => {
        if (closed) return;
        if (capture?.due(nowMs)) await flush((buffer) => buffer.due(nowMs));
        else if (!capture && nowMs - checkpointedAtMs >= settings.captureIntervalMs) {
          checkpointedAtMs = nowMs;
          await checkpoint();
        }
      }),
    close: (flushing) =>
      inTurn(async () => {
        if (closed) return;
        closed = true;
        if (flushing) await flush((buffer) => buffer.events > 0);
      }),
    get appliedSeq() {
      return applier.appliedSeq;
    },
    get captureWaiting() {
      return capture?.events ?? 0;
    },
  };
}

/** What readings cost in a commit, in readings on time. */
export function commitCost(readings: readonly { readonly tsMs: number }[], watermarkMs: number): number {
  let late = 0;
  for (const { tsMs } of readings) if (tsMs < watermarkMs) late += 1;
  return readings.length + late * (LATE_COST - 1);
}
