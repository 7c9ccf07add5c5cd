/**
 * What was said of the format of files: by whoever put a file there (in its metadata), or in a file `_format.json`
 * beside it or in a folder above. It holds the options of `fleetscore send`, by their names in camel case.
 */
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { shown } from '../../domain/describe.ts';
import type { CsvFormat } from '../csv/read.ts';
import { isColumn } from '../table/layout.ts';

export const FORMAT_FILE = '_format.json';

/** Names of the format files that may count for a file, the nearest first. */
export function formatFilesOf(name: string): string[] {
  const folders = name.split('/').slice(0, -1);
  return folders.map((_, i) => [...folders.slice(0, folders.length - i), FORMAT_FILE].join('/')).concat(FORMAT_FILE);
}

type Check = (value: unknown) => boolean;
const text: Check = (value) => typeof value === 'string' && value !== '';
const texts: Check = (value) => Array.isArray(value) && value.length > 0 && value.every(text);
const flag: Check = (value) => typeof value === 'boolean';
const whole: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const columns: Check = (value) =>
  typeof value === 'object' &&
  value !== null &&
  Object.entries(value).every(([column, name]) => isColumn(column) && text(name));

/** What each setting takes, and how that is told. */
const SETTINGS: Readonly<Record<keyof CsvFormat, readonly [Check, string]>> = {
  columns: [columns, 'an object such as {"ts": "timestamp", "value": "reading"}'],
  wide: [flag, 'true or false'],
  device: [text, 'a text'],
  sensor: [text, 'a text'],
  include: [texts, 'a list of texts'],
  exclude: [texts, 'a list of texts'],
  missing: [texts, 'a list of texts'],
  good: [texts, 'a list of texts'],
  encoding: [text, 'a text'],
  separator: [(value) => typeof value === 'string' && [...value].length === 1, 'one character'],
  decimal: [(value) => value === '.' || value === ',', '"." or ","'],
  header: [texts, 'a list of texts'],
  skipLines: [whole, 'a whole number'],
  rowNumbers: [flag, 'true or false'],
  timeUnit: [
    (value) => typeof value === 'string' && /^(s|ms|us|ns|m|h|d|excel)$/.test(value),
    's, ms, us, ns, m, h, d or excel',
  ],
  timeFormat: [text, 'a text'],
  timezone: [text, 'a text'],
  startMs: [whole, 'milliseconds since 1970'],
};

/** @param where names what holds it @throws FleetscoreError `DROP_FORMAT` */
export function parseFormat(json: string, where: string): CsvFormat {
  const fail = (problem: string): never => {
    throw new FleetscoreError('DROP_FORMAT', `the format in ${where} cannot be used: ${problem}.`);
  };
  let said: unknown;
  try {
    said = JSON.parse(json.replace(/^\uFEFF/, ''));
  } catch (error) {
    return fail(`it is not JSON (${messageOf(error)})`);
  }
  if (typeof said !== 'object' || said === null || Array.isArray(said)) return fail('it must be a JSON object');
  for (const [name, value] of Object.entries(said)) {
    if (!Object.hasOwn(SETTINGS, name))
      return fail(`there is no setting ${shown(name)}; there are ${Object.keys(SETTINGS).join(', ')}`);
    const [check, takes] = SETTINGS[name as keyof CsvFormat];
    if (!check(value)) return fail(`${name} takes ${takes}, got ${shown(value)}`);
  }
  return said;
}
