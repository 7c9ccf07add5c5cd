/** Values as TDS sends them, for the types that the store uses: [MS-TDS] 2.2.5.4 and 2.2.5.5. */
import type { SQLInputValue } from 'node:sqlite';
import { allHeaders, type Message } from './messages.ts';
import { bVarChar, u16, u32, u8 } from './tokens.ts';

const TYPE = { int: 0x26, bit: 0x68, float: 0x6d, nvarchar: 0xe7, varbinary: 0xa5, varchar: 0xa7 } as const;
const NO_LIMIT = 0xffff;
const PLP_NULL = 0xffff_ffff_ffff_ffffn;
const COLLATION = Buffer.from([0x09, 0x04, 0xd0, 0x00, 0x34]);

/** Reads forward through the bytes of a message. */
function reader(bytes: Buffer, start = 0) {
  let at = start;
  const take = (length: number): Buffer => {
    const part = bytes.subarray(at, (at += length));
    if (part.length < length) throw new Error('the message ends within a value');
    return part;
  };
  return {
    take,
    left: (): number => bytes.length - at,
    u8: (): number => take(1)[0]!,
    u16: (): number => take(2).readUInt16LE(),
    u32: (): number => take(4).readUInt32LE(),
    u64: (): bigint => take(8).readBigUInt64LE(),
    text: (characters: number): string => take(characters * 2).toString('utf16le'),
  };
}

type Reader = ReturnType<typeof reader>;

interface TypeInfo {
  readonly type: number;
  readonly size: number;
}

function typeInfo(from: Reader): TypeInfo {
  const type = from.u8();
  const wide = type === TYPE.nvarchar || type === TYPE.varbinary || type === TYPE.varchar;
  const size = wide ? from.u16() : from.u8();
  if (type === TYPE.nvarchar || type === TYPE.varchar) from.take(COLLATION.length);
  return { type, size };
}

function readValue(from: Reader, { type, size }: TypeInfo): SQLInputValue {
  if (type === TYPE.int || type === TYPE.bit || type === TYPE.float) {
    const bytes = from.take(from.u8());
    if (bytes.length === 0) return null;
    if (type === TYPE.float) return bytes.readDoubleLE();
    return bytes.length === 8 ? bytes.readBigInt64LE() : BigInt(bytes.length === 1 ? bytes[0]! : bytes.readInt32LE());
  }
  const bytes = size === NO_LIMIT ? readParts(from) : readShort(from);
  if (bytes === undefined) return null;
  return type === TYPE.varbinary ? bytes : bytes.toString(type === TYPE.nvarchar ? 'utf16le' : 'latin1');
}

function readShort(from: Reader): Buffer | undefined {
  const length = from.u16();
  return length === NO_LIMIT ? undefined : from.take(length);
}

/** Partially length-prefixed: as many parts as there are. */
function readParts(from: Reader): Buffer | undefined {
  if (from.u64() === PLP_NULL) return undefined;
  const parts: Buffer[] = [];
  for (let length = from.u32(); length > 0; length = from.u32()) parts.push(from.take(length));
  return Buffer.concat(parts);
}

export interface Call {
  /** Name of a procedure; `sp_executesql` for what came by its number. */
  readonly procedure: string;
  readonly params: readonly { readonly name: string; readonly value: SQLInputValue }[];
}

const EXECUTE_SQL = 10;

export function readCall(body: Message['body']): Call {
  const from = reader(body, allHeaders(body));
  const length = from.u16();
  const number = length === NO_LIMIT ? from.u16() : undefined;
  const procedure = number === undefined ? from.text(length) : number === EXECUTE_SQL ? 'sp_executesql' : `#${number}`;
  from.u16();
  const params: { name: string; value: SQLInputValue }[] = [];
  while (from.left() > 0) {
    const name = from.text(from.u8());
    from.u8();
    params.push({ name, value: readValue(from, typeInfo(from)) });
  }
  return { procedure, params };
}

const COLUMNS = 0x81;
const ROW = 0xd1;

/** Rows of a bulk load. */
export function readBulk(body: Message['body']): SQLInputValue[][] {
  const from = reader(body);
  if (from.u8() !== COLUMNS) throw new Error('a bulk load begins with its columns');
  const columns = Array.from({ length: from.u16() }, () => {
    from.take(6);
    const info = typeInfo(from);
    from.text(from.u8());
    return info;
  });
  const rows: SQLInputValue[][] = [];
  while (from.left() > 0 && from.u8() === ROW) rows.push(columns.map((info) => readValue(from, info)));
  return rows;
}

export type ColumnKind = 'bit' | 'int' | 'bigint' | 'float' | 'text' | 'bytes';

export interface Column {
  readonly name: string;
  readonly kind: ColumnKind;
  /** Of NVARCHAR; NVARCHAR(MAX) when absent. */
  readonly characters?: number;
  /** Never null: numbers have a form of fixed length then. */
  readonly whole?: boolean;
}

const FIXED = { int: 0x38, bigint: 0x7f, float: 0x3e } as const;
const SIZES = { bit: 1, int: 4, bigint: 8, float: 8 } as const;

const fixedType = ({ kind, whole }: Column): number | undefined =>
  whole && (kind === 'int' || kind === 'bigint' || kind === 'float') ? FIXED[kind] : undefined;

function info(column: Column): Buffer {
  const { kind, characters } = column;
  if (kind === 'text')
    return Buffer.concat([u8(TYPE.nvarchar), u16(characters === undefined ? NO_LIMIT : 2 * characters), COLLATION]);
  if (kind === 'bytes') return Buffer.concat([u8(TYPE.varbinary), u16(NO_LIMIT)]);
  const fixed = fixedType(column);
  if (fixed !== undefined) return u8(fixed);
  return Buffer.from([kind === 'bit' ? TYPE.bit : kind === 'float' ? TYPE.float : TYPE.int, SIZES[kind]]);
}

export const columnsToken = (columns: readonly Column[]): Buffer =>
  Buffer.concat([
    u8(COLUMNS),
    u16(columns.length),
    ...columns.flatMap((column) => [u32(0), u16(column.whole ? 0 : 1), info(column), bVarChar(column.name)]),
  ]);

export const rowToken = (columns: readonly Column[], row: readonly unknown[]): Buffer =>
  Buffer.concat([u8(ROW), ...columns.map((column, i) => valueBytes(column, row[i]))]);

function valueBytes(column: Column, value: unknown): Buffer {
  const { kind } = column;
  const none = value === null || value === undefined;
  if (kind === 'text' || kind === 'bytes') {
    const short = kind === 'text' && column.characters !== undefined;
    if (none) return Buffer.alloc(short ? 2 : 8, 0xff);
    const bytes = kind === 'text' ? Buffer.from(String(value), 'utf16le') : Buffer.from(value as Uint8Array);
    if (short) return Buffer.concat([u16(bytes.length), bytes]);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    return Buffer.concat([length, ...(bytes.length > 0 ? [u32(bytes.length), bytes] : []), u32(0)]);
  }
  if (none) return u8(0);
  const size = SIZES[kind];
  const bytes = Buffer.alloc(1 + size, size);
  if (kind === 'bit') bytes[1] = value ? 1 : 0;
  else if (kind === 'float') bytes.writeDoubleLE(Number(value), 1);
  else if (kind === 'int') bytes.writeInt32LE(Number(value), 1);
  else bytes.writeBigInt64LE(BigInt(value as number | bigint), 1);
  return fixedType(column) === undefined ? bytes : bytes.subarray(1);
}
