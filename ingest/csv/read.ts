/**
 * Rows of CSV as readings. A bad row is reported with its line and reason, the good ones go. A row is one line, so that
 * a stray quote costs its own row and not the rest of the file.
 */
import { FleetscoreError } from '../../domain/errors.ts';
import type { SentReading } from '../send-readings.ts';
import { createTableReader, type TableFormat, type TableReader, type TableRow } from '../table/rows.ts';
import { openEncoding } from './encoding.ts';
import { headerError, nameOf, splitRow } from './header.ts';
import { readLines } from './lines.ts';

export interface CsvFormat extends TableFormat {
  /** Label of the Encoding Standard, default `utf-8`. */
  readonly encoding?: string;
  /** One character, default a comma. */
  readonly separator?: string;
  /** Lines before the header line that are none of the table; default 0. */
  readonly skipLines?: number;
  /** Names of the columns of a file that has no header line. */
  readonly header?: readonly string[];
  /** Rows begin with a number or name that the header does not have, as R writes them. */
  readonly rowNumbers?: boolean;
}

export interface RowEvents {
  /** A row, or a cell of one, that could not be taken; `line` counts rows in files that have no lines. */
  onBad(line: number, reason: string): void;
  /** What else is counted; once a row that has some. */
  onRow?(row: Pick<TableRow, 'missing' | 'notGood'>): void;
  /** At the end of a file: times that clocks showed twice. */
  onAmbiguous?(times: number): void;
}

/** @throws FleetscoreError `CSV_HEADER` when a column is missing, `CSV_FILE`, `CSV_ENCODING` */
export async function* readCsv(
  input: AsyncIterable<Buffer | string>,
  events: RowEvents,
  format: CsvFormat = {},
): AsyncGenerator<SentReading> {
  const { encoding, separator = ',', skipLines = 0 } = format;
  let rows = format.header && openCsvRows(format.header, format);
  for await (const line of readLines(input, openEncoding(encoding))) {
    if (line.line <= skipLines) continue;
    if ('problem' in line) {
      if (!rows) throw headerError('', separator);
      events.onBad(line.line, line.problem);
      continue;
    }
    if (line.text.trim() === '') continue;
    if (!rows) {
      rows = openCsvRows(namesIn(line.text, separator), format, line.text);
      continue;
    }
    const row = rows.read(line.text);
    if (row === undefined) continue;
    if (typeof row === 'string') {
      events.onBad(line.line, row);
      continue;
    }
    for (const reason of row.problems) events.onBad(line.line, reason);
    if (row.missing > 0 || row.notGood !== undefined) events.onRow?.(row);
    yield* row.readings;
  }
  if (!rows) throw headerError('', separator);
  events.onAmbiguous?.(rows.table.ambiguous());
}

interface CsvRows {
  readonly table: TableReader;
  /** Undefined for a row of empty fields, with which spreadsheets fill their ends. */
  read(text: string): TableRow | string | undefined;
}

function namesIn(header: string, separator: string): readonly string[] {
  const split = splitRow(header, separator);
  return typeof split === 'string' ? [header] : split;
}

/**
 * What reads the rows below a header.
 *
 * @param header the line that named the columns
 * @throws FleetscoreError `CSV_HEADER`
 */
function openCsvRows(names: readonly string[], format: CsvFormat, header = names.join(',')): CsvRows {
  const { separator = ',', rowNumbers = false } = format;
  const table = createTableReader(names, format);
  if ('problem' in table)
    throw format.wide || format.columns || format.header
      ? unfit(header, table.problem)
      : headerError(header, separator, names);
  return {
    table,
    read(text) {
      const all = splitRow(text, separator);
      if (typeof all === 'string') return all;
      const row = rowNumbers ? all.slice(1) : all;
      if (row.length > names.length && row.slice(names.length).some((field) => field !== ''))
        return (
          `the row has ${row.length} fields, the header ${names.length}: is there a decimal comma, or a ` +
          `${nameOf(separator)} in a name? Quote the field, or say --separator`
        );
      return row.every((field) => field === '') ? undefined : table.read(row);
    },
  };
}

function unfit(header: string, problem: string): FleetscoreError {
  return new FleetscoreError(
    'CSV_HEADER',
    `the header ${JSON.stringify(header.slice(0, 100))} does not fit: ${problem}.`,
  );
}
