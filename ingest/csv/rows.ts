/** Lines -> rows -> readings: which columns there are, and what is wrong with a row or a header. */
import { parse } from 'csv-parse/sync';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import type { SentReading } from '../send-readings.ts';
import { nameProblem } from '../../domain/sensor.ts';
import { boundedMap } from '../bounded-map.ts';
import { readValue, type Decimal, type ReadTime } from './values.ts';

const COLUMNS = ['ts', 'device', 'sensor', 'value'] as const;
const TITLES = { ts: 'TS', device: 'Device', sensor: 'Sensor', value: 'Value' } as const;
/** Handed on to ingest, whose filter may ask for it. */
const QUALITY = 'quality';
/** Also taken for Value: the column of a predictions file. */
const VALUE_ALIAS = 'val';

const SEPARATORS: Readonly<Record<string, string>> = { ';': "';'", '\t': 'tab', '|': "'|'", ',': "','" };
const nameOf = (separator: string): string => SEPARATORS[separator] ?? `'${separator}'`;

/** Fields without the spaces around them, or what is wrong with the row. */
export function splitRow(text: string, separator: string): readonly string[] | string {
  if (!text.includes('"')) return text.split(separator).map((field) => field.trim());
  try {
    const options = { trim: true, relax_column_count: true, delimiter: separator };
    return (parse(text, options)[0] as string[] | undefined) ?? [];
  } catch (error) {
    return `the row is not CSV: ${
      messageOf(error)
        .replace(/ at line \d+/, '')
        .split(',')[0]
    }`;
  }
}

/** Where the columns TS, Device, Sensor, Value stand, and how many there are. */
export interface Header {
  readonly at: readonly number[];
  /** Where Quality stands; absent when there is no such column. */
  readonly quality?: number;
  readonly fields: number;
}

/** @throws FleetscoreError `CSV_HEADER` */
export function readHeader(text: string, separator: string): Header {
  const row = splitRow(text, separator);
  const names = typeof row === 'string' ? [text] : row;
  const at = find(names);
  const quality = names.findIndex((name) => name.toLowerCase() === QUALITY);
  if (at) return { at, fields: names.length, ...(quality < 0 ? undefined : { quality }) };
  throw headerError(text, separator, names);
}

function find(header: readonly string[]): number[] | undefined {
  const names = header.map((name) => name.toLowerCase());
  const found = COLUMNS.map((column) => {
    const at = names.indexOf(column);
    return at < 0 && column === 'value' ? names.indexOf(VALUE_ALIAS) : at;
  });
  return found.includes(-1) ? undefined : found;
}

export function headerError(text: string, separator: string, names: readonly string[] = []): FleetscoreError {
  const got = text.trim() === '' ? 'nothing' : JSON.stringify(text.slice(0, 100));
  return new FleetscoreError(
    'CSV_HEADER',
    `the first line must name the columns TS, Device, Sensor, Value, separated by ${nameOf(separator)}, got ${got}. ${headerHint(text, separator, names)}`,
  );
}

function headerHint(text: string, separator: string, names: readonly string[]): string {
  const other = Object.keys(SEPARATORS).find(
    (one) => one !== separator && text.split(one).length > Math.max(2, names.length),
  );
  if (other !== undefined) {
    const row = splitRow(text, other);
    const decimal = other === ';' ? ', and --decimal , when the values have a decimal comma' : '';
    if (typeof row !== 'string' && (find(row) || names.length < 4))
      return `The columns seem to be separated by ${nameOf(other)}: say --separator ${other === '\t' ? 'tab' : nameOf(other)}${decimal}.`;
  }
  if (text.includes('\r')) return 'The lines end with CR alone: write LF.';
  if (names.length > 4 && !names.some((name) => /^(device|sensor)$/i.test(name)))
    return 'This looks like a column for each sensor: make a row of each value (melt in pandas, unpivot in SQL).';
  const lower = new Set(names.map((name) => name.toLowerCase()));
  const missing = COLUMNS.filter((column) => !lower.has(column) && !(column === 'value' && lower.has(VALUE_ALIAS)));
  if (missing.length <= 2)
    return `It lacks ${missing.map((column) => TITLES[column]).join(' and ')}: add it, or rename a column.`;
  return names.length >= 4 ? 'Rename its columns so.' : 'Add the header line TS,Device,Sensor,Value.';
}

export interface RowRules {
  readonly separator: string;
  readonly decimal: Decimal;
  readonly readTime: ReadTime;
}

const KNOWN_NAMES = 100_000;

/** Reads rows below a header: the reading, or what is wrong with the row. */
export function createRowReader(
  { at, quality, fields }: Header,
  rules: RowRules,
): (text: string) => SentReading | string {
  const good = boundedMap<true>(KNOWN_NAMES);
  const problemOf = (what: 'device' | 'sensor', name: string): string | undefined => {
    if (good.get(name)) return undefined;
    const problem = nameProblem(what, name);
    if (problem === undefined) good.set(name, true);
    return problem;
  };
  return (text) => {
    const row = splitRow(text, rules.separator);
    if (typeof row === 'string') return row;
    if (row.length > fields)
      return `the row has ${row.length} fields, the header ${fields}: is there a decimal comma, or a ${nameOf(rules.separator)} in a name? Quote the field, or say --separator`;
    const [ts = '', device = '', sensor = '', value = ''] = at.map((column) => row[column]);
    if (row.length < fields && (ts === '' || device === '' || sensor === '' || value === ''))
      return `the row has ${row.length} fields, the header ${fields}`;
    const badName = problemOf('device', device) ?? problemOf('sensor', sensor);
    if (badName !== undefined) return badName;
    const tsMs = rules.readTime(ts);
    if (typeof tsMs === 'string') return tsMs;
    const number = readValue(value, rules.decimal);
    if (typeof number === 'string') return number;
    const flag = quality === undefined ? '' : (row[quality] ?? '');
    return { tsMs, device, sensor, value: number, ...(flag === '' ? undefined : { quality: flag }) };
  };
}
