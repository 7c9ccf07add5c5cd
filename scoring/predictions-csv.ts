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
import { ROWS_PER_TURN } from '../domain/turns.ts';
import { TIME_LENGTH, timeReader } from './csv/iso-time.ts';
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
  const head = Buffer.from(`${own.size === 0 ? HEADER : WITH_WINDOW}\n`);
  const bytes =
    own.size === 0
      ? rowWriter().text(columns, 0, series.length, nameOf, head)
      : Buffer.concat([
          head,
          ...[...rowRanges(series)].map(([id, { from, to }]) =>
            withWindow(rowWriter().text(columns, from, to, nameOf), own.get(id)),
          ),
        ]);
  let rows = 0;
  for (const scored of result.scored) rows += scored;
  return { bytes, rows };
}

/** Rows of one sensor with the length of its windows at their end: names hold no line feeds, so one ends each row. */
const withWindow = (rows: Uint8Array, seconds: number | undefined): Uint8Array =>
  Buffer.from(
    Buffer.from(rows)
      .toString()
      .replaceAll('\n', `,${seconds ?? ''}\n`),
  );

/**
 * Rows of a file in its order, those of one sensor when given: at most {@link ROWS_PER_TURN} at once, and others have
 * their turn in between.
 * @throws FleetscoreError `PREDICTIONS_CORRUPT` that names the line, `FORMAT_TOO_NEW`
 */
export async function* csvPages(bytes: Uint8Array, filter?: SensorKey): AsyncGenerator<Prediction[], undefined> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerEnd = lineEnd(buffer, 0);
  const header = buffer.toString('utf8', 0, headerEnd);
  // CSV has no place for a number: what a later version adds are columns.
  const isKnown = header === HEADER || header === WITH_WINDOW;
  if (!isKnown && header.startsWith(`${HEADER},`))
    throw formatTooNew('a predictions file', `its columns are ${header}`);
  if (!isKnown) throw corrupt(buffer, 0, `the header is not ${HEADER}`);
  const rowAt = rowReader(buffer, header === HEADER ? PREDICTION_COLUMNS.length : PREDICTION_COLUMNS.length + 1);
  const lines = filter ? linesOf(buffer, headerEnd, filter) : allLines(buffer, headerEnd + 1);
  let rows: Prediction[] = [];
  for (const [from, to] of lines) {
    rows.push(rowAt(from, to));
    if (rows.length < ROWS_PER_TURN) continue;
    yield rows;
    rows = [];
    await nextTurn();
  }
  if (rows.length > 0) yield rows;
  return undefined;
}

/** Where each row begins and ends. */
type Lines = Generator<readonly [from: number, to: number], undefined>;

function* allLines(buffer: Buffer, start: number): Lines {
  for (let from = start; from < buffer.length;) {
    const to = lineEnd(buffer, from);
    yield [from, to];
    from = to + 1;
  }
  return undefined;
}

function* linesOf(buffer: Buffer, start: number, { device, sensor }: SensorKey): Lines {
  const needle = Buffer.from(`,${quoted(device)},${quoted(sensor)},`);
  for (let at = buffer.indexOf(needle, start); at !== -1;) {
    const from = buffer.lastIndexOf(0x0a, at) + 1;
    const to = lineEnd(buffer, at);
    // The same text may stand inside a quoted name: right behind the time it is the sensor.
    if (at === from + TIME_LENGTH) yield [from, to];
    at = buffer.indexOf(needle, to);
  }
  return undefined;
}

function lineEnd(buffer: Buffer, from: number): number {
  // Names hold no line feeds, so one always ends a row.
  const end = buffer.indexOf(0x0a, from);
  return end === -1 ? buffer.length : end;
}

/** The names of a row, and the bytes of their cells with the commas around them. */
interface Names extends SensorKey {
  readonly from: number;
  readonly bytes: number;
}

/**
 * Reads the row between two places. Rows of one sensor follow each other: its names are read once, and are one text
 * for all of them, which as a part of its line each row would keep in memory.
 * @param width columns of the file
 */
function rowReader(buffer: Buffer, width: number): (from: number, to: number) => Prediction {
  const timeAt = timeReader();
  let names: Names | undefined;
  return (from, to) => {
    const at = from + TIME_LENGTH;
    const isLast =
      names !== undefined &&
      at + names.bytes <= to &&
      buffer.compare(buffer, names.from, names.from + names.bytes, at, at + names.bytes) === 0;
    const { device, sensor, bytes } = isLast ? names! : (names = namesAt(buffer, from, to));
    const cells = buffer.toString('latin1', at + bytes, to).split(',');
    const [first = '', prediction, third = '', seconds = ''] = cells;
    const tsMs = timeAt(buffer, from);
    const [value, score] = [numberOf(first), numberOf(third)];
    if (
      cells.length !== width - 3 ||
      tsMs === undefined ||
      (prediction !== '0' && prediction !== '1') ||
      value === undefined ||
      score === undefined ||
      !isLength(seconds)
    )
      throw corrupt(buffer, from, NO_ROW);
    const row: Prediction = { tsMs, device, sensor, value, prediction: prediction === '1' ? 1 : 0, score };
    return seconds === '' ? row : { ...row, windowMs: Math.round(Number(seconds) * 1_000) };
  };
}

const NO_ROW = 'the row is not a prediction';
const COMMA = 0x2c;
const QUOTE = 0x22;

function namesAt(buffer: Buffer, from: number, to: number): Names {
  const at = from + TIME_LENGTH;
  const names: string[] = [];
  let end = at;
  for (let name = 0; name < 2; name++) {
    if (buffer[end] !== COMMA || end >= to) throw corrupt(buffer, from, NO_ROW);
    const begin = end + 1;
    end = cellEnd(buffer, begin, to);
    const cell = end === -1 ? '"' : buffer.toString('utf8', begin, end);
    const isQuoted = cell.length > 1 && cell.startsWith('"');
    if (!isQuoted && cell.includes('"')) throw corrupt(buffer, from, 'a field is not quoted right');
    names.push(nameOfCell(isQuoted ? cell.slice(1, -1).replaceAll('""', '"') : cell));
  }
  if (buffer[end] !== COMMA || end >= to) throw corrupt(buffer, from, NO_ROW);
  return { device: names[0]!, sensor: names[1]!, from: at, bytes: end + 1 - at };
}

/** Where the cell ends that begins at `from`; -1 when its quote is left open. */
function cellEnd(buffer: Buffer, from: number, to: number): number {
  if (buffer[from] !== QUOTE) {
    const comma = buffer.indexOf(COMMA, from);
    return comma === -1 || comma > to ? to : comma;
  }
  for (let at = from + 1; at < to; at++)
    if (buffer[at] === QUOTE) {
      if (buffer[at + 1] !== QUOTE) return at + 1;
      at += 1;
    }
  return -1;
}

/** Seconds, or nothing for the fleet's windows. */
const isLength = (seconds: string): boolean => seconds === '' || Number(seconds) > 0;
/** Undefined for what is no number. */
function numberOf(text: string): number | undefined {
  const value = text === '' ? Number.NaN : Number(text);
  return Number.isNaN(value) && text !== 'NaN' ? undefined : value;
}

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
