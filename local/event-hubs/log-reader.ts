/**
 * Reading a partition: finding the event at which a consumer starts, and walking on from there in order. A reader
 * holds one chunk of whole blocks at a time; when retention has taken the segment away under it, it goes on with
 * the oldest event that is left.
 */
import { Buffer } from 'node:buffer';
import type { PartitionLog } from './partition-log.ts';
import {
  BLOCK_HEADER_BYTES,
  blockHeader,
  offsetAt,
  readBlocks,
  SEGMENT_HEADER_BYTES,
  type BlockEntry,
  type Segment,
} from './segment.ts';

/** Where a consumer starts; an inclusive start delivers the event at the value itself. */
export type StartPosition =
  | { readonly kind: 'offset' | 'sequence' | 'time'; readonly value: number; readonly inclusive: boolean }
  | { readonly kind: 'latest' };

export interface LogReader {
  /** The delivery form of the next event; `undefined` when there is none yet. */
  next(): Buffer | undefined;
}

/** A block of a segment with the sequence number of its first event. */
interface Found {
  readonly segment: Segment;
  readonly position: number;
  readonly sequence: number;
}

/** The sequence number of the first event to deliver. */
export function seek(log: PartitionLog, start: StartPosition): number {
  if (start.kind === 'latest') return log.next;
  const { value, inclusive } = start;
  const beyond = (candidate: number): boolean => (inclusive ? candidate >= value : candidate > value);
  if (start.kind === 'sequence') return Math.min(log.next, Math.max(log.first, inclusive ? value : value + 1));
  if (start.kind === 'time') {
    const segment = log.lastSegmentWhere((s) => !beyond(s.lastTimeMs));
    const from = findBlock(segment, (entry) => !beyond(entry.timeMs));
    return firstBlock(log, from, (timeMs) => beyond(timeMs)).sequence;
  }
  const segment = log.lastSegmentWhere((s) => !beyond(s.offset));
  const from = findBlock(segment, (entry) => !beyond(offsetAt(segment, entry.position + BLOCK_HEADER_BYTES)));
  const block = firstBlock(log, from, (_timeMs, at, end) => beyond(offsetAt(at, end) - 1));
  if (block.position >= block.segment.size) return block.sequence;
  const bytes = readBlocks(block.segment, block.position);
  let { sequence } = block;
  for (let at = BLOCK_HEADER_BYTES, left = bytes.readUInt32BE(8); left > 0; left -= 1, sequence += 1) {
    if (beyond(offsetAt(block.segment, block.position + at))) return sequence;
    at += 4 + bytes.readUInt32BE(at);
  }
  return sequence;
}

/** The last indexed block for which a condition holds, or the first block of the segment. */
function findBlock(segment: Segment, holds: (entry: BlockEntry) => boolean): Found {
  const entries = segment.index ?? [];
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = entries[middle];
    if (entry !== undefined && holds(entry)) low = middle + 1;
    else high = middle;
  }
  const entry = entries[low - 1];
  return entry === undefined
    ? { segment, position: SEGMENT_HEADER_BYTES, sequence: segment.start.sequence }
    : { segment, position: entry.position, sequence: entry.sequence };
}

/** Walks on to the first block for which a condition holds; the end of the log when there is none. */
function firstBlock(
  log: PartitionLog,
  from: Found,
  holds: (timeMs: number, segment: Segment, end: number) => boolean,
): Found {
  let { segment, position, sequence } = from;
  for (;;) {
    if (position >= segment.size) {
      const following = log.segmentAfter(segment);
      if (following === undefined) return { segment, position, sequence };
      segment = following;
      position = SEGMENT_HEADER_BYTES;
      sequence = following.start.sequence;
      continue;
    }
    const block = blockHeader(segment, position);
    if (holds(block.timeMs, segment, block.end)) return { segment, position, sequence };
    sequence += block.count;
    position = block.end;
  }
}

/** Opens a reader at a sequence number; the oldest event when that one has expired. */
export function readFrom(log: PartitionLog, sequence: number): LogReader {
  const home = log.segmentOf(sequence);
  const start =
    sequence >= home.nextSequence
      ? { segment: home, position: home.size, sequence }
      : findBlock(home, (entry) => entry.sequence <= sequence);
  let { segment, position } = start;
  let chunk: Buffer = Buffer.alloc(0);
  let at = 0;
  let left = 0;
  let skip = Math.max(0, sequence - start.sequence);

  /** Makes `chunk` hold the next blocks; false at the end of the log. */
  const load = (): boolean => {
    while (segment.removed || position >= segment.size) {
      const following = log.segmentAfter(segment);
      if (following === undefined) return false;
      segment = following;
      position = SEGMENT_HEADER_BYTES;
    }
    const { tail } = log;
    chunk = tail?.segment === segment && tail.position === position ? tail.bytes : readBlocks(segment, position);
    position += chunk.length;
    at = 0;
    return true;
  };

  const step = (): Buffer | undefined => {
    if (left === 0) {
      if (at >= chunk.length && !load()) return undefined;
      left = chunk.readUInt32BE(at + 8);
      at += BLOCK_HEADER_BYTES;
    }
    const begin = at + 4;
    at = begin + chunk.readUInt32BE(at);
    left -= 1;
    return chunk.subarray(begin, at);
  };

  return {
    next: () => {
      for (; skip > 0; skip -= 1) if (step() === undefined) return undefined;
      return step();
    },
  };
}
