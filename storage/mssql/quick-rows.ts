/**
 * Rows of an answer, read straight from its bytes: the driver makes several objects of each value and an event of each
 * row, and a chunk of sensors has tens of thousands. What else is in an answer is left to the driver, and so is the
 * rest of one that holds a type or a token which is not known here. A value is what the driver makes of it.
 * Tokens: [MS-TDS] 2.2.7; types and their lengths: 2.2.5.4 and 2.2.5.5.
 */
import type { SqlValue } from './statement.ts';

/** The row is good until the call returns: the next one may be read into the same array. */
export type OnRow = (row: readonly SqlValue[]) => void;

export const TOKEN = {
  columns: 0x81,
  row: 0xd1,
  /** A row with a bit a column in front of it: those that are set have no value. */
  rowWithNulls: 0xd2,
  returnStatus: 0x79,
  done: 0xfd,
} as const;

/** Order of columns, errors, messages, changes of the environment. */
const WITH_LENGTH: ReadonlySet<number> = new Set([0xa9, 0xaa, 0xab, 0xe3]);
/** Of a statement, a procedure, a statement in a procedure. */
const DONE: ReadonlySet<number> = new Set([TOKEN.done, 0xfe, 0xff]);
const DONE_BYTES = 13;
const NO_COLUMNS = 0xffff;

/** Values of `intN`, `floatN` and `bitN` have their length in front of them, 0 for none. */
export const TYPE = {
  int: 0x38,
  bigint: 0x7f,
  float: 0x3e,
  intN: 0x26,
  floatN: 0x6d,
  bitN: 0x68,
  nvarchar: 0xe7,
} as const;
const { int: INT, bigint: BIGINT, float: FLOAT, intN: INT_N, floatN: FLOAT_N, bitN: BIT_N, nvarchar: NVARCHAR } = TYPE;
/** Bytes of a value, by type. */
const FIXED_SIZES: Readonly<Record<number, number>> = { [INT]: 4, [BIGINT]: 8, [FLOAT]: 8 };
/** The length of NVARCHAR(MAX), and of no value. */
const NO_LENGTH = 0xffff;
const COLLATION_BYTES = 5;

/** Instead of the place where something ends: not all of it is there yet; it is not known. */
const [NOT_YET, UNKNOWN] = [-1, -2];

export interface RowReader {
  /** Takes bytes of the answer as they come, hands over the rows in them, and returns what the driver has to read. */
  pass(chunk: Buffer): Buffer;
  /** What is left when no more comes. */
  rest(): Buffer;
}

export function rowReader(onRow: OnRow): RowReader {
  let rest: Buffer = Buffer.alloc(0);
  let columns: Columns | undefined;
  let unknown = false;

  const isRow = (token: number | undefined): boolean => token === TOKEN.row || token === TOKEN.rowWithNulls;
  /** @returns where the token at `at` ends */
  const step = (bytes: Bytes, at: number): number => {
    if (isRow(bytes.buffer[at])) return columns ? readRow(bytes, at, columns) : UNKNOWN;
    if (bytes.buffer[at] !== TOKEN.columns) return endOfToken(bytes.buffer, at);
    const found = readColumns(bytes.buffer, at);
    if (typeof found === 'number') return found;
    columns = found.columns;
    return found.end;
  };

  return {
    pass(chunk) {
      const buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      rest = buffer.subarray(buffer.length);
      if (unknown) return buffer;
      const bytes = { buffer, view: new DataView(buffer.buffer, buffer.byteOffset, buffer.length) };
      const left: Buffer[] = [];
      let at = 0;
      let from = 0;
      while (at < buffer.length) {
        const end = step(bytes, at);
        if (end === NOT_YET) break;
        if (end === UNKNOWN) {
          unknown = true;
          at = buffer.length;
        } else if (isRow(buffer[at])) {
          if (from < at) left.push(buffer.subarray(from, at));
          onRow(columns!.row);
          from = at = end;
        } else at = end;
      }
      if (from < at) left.push(buffer.subarray(from, at));
      rest = buffer.subarray(at);
      return left.length === 1 ? left[0]! : Buffer.concat(left);
    },
    rest() {
      const last = rest;
      rest = Buffer.alloc(0);
      return last;
    },
  };
}

interface Bytes {
  readonly buffer: Buffer;
  readonly view: DataView;
}

interface Columns {
  readonly types: readonly number[];
  /** The values of the row that was read last. */
  readonly row: SqlValue[];
}

function endOfToken(buffer: Buffer, at: number): number {
  const token = buffer[at]!;
  if (DONE.has(token)) return within(buffer, at + DONE_BYTES);
  if (token === TOKEN.returnStatus) return within(buffer, at + 5);
  if (!WITH_LENGTH.has(token)) return UNKNOWN;
  return buffer.length < at + 3 ? NOT_YET : within(buffer, at + 3 + buffer.readUInt16LE(at + 1));
}

const within = (buffer: Buffer, end: number): number => (end <= buffer.length ? end : NOT_YET);

/** Of each column: user type, flags, its type with what belongs to it, its name. */
function readColumns(buffer: Buffer, start: number): { readonly columns: Columns; readonly end: number } | number {
  if (buffer.length < start + 3) return NOT_YET;
  const count = buffer.readUInt16LE(start + 1);
  if (count === NO_COLUMNS) return UNKNOWN;
  const types: number[] = [];
  let at = start + 3;
  for (let i = 0; i < count; i++) {
    const type = buffer[at + 6];
    if (type === undefined) return NOT_YET;
    at += 7;
    if (type === NVARCHAR) {
      if (buffer.length < at + 2) return NOT_YET;
      if (buffer.readUInt16LE(at) === NO_LENGTH) return UNKNOWN;
      at += 2 + COLLATION_BYTES;
    } else if (type === INT_N || type === FLOAT_N || type === BIT_N) at++;
    else if (type !== INT && type !== BIGINT && type !== FLOAT) return UNKNOWN;
    const characters = buffer[at];
    if (characters === undefined) return NOT_YET;
    at += 1 + 2 * characters;
    types.push(type);
  }
  if (at > buffer.length) return NOT_YET;
  return { columns: { types, row: types.map(() => 0) }, end: at };
}

/** Reads the row at `start` into `row`. Returns where it ends. */
function readRow(bytes: Bytes, start: number, { types, row }: Columns): number {
  const { buffer } = bytes;
  const nulls = buffer[start] === TOKEN.rowWithNulls ? start + 1 : 0;
  let at = within(buffer, nulls === 0 ? start + 1 : nulls + Math.ceil(types.length / 8));
  for (let i = 0; i < types.length && at !== NOT_YET; i++) {
    if (nulls !== 0 && (buffer[nulls + (i >> 3)]! & (1 << (i & 7))) !== 0) row[i] = null;
    else at = readValue(bytes, at, types[i]!, row, i);
  }
  return at;
}

/** Reads the value at `at` into `row[i]`. Returns where it ends. */
function readValue({ buffer, view }: Bytes, at: number, type: number, row: SqlValue[], i: number): number {
  if (type === NVARCHAR) return readText(buffer, at, row, i);
  const sized = type === INT_N || type === FLOAT_N || type === BIT_N;
  if (sized && at >= buffer.length) return NOT_YET;
  const first = sized ? at + 1 : at;
  const size = sized ? buffer[at]! : FIXED_SIZES[type]!;
  const end = first + size;
  if (end > buffer.length) return NOT_YET;
  if (size === 8 && (type === FLOAT || type === FLOAT_N)) row[i] = view.getFloat64(first, true);
  else if (size === 4 && type !== FLOAT_N) row[i] = view.getInt32(first, true);
  else row[i] = seldom(view, first, type, size);
  return end;
}

function readText(buffer: Buffer, at: number, row: SqlValue[], i: number): number {
  if (at + 2 > buffer.length) return NOT_YET;
  const size = buffer.readUInt16LE(at);
  const end = at + 2 + (size === NO_LENGTH ? 0 : size);
  if (end > buffer.length) return NOT_YET;
  row[i] = size === NO_LENGTH ? null : buffer.toString('utf16le', at + 2, end);
  return end;
}

/** Values that hot rows do not have. BIGINT is a text, as a number would lose digits. */
function seldom(view: DataView, at: number, type: number, size: number): SqlValue {
  if (size === 0) return null;
  if (type === FLOAT_N) return view.getFloat32(at, true);
  if (type === BIT_N) return view.getUint8(at) !== 0;
  if (size === 1) return view.getUint8(at);
  return size === 2 ? view.getInt16(at, true) : String(view.getBigInt64(at, true));
}
