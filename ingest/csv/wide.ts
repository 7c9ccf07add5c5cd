/**
 * Wide rows: a column for each sensor, as most exports and public data sets have them. A row is one time and as many
 * readings as it has values. A cell without a value is normal there and is counted; one that is no number is told.
 */
import { FleetscoreError } from '../../domain/errors.ts';
import { nameProblem } from '../../domain/sensor.ts';
import type { SentReading } from '../send-readings.ts';
import { splitRow, type Layout, type RowRules } from './rows.ts';
import { readValue } from './values.ts';

/** How files write that there is no value (pandas' own list of such words, without numbers). */
const MISSING = /^(|nan|-nan|na|n\/a|<na>|#n\/a|null|none|nil|\?|-)$/i;

export interface WideRow {
  readonly readings: readonly SentReading[];
  /** Cells without a value. */
  readonly missing: number;
  /** Cells that are no numbers, each with its column. */
  readonly problems: readonly string[];
}

export type ReadWideRow = (text: string) => WideRow | string;

/**
 * Reads the rows below a wide header.
 *
 * @throws FleetscoreError `CSV_HEADER` when the time, the device or all sensors are missing, or a name is none
 */
export function createWideReader(header: string, { columns = {}, device }: Layout, rules: RowRules): ReadWideRow {
  const names = splitRow(header, rules.separator);
  if (typeof names === 'string') throw refused(names, header);
  const find = (name: string): number => names.findIndex((one) => one.toLowerCase() === name.toLowerCase());
  const time = find(columns.ts ?? 'TS');
  if (time < 0) throw refused(`there is no column ${columns.ts ?? 'TS'} for the time; say --columns ts=NAME`, header);
  const deviceAt = device === undefined || columns.device !== undefined ? find(columns.device ?? 'Device') : -1;
  if (deviceAt < 0 && device === undefined)
    throw refused('no column names the device; say --device NAME, or --columns device=NAME', header);
  const sensors = names
    .map((name, at) => ({ name, at }))
    .filter(({ name, at }) => at !== time && at !== deviceAt && name !== '' && name.toLowerCase() !== 'quality');
  if (sensors.length === 0) throw refused('there is no column of a sensor', header);
  for (const { name } of sensors) {
    const problem = nameProblem('sensor', name);
    if (problem !== undefined) throw refused(problem, header);
  }
  const twice = sensors.find(({ name }, i) => sensors.some((other, j) => j < i && other.name === name));
  if (twice) throw refused(`the column ${JSON.stringify(twice.name)} is there twice`, header);
  return (text) => {
    const row = splitRow(text, rules.separator);
    if (typeof row === 'string') return row;
    if (row.length > names.length)
      return (
        `the row has ${row.length} fields, the header ${names.length}: is there a decimal comma, or a ` +
        'separator in a name?'
      );
    const tsMs = rules.readTime(row[time] ?? '');
    if (typeof tsMs === 'string') return tsMs;
    const of = deviceAt < 0 ? (device ?? '') : (row[deviceAt] ?? '');
    const badDevice = nameProblem('device', of);
    if (badDevice !== undefined) return badDevice;
    const readings: SentReading[] = [];
    const problems: string[] = [];
    let missing = 0;
    for (const { name, at } of sensors) {
      const cell = row[at] ?? '';
      const value = MISSING.test(cell) ? undefined : readValue(cell, rules.decimal);
      if (value === undefined) missing++;
      else if (typeof value === 'string') problems.push(`column ${name}: ${value}`);
      else readings.push({ tsMs, device: of, sensor: name, value });
    }
    return { readings, missing, problems };
  };
}

function refused(problem: string, header: string): FleetscoreError {
  return new FleetscoreError(
    'CSV_HEADER',
    `the header ${JSON.stringify(header.slice(0, 100))} does not fit: ${problem}.`,
  );
}
