/**
 * Raw capture and checkpoint of one partition. A file is recorded in the store after it is written, and the checkpoint
 * follows the one of windows and capture that is further behind: reading must start where both find what they miss.
 */
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';
import { createCaptureBuffer, type CaptureBuffer } from './capture.ts';
import type { IngestEvent } from './event.ts';
import type { Retry } from './exactly-once.ts';
import type { IngestLog } from './log.ts';
import type { IngestSettings } from './settings.ts';
import type { Totals } from './stats.ts';

/** A place in a partition from which it can be read. */
export interface Position {
  readonly seq: number;
  readonly offset: string;
}

export interface CaptureFlowDeps {
  readonly source: string;
  /** `{namespace}/{hub}`. */
  readonly folder: string;
  readonly partition: string;
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly settings: IngestSettings;
  readonly totals: Totals;
  readonly log: IngestLog;
  readonly retry: Retry;
  /** Remembers where reading may start. Trouble is only logged: it costs reading events again, nothing else. */
  readonly checkpoint: (at: Position) => Promise<void>;
}

export interface CaptureFlow {
  /** Events up to here are in the windows. */
  applied(at: Position): void;
  /** Takes events that are in the windows, or were before; writes the files that are full. */
  take(events: readonly IngestEvent[]): Promise<void>;
  /** Closes a file that has waited long enough. */
  tick(nowMs: number): Promise<void>;
  /** Writes what waits, and the checkpoint. */
  flush(): Promise<void>;
  /** Events that wait for a file. */
  readonly waiting: number;
}

/** @param capturedSeq events up to it are in files; -1 for none */
export function createCaptureFlow(deps: CaptureFlowDeps, capturedSeq: number): CaptureFlow {
  let applied: Position | undefined;
  let captured: Position | undefined;
  const writeCheckpoint = checkpointWriter(deps.checkpoint);
  if (!deps.settings.capture) return withoutCapture(deps.settings, writeCheckpoint);

  const { captureIntervalMs: intervalMs, captureBytes: maxBytes } = deps.settings;
  const buffer = createCaptureBuffer(
    { blobs: deps.blobs, folder: `${deps.folder}/${deps.partition}`, settings: { intervalMs, maxBytes } },
    capturedSeq,
  );
  const flushWhile = async (more: () => boolean): Promise<void> => {
    while (more()) {
      const last = await writeFile(deps, buffer);
      if (last === undefined) break;
      captured = last === 'unknown' ? captured : last;
    }
    await writeCheckpoint(applied && captured && applied.seq < captured.seq ? applied : captured);
  };
  return {
    applied(at) {
      applied = at;
    },
    async take(events) {
      for (const event of events) {
        buffer.add(event);
        if (buffer.bytes >= maxBytes) await flushWhile(() => buffer.bytes >= maxBytes);
      }
    },
    async tick(nowMs) {
      if (buffer.due(nowMs)) await flushWhile(() => buffer.due(nowMs));
    },
    flush: () => flushWhile(() => buffer.events > 0),
    get waiting() {
      return buffer.events;
    },
  };
}

/** Only forward, and each place once. */
function checkpointWriter(checkpoint: CaptureFlowDeps['checkpoint']): (at: Position | undefined) => Promise<void> {
  let writtenSeq = -1;
  return async (at) => {
    if (!at || at.seq <= writtenSeq) return;
    await checkpoint(at);
    writtenSeq = at.seq;
  };
}

/** Where nothing is captured, only the checkpoint is kept. */
function withoutCapture(
  { captureIntervalMs }: Pick<IngestSettings, 'captureIntervalMs'>,
  writeCheckpoint: (at: Position | undefined) => Promise<void>,
): CaptureFlow {
  let applied: Position | undefined;
  let writtenAtMs = 0;
  return {
    applied(at) {
      applied = at;
    },
    take: async () => {},
    async tick(nowMs) {
      if (nowMs - writtenAtMs < captureIntervalMs) return;
      writtenAtMs = nowMs;
      await writeCheckpoint(applied);
    },
    flush: () => writeCheckpoint(applied),
    waiting: 0,
  };
}

/** @returns where the file ends; `unknown` when its offset is; undefined when there was nothing to write */
async function writeFile(
  { source, partition, store, totals, log, retry }: CaptureFlowDeps,
  buffer: CaptureBuffer,
): Promise<Position | 'unknown' | undefined> {
  const file = await retry('raw capture', () => buffer.flush());
  if (!file) return undefined;
  await retry('progress of raw capture', () => store.commitCapture(source, partition, file.lastSeq));
  // Also one that was there: written by a call whose answer was lost, and recorded only now.
  totals.captureFiles += 1;
  totals.capturedEvents += file.events;
  log.debug({ partition, ...file }, file.written ? 'raw capture file written' : 'raw capture file was there already');
  return file.lastOffset === undefined ? 'unknown' : { seq: file.lastSeq, offset: file.lastOffset };
}
