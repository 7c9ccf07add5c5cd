/**
 * Avro container files as rows of cells, one block in memory at a time. Columns are the fields of the record that hold
 * one value, or none; others are as if they were not there.
 */
import avro from 'avsc';
import { snappyUncompress } from 'hyparquet';
import * as zlib from 'node:zlib';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { endOfAvro } from '../avro-bounds.ts';
import type { Cell } from '../table/cells.ts';
import { bigEndian, decimalValue, timeCell, timeOfDay, type ColumnKind } from './exact.ts';
import { AVRO_HEADER, EXACT_LONG, type AvroHeader } from '../avro-parts.ts';
import { avroBytes } from './avro-bytes.ts';
import type { TypedTable } from './table.ts';

type Schema = string | { readonly type?: Schema | readonly Schema[]; readonly [key: string]: unknown };

interface Column {
  readonly name: string;
  readonly of: ColumnKind;
}

/** Longest header, and longest block before and after it is inflated. */
const MOST_HEADER = 16 * 1024 ** 2;
const MOST_BLOCK = 256 * 1024 ** 2;

/** @param chunks the bytes of the file, in order @throws FleetscoreError `FILE_UNREADABLE` */
export async function openAvro(chunks: AsyncIterator<Buffer>): Promise<TypedTable> {
  const bytes = avroBytes(chunks);
  const { header, fields, type, codec } = await reading(async () => {
    const header = (await bytes.value(AVRO_HEADER, MOST_HEADER)) as AvroHeader;
    const text = (key: string): string => Buffer.from(header.meta[key] ?? []).toString();
    const schema = JSON.parse(text('avro.schema')) as Schema;
    const type = avro.Type.forSchema(schema as Parameters<typeof avro.Type.forSchema>[0], {
      wrapUnions: true,
      registry: { long: EXACT_LONG },
    });
    return { header, fields: fieldsOf(schema), type, codec: text('avro.codec') || 'null' };
  });
  return {
    names: fields.map(({ name }) => name),
    async *rows(wanted) {
      const columns = wanted.map((at) => ({ at, ...fields[at]! }));
      for (;;) {
        const block = await reading(() => bytes.block(header.sync, MOST_BLOCK));
        if (!block) return;
        const records = await reading(async () => [...recordsOf(type, inflated(block.bytes, codec), block.count)]);
        for (const record of records) {
          const cells: Cell[] = [];
          for (const { at, name, of } of columns) cells[at] = cellOf(record[name], of);
          yield cells;
        }
      }
    },
    close: async () => void (await chunks.return?.()),
  };
}

function* recordsOf(type: avro.Type, raw: Buffer, count: number): Generator<Readonly<Record<string, unknown>>> {
  for (let i = 0, position = 0; i < count; i++) {
    const end = endOfAvro(type, raw, position);
    // A schema without fields makes records of no bytes, as many as the file says.
    if (end <= position) throw new Error('its records are empty');
    yield type.decode(raw, position).value as Readonly<Record<string, unknown>>;
    position = end;
  }
}

/** Fields that hold one value or none. */
function fieldsOf(schema: Schema): Column[] {
  const record = typeof schema === 'object' && 'type' in schema && schema.type === 'record' ? schema : undefined;
  if (!record) throw new Error('its schema is no record');
  const columns: Column[] = [];
  for (const { name, type } of record.fields as { name: string; type: Schema | readonly Schema[] }[]) {
    const branches = (Array.isArray(type) ? (type as readonly Schema[]) : [type as Schema]).filter(
      (one) => one !== 'null',
    );
    const kinds = branches.map(kindOf);
    // Of a union of numbers each value says itself what it is; of one of times it would not.
    const [kind] = kinds;
    if (kind && (kinds.length === 1 || kinds.every((one) => one?.kind === 'plain'))) columns.push({ name, of: kind });
  }
  return columns;
}

const PLAIN: ReadonlySet<string> = new Set(['boolean', 'int', 'long', 'float', 'double', 'string', 'bytes', 'enum']);

const LOGICAL: Readonly<Record<string, ColumnKind>> = {
  'timestamp-millis': { kind: 'timestamp', perMs: 1n, zoned: true },
  'timestamp-micros': { kind: 'timestamp', perMs: 1_000n, zoned: true },
  'timestamp-nanos': { kind: 'timestamp', perMs: 1_000_000n, zoned: true },
  'local-timestamp-millis': { kind: 'timestamp', perMs: 1n, zoned: false },
  'local-timestamp-micros': { kind: 'timestamp', perMs: 1_000n, zoned: false },
  'local-timestamp-nanos': { kind: 'timestamp', perMs: 1_000_000n, zoned: false },
  date: { kind: 'timestamp', perMs: 'days', zoned: false },
  'time-millis': { kind: 'time', perSecond: 1_000n },
  'time-micros': { kind: 'time', perSecond: 1_000_000n },
};

function kindOf(schema: Schema): ColumnKind | undefined {
  if (typeof schema === 'string') return PLAIN.has(schema) ? { kind: 'plain' } : undefined;
  const { type, logicalType, scale } = schema;
  if (logicalType === 'decimal' && (type === 'bytes' || type === 'fixed'))
    return { kind: 'decimal', scale: Number(scale ?? 0) };
  const logical = type === 'int' || type === 'long' ? LOGICAL[String(logicalType)] : undefined;
  return logical ?? (typeof type === 'string' && PLAIN.has(type) ? { kind: 'plain' } : undefined);
}

function cellOf(wrapped: unknown, of: ColumnKind): Cell {
  // The branch of a union stands around its value.
  const value =
    typeof wrapped === 'object' && wrapped !== null && !(wrapped instanceof Uint8Array)
      ? (Object.values(wrapped)[0] as unknown)
      : wrapped;
  if (value instanceof Uint8Array) return of.kind === 'decimal' ? decimalValue(bigEndian(value), of.scale) : null;
  if (typeof value === 'number' || typeof value === 'bigint') {
    if (of.kind === 'timestamp') return timeCell(value, of.perMs, of.zoned);
    return of.kind === 'time' ? timeOfDay(value, of.perSecond) : value;
  }
  return typeof value === 'string' || typeof value === 'boolean' ? value : null;
}

function inflated(block: Buffer, codec: string): Buffer {
  const maxOutputLength = MOST_BLOCK;
  switch (codec) {
    case 'null':
      return block;
    case 'deflate':
      return zlib.inflateRawSync(block, { maxOutputLength });
    case 'zstandard':
      return zlib.zstdDecompressSync(block, { maxOutputLength });
    case 'snappy':
      return unsnapped(block);
    default:
      throw new Error(`it is compressed with ${codec}, which is not read; write it with deflate, snappy or zstandard`);
  }
}

/** Snappy says its length first, and four bytes of checksum of what is inside follow it. */
function unsnapped(block: Buffer): Buffer {
  let length = 0;
  for (let at = 0, weight = 1; at < 5; at++, weight *= 128) {
    const byte = block[at] ?? 0;
    length += (byte & 127) * weight;
    if (byte < 128) break;
  }
  if (length > MOST_BLOCK) throw new Error('a block inflates to more than is taken');
  const output = new Uint8Array(length);
  snappyUncompress(block.subarray(0, -4), output);
  const inside = Buffer.from(output.buffer);
  if (zlib.crc32(inside) !== block.readUInt32BE(block.length - 4)) throw new Error('a block is damaged');
  return inside;
}

async function reading<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof FleetscoreError) throw error;
    throw new FleetscoreError('FILE_UNREADABLE', `the Avro file cannot be read: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}
