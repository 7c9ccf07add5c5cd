/**
 * Predictions as Parquet: TS (INT64, timestamp in UTC milliseconds), Device and Sensor (UTF-8, dictionaries), Val
 * and Score (DOUBLE), Prediction (INT32, 0 or 1); no column of these has nulls. Where sensors have windows of their own
 * the length is in Window (DOUBLE, seconds), null for the fleet's. One sensor is found by the two columns of
 * names alone, a small part of the file; then only the row group that holds it is decoded. Doubles are stored as
 * they are: they hardly compress, and trying to costs more than it saves.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadata,
  parquetReadObjects,
  type SchemaElement,
} from 'hyparquet';
import { ByteWriter, parquetWrite } from 'hyparquet-writer';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { checkFormat } from '../domain/format.ts';
import { PREDICTION_COLUMNS, PREDICTIONS_VERSION, WINDOW_COLUMN, type Prediction } from '../domain/prediction.ts';
import type { SensorKey } from '../domain/sensor.ts';
import { MAX_TIME_MS } from '../domain/time.ts';
import {
  ownSeconds,
  type NamedSensor,
  type PredictedSeries,
  type PredictionsContent,
  type Scored,
} from './predictions-content.ts';

/** Rows decoded together: small enough to find one sensor fast, large enough for its statistics not to count. */
const ROWS_PER_GROUP = 8_192;
/** Whole row groups: some 65,000 names. */
const NAMES_AT_ONCE = 8 * ROWS_PER_GROUP;
const MAGIC = 0x50_41_52_31; // PAR1
/** In the metadata of the file. */
const FORMAT_KEY = 'fleetscore.format';

type Column = (typeof PREDICTION_COLUMNS)[number];
const TYPES: Readonly<Record<Column, Omit<SchemaElement, 'name' | 'repetition_type'>>> = {
  TS: {
    type: 'INT64',
    converted_type: 'TIMESTAMP_MILLIS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
  },
  Device: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } },
  Sensor: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } },
  Val: { type: 'DOUBLE' },
  Prediction: { type: 'INT32' },
  Score: { type: 'DOUBLE' },
};
/** A column of a predictions file as the schema of a Parquet file says it; none has nulls. */
export const parquetColumn = (name: Column): SchemaElement => ({ name, repetition_type: 'REQUIRED', ...TYPES[name] });

const SCHEMA: SchemaElement[] = [
  { name: 'predictions', num_children: PREDICTION_COLUMNS.length },
  ...PREDICTION_COLUMNS.map(parquetColumn),
];

const WITH_WINDOW: SchemaElement[] = [
  { name: 'predictions', num_children: PREDICTION_COLUMNS.length + 1 },
  ...SCHEMA.slice(1),
  { name: WINDOW_COLUMN, repetition_type: 'OPTIONAL', type: 'DOUBLE' },
];

export function encodeParquet(
  sensors: readonly NamedSensor[],
  series: PredictedSeries,
  { scored, anomaly, score }: Scored,
): PredictionsContent {
  const named = new Map(sensors.map((sensor) => [sensor.id, sensor]));
  let rows = 0;
  for (let row = 0; row < series.length; row++) rows += scored[row]!;
  const ts = new BigInt64Array(rows);
  const device: string[] = [];
  const sensor: string[] = [];
  const value = new Float64Array(rows);
  const prediction = new Int32Array(rows);
  const scores = new Float64Array(rows);
  const own = ownSeconds(sensors, series, { scored, anomaly, score });
  const seconds: (number | null)[] = [];
  const times = new Map<number, bigint>();
  let of: NamedSensor | undefined;
  for (let row = 0, at = 0; row < series.length; row++) {
    if (scored[row] !== 1) continue;
    if (of?.id !== series.sensorId[row]) of = named.get(series.sensorId[row]!)!;
    const startMs = series.startMs[row]!;
    let time = times.get(startMs);
    if (time === undefined) times.set(startMs, (time = BigInt(startMs)));
    ts[at] = time;
    device.push(of!.device);
    sensor.push(of!.sensor);
    // As in text, zero has no sign.
    value[at] = series.mean[row]! + 0;
    prediction[at] = anomaly[row]!;
    scores[at] = score[row]! + 0;
    if (own.size > 0) seconds.push(own.get(of!.id) ?? null);
    at++;
  }
  const writer = new ByteWriter();
  const plain = { encoding: 'PLAIN', codec: 'UNCOMPRESSED' } as const;
  const pending = parquetWrite({
    writer,
    schema: own.size > 0 ? WITH_WINDOW : SCHEMA,
    createdBy: 'fleetscore',
    kvMetadata: [
      { key: FORMAT_KEY, value: String(own.size > 0 ? PREDICTIONS_VERSION.windows : PREDICTIONS_VERSION.plain) },
    ],
    rowGroupSize: ROWS_PER_GROUP,
    columnData: [
      { name: 'TS', data: ts },
      { name: 'Device', data: device },
      { name: 'Sensor', data: sensor },
      { name: 'Val', data: value, ...plain },
      { name: 'Prediction', data: prediction },
      { name: 'Score', data: scores, ...plain },
      ...(own.size > 0 ? [{ name: WINDOW_COLUMN, data: seconds } as const] : []),
    ] satisfies { name: Column | typeof WINDOW_COLUMN; data: unknown }[],
  });
  // The type allows a promise, for writers that are not this one: bytes taken before it ends would be half a file.
  if (pending) throw new Error('hyparquet-writer did not write at once');
  return { bytes: writer.getBytes(), rows };
}

/** Whether these are the bytes of a Parquet file. */
export function isParquet(bytes: Uint8Array): boolean {
  return bytes.byteLength >= 4 && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) === MAGIC;
}

/**
 * Rows of a file in its order, those of one sensor when given: one row group at most at once, and others have their
 * turn in between.
 * @throws FleetscoreError `PREDICTIONS_CORRUPT` that names the row, `FORMAT_TOO_NEW`
 */
export async function* parquetPages(bytes: Uint8Array, filter?: SensorKey): AsyncGenerator<Prediction[], undefined> {
  const file: AsyncBuffer = {
    byteLength: bytes.byteLength,
    slice: (from, to) => new Uint8Array(bytes.subarray(from, to)).buffer,
  };
  const read = async (
    metadata: FileMetaData,
    columns: readonly string[],
    rowStart: number,
    rowEnd: number,
  ): Promise<Record<string, unknown>[]> =>
    parquetReadObjects({
      file,
      metadata,
      columns: [...columns],
      rowStart,
      rowEnd,
      parsers: { timestampFromMilliseconds: Number },
    });
  try {
    const metadata = parquetMetadata(bytes);
    const columns = checkedColumns(metadata);
    const total = Number(metadata.num_rows);
    // Names are looked at so many at a time: a file of one sensor over a year has millions of rows.
    for (let first = 0; first < total; first += NAMES_AT_ONCE) {
      const end = Math.min(total, first + NAMES_AT_ONCE);
      const ranges = filter
        ? rangesOf(await read(metadata, ['Device', 'Sensor'], first, end), first, filter)
        : [{ from: first, to: end }];
      for (const { from, to } of ranges)
        for (let start = from; start < to; start += ROWS_PER_GROUP) {
          const group = await read(metadata, columns, start, Math.min(to, start + ROWS_PER_GROUP));
          yield group.map((row, i) => predictionOf(row, start + i));
          await nextTurn();
        }
    }
    return undefined;
  } catch (error) {
    if (error instanceof FleetscoreError) throw error;
    throw corrupt(messageOf(error), error);
  }
}

/** Rows of one sensor, as few ranges as they make: one, as its rows stand together. @param first row that is named */
function rangesOf(
  names: readonly Record<string, unknown>[],
  first: number,
  { device, sensor }: SensorKey,
): { from: number; to: number }[] {
  const ranges: { from: number; to: number }[] = [];
  for (const [i, name] of names.entries()) {
    if (name['Device'] !== device || name['Sensor'] !== sensor) continue;
    const row = first + i;
    const last = ranges.at(-1);
    if (last?.to === row) last.to = row + 1;
    else ranges.push({ from: row, to: row + 1 });
  }
  return ranges;
}

/** @throws FleetscoreError `PREDICTIONS_CORRUPT` when it has others */
function checkedColumns({ schema, key_value_metadata: said }: FileMetaData): readonly string[] {
  checkFormat('predictions', said?.find(({ key }) => key === FORMAT_KEY)?.value, 'a predictions file');
  const text = (elements: readonly SchemaElement[]): string =>
    elements
      .slice(1)
      .map(({ name, type, repetition_type: repetition }) => `${name} ${type} ${repetition}`)
      .join(', ');
  const found = text(schema);
  if (found !== text(SCHEMA) && found !== text(WITH_WINDOW))
    throw corrupt(`its columns are ${found || 'none'}; ${text(SCHEMA)} are expected`);
  return schema.slice(1).map(({ name }) => name);
}

function predictionOf(row: Record<string, unknown>, at: number): Prediction {
  const {
    TS: tsMs,
    Device: device,
    Sensor: sensor,
    Val: value,
    Prediction: prediction,
    Score: score,
    Window: seconds = null,
  } = row as Record<Column | typeof WINDOW_COLUMN, unknown>;
  if (
    typeof tsMs !== 'number' ||
    !(Math.abs(tsMs) <= MAX_TIME_MS) ||
    typeof device !== 'string' ||
    typeof sensor !== 'string' ||
    typeof value !== 'number' ||
    typeof score !== 'number' ||
    (prediction !== 0 && prediction !== 1) ||
    (seconds !== null && !(typeof seconds === 'number' && seconds > 0))
  )
    throw corrupt(`row ${at + 1} is not a prediction`);
  const own = seconds === null ? {} : { windowMs: Math.round(seconds * 1_000) };
  return { tsMs, device, sensor, value, prediction, score, ...own };
}

function corrupt(what: string, cause?: unknown): FleetscoreError {
  return new FleetscoreError(
    'PREDICTIONS_CORRUPT',
    `not a predictions file: Parquet: ${what}. Score the period again.`,
    { cause },
  );
}
