/**
 * Readings from CSV text: the columns TS, Device, Sensor, Value in any order and case, others ignored; times
 * without a zone are UTC. A bad row is reported with its line and reason, the good ones go.
 */
import { parse } from 'csv-parse/sync';
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import type { Reading } from '../domain/reading.ts';
import { nameProblem } from '../domain/sensor.ts';
import { MAX_TIME_MS } from '../domain/time.ts';
import { eventTime } from './parse-event.ts';
import { sendReadings, type SendOptions, type SendResult } from './send-readings.ts';

export interface BadRow {
  /** Line of the file, from 1. */
  readonly line: number;
  readonly reason: string;
}

export interface SendCsvOptions extends SendOptions {
  readonly onBadRow?: (row: BadRow) => void;
}

export interface SendCsvResult extends SendResult {
  readonly bad: number;
}

const COLUMNS = ['ts', 'device', 'sensor', 'value'] as const;
/** Also taken for Value: the column of a predictions file. */
const VALUE_ALIAS = 'val';
const MAX_ROW_LENGTH = 64 * 1024;

/**
 * @param input bytes or text of a CSV file
 * @throws FleetscoreError `CSV_HEADER` when a column is missing, else as {@link sendReadings}
 */
export async function sendCsv(input: Readable, options: SendCsvOptions): Promise<SendCsvResult> {
  let bad = 0;
  const onBadRow = (row: BadRow): void => {
    bad++;
    options.onBadRow?.(row);
  };
  const result = await sendReadings(readCsv(input, onBadRow), options);
  return { ...result, bad };
}

/**
 * A row is one line, so that a stray quote costs its own row and not the rest of the file.
 * @throws FleetscoreError `CSV_HEADER`
 */
export async function* readCsv(input: Readable, onBadRow: (row: BadRow) => void): AsyncGenerator<Reading> {
  let columns: readonly number[] | undefined;
  const goodNames = new Set<string>();
  for await (const { line, text } of readLines(input)) {
    if (text === undefined) {
      if (columns === undefined) throw headerError([]);
      onBadRow({ line, reason: `the row is longer than ${MAX_ROW_LENGTH} characters` });
      continue;
    }
    if (text.trim() === '') continue;
    const row = splitRow(text);
    if (columns === undefined) {
      columns = findColumns(typeof row === 'string' ? [text] : row);
      continue;
    }
    const reading = typeof row === 'string' ? row : toReading(row, columns, goodNames);
    if (typeof reading === 'string') onBadRow({ line, reason: reading });
    else yield reading;
  }
  if (columns === undefined) throw headerError([]);
}

/** Lines with their numbers; without text when they are too long to be held. */
async function* readLines(input: Readable): AsyncGenerator<{ readonly line: number; readonly text?: string }> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let line = 1;
  let tooLong = false;
  const cut = (text: string): { readonly line: number; readonly text?: string } =>
    tooLong || text.length > MAX_ROW_LENGTH ? { line } : { line, text: text.endsWith('\r') ? text.slice(0, -1) : text };
  for await (const chunk of input as AsyncIterable<Buffer | string>) {
    let text = rest + (typeof chunk === 'string' ? chunk : decoder.write(chunk));
    if (line === 1 && text.startsWith('\uFEFF')) text = text.slice(1);
    let from = 0;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      yield cut(text.slice(from, at));
      tooLong = false;
      line++;
      from = at + 1;
    }
    rest = text.slice(from);
    if (rest.length > MAX_ROW_LENGTH) {
      tooLong = true;
      rest = '';
    }
  }
  rest += decoder.end();
  if (rest !== '' || tooLong) yield cut(rest);
}

/** Fields without the spaces around them, or what is wrong with the row. */
function splitRow(text: string): readonly string[] | string {
  if (!text.includes('"')) return text.split(',').map((field) => field.trim());
  try {
    return (parse(text, { trim: true, relax_column_count: true })[0] as string[] | undefined) ?? [];
  } catch (error) {
    return `the row is not CSV: ${
      messageOf(error)
        .replace(/ at line \d+/, '')
        .split(',')[0]
    }`;
  }
}

function findColumns(header: readonly string[]): number[] {
  const names = header.map((name) => name.trim().toLowerCase());
  const found = COLUMNS.map((column) => {
    const at = names.indexOf(column);
    return at < 0 && column === 'value' ? names.indexOf(VALUE_ALIAS) : at;
  });
  if (found.some((at) => at < 0)) throw headerError(header);
  return found;
}

function headerError(header: readonly string[]): FleetscoreError {
  const got = header.length === 0 ? 'nothing' : JSON.stringify(header.join(',').slice(0, 100));
  return new FleetscoreError(
    'CSV_HEADER',
    `the first line must name the columns TS, Device, Sensor, Value, got ${got}. Add the header line TS,Device,Sensor,Value.`,
  );
}

/** The reading, or what is wrong with the row. */
function toReading(row: readonly string[], columns: readonly number[], goodNames: Set<string>): Reading | string {
  const [ts = '', device = '', sensor = '', text = ''] = columns.map((at) => row[at]);
  for (const [what, name] of [
    ['device', device],
    ['sensor', sensor],
  ] as const) {
    if (goodNames.has(name)) continue;
    const problem = nameProblem(what, name);
    if (problem !== undefined) return problem;
    if (goodNames.size > 100_000) goodNames.clear();
    goodNames.add(name);
  }
  const tsMs = eventTime(ts);
  if (tsMs === undefined || tsMs < 0 || tsMs > MAX_TIME_MS)
    return `TS ${JSON.stringify(ts)} is not a time; use ISO 8601 such as 2026-11-23T14:00:00Z, or seconds or milliseconds since 1970`;
  const value = text === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) return `Value ${JSON.stringify(text)} is not a finite number`;
  return { tsMs, device, sensor, value };
}
