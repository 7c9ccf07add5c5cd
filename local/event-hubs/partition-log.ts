/**
 * One partition: a row of segments, of which the last is written to. Sequence numbers and offsets only ever go
 * up, also across restarts and after everything has expired. An event is on file (in the page cache, not forced
 * to the platter) before `append` returns, so a killed process loses nothing that it accepted. Nothing is kept
 * in memory but a sparse index and the newest block: the page cache of the system serves the readers.
 */
import { Buffer } from 'node:buffer';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  appendBlock,
  BLOCK_HEADER_BYTES,
  createSegment,
  indexSegment,
  offsetAt,
  openSegment,
  reopenForWriting,
  sealSegment,
  type Segment,
  type SegmentStart,
} from './segment.ts';
import { deliveryBound, writeDelivery, type Placement } from './sections.ts';

export interface LogLimits {
  /** Of offsets, where the namespace has geo-replication. */
  readonly geoEpoch?: number;
  /** Events older than this are dropped, a segment at a time: up to a quarter of it later. */
  readonly retentionMs: number;
  /** The oldest segments are dropped when a partition takes more than this. */
  readonly maxBytes: number;
  /** How large a segment grows. @default an eighth of `maxBytes`, 16 KiB to 64 MiB */
  readonly segmentBytes?: number;
}

const MAX_SEGMENT_BYTES = 64 * 1024 * 1024;
const MIN_SEGMENT_BYTES = 16 * 1024;
const BEFORE_ALL: SegmentStart = { sequence: 0, offset: 0, lastOffset: -1, lastTimeMs: 0 };

export class PartitionLog {
  readonly id: string;
  /** The newest block, so that readers at the tail need no read at all. */
  tail: { readonly segment: Segment; readonly position: number; readonly bytes: Buffer } | undefined;
  private readonly dir: string;
  private readonly limits: LogLimits;
  private readonly segmentBytes: number;
  private readonly log: (line: string) => void;
  private readonly epoch: Pick<Placement, 'geoEpoch'>;
  private readonly segments: Segment[] = [];
  private readonly listeners = new Set<() => void>();

  constructor(dir: string, id: string, limits: LogLimits, log: (line: string) => void) {
    this.id = id;
    this.dir = dir;
    this.limits = limits;
    this.segmentBytes =
      limits.segmentBytes ?? Math.min(MAX_SEGMENT_BYTES, Math.max(MIN_SEGMENT_BYTES, Math.floor(limits.maxBytes / 8)));
    this.log = log;
    this.epoch = limits.geoEpoch === undefined ? {} : { geoEpoch: limits.geoEpoch };
    mkdirSync(dir, { recursive: true });
    this.load();
    this.trim(Date.now());
  }

  /** The sequence number of the oldest event that is still there, or of the next event when there is none. */
  get first(): number {
    return this.segments[0]?.start.sequence ?? 0;
  }

  /** The sequence number that the next event will get. */
  get next(): number {
    return this.active.nextSequence;
  }

  get isEmpty(): boolean {
    return this.first === this.next;
  }

  /** The last event ever enqueued, even when it has expired; sequence -1 when there was none. */
  get last(): Placement {
    const { nextSequence, lastOffset, lastTimeMs } = this.active;
    return { sequence: nextSequence - 1, offset: lastOffset, timeMs: lastTimeMs, ...this.epoch };
  }

  get bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.size, 0);
  }

  private get active(): Segment {
    const segment = this.segments.at(-1);
    if (segment === undefined) throw new Error(`partition ${this.dir} is not open`);
    return segment;
  }

  /**
   * Appends a batch, all of it or nothing.
   *
   * @throws {MalformedMessage} when an event is not an AMQP message; system errors when the disk refuses.
   */
  append(events: readonly Buffer[], partitionKeyPair: Buffer | undefined): void {
    if (events.length === 0) return;
    const now = Date.now();
    this.rollWhenDue(now);
    const segment = this.active;
    const timeMs = Math.max(now, segment.lastTimeMs);
    let bound = BLOCK_HEADER_BYTES;
    for (const event of events) bound += 4 + deliveryBound(event, partitionKeyPair);
    const block = Buffer.allocUnsafe(bound);
    let at = BLOCK_HEADER_BYTES;
    let sequence = segment.nextSequence;
    let offset = segment.lastOffset;
    for (const event of events) {
      offset = offsetAt(segment, segment.size + at);
      const end = writeDelivery(block, at + 4, event, { sequence, offset, timeMs, ...this.epoch }, partitionKeyPair);
      block.writeUInt32BE(end - at - 4, at);
      at = end;
      sequence += 1;
    }
    const position = segment.size;
    const bytes = block.subarray(0, at);
    appendBlock(segment, bytes, events.length, timeMs, offset);
    this.tail = { segment, position, bytes };
    this.trim(now);
    for (const listener of this.listeners) listener();
  }

  /** Calls back after every append; returns the way out. */
  onAppend(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Drops what the limits no longer allow, from memory and from disk. */
  trim(nowMs: number): void {
    const expired = nowMs - this.limits.retentionMs;
    if (this.active.firstTimeMs !== undefined && this.active.lastTimeMs < expired) this.roll();
    let bytes = this.bytes;
    while (this.segments.length > 1) {
      const [oldest, following] = this.segments;
      if (oldest === undefined || following === undefined) break;
      if (bytes <= this.limits.maxBytes && following.start.lastTimeMs >= expired) break;
      bytes -= oldest.size;
      oldest.removed = true;
      if (this.tail?.segment === oldest) this.tail = undefined;
      this.segments.shift();
      rmSync(oldest.path, { force: true });
    }
  }

  /** The segment that holds a sequence number, the oldest when it has expired; its index is loaded. */
  segmentOf(sequence: number): Segment {
    return this.lastSegmentWhere((start) => start.sequence <= sequence);
  }

  /** The last segment for which a condition on its start holds, or the oldest; its index is loaded. */
  lastSegmentWhere(holds: (start: SegmentStart) => boolean): Segment {
    const segment = this.segments.findLast((candidate) => holds(candidate.start)) ?? this.segments[0] ?? this.active;
    this.loadIndex(segment);
    return segment;
  }

  /** The segment after one, or the oldest when that one has expired; `undefined` after the last. */
  segmentAfter(segment: Segment): Segment | undefined {
    const following = segment.removed ? this.segments[0] : this.segments[this.segments.indexOf(segment) + 1];
    if (following !== undefined) this.loadIndex(following);
    return following;
  }

  close(): void {
    for (const segment of this.segments) sealSegment(segment);
    this.listeners.clear();
  }

  private rollWhenDue(nowMs: number): void {
    const { size, firstTimeMs } = this.active;
    if (firstTimeMs === undefined) return;
    if (size >= this.segmentBytes || nowMs - firstTimeMs > this.limits.retentionMs / 4) this.roll();
  }

  private roll(): void {
    const { nextSequence, lastOffset, lastTimeMs } = this.active;
    this.create({ sequence: nextSequence, offset: offsetAt(this.active, this.active.size), lastOffset, lastTimeMs });
  }

  private create(start: SegmentStart): void {
    const segment = createSegment(join(this.dir, `${String(start.sequence).padStart(16, '0')}.log`), start);
    const previous = this.segments.at(-1);
    if (previous !== undefined) sealSegment(previous);
    this.segments.push(segment);
  }

  private load(): void {
    for (const name of readdirSync(this.dir)
      .filter((file) => file.endsWith('.log'))
      .toSorted()) {
      const path = join(this.dir, name);
      const segment = openSegment(path);
      if (segment !== undefined) this.segments.push(segment);
      else {
        this.log(`${path}: no whole segment header, so no event in it: file removed`);
        rmSync(path);
      }
    }
    const newest = this.segments.at(-1);
    if (newest === undefined) return this.create(BEFORE_ALL);
    const damage = reopenForWriting(newest);
    if (damage !== undefined) {
      this.log(
        `${newest.path}: cut off ${damage.fileBytes - damage.goodBytes} bytes of an unfinished write at byte ` +
          `${damage.goodBytes}: ` +
          `${damage.reason}. Every accepted event before it is kept; ` +
          `the next sequence number is ${newest.nextSequence}.`,
      );
    }
    this.segments.forEach((segment, i) => {
      const following = this.segments[i + 1]?.start;
      if (following === undefined) return;
      segment.nextSequence = following.sequence;
      segment.lastOffset = following.lastOffset;
      segment.lastTimeMs = following.lastTimeMs;
    });
  }

  private loadIndex(segment: Segment): void {
    if (segment.index !== undefined) return;
    const expected = segment.nextSequence;
    const damage = indexSegment(segment);
    if (damage !== undefined) {
      this.log(
        `${segment.path}: unreadable from byte ${damage.goodBytes} on: ${damage.reason}. ` +
          `Events ${segment.nextSequence} to ${expected - 1} are lost; readers go on with ${expected}.`,
      );
    }
  }
}
