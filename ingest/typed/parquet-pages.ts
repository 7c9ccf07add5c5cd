/**
 * Looks at the pages of a Parquet column before hyparquet (1.33.0) decodes them. It trusts the numbers in a file: a run
 * that says it is two thousand million values long is written out, a bit-packed run of width 0 is counted to its end,
 * and a page whose values go on behind its end takes those of the next one. Here every count must fit its page, and the
 * pages their column, so what is damaged is said, in bounded time and memory.
 * Encodings: parquet-format, Encodings.md; pages: parquet.thrift.
 */
import type { Compressors, DataReader, Encoding, PageHeader, ParquetType } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { decompressPage } from 'hyparquet/src/datapage.js';
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js';
import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js';
import { readVarInt } from 'hyparquet/src/thrift.js';

export interface FlatColumn {
  readonly type: ParquetType;
  /** Of FIXED_LEN_BYTE_ARRAY. */
  readonly typeLength: number;
  readonly codec: Parameters<typeof decompressPage>[2];
  readonly compressors: Compressors;
  /** Values may be NULL: each has a definition level of 0 or 1. */
  readonly optional: boolean;
  /** In the row group: a flat column has a value, or NULL, for each. */
  readonly rows: number;
  /** No page inflates to more. */
  readonly mostBytes: number;
}

/** Bytes that a value of a DELTA_BYTE_ARRAY page may come to, in all: each repeats part of the one before. */
const MOST_TEXT = 256 * 1024 ** 2;
/** A block of deltas; writers have 128 values or a few times that. */
const MOST_BLOCK = 65_536;
/** Values of a bit-packed run past the end of its page: it is padded to eight, by some writers to more. */
const PADDING = 512;

const wrong = (what: string): never => {
  throw new Error(what);
};
const need = (holds: boolean, otherwise: string): void => void (holds || wrong(otherwise));
const count = (value: number | undefined, most: number, what: string): number =>
  typeof value === 'number' && value >= 0 && value <= most ? value : wrong(`${what} is ${value}, of at most ${most}`);

/** @param chunk the bytes of the column in one row group @throws Error when a number in it does not fit */
export function checkPages(chunk: ArrayBuffer, column: FlatColumn): void {
  const reader: DataReader = { view: new DataView(chunk), offset: 0 };
  let rows = 0;
  while (rows < column.rows) {
    need(reader.offset < chunk.byteLength - 1, `a column has ${rows} of ${column.rows} rows`);
    const header = parquetHeader(reader);
    const bytes = count(header.compressed_page_size, chunk.byteLength - reader.offset, 'the size of a page');
    count(header.uncompressed_page_size, column.mostBytes, 'the inflated size of a page');
    const page = new Uint8Array(chunk, reader.offset, bytes);
    reader.offset += bytes;
    rows += checkPage(page, header, column, column.rows - rows);
  }
}

/** @returns rows of the page; none for a dictionary */
function checkPage(page: Uint8Array, header: PageHeader, column: FlatColumn, rowsLeft: number): number {
  const { codec, compressors } = column;
  const { uncompressed_page_size: size, dictionary_page_header: dictionary } = header;
  if (header.type === 'DATA_PAGE_V2') return checkSecond(page, header, column, rowsLeft);
  const bytes = decompressPage(page, size, codec, compressors);
  if (header.type === 'DICTIONARY_PAGE' && dictionary) {
    checkPlain(viewOf(bytes), column, count(dictionary.num_values, column.rows + size, 'the size of a dictionary'));
    return 0;
  }
  const data = header.data_page_header;
  if (header.type !== 'DATA_PAGE' || !data) return wrong(`a page is of the kind ${header.type}`);
  const rows = count(data.num_values, rowsLeft, 'the number of values of a page');
  const view = viewOf(bytes);
  const levels = column.optional ? levelsOf(view, rows) : { end: 0, nulls: 0 };
  checkValues(viewOf(bytes.subarray(levels.end)), data.encoding, column, rows - levels.nulls);
  return rows;
}

function checkSecond(page: Uint8Array, header: PageHeader, column: FlatColumn, rowsLeft: number): number {
  const data = header.data_page_header_v2 ?? wrong('a page has no header');
  const rows = count(data.num_values, rowsLeft, 'the number of values of a page');
  const nulls = count(data.num_nulls, column.optional ? rows : 0, 'the number of NULLs of a page');
  const repetition = count(data.repetition_levels_byte_length, page.length, 'the length of the levels');
  const definition = count(data.definition_levels_byte_length, page.length - repetition, 'the length of the levels');
  const from = repetition + definition;
  if (column.optional) checkRuns({ view: viewOf(page), offset: repetition }, 1, rows);
  const inside = page.subarray(from);
  const size = count(header.uncompressed_page_size - from, column.mostBytes, 'the inflated size of a page');
  const bytes =
    data.is_compressed !== false && size > 0 ? decompressPage(inside, size, column.codec, column.compressors) : inside;
  checkValues(viewOf(bytes), data.encoding, column, rows - nulls);
  return rows;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Definition levels of a page of the first version, with their length before them. */
function levelsOf(view: DataView, rows: number): { readonly end: number; readonly nulls: number } {
  const length = count(view.getUint32(0, true), view.byteLength - 4, 'the length of the levels');
  checkRuns({ view, offset: 4 }, 1, rows);
  const levels = new Uint8Array(rows);
  readRleBitPackedHybrid({ view, offset: 4 }, 1, levels, length);
  let nulls = rows;
  for (const level of levels) nulls -= level;
  return { end: 4 + length, nulls };
}

function checkValues(view: DataView, encoding: Encoding, column: FlatColumn, values: number): void {
  const reader: DataReader = { view, offset: 0 };
  switch (encoding) {
    case 'PLAIN':
      return checkPlain(view, column, values);
    case 'RLE':
    case 'RLE_DICTIONARY':
    case 'PLAIN_DICTIONARY': {
      if (values === 0 && view.byteLength === 0) return;
      const width = column.type === 'BOOLEAN' ? 1 : count(view.getUint8(reader.offset++), 32, 'the width of an index');
      if (column.type === 'BOOLEAN') reader.offset += 4;
      return checkRuns(reader, width, values);
    }
    case 'BYTE_STREAM_SPLIT':
      return need(values * (WIDTHS[column.type] ?? column.typeLength) <= view.byteLength, 'a page is too short');
    case 'DELTA_BINARY_PACKED':
      return checkBlocks({ view, offset: 0 });
    case 'DELTA_LENGTH_BYTE_ARRAY':
      return checkTexts(view, lengthsOf(reader, values), reader.offset);
    case 'DELTA_BYTE_ARRAY': {
      const shared = lengthsOf(reader, values);
      const own = lengthsOf(reader, values);
      checkTexts(view, own, reader.offset);
      let before = 0;
      let inAll = 0;
      for (const [i, length] of own.entries()) {
        before = count(shared[i], before, 'what a text shares with the one before it') + length;
        inAll = count(inAll + before, MOST_TEXT, 'the length of all texts of a page');
      }
      return;
    }
    default:
      throw new Error(`the encoding ${encoding} is not read`);
  }
}

const WIDTHS: Readonly<Partial<Record<ParquetType, number>>> = { INT32: 4, INT64: 8, INT96: 12, FLOAT: 4, DOUBLE: 8 };

/** Values one after the other, none of which may reach behind the end of its page. */
function checkPlain(view: DataView, { type, typeLength }: FlatColumn, values: number): void {
  if (type === 'BOOLEAN') return need(values <= view.byteLength * 8, 'a page is too short');
  if (type !== 'BYTE_ARRAY') {
    const width = WIDTHS[type] ?? typeLength;
    return need(width > 0 && values * width <= view.byteLength, 'a page is too short');
  }
  let at = 0;
  for (let i = 0; i < values; i++)
    at += 4 + count(view.getUint32(at, true), view.byteLength - at - 4, 'the length of a text');
}

/** Runs of the hybrid of RLE and bit-packing, of which the decoder takes as many as it needs for `values`. */
function checkRuns(reader: DataReader, width: number, values: number): void {
  for (let seen = 0; seen < values;) {
    const header = readVarInt(reader);
    const length = header >>> 1;
    if ((header & 1) === 0) {
      seen += count(length, values - seen, 'the length of a run');
      reader.offset += (width + 7) >> 3;
    } else {
      seen += count(length * 8, values - seen + PADDING, 'the length of a run');
      reader.offset += length * width;
    }
  }
}

/** The head of a page of deltas; behind it the decoder is bounded by the number of values. */
function checkBlocks(reader: DataReader): void {
  const block = count(readVarInt(reader), MOST_BLOCK, 'the size of a block');
  const parts = count(readVarInt(reader), block, 'the number of parts of a block');
  need(parts > 0 && block % parts === 0, `a block of ${block} values has ${parts} parts`);
}

function lengthsOf(reader: DataReader, values: number): Int32Array {
  const lengths = new Int32Array(values);
  if (values === 0) return lengths;
  checkBlocks({ ...reader });
  deltaBinaryUnpack(reader, values, lengths);
  return lengths;
}

function checkTexts(view: DataView, lengths: Int32Array, from: number): void {
  let at = from;
  for (const length of lengths) at += count(length, view.byteLength - at, 'the length of a text');
}
