/**
 * Predictions as CSV (RFC 4180 quoting, UTF-8, one line feed a row) with the columns of PREDICTION_COLUMNS.
 * Numbers are the shortest text that reads back as the same double; csv/rows.wat writes the rows. Names are written as
 * they are: those that a spreadsheet would take for a formula are refused at the door, and older ones are marked as
 * text (domain/sensor.ts).
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FleetscoreError } from '../domain/errors.ts';
import { formatTooNew } from '../domain/format.ts';
import { PREDICTION_COLUMNS, WINDOW_COLUMN, type Prediction } from '../domain/prediction.ts';
import { cellOfName, nameOfCell, type SensorKey } from '../domain/sensor.ts';
import { tryParseTime } from '../domain/time.ts';
import { ROWS_PER_TURN } from '../domain/turns.ts';
import { rowWriter } from './csv/rows.ts';
import { rowRanges } from './features.ts';
import {
  ownSeconds,
  type NamedSensor,
  type PredictedSeries,
  type PredictionsContent,
  type Scored,
} from './predictions-content.ts';

const HEADER = PREDICTION_COLUMNS.join(',');
const WITH_WINDOW = `${HEADER},${WINDOW_COLUMN}`;
/** Length of `2026-11-23T14:00:00.000Z`: every row starts with one. */
const TIME_LENGTH = 24;

export function encodeCsv(
  sensors: readonly NamedSensor[],
  series: PredictedSeries,
  result: Scored,
): PredictionsContent {
  const names = new Map(sensors.map((sensor) => [sensor.id, sensor]));
  const nameOf = (id: number): string => {
    const { device, sensor } = names.get(id)!;
    return `,${quoted(device)},${quoted(sensor)},`;
  };
  const columns = { ...series, ...result };
  const own = ownSeconds(sensors, series, result);
  const pieces =
    own.size === 0
      ? rowWriter().text(columns, 0, series.length, nameOf)
      : [...rowRanges(series)].flatMap(([id, { from, to }]) =>
          withWindow(rowWriter().text(columns, from, to, nameOf), own.get(id)),
        );
  let rows = 0;
  for (const scored of result.scored) rows += scored;
  return { bytes: Buffer.concat([Buffer.from(`${own.size === 0 ? HEADER : WITH_WINDOW}\n`), ...pieces]), rows };
}

/** Rows of one sensor with the length of its windows at their end: names hold no line feeds, so one ends each row. */
const withWindow = (pieces: readonly Uint8Array[], seconds: number | undefined): Uint8Array[] =>
  pieces.map((piece) =>
    Buffer.from(
      Buffer.from(piece)
        .toString()
        .replaceAll('\n', `,${seconds ?? ''}\n`),
    ),
  );

/** @throws FleetscoreError `PREDICTIONS_CORRUPT` that names the line, `FORMAT_TOO_NEW` */
export async function decodeCsv(bytes: Uint8Array, filter?: SensorKey): Promise<Prediction[]> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerEnd = lineEnd(buffer, 0);
  const header = buffer.toString('utf8', 0, headerEnd);
  // CSV has no place for a number: what a later version adds are columns.
  const isKnown = header === HEADER || header === WITH_WINDOW;
  if (!isKnown && header.startsWith(`${HEADER},`))
    throw formatTooNew('a predictions file', `its columns are ${header}`);
  if (!isKnown) throw corrupt(buffer, 0, `the header is not ${HEADER}`);
  const width = header === HEADER ? PREDICTION_COLUMNS.length : PREDICTION_COLUMNS.length + 1;
  return filter ? ofSensor(buffer, headerEnd, width, filter) : all(buffer, headerEnd + 1, width);
}

async function all(buffer: Buffer, start: number, width: number): Promise<Prediction[]> {
  const rows: Prediction[] = [];
  const times: Times = new Map();
  for (let from = start; from < buffer.length;) {
    const to = lineEnd(buffer, from);
    rows.push(parseRow(buffer, from, to, width, times, rows.at(-1)));
    from = to + 1;
    if (rows.length % ROWS_PER_TURN === 0) await nextTurn();
  }
  return rows;
}

async function ofSensor(
  buffer: Buffer,
  start: number,
  width: number,
  { device, sensor }: SensorKey,
): Promise<Prediction[]> {
  const needle = Buffer.from(`,${quoted(device)},${quoted(sensor)},`);
  const rows: Prediction[] = [];
  const times: Times = new Map();
  for (let at = buffer.indexOf(needle, start); at !== -1;) {
    const from = buffer.lastIndexOf(0x0a, at) + 1;
    const to = lineEnd(buffer, at);
    // The same text may stand inside a quoted name: right behind the time it is the sensor.
    if (at === from + TIME_LENGTH) {
      rows.push(parseRow(buffer, from, to, width, times, rows.at(-1)));
      if (rows.length % ROWS_PER_TURN === 0) await nextTurn();
    }
    at = buffer.indexOf(needle, to);
  }
  return rows;
}

function lineEnd(buffer: Buffer, from: number): number {
  // Names hold no line feeds, so one always ends a row.
  const end = buffer.indexOf(0x0a, from);
  return end === -1 ? buffer.length : end;
}

const FIELD = /,("(?:[^"]|"")*"|[^",]*)/y;

/** Times read so far: the windows of one sensor are those of the next. */
type Times = Map<string, number | undefined>;
/** Of longer series none is remembered past it: a sensor may have millions, and be alone. */
const MOST_TIMES = 65_536;

/**
 * Rows of one sensor share its name with the `last` one: as a part of its line each would keep that in memory.
 * @param width columns of the file
 */
function parseRow(
  buffer: Buffer,
  from: number,
  to: number,
  width: number,
  times: Times,
  last: Prediction | undefined,
): Prediction {
  const line = buffer.toString('utf8', from, to);
  const fields = line.includes('"') ? quotedFields(buffer, from, line) : line.slice(TIME_LENGTH + 1).split(',');
  const [deviceCell = '', sensorCell = '', value, prediction, score, seconds = ''] = fields;
  const device = nameOfCell(deviceCell);
  const sensor = nameOfCell(sensorCell);
  const time = line.slice(0, TIME_LENGTH);
  let tsMs = times.get(time);
  if (tsMs === undefined) {
    tsMs = line[TIME_LENGTH] === ',' ? tryParseTime(time) : undefined;
    if (times.size >= MOST_TIMES) times.clear();
    times.set(time, tsMs);
  }
  if (
    fields.length !== width - 1 ||
    tsMs === undefined ||
    (prediction !== '0' && prediction !== '1') ||
    !isNumber(value!) ||
    !isNumber(score!) ||
    !isLength(seconds)
  )
    throw corrupt(buffer, from, 'the row is not a prediction');
  return {
    tsMs,
    device: last && last.device === device ? last.device : device,
    sensor: last && last.sensor === sensor ? last.sensor : sensor,
    value: Number(value),
    prediction: prediction === '1' ? 1 : 0,
    score: Number(score),
    ...windowOf(seconds),
  };
}

function quotedFields(buffer: Buffer, from: number, line: string): string[] {
  const fields: string[] = [];
  FIELD.lastIndex = TIME_LENGTH;
  while (FIELD.lastIndex < line.length) {
    const field = FIELD.exec(line)?.[1];
    if (field === undefined) throw corrupt(buffer, from, 'a field is not quoted right');
    fields.push(field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field);
  }
  return fields;
}

/** Seconds, or nothing for the fleet's windows. */
const isLength = (seconds: string): boolean => seconds === '' || Number(seconds) > 0;
const windowOf = (seconds: string): Pick<Prediction, 'windowMs'> =>
  seconds === '' ? {} : { windowMs: Math.round(Number(seconds) * 1_000) };

const isNumber = (text: string): boolean => text === 'NaN' || (text !== '' && !Number.isNaN(Number(text)));

function corrupt(buffer: Buffer, at: number, what: string): FleetscoreError {
  let line = 1;
  for (let i = 0; i < at; i++) if (buffer[i] === 0x0a) line++;
  return new FleetscoreError(
    'PREDICTIONS_CORRUPT',
    `not a predictions file: line ${line}: ${what}. Score the period again.`,
  );
}

/** A name as a field of a row: quoted where RFC 4180 wants it, and never a formula. */
export function quoted(text: string): string {
  const name = cellOfName(text);
  return /[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}
