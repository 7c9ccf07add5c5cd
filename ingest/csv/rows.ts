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
    return parse(text, options)[0] ?? [];
  } catch (error) {
    return `the row is not CSV: ${
      messageOf(error)
        .replace(/ at line \d+/, '')
        .split(',')[0]
    }`;
  }
}

/** What the columns mean, where their names do not say it. */
export interface Layout {
  /** Names of columns that stand for TS, Device, Sensor, Value. */
  readonly columns?: Readonly<Partial<Record<Column, string>>>;
  /** A column for each sensor. */
  readonly wide?: boolean;
  /** The device of all rows, where no column names it. */
  readonly device?: string;
}

export type Column = (typeof COLUMNS)[number];

/**
 * Where the columns TS, Device, Sensor, Value stand (-1 for a device that is said for all rows), and how many there
 * are.
 */
export interface Header {
  readonly at: readonly number[];
  /** Where Quality stands; absent when there is no such column. */
  readonly quality?: number;
  readonly fields: number;
}

/** @throws FleetscoreError `CSV_HEADER` */
export function readHeader(text: string, separator: string, layout: Layout = {}): Header {
  const row = splitRow(text, separator);
  const names = typeof row === 'string' ? [text] : row;
  const at = find(names, layout);
  const quality = names.findIndex((name) => name.toLowerCase() === QUALITY);
  if (at) return { at, fields: names.length, ...(quality < 0 ? undefined : { quality }) };
  throw headerError(text, separator, names);
}

function find(header: readonly string[], { columns = {}, device }: Layout = {}): number[] | undefined {
  const names = header.map((name) => name.toLowerCase());
  const found = COLUMNS.map((column) => {
    const at = names.indexOf((columns[column] ?? column).toLowerCase());
    return at < 0 && column === 'value' && columns.value === undefined ? names.indexOf(VALUE_ALIAS) : at;
  });
  const whole = found.every((at, i) => at >= 0 || (COLUMNS[i] === 'device' && device !== undefined));
  return whole ? found : undefined;
}

export function headerError(text: string, separator: string, names: readonly string[] = []): FleetscoreError {
  const got = text.trim() === '' ? 'nothing' : JSON.stringify(text.slice(0, 100));
  return new FleetscoreError(
    'CSV_HEADER',
    `the first line must name the columns TS, Device, Sensor, Value, separated by ${nameOf(separator)}, got ` +
      `${got}. ${headerHint(text, separator, names)}`,
  );
}

function headerHint(text: string, separator: string, names: readonly string[]): string {
  const other = Object.keys(SEPARATORS).find(
    (one) => one !== separator && text.split(one).length > Math.max(2, names.length),
  );
  if (other !== undefined) {
    const row = splitRow(text, other);
    const decimal = other === ';' ? ', and --decimal , when the values have a decimal comma' : '';
    if (typeof row !== 'string' && (find(row) || names.length < 4)) {
      // All at once: what the columns seem to be is told, too.
      const more = find(row) ? '' : ` ${headerHint(text, other, row)}`;
      return (
        `The columns seem to be separated by ${nameOf(other)}: say --separator ` +
        `${other === '\t' ? 'tab' : nameOf(other)}${decimal}.${more}`
      );
    }
  }
  if (text.includes('\r')) return 'The lines end with CR alone: write LF.';
  if (names.length > 1 && !names.some((name) => /^(sensor|value|val)$/i.test(name))) {
    const time = names.find((name) => /^(ts|time|timestamp|date|datetime|date_?time|zeit|datum)$/i.test(name));
    const device = names.some((name) => /^device$/i.test(name)) ? '' : ' --device NAME';
    // Four may be the four of other names.
    if (names.length > 4 || (names.length < 4 && time !== undefined))
      return (
        'This looks like a column for each sensor: say ' +
        `--wide${time === undefined || /^ts$/i.test(time) ? '' : ` --columns ts=${shellWord(time)}`}${device}.`
      );
  }
  const lower = new Set(names.map((name) => name.toLowerCase()));
  const missing = COLUMNS.filter((column) => !lower.has(column) && !(column === 'value' && lower.has(VALUE_ALIAS)));
  if (missing.length <= 2)
    return `It lacks ${missing.map((column) => TITLES[column]).join(' and ')}: add it, or rename a column.`;
  return names.length >= 4
    ? 'Rename its columns so, or say which they are: --columns ts=NAME,device=NAME,sensor=NAME,value=NAME.'
    : 'Add the header line TS,Device,Sensor,Value.';
}

const shellWord = (name: string): string => (/^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);

export interface RowRules {
  /** The device of rows that have no column for it. */
  readonly device?: string;
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
      return (
        `the row has ${row.length} fields, the header ${fields}: is there a decimal comma, or a ` +
        `${nameOf(rules.separator)} in a name? Quote the field, or say --separator`
      );
    const [ts = '', device = rules.device ?? '', sensor = '', value = ''] = at.map((column) => row[column]);
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
