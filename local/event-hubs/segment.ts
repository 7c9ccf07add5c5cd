/**
 * One segment file of a partition log: a header, then blocks. A block holds one accepted batch whole, under one
 * checksum, so a write that was cut short takes the batch away whole and never leaves half of it. Blocks are only
 * ever written behind the last good one; what lies behind `size` does not exist.
 *
 *   header  magic(8) baseSequence(f64) baseOffset(f64) lastOffset(f64) lastTimeMs(f64) crc32(u32)
 *   block   length(u32) crc32(u32) count(u32) enqueuedTimeMs(f64) then count times: length(u32) delivery form
 *
 * `length` counts what follows the block's header, the checksum covers what follows the checksum. Numbers are
 * big-endian; doubles are exact up to 2^53. The last offset and time of the segment before are in the header, so
 * a partition knows where it was even when everything in it has expired.
 */
import { Buffer } from 'node:buffer';
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

const MAGIC = Buffer.from('FSEHLOG1', 'latin1');
export const SEGMENT_HEADER_BYTES = 44;
export const BLOCK_HEADER_BYTES = 20;
const INDEX_EVERY_BYTES = 32 * 1024;
const CHUNK_BYTES = 256 * 1024;
/** A batch of 1 MiB of the smallest events grows to about 8 MiB with its annotations; more is not ours. */
const MAX_BLOCK_BYTES = 64 * 1024 * 1024;

/** The state of a partition just before a segment. */
export interface SegmentStart {
  /** The sequence number of the first event of the segment. */
  readonly sequence: number;
  /** The offset at which the segment begins. */
  readonly offset: number;
  /** The offset of the last event before the segment; -1 when there was none. */
  readonly lastOffset: number;
  /** The enqueued time of the last event before the segment; 0 when there was none. */
  readonly lastTimeMs: number;
}

/** A known block: where it lies and the first event in it. */
export interface BlockEntry {
  readonly position: number;
  readonly sequence: number;
  readonly timeMs: number;
}

export interface BlockHeader {
  readonly count: number;
  readonly timeMs: number;
  /** The position behind the block. */
  readonly end: number;
}

/** Where the good part of a file ends and why. */
export interface Damage {
  readonly goodBytes: number;
  readonly fileBytes: number;
  readonly reason: string;
}

export interface Segment {
  readonly path: string;
  readonly start: SegmentStart;
  /** Open for the segment that is written to; the others are opened for each read. */
  fd: number | undefined;
  /** The end of the last good block. */
  size: number;
  nextSequence: number;
  lastOffset: number;
  lastTimeMs: number;
  firstTimeMs: number | undefined;
  /** Sparse, ascending; `undefined` until a segment of an earlier run is first read. */
  index: BlockEntry[] | undefined;
  removed: boolean;
}

/** Creates the file of a new, empty segment. */
export function createSegment(path: string, start: SegmentStart): Segment {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(header);
  header.writeDoubleBE(start.sequence, 8);
  header.writeDoubleBE(start.offset, 16);
  header.writeDoubleBE(start.lastOffset, 24);
  header.writeDoubleBE(start.lastTimeMs, 32);
  header.writeUInt32BE(crc32(header.subarray(0, 40)), 40);
  const fd = openSync(path, 'w+');
  writeSync(fd, header, 0, header.length, 0);
  return { ...emptySegment(path, start), fd, index: [] };
}

function emptySegment(path: string, start: SegmentStart): Segment {
  return {
    path,
    start,
    fd: undefined,
    size: SEGMENT_HEADER_BYTES,
    nextSequence: start.sequence,
    lastOffset: start.lastOffset,
    lastTimeMs: start.lastTimeMs,
    firstTimeMs: undefined,
    index: undefined,
    removed: false,
  };
}

/** Reads the header of a segment file; `undefined` when there is no whole header, that is, no event either. */
export function openSegment(path: string): Segment | undefined {
  const fd = openSync(path, 'r');
  try {
    const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const read = readSync(fd, header, 0, header.length, 0);
    if (read < header.length || !header.subarray(0, 8).equals(MAGIC)) return undefined;
    if (crc32(header.subarray(0, 40)) !== header.readUInt32BE(40)) return undefined;
    const segment = emptySegment(path, {
      sequence: header.readDoubleBE(8),
      offset: header.readDoubleBE(16),
      lastOffset: header.readDoubleBE(24),
      lastTimeMs: header.readDoubleBE(32),
    });
    segment.size = fstatSync(fd).size;
    return segment;
  } finally {
    closeSync(fd);
  }
}

/** Opens a segment for writing and cuts off what is behind its last good block. */
export function reopenForWriting(segment: Segment): Damage | undefined {
  segment.fd = openSync(segment.path, 'r+');
  const damage = indexSegment(segment);
  if (damage !== undefined) ftruncateSync(segment.fd, damage.goodBytes);
  return damage;
}

/** Makes a segment read-only: its file is no longer kept open. */
export function sealSegment(segment: Segment): void {
  if (segment.fd !== undefined) closeSync(segment.fd);
  segment.fd = undefined;
}

/** Writes a finished block behind the last one and only then counts it in. */
export function appendBlock(segment: Segment, block: Buffer, count: number, timeMs: number, lastOffset: number): void {
  if (segment.fd === undefined || segment.index === undefined) throw new Error(`segment ${segment.path} is sealed`);
  block.writeUInt32BE(block.length - BLOCK_HEADER_BYTES, 0);
  block.writeUInt32BE(count, 8);
  block.writeDoubleBE(timeMs, 12);
  block.writeUInt32BE(crc32(block.subarray(8)), 4);
  for (let written = 0; written < block.length;) {
    written += writeSync(segment.fd, block, written, block.length - written, segment.size + written);
  }
  countIn(segment, segment.index, { count, timeMs, end: segment.size + block.length });
  segment.lastOffset = lastOffset;
}

function countIn(segment: Segment, index: BlockEntry[], block: BlockHeader): void {
  const indexed = index.at(-1);
  if (indexed === undefined || segment.size - indexed.position >= INDEX_EVERY_BYTES) {
    index.push({ position: segment.size, sequence: segment.nextSequence, timeMs: block.timeMs });
  }
  segment.firstTimeMs ??= block.timeMs;
  segment.lastTimeMs = block.timeMs;
  segment.nextSequence += block.count;
  segment.size = block.end;
}

/** Reads and checks the whole file, fills the index, and says where the good part ends when it is not at the end. */
export function indexSegment(segment: Segment): Damage | undefined {
  return withFile(segment, (fd) => {
    const fileBytes = fstatSync(fd).size;
    const index: BlockEntry[] = [];
    segment.size = SEGMENT_HEADER_BYTES;
    segment.nextSequence = segment.start.sequence;
    segment.firstTimeMs = undefined;
    segment.index = index;
    while (segment.size < fileBytes) {
      const goodBytes = segment.size;
      const damaged = (reason: string): Damage => ({ goodBytes, fileBytes, reason });
      if (fileBytes - goodBytes < BLOCK_HEADER_BYTES) return damaged('the block header is cut short');
      const length = readAt(fd, goodBytes, 4).readUInt32BE(0);
      if (length > MAX_BLOCK_BYTES) return damaged('the block length is not plausible');
      if (goodBytes + BLOCK_HEADER_BYTES + length > fileBytes) return damaged('the block is cut short');
      const block = readAt(fd, goodBytes, BLOCK_HEADER_BYTES + length);
      if (crc32(block.subarray(8)) !== block.readUInt32BE(4)) return damaged('the checksum does not match');
      segment.lastOffset = offsetAt(segment, goodBytes + lastEventAt(block));
      countIn(segment, index, headerOf(block, 0, goodBytes));
    }
    return undefined;
  });
}

/** The offset of the event that is stored at a position of the file. */
export function offsetAt(segment: Segment, position: number): number {
  return segment.start.offset + position - SEGMENT_HEADER_BYTES;
}

function lastEventAt(block: Buffer): number {
  let at = BLOCK_HEADER_BYTES;
  for (let left = block.readUInt32BE(8); left > 1; left -= 1) at += 4 + block.readUInt32BE(at);
  return at;
}

/** The header of the block at `at` in `bytes`, which begin at `origin` in the file. */
function headerOf(bytes: Buffer, at: number, origin: number): BlockHeader {
  return {
    count: bytes.readUInt32BE(at + 8),
    timeMs: bytes.readDoubleBE(at + 12),
    end: origin + at + BLOCK_HEADER_BYTES + bytes.readUInt32BE(at),
  };
}

/** The header of the block at a position of the file. */
export function blockHeader(segment: Segment, position: number): BlockHeader {
  return withFile(segment, (fd) => headerOf(readAt(fd, position, BLOCK_HEADER_BYTES), 0, position));
}

/** Whole blocks from a position on: at least one, and as many as fit in a chunk. */
export function readBlocks(segment: Segment, position: number): Buffer {
  return withFile(segment, (fd) => {
    const chunk = readAt(fd, position, Math.min(CHUNK_BYTES, segment.size - position));
    let end = 0;
    while (end + BLOCK_HEADER_BYTES <= chunk.length) {
      const next = end + BLOCK_HEADER_BYTES + chunk.readUInt32BE(end);
      if (next > chunk.length) break;
      end = next;
    }
    if (end > 0) return chunk.subarray(0, end);
    return readAt(fd, position, headerOf(chunk, 0, 0).end);
  });
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let read = 0; read < length;) {
    const got = readSync(fd, bytes, read, length - read, position + read);
    if (got === 0) throw new Error(`the file ends at byte ${position + read}, ${length - read} bytes short`);
    read += got;
  }
  return bytes;
}

function withFile<T>(segment: Segment, use: (fd: number) => T): T {
  if (segment.fd !== undefined) return use(segment.fd);
  const fd = openSync(segment.path, 'r');
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}
