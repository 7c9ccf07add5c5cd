/**
 * One partition, from events to windows and raw capture. Exactly once: the store moves the windows and
 * `appliedSeq` together, and refuses when `appliedSeq` is not where this pipeline believes it to be; then what
 * is stored counts and events that are in it are dropped. Events are applied in order, one batch at a time.
 */
import { FleetscoreError } from '../domain/errors.ts';
import type { SensorKey } from '../domain/sensor.ts';
import { windowsPerReading } from '../domain/windowing.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';
import { createCaptureBuffer, type CaptureBuffer } from './capture.ts';
import { putDeadLetter } from './dead-letters.ts';
import type { IngestEvent } from './event.ts';
import type { ReadingFilter } from './filter.ts';
import type { IngestLog } from './log.ts';
import type { EventParser, ParsedEvent, ParsedReading } from './parse-event.ts';
import { untilDone } from './retry.ts';
import type { SensorIds } from './sensor-ids.ts';
import type { IngestSettings } from './settings.ts';
import type { Totals } from './stats.ts';
import { buildWindows } from './windows.ts';

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

interface Taken {
  readonly event: IngestEvent;
  readonly parsed: ParsedEvent;
}

const DEAD_LETTERS_AT_ONCE = 16;
/**
 * A late reading goes to a page of its own, far back: in a store of half a year it took 15 times as long as one on time
 * (bench/RESULTS.md). A commit is synchronous, so mostly late ones are split, or nothing else would run for seconds.
 */
const LATE_COST = 15;

/** @throws FleetscoreError `INGEST_STOPPED` */
export async function openPipeline(deps: PipelineDeps): Promise<Pipeline> {
  const { source, partition, store, blobs, settings, totals, log, sensors } = deps;
  const retry = <T>(what: string, work: () => Promise<T>, answers?: readonly string[]): Promise<T> =>
    untilDone(work, {
      what: `${what} of partition ${partition}`,
      log,
      signal: deps.giveUp,
      onRetry: () => void totals.retries++,
      ...(answers ? { answers } : undefined),
    });
  const load = async (): Promise<{ appliedSeq: number; capturedSeq: number; watermarkMs: number }> => {
    const found = (await retry('progress', () => store.listProgress(source))).find((p) => p.partition === partition);
    return found ?? { appliedSeq: -1, capturedSeq: -1, watermarkMs: -1 };
  };

  const start = await load();
  let { appliedSeq, watermarkMs } = start;
  let seenSeq = appliedSeq;
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

  const putDeadLetters = async (batch: readonly Taken[]): Promise<void> => {
    const bad = batch.filter(({ parsed }) => parsed.problems.length > 0);
    for (let i = 0; i < bad.length; i += DEAD_LETTERS_AT_ONCE)
      await Promise.all(
        bad
          .slice(i, i + DEAD_LETTERS_AT_ONCE)
          .map(({ event, parsed }) =>
            retry('dead letter', () => putDeadLetter(blobs, deps.folder, partition, event, parsed.problems)),
          ),
      );
    if (bad.length > 0)
      log.warn(
        { partition, events: bad.length, firstSeq: bad[0]!.event.seq, reason: bad[0]!.parsed.problems[0]!.reason },
        'events with readings that cannot be taken, see dead letters',
      );
  };

  const commit = async (batch: readonly Taken[]): Promise<void> => {
    for (;;) {
      const rest = batch.filter(({ event }) => event.seq > appliedSeq);
      totals.redelivered += batch.length - rest.length;
      const lastTaken = rest.at(-1);
      if (!lastTaken) return;
      const { kept, dropped } = filterReadings(rest, deps.filter);
      const unknown: SensorKey[] = kept.flatMap(({ readings }) =>
        readings.filter(({ device, sensor }) => sensors.find(device, sensor) === undefined),
      );
      if (unknown.length > 0) await retry('registration of sensors', () => sensors.register(unknown));
      const windows = buildWindows(settings, watermarkMs);
      for (const { arrivedMs, readings } of kept)
        for (const { device, sensor, tsMs, value } of readings)
          windows.add({ sensorId: sensors.find(device, sensor)!, tsMs, value, arrivedMs });
      const built = windows.result;
      const dead = rest.reduce((sum, { parsed }) => sum + parsed.problems.length, 0);
      const throughSeq = lastTaken.event.seq;
      try {
        await retry(
          'commit',
          () =>
            store.commitReadings({
              source,
              partition,
              expectedSeq: appliedSeq,
              throughSeq,
              watermarkMs: built.watermarkMs,
              updates: built.updates,
              readings: built.readings,
              late: built.late,
              dead,
            }),
          ['PROGRESS_CONFLICT'],
        );
      } catch (error) {
        if (!(error instanceof FleetscoreError) || error.code !== 'PROGRESS_CONFLICT') throw error;
        totals.conflicts++;
        const stored = await load();
        // Also the answer to a commit that did happen but whose confirmation was lost.
        log.info(
          { partition, expectedSeq: appliedSeq, storedSeq: stored.appliedSeq },
          'progress was moved by another worker or an unconfirmed commit',
        );
        if (stored.appliedSeq < appliedSeq)
          throw new FleetscoreError(
            'PROGRESS_WENT_BACK',
            `the store says that partition ${partition} of ${source} is applied up to ${stored.appliedSeq}, but this worker had applied it up to ${appliedSeq}: the store was replaced or restored. Start the worker again; it reads the missing events again.`,
          );
        ({ appliedSeq, watermarkMs } = stored);
        continue;
      }
      appliedSeq = throughSeq;
      watermarkMs = built.watermarkMs;
      applied = { seq: throughSeq, offset: lastTaken.event.offset };
      totals.commits++;
      totals.events += rest.length;
      totals.readings += built.readings;
      totals.late += built.late;
      totals.tooLate += built.tooLate;
      totals.filtered += dropped;
      totals.dead += dead;
      totals.lastEnqueuedMs = Math.max(totals.lastEnqueuedMs, lastTaken.event.enqueuedMs);
      return;
    }
  };

  const noteGap = (event: IngestEvent): void => {
    if (seenSeq >= 0 && event.seq > Math.max(seenSeq, appliedSeq) + 1) {
      totals.gaps++;
      log.error(
        { partition, afterSeq: Math.max(seenSeq, appliedSeq), nextSeq: event.seq },
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
        if (event.seq <= appliedSeq) {
          totals.redelivered++;
          continue;
        }
        noteGap(event);
        const parsed = deps.parse(event);
        readings += commitCost(parsed.readings, watermarkMs) * copies + parsed.problems.length;
        batch.push({ event, parsed });
      }
      if (batch.length > 0) {
        await putDeadLetters(batch);
        await commit(batch);
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
      return appliedSeq;
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

interface Kept {
  readonly arrivedMs: number;
  readonly readings: readonly ParsedReading[];
}

/** What passes the filter, by event. */
function filterReadings(batch: readonly Taken[], filter: ReadingFilter | undefined): { kept: Kept[]; dropped: number } {
  let dropped = 0;
  const kept = batch.map(({ event, parsed }): Kept => {
    const readings = filter === undefined ? parsed.readings : parsed.readings.filter(filter);
    dropped += parsed.readings.length - readings.length;
    return { arrivedMs: event.enqueuedMs, readings };
  });
  return { kept, dropped };
}
