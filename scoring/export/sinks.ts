/**
 * Rows that count, written as they come: CSV, or Parquet row group by row group. The columns are those of predictions
 * files, then the length of the window in seconds, and the batch and the release that each row is of.
 */
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { PREDICTION_COLUMNS, WINDOW_COLUMN, type Prediction, type PredictionsFormat } from '../../domain/prediction.ts';
import { isoTime } from '../../domain/time.ts';
import { quoted } from '../predictions-csv.ts';
import { parquetColumn } from '../predictions-parquet.ts';
import type { CountingRows } from './what-counts.ts';

/** Takes bytes in order; resolves when there is room for more. */
export type Write = (bytes: Uint8Array) => Promise<void>;

export interface RowSink {
  readonly add: (rows: CountingRows) => Promise<void>;
  /** Writes what is left: the file is whole when it resolves. */
  readonly end: () => Promise<void>;
}

const EXPORT_COLUMNS = [...PREDICTION_COLUMNS, WINDOW_COLUMN, 'Batch', 'Release'] as const;

/** @param fleetMs length of the fleet's windows: of rows that say no other */
export const openSink = (format: PredictionsFormat, write: Write, fleetMs: number): RowSink =>
  format === 'parquet' ? parquetSink(write, fleetMs) : csvSink(write, fleetMs);

/** Seconds. */
const lengthOf = ({ windowMs }: Prediction, fleetMs: number): number => (windowMs ?? fleetMs) / 1_000;

/** Text gathered before it becomes bytes. */
const PIECE_CHARACTERS = 64 * 1024;

function csvSink(write: Write, fleetMs: number): RowSink {
  let text = `${EXPORT_COLUMNS.join(',')}\n`;
  const flush = async (): Promise<void> => {
    const piece = text;
    text = '';
    if (piece !== '') await write(Buffer.from(piece));
  };
  return {
    async add({ batch, rows }) {
      const tail = `,${quoted(batch.id)},${quoted(batch.release)}\n`;
      for (const row of rows) {
        text += `${isoTime(row.tsMs)},${quoted(row.device)},${quoted(row.sensor)},`;
        text += `${row.value},${row.prediction},${row.score},${lengthOf(row, fleetMs)}${tail}`;
        if (text.length >= PIECE_CHARACTERS) await flush();
      }
    },
    end: flush,
  };
}

/** Rows encoded together: some 10 MB in memory. */
const ROWS_PER_GROUP = 65_536;
const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } as const;

function parquetSink(write: Write, fleetMs: number): RowSink {
  const bytes = new ByteWriter();
  const flush = async (): Promise<void> => {
    const piece = bytes.getBytes().slice();
    // Offsets in the file go on; the place in memory is used again.
    bytes.index = 0;
    await write(piece);
  };
  const writer = new ParquetWriter({
    writer: Object.assign(bytes, { flush, finish: flush }),
    schema: [
      { name: 'predictions', num_children: EXPORT_COLUMNS.length },
      ...PREDICTION_COLUMNS.map(parquetColumn),
      { name: WINDOW_COLUMN, repetition_type: 'REQUIRED', type: 'DOUBLE' },
      { name: 'Batch', repetition_type: 'REQUIRED', ...TEXT },
      { name: 'Release', repetition_type: 'REQUIRED', ...TEXT },
    ],
    createdBy: 'fleetscore',
  });
  let waiting: (Prediction & { readonly batch: string; readonly release: string })[] = [];
  const writeGroup = async (): Promise<void> => {
    const rows = waiting;
    waiting = [];
    if (rows.length > 0) await writer.write({ rowGroupSize: ROWS_PER_GROUP, columnData: columnsOf(rows, fleetMs) });
  };
  return {
    async add({ batch: { id: batch, release }, rows }) {
      for (const row of rows) {
        waiting.push({ ...row, batch, release });
        if (waiting.length === ROWS_PER_GROUP) await writeGroup();
      }
    },
    async end() {
      await writeGroup();
      await writer.finish();
    },
  };
}

function columnsOf(
  rows: readonly (Prediction & { readonly batch: string; readonly release: string })[],
  fleetMs: number,
): Parameters<ParquetWriter['write']>[0]['columnData'] {
  const plain = { encoding: 'PLAIN', codec: 'UNCOMPRESSED' } as const;
  return [
    { name: 'TS', data: BigInt64Array.from(rows, ({ tsMs }) => BigInt(tsMs)) },
    { name: 'Device', data: rows.map(({ device }) => device) },
    { name: 'Sensor', data: rows.map(({ sensor }) => sensor) },
    { name: 'Val', data: Float64Array.from(rows, ({ value }) => value), ...plain },
    { name: 'Prediction', data: Int32Array.from(rows, ({ prediction }) => prediction) },
    { name: 'Score', data: Float64Array.from(rows, ({ score }) => score), ...plain },
    { name: WINDOW_COLUMN, data: Float64Array.from(rows, (row) => lengthOf(row, fleetMs)), ...plain },
    { name: 'Batch', data: rows.map(({ batch }) => batch) },
    { name: 'Release', data: rows.map(({ release }) => release) },
  ];
}
