/**
 * Readings from CSV: the columns TS, Device, Sensor, Value in any order and case, Quality too where
 * there is one, others ignored; times without a zone are UTC. A bad row is reported with its line and reason, the good ones go. A row is one line, so that a stray
 * quote costs its own row and not the rest of the file.
 */
import type { Readable } from 'node:stream';
import type { TimeUnit } from '../domain/time.ts';
import { openEncoding } from './csv/encoding.ts';
import { readLines } from './csv/lines.ts';
import { createRowReader, headerError, readHeader } from './csv/rows.ts';
import { createTimeReader, type Decimal } from './csv/values.ts';
import { sendReadings, type SendOptions, type SendResult, type SentReading } from './send-readings.ts';

export interface BadRow {
  /** Line of the file, from 1. */
  readonly line: number;
  readonly reason: string;
}

export interface CsvFormat {
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
}

/**
 * @param input bytes or text of a CSV file
 * @throws FleetscoreError `CSV_HEADER` when a column is missing, `CSV_FILE`, `CSV_ENCODING`, else as {@link sendReadings}
 */
export async function sendCsv(input: Readable, options: SendCsvOptions): Promise<SendCsvResult> {
  let bad = 0;
  const onBadRow = (row: BadRow): void => {
    bad++;
    options.onBadRow?.(row);
  };
  const result = await sendReadings(readCsv(input, onBadRow, options.format), options);
  return { ...result, bad };
}

/** @throws FleetscoreError `CSV_HEADER`, `CSV_FILE`, `CSV_ENCODING` */
export async function* readCsv(
  input: Readable,
  onBadRow: (row: BadRow) => void,
  { encoding, separator = ',', decimal = '.', timeUnit }: CsvFormat = {},
): AsyncGenerator<SentReading> {
  let readRow: ReturnType<typeof createRowReader> | undefined;
  for await (const line of readLines(input, openEncoding(encoding))) {
    if ('problem' in line) {
      if (!readRow) throw headerError('', separator);
      onBadRow({ line: line.line, reason: line.problem });
      continue;
    }
    if (line.text.trim() === '') continue;
    if (!readRow) {
      const header = readHeader(line.text, separator);
      readRow = createRowReader(header, { separator, decimal, readTime: createTimeReader(timeUnit) });
      continue;
    }
    const reading = readRow(line.text);
    if (typeof reading === 'string') onBadRow({ line: line.line, reason: reading });
    else yield reading;
  }
  if (!readRow) throw headerError('', separator);
}
