/**
 * Raw capture of one partition: every event in exactly one file, whatever dies when. A file is written once and
 * never changed; its name derives from its first event. A name that is taken means that someone (this worker
 * before a crash, or the partition's owner before this one) wrote that file already: it stands, and the next file
 * begins after its last event.
 */
import type { ContainerName } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { createCaptureBlocks } from './capture-blocks.ts';
import { readCapture } from './capture-file.ts';
import type { IngestEvent } from './event.ts';

const CONTAINER: ContainerName = 'raw';

export interface CaptureSettings {
  /** A file is closed when it has waited this long, ms. */
  readonly intervalMs: number;
  /** A file is closed when its events take this many bytes, before they are deflated. */
  readonly maxBytes: number;
}

export const CAPTURE_DEFAULTS: CaptureSettings = { intervalMs: 60_000, maxBytes: 10 * 1024 * 1024 };

export interface CapturedFile {
  readonly name: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Offset of the last event, when this buffer held it. */
  readonly lastOffset?: string;
  readonly events: number;
  /** False when the file was there already. */
  readonly written: boolean;
}

export interface CaptureBuffer {
  /** Events up to here are in files or in this buffer. */
  readonly seq: number;
  readonly bytes: number;
  readonly events: number;
  /** Events not above `seq` are dropped: they are here or in files already. */
  add(event: IngestEvent): void;
  /** Whether the next file should be closed now. */
  due(nowMs: number): boolean;
  /**
   * Writes the next file; undefined when there is nothing to write. The caller records `lastSeq`, then calls again
   * while it is due.
   */
  flush(): Promise<CapturedFile | undefined>;
}

/** @param folder `{namespace}/{hub}/{partition}` */
export function createCaptureBuffer(
  deps: {
    readonly blobs: BlobStore;
    readonly folder: string;
    readonly settings: CaptureSettings;
    readonly now?: () => number;
  },
  capturedSeq: number,
): CaptureBuffer {
  const { blobs, folder, settings, now = Date.now } = deps;
  const held = createCaptureBlocks();
  let seq = capturedSeq;
  let sinceMs = 0;
  let lastName = '';

  const take = (through: number): void => {
    held.forget(through);
    seq = Math.max(seq, through);
    sinceMs = now();
  };

  return {
    get seq() {
      return seq;
    },
    get bytes() {
      return held.bytes;
    },
    get events() {
      return held.events;
    },
    add(event) {
      if (event.seq <= seq) return;
      if (held.events === 0) sinceMs = now();
      held.add(event);
      seq = event.seq;
    },
    due: (nowMs) => held.events > 0 && (held.bytes >= settings.maxBytes || nowMs - sinceMs >= settings.intervalMs),
    async flush() {
      const { first, last, events } = held;
      if (!first || !last) return undefined;
      const body = await held.file();
      const plain = captureName(folder, first.enqueuedMs);
      for (const name of captureNames(folder, first, plain === lastName)) {
        if (await blobs.putIfAbsent(CONTAINER, name, body, 'avro/binary')) {
          lastName = plain;
          take(last.seq);
          return { name, firstSeq: first.seq, lastSeq: last.seq, lastOffset: last.offset, events, written: true };
        }
        const there = readable(await blobs.get(CONTAINER, name), name);
        const lastSeq = there.at(-1)?.seq ?? -1;
        // Another file of the same second, before this one: this one gets a name with its first number.
        if (there[0]?.seq !== first.seq || there[0].enqueuedMs !== first.enqueuedMs) continue;
        const lastOffset = held.offsetOf(lastSeq);
        take(lastSeq);
        return {
          name,
          firstSeq: first.seq,
          lastSeq,
          events: there.length,
          written: false,
          ...(lastOffset === undefined ? undefined : { lastOffset }),
        };
      }
      throw new Error(
        `${captureName(folder, first.enqueuedMs, first.seq)} and the names after it hold other events than they say`,
      );
    },
  };
}

/** What lies under a name that is taken; nothing where that is no capture file: then it is not ours. */
function readable(bytes: Uint8Array, name: string): readonly IngestEvent[] {
  try {
    return readCapture(bytes, name);
  } catch (error) {
    if (error instanceof FleetscoreError && error.code === 'CAPTURE_UNREADABLE') return [];
    throw error;
  }
}

/** Seconds that a file may lie behind its first event, where its own names hold something else. */
const MORE_NAMES = 59;

/** The names that a file may have, in order of preference. */
function* captureNames(
  folder: string,
  first: { readonly seq: number; readonly enqueuedMs: number },
  again: boolean,
): Generator<string> {
  if (!again) yield captureName(folder, first.enqueuedMs);
  for (let s = 0; s <= MORE_NAMES; s++) yield captureName(folder, first.enqueuedMs + s * 1_000, first.seq);
}

/**
 * `{folder}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}.avro` by the enqueued time of the first event, as Event
 * Hubs Capture names files; `{Second}-{first sequence number}.avro` when an earlier file began in the same second.
 */
export function captureName(folder: string, enqueuedMs: number, firstSeq?: number): string {
  const [date, time] = new Date(enqueuedMs).toISOString().split('T') as [string, string];
  const suffix = firstSeq === undefined ? '' : `-${firstSeq}`;
  return `${folder}/${date.replaceAll('-', '/')}/${time.slice(0, 8).replaceAll(':', '/')}${suffix}.avro`;
}

const NAME = /^(.*)\/(\d{4})\/(\d{2})\/(\d{2})\/(\d{2})\/(\d{2})\/(\d{2})(?:-(\d+))?\.avro$/;

export interface CaptureName {
  readonly name: string;
  /** `{namespace}/{hub}/{partition}` */
  readonly folder: string;
  readonly partition: string;
  /** Epoch ms, whole seconds. */
  readonly timeMs: number;
  /** Order among files of the same second. */
  readonly order: number;
}

/** Undefined when it is not a name of a capture file. */
export function parseCaptureName(name: string): CaptureName | undefined {
  const match = NAME.exec(name);
  if (!match) return undefined;
  const [, folder, year, month, day, hour, minute, second, order = '-1'] = match as unknown as string[];
  const timeMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(timeMs)) return undefined;
  return { name, folder: folder!, partition: folder!.split('/').at(-1)!, timeMs, order: Number(order) };
}
