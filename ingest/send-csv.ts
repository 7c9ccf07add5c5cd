/**
 * Readings from CSV: the columns TS, Device, Sensor, Value in any order and case, Quality too where there is one,
 * others ignored; or a column for each sensor (wide). Times without a zone are UTC. A bad row is reported with its line
 * and reason, the good ones go. A row is one line, so that a stray quote costs its own row and not the rest of the
 * file.
 */
import type { Readable } from 'node:stream';
import { FleetscoreError } from '../domain/errors.ts';
import type { TimeUnit } from '../domain/time.ts';
import { openEncoding } from './csv/encoding.ts';
import { readLines } from './csv/lines.ts';
import { inflated } from './csv/inflate.ts';
import { mergeByTime } from './csv/merge.ts';
import { createRowReader, headerError, readHeader, type Layout, type RowRules } from './csv/rows.ts';
import { createWideReader, type ReadWideRow } from './csv/wide.ts';
import { createTimeReader, type Decimal } from './csv/values.ts';
import { sendReadings, type SendOptions, type SendResult, type SentReading } from './send-readings.ts';

export interface BadRow {
  /** Where several files are sent. */
  readonly file?: string;
  /** Line of the file, from 1. */
  readonly line: number;
  readonly reason: string;
}

export interface CsvFormat extends Layout {
  /** Label of the Encoding Standard, default `utf-8`. */
  readonly encoding?: string;
  /** One character, default a comma. */
  readonly separator?: string;
  /** Default a point. */
  readonly decimal?: Decimal;
  /** What times that are numbers count; by default ten digits are seconds and thirteen milliseconds. */
  readonly timeUnit?: TimeUnit;
}

export interface SendCsvOptions extends SendOptions {
  readonly format?: CsvFormat;
  readonly onBadRow?: (row: BadRow) => void;
}

export interface SendCsvResult extends SendResult {
  readonly bad: number;
  /** Cells of wide rows without a value. */
  readonly missing: number;
}

/** A file among several. */
export interface NamedInput {
  readonly name: string;
  readonly stream: Readable;
}

/**
 * @param input bytes or text of a CSV file, or several, which are merged by time; gzip is inflated
 * @throws FleetscoreError `CSV_HEADER` when a column is missing, `CSV_FILE`, `CSV_ENCODING`, else as {@link
 *   sendReadings}
 */
export async function sendCsv(
  input: Readable | readonly NamedInput[],
  options: SendCsvOptions,
): Promise<SendCsvResult> {
  let bad = 0;
  let missing = 0;
  const inputs = 'read' in input ? [{ name: '', stream: input }] : input;
  const readers = inputs.map(({ name, stream }) => {
    const onBadRow = (row: BadRow): void => {
      bad++;
      options.onBadRow?.(inputs.length > 1 ? { file: name, ...row } : row);
    };
    const readings = readCsv(inflated(stream), onBadRow, options.format, (cells) => (missing += cells));
    return inputs.length > 1 ? namingFile(name, readings) : readings;
  });
  const result = await sendReadings(readers.length === 1 ? readers[0]! : mergeByTime(readers), options);
  return { ...result, bad, missing };
}

/** @throws FleetscoreError `CSV_HEADER`, `CSV_FILE`, `CSV_ENCODING` */
export async function* readCsv(
  input: Readable,
  onBadRow: (row: BadRow) => void,
  format: CsvFormat = {},
  onMissing: (cells: number) => void = () => {},
): AsyncGenerator<SentReading> {
  const { encoding, separator = ',', decimal = '.', timeUnit } = format;
  let readRow: ReadWideRow | undefined;
  for await (const line of readLines(input, openEncoding(encoding))) {
    if ('problem' in line) {
      if (!readRow) throw headerError('', separator);
      onBadRow({ line: line.line, reason: line.problem });
      continue;
    }
    if (line.text.trim() === '') continue;
    if (!readRow) {
      readRow = readerFor(line.text, format, { separator, decimal, readTime: createTimeReader(timeUnit) });
      continue;
    }
    const row = readRow(line.text);
    if (typeof row === 'string') {
      onBadRow({ line: line.line, reason: row });
      continue;
    }
    for (const reason of row.problems) onBadRow({ line: line.line, reason });
    if (row.missing > 0) onMissing(row.missing);
    yield* row.readings;
  }
  if (!readRow) throw headerError('', separator);
}

/** Tells which of several files it is that cannot be read. */
export async function* namingFile(name: string, readings: AsyncIterable<SentReading>): AsyncGenerator<SentReading> {
  try {
    yield* readings;
  } catch (error) {
    if (!(error instanceof FleetscoreError)) throw error;
    throw new FleetscoreError(error.code, `${name}: ${error.message}`, { cause: error });
  }
}

/** What reads the rows below a header, long or wide. */
function readerFor(header: string, format: Layout, rules: RowRules): ReadWideRow {
  if (format.wide) return createWideReader(header, format, rules);
  const { device } = format;
  const read = createRowReader(readHeader(header, rules.separator, format), {
    ...rules,
    ...(device === undefined ? {} : { device }),
  });
  return (text) => {
    const reading = read(text);
    return typeof reading === 'string' ? reading : { readings: [reading], missing: 0, problems: [] };
  };
}
