/**
 * Ships lines to Blob, in the background: bounded in memory, late rather than in the way. Where Blob does not take
 * them for long, the oldest go, and their number is told. Nothing here throws.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { workerLogBlob } from '../domain/blob-names.ts';
import { asJsonLine, splitLines, type Stream } from './lines.ts';

/** Appends to blobs by name. The same bytes to the same name again after a failure must not double them. */
export interface LogSink {
  /** @throws when the bytes were not taken, or nobody knows */
  append(name: string, bytes: Uint8Array): Promise<void>;
}

export interface ShipperOptions {
  /** Names the blob: `{date}/{worker}.jsonl`. */
  readonly worker: string;
  readonly sink: LogSink;
  readonly redact: (line: string) => string;
  /** Fields of lines that are not JSON themselves. */
  readonly base: Readonly<Record<string, unknown>>;
  readonly flushMs?: number;
  /** Most memory of lines that wait, in UTF-16 code units. */
  readonly maxWaiting?: number;
  readonly now?: () => number;
}

export interface LogShipper {
  take(stream: Stream, chunk: Uint8Array): void;
  /** A line of the shipper's own, such as how the process ended. */
  note(level: number, text: string): void;
  /** Sends what waits, for at most `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

/** The first lines after a pause, and warnings, wait so long. */
const FLUSH_MS = 3_000;
/**
 * A worker that goes on writing sends so many times more rarely: each append is a write, and one of the 50,000 of a
 * blob.
 */
const STEADY = 10;
/** A line of level warn or above. */
const TROUBLE = /"level":[4-6]0\b/;
const MAX_WAITING = 4 * 1024 * 1024;
/** Of one append; a block may have 4 MiB. */
const MAX_BLOCK = 512 * 1024;
const LONGEST_WAIT_MS = 60_000;
const WARN = 40;

interface Block {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Lines that wait, at most `maxSize` UTF-16 code units: the oldest go first, and are counted. */
function lineQueue(maxSize: number) {
  const waiting: string[] = [];
  let size = 0;
  let dropped = 0;
  const shift = (): string => {
    const line = waiting.shift()!;
    size -= line.length;
    return line;
  };
  return {
    get length(): number {
      return waiting.length;
    },
    add(line: string): void {
      waiting.push(line);
      size += line.length;
      while (size > maxSize && waiting.length > 1) {
        shift();
        dropped += 1;
      }
    },
    /** The oldest lines of together at most `most` code units, one at least; and how many were dropped before them. */
    take(most: number): { readonly lines: string[]; readonly dropped: number } {
      const lines: string[] = [];
      const gone = dropped;
      dropped = 0;
      for (let length = 0; waiting.length > 0 && (length === 0 || length + waiting[0]!.length <= most);) {
        const line = shift();
        length += line.length;
        lines.push(line);
      }
      return { lines, dropped: gone };
    },
  };
}

/** When the next append is due: soon after a pause, rarely while lines go on coming, ever later while Blob refuses. */
function pacing(flushMs: number, now: () => number) {
  let waitMs = flushMs;
  let steadyAtMs = 0;
  return {
    waitMs: (): number => Math.max(waitMs, steadyAtMs - now()),
    hurry(): void {
      steadyAtMs = 0;
    },
    taken(): void {
      waitMs = flushMs;
      steadyAtMs = now() + STEADY * flushMs;
    },
    refused(): void {
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
      steadyAtMs = 0;
    },
  };
}

export function createLogShipper(options: ShipperOptions): LogShipper {
  const { worker, sink, redact, base, flushMs = FLUSH_MS, maxWaiting = MAX_WAITING, now = Date.now } = options;
  const split = { stdout: splitLines(), stderr: splitLines() };
  const waiting = lineQueue(maxWaiting);
  /** Taken from `waiting`, until it is stored: a retry must send the same bytes. */
  let block: Block | undefined;
  let busy: Promise<void> | undefined;
  const pace = pacing(flushMs, now);
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const add = (line: string): void => {
    waiting.add(line);
    if (TROUBLE.test(line)) {
      pace.hurry();
      clearTimeout(timer);
      timer = undefined;
    }
    schedule();
  };

  const schedule = (): void => {
    if (closed || timer || busy) return;
    timer = setTimeout(() => {
      timer = undefined;
      void flush();
    }, pace.waitMs());
    timer.unref();
  };

  const nextBlock = (): Block | undefined => {
    if (waiting.length === 0) return undefined;
    const atMs = now();
    const { lines, dropped } = waiting.take(MAX_BLOCK);
    if (dropped > 0)
      lines.unshift(
        asJsonLine(`${dropped} older lines were dropped: Blob storage did not take them in time`, 'stderr', atMs, {
          ...base,
          dropped,
        }),
      );
    return { name: workerLogBlob(atMs, worker), bytes: Buffer.from(`${lines.join('\n')}\n`) };
  };

  const flush = (): Promise<void> =>
    (busy ??= (async () => {
      try {
        while ((block ??= nextBlock())) {
          await sink.append(block.name, block.bytes);
          block = undefined;
          pace.taken();
        }
      } catch {
        pace.refused();
      } finally {
        busy = undefined;
        if (waiting.length > 0 || block) schedule();
      }
    })());

  return {
    take(stream, chunk) {
      for (const line of split[stream].push(chunk)) add(redact(asJsonLine(line, stream, now(), base)));
    },
    note(level, text) {
      add(redact(JSON.stringify({ level, time: new Date(now()).toISOString(), ...base, msg: text })));
    },
    async close(graceMs = 5_000) {
      for (const stream of ['stdout', 'stderr'] as const)
        for (const line of split[stream].end()) add(redact(asJsonLine(line, stream, now(), base)));
      closed = true;
      clearTimeout(timer);
      const stop = new AbortController();
      const end = now() + graceMs;
      const all = (async () => {
        while ((waiting.length > 0 || block || busy) && now() < end && !stop.signal.aborted) {
          await flush();
          if (waiting.length > 0 || block) await sleep(200, undefined, { ref: false });
        }
      })();
      await Promise.race([all, sleep(graceMs, undefined, { signal: stop.signal }).catch(() => {})]);
      stop.abort();
    },
  };
}

export const LEVEL = { info: 30, warn: WARN, fatal: 60 } as const;
