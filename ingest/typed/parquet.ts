/**
 * Parquet files as rows of cells, one row group in memory at a time. Columns are those of the first level that hold one
 * value a row; others are as if they were not there. Decimals are taken as the whole numbers that they are: hyparquet
 * (1.33.0) divides them as doubles, which is exact up to 2^53 only. Times without a zone are told from instants by the
 * file (isAdjustedToUTC), which hyparquet's own dates do not tell.
 */
import { open } from 'node:fs/promises';
import * as zlib from 'node:zlib';
import {
  parquetMetadataAsync,
  parquetRead,
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  type RowGroup,
  type SchemaElement,
} from 'hyparquet';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import type { Cell } from '../table/cells.ts';
import { bigEndian, decimalValue, timeCell, timeOfDay, type ColumnKind } from './exact.ts';
import { checkPages } from './parquet-pages.ts';
import type { TypedTable } from './table.ts';

/** Uncompressed bytes of the columns of a row group that are read at once. */
const MOST_GROUP_BYTES = 1024 ** 3;

/** Values of a row group that are in memory at once: each may be of a few bytes in the file, or of none. */
const MOST_GROUP_VALUES = 2 ** 27;

interface Column {
  readonly name: string;
  readonly of: ColumnKind;
  readonly element: SchemaElement;
}

/** @param path the file itself: its table of contents stands at its end @throws FleetscoreError `FILE_UNREADABLE` */
export async function openParquet(path: string): Promise<TypedTable> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    const file: AsyncBuffer = {
      byteLength: size,
      async slice(start, end = size) {
        // Before memory is taken for it.
        if (!(start >= 0 && start <= end && end <= size)) throw new Error('it names bytes that it does not have');
        const bytes = new ArrayBuffer(Math.max(0, end - start));
        const { bytesRead } = await handle.read(new Uint8Array(bytes), 0, bytes.byteLength, start);
        if (bytesRead < bytes.byteLength) throw new Error('it ends too early');
        return bytes;
      },
    };
    const metadata = await readingParquet(() => parquetMetadataAsync(file));
    const columns = await readingParquet(async () => columnsOf(metadata));
    return {
      names: columns.map(({ name }) => name),
      rows: (wanted) => rowsOf(file, metadata, columns, wanted),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function* rowsOf(
  file: AsyncBuffer,
  metadata: FileMetaData,
  columns: readonly Column[],
  wanted: readonly number[],
): AsyncGenerator<readonly Cell[]> {
  const plain = { ...metadata, schema: metadata.schema.map(withoutDecimal) };
  const names = wanted.map((at) => columns[at]!.name);
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    checkSize(group, names, rows);
    for (const { name, element } of new Set(wanted.map((at) => columns[at]!)))
      await readingParquet(() => checkColumn(file, group, name, element));
    const values = new Map<string, { readonly from: number; readonly data: ArrayLike<unknown> }[]>();
    const from = rowStart;
    await readingParquet(() =>
      parquetRead({
        file,
        metadata: plain,
        columns: [...new Set(names)],
        rowStart: from,
        rowEnd: from + rows,
        utf8: false,
        compressors: COMPRESSORS,
        parsers: RAW,
        geoparquet: false,
        onChunk({ columnName, columnData, rowStart }) {
          const chunks = values.get(columnName) ?? [];
          chunks.push({ from: rowStart, data: columnData });
          values.set(columnName, chunks);
        },
      }),
    );
    for (const name of names) {
      const read = (values.get(name) ?? []).reduce((sum, { data }) => sum + data.length, 0);
      if (read !== rows) throw damaged(`the column ${name} has ${read} of ${rows} rows`);
    }
    for (let row = 0; row < rows; row++) {
      const cells: Cell[] = [];
      for (const at of wanted) {
        const { name, of } = columns[at]!;
        const chunks = values.get(name) ?? [];
        // The chunks of a group follow each other; those that are behind the row are never needed again.
        while (chunks.length > 1 && chunks[1]!.from <= from + row) chunks.shift();
        const [chunk] = chunks;
        const value = chunk?.data[from + row - chunk.from];
        // A NULL is null; an index that the dictionary does not have leaves nothing at all.
        if (value === undefined) throw damaged(`row ${row + 1} of the column ${name} is not in its dictionary`);
        cells[at] = cellOf(value, of);
      }
      yield cells;
    }
    rowStart += rows;
  }
}

/** The pages of one column of a row group; see `parquet-pages.ts`. */
async function checkColumn(file: AsyncBuffer, group: RowGroup, name: string, element: SchemaElement): Promise<void> {
  const meta = group.columns.find(({ meta_data: meta }) => meta?.path_in_schema[0] === name)?.meta_data;
  if (!meta) throw new Error(`a row group does not have the column ${name}`);
  // As hyparquet finds it (plan.js).
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
  checkPages(await file.slice(start, start + Number(meta.total_compressed_size)), {
    type: element.type ?? meta.type,
    typeLength: element.type_length ?? 0,
    codec: meta.codec,
    compressors: COMPRESSORS,
    optional: element.repetition_type === 'OPTIONAL',
    rows: Number(group.num_rows),
    mostBytes: MOST_GROUP_BYTES,
  });
}

/** Values as they are stored; what they mean is decided by `cellOf`. */
const RAW = {
  timestampFromMilliseconds: (value: bigint) => value,
  timestampFromMicroseconds: (value: bigint) => value,
  timestampFromNanoseconds: (value: bigint) => value,
  dateFromDays: (value: number) => value,
};

/** A page is no longer than it says. */
const bound = (length: number) => ({ maxOutputLength: Math.max(1, length) });

const COMPRESSORS: Compressors = {
  GZIP: (input, length) => zlib.gunzipSync(input, bound(length)),
  BROTLI: (input, length) => zlib.brotliDecompressSync(input, bound(length)),
  ZSTD: (input, length) => zlib.zstdDecompressSync(input, bound(length)),
};

function columnsOf({ schema }: FileMetaData): Column[] {
  const columns: Column[] = [];
  // The schema is a tree, written depth first; the root comes first.
  for (let at = 1; at < schema.length; at = behind(schema, at)) {
    const element = schema[at]!;
    if (typeof element.name !== 'string') throw damaged('a column has no name');
    if (!element.num_children && element.repetition_type !== 'REPEATED')
      columns.push({ name: element.name, of: kindOf(element), element });
  }
  return columns;
}

function behind(schema: readonly SchemaElement[], at: number): number {
  let next = at + 1;
  if (at >= schema.length) throw damaged('its schema says more columns than it has');
  for (let child = 0; child < (schema[at]?.num_children ?? 0); child++) next = behind(schema, next);
  return next;
}

const PER_MS = { MILLIS: 1n, MICROS: 1_000n, NANOS: 1_000_000n } as const;
const PER_SECOND = { MILLIS: 1_000n, MICROS: 1_000_000n, NANOS: 1_000_000_000n } as const;

function kindOf(element: SchemaElement): ColumnKind {
  const { type, converted_type: converted, logical_type: logical } = element;
  if (isDecimal(element)) return { kind: 'decimal', scale: element.scale ?? 0 };
  if (logical?.type === 'TIMESTAMP')
    return { kind: 'timestamp', perMs: PER_MS[logical.unit], zoned: logical.isAdjustedToUTC };
  if (logical?.type === 'TIME') return { kind: 'time', perSecond: PER_SECOND[logical.unit] };
  // Files older than logical types say instants (parquet-format, LogicalTypes, deprecated TIMESTAMP_*).
  if (converted === 'TIMESTAMP_MILLIS') return { kind: 'timestamp', perMs: 1n, zoned: true };
  if (converted === 'TIMESTAMP_MICROS') return { kind: 'timestamp', perMs: 1_000n, zoned: true };
  if (converted === 'TIME_MILLIS') return { kind: 'time', perSecond: 1_000n };
  if (converted === 'TIME_MICROS') return { kind: 'time', perSecond: 1_000_000n };
  // What Spark and Impala wrote before; an instant to Spark.
  if (type === 'INT96') return { kind: 'timestamp', perMs: 1_000_000n, zoned: true };
  if (converted === 'DATE') return { kind: 'timestamp', perMs: 'days', zoned: false };
  return { kind: 'plain' };
}

const isDecimal = ({ converted_type, logical_type }: SchemaElement): boolean =>
  converted_type === 'DECIMAL' || logical_type?.type === 'DECIMAL';

function withoutDecimal(element: SchemaElement): SchemaElement {
  if (!isDecimal(element)) return element;
  const { converted_type: _converted, logical_type: _logical, ...rest } = element;
  return rest;
}

function cellOf(value: unknown, of: ColumnKind): Cell {
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array) {
    if (of.kind === 'decimal') return decimalValue(bigEndian(value), of.scale);
    // Text that nobody marked as such; what does not decode has lost a character, and is no name.
    return new TextDecoder().decode(value);
  }
  if (typeof value === 'number' || typeof value === 'bigint') {
    if (of.kind === 'decimal') return decimalValue(BigInt(value), of.scale);
    if (of.kind === 'timestamp') return timeCell(value, of.perMs, of.zoned);
    return of.kind === 'time' ? timeOfDay(value, of.perSecond) : value;
  }
  return typeof value === 'string' || typeof value === 'boolean' ? value : null;
}

function checkSize(group: RowGroup, names: readonly string[], rows: number): void {
  if (!(rows >= 0)) throw damaged(`a row group has ${rows} rows`);
  const bytes = group.columns
    .map(({ meta_data: meta }) => meta)
    .filter((meta) => meta !== undefined && names.includes(meta.path_in_schema[0] ?? ''))
    .reduce((sum, meta) => sum + Number(meta?.total_uncompressed_size ?? 0), 0);
  if (bytes > MOST_GROUP_BYTES || rows * names.length > MOST_GROUP_VALUES)
    throw new FleetscoreError(
      'FILE_UNREADABLE',
      `a row group of the file has ${rows} rows of ${Math.round(bytes / 1024 ** 2)} MiB, and a whole one is read ` +
        'at once: write it with smaller row groups (pandas: to_parquet(..., row_group_size=500_000)), or name the ' +
        'sensors with --include.',
    );
}

const damaged = (why: string): FleetscoreError =>
  new FleetscoreError('FILE_UNREADABLE', `the Parquet file is damaged, or of a kind that is not read: ${why}.`);

async function readingParquet<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof FleetscoreError) throw error;
    const codec = /unsupported compression codec: (\w+)/.exec(messageOf(error))?.[1];
    throw new FleetscoreError(
      'FILE_UNREADABLE',
      codec === undefined
        ? damaged(messageOf(error)).message
        : `the Parquet file is compressed with ${codec}, which is not read: write it with snappy, zstd or gzip.`,
      { cause: error },
    );
  }
}
