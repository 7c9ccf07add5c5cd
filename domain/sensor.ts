/**
 * A sensor is named by (device, sensor), both strings. Names come from outside: they are checked here,
 * once, and encoded wherever they become a path or an id (`encodeName`).
 */
import { shown } from './describe.ts';
import { FleetscoreError } from './errors.ts';
import { UNPRINTABLE } from './plain-text.ts';

export interface SensorKey {
  readonly device: string;
  readonly sensor: string;
}

/** A sensor as the store knows it. `id` is dense, ascending in order of registration, never reused. */
export interface Sensor extends SensorKey {
  readonly id: number;
  /** Unit of the values, for people; empty when unknown. */
  readonly unit: string;
}

/** Longest device or sensor name, in UTF-16 code units (the width of the SQL columns). */
export const MAX_NAME_LENGTH = 128;

/**
 * What spreadsheets run when they open a CSV file: a cell that begins so, also in full width, and behind a semicolon
 * where that separates cells. Quotes do not help (OWASP, CSV injection), so no name begins so. `+24V` and `-5 bar` are
 * names: behind a sign and a digit, letters and digits call nothing. `-5/B2` divides by a cell, and is none.
 */
const FORMULA =
  /(?:^|;)\s*(?:[=@\uff1d\uff20\uff0b\uff0d]|[+-](?!\d(?![\d.]*(?:[eE]\d+)?%?\s*\/)[\p{L}\p{N} ._%°/]*$))/u;

/**
 * A name as the text of a cell that a spreadsheet leaves alone. Only a name that was stored before such names were
 * refused is another text then: with an apostrophe before it, by which spreadsheets mark text.
 */
export const cellOfName = (name: string): string => (FORMULA.test(name) ? `'${name}` : name);

/** The name that {@link cellOfName} wrote. No name that is taken begins with an apostrophe and then like a formula. */
export const nameOfCell = (cell: string): string =>
  cell.startsWith("'") && FORMULA.test(cell.slice(1)) ? cell.slice(1) : cell;

/** Why a name cannot be taken, or undefined when it can. */
export function nameProblem(what: 'device' | 'sensor', name: unknown): string | undefined {
  if (typeof name !== 'string') return `the ${what} name must be a string, got ${shown(name)}`;
  if (name.trim() === '') return `the ${what} name is empty`;
  if (name !== name.trim()) return `the ${what} name ${shown(name)} starts or ends with a space`;
  if (name.length > MAX_NAME_LENGTH)
    return (
      `the ${what} name ${JSON.stringify(name.slice(0, 40))}... has ${name.length} characters, at most ` +
      `${MAX_NAME_LENGTH} are allowed`
    );
  if (UNPRINTABLE.test(name) || !name.isWellFormed())
    return (
      `the ${what} name ${JSON.stringify(name)} contains a control character, a mark that changes direction, ` +
      'or broken Unicode'
    );
  if (FORMULA.test(name.replace(/^'/, '')))
    return (
      `the ${what} name ${JSON.stringify(name)} begins like a formula (=, +, - or @, also after a semicolon), ` +
      'which a spreadsheet would run'
    );
  // What a decoder puts in place of bytes it cannot read: two names can have become this one.
  if (name.includes('\ufffd'))
    return (
      `the ${what} name ${JSON.stringify(name)} has lost a character (U+FFFD): it was read in the wrong ` +
      'encoding before it came here'
    );
  return undefined;
}

/** A name as one safe path segment: letters, digits, `-` and `_` stay, every other byte becomes %XX. */
export function encodeName(name: string): string {
  return encodeURIComponent(name).replace(/[.!'()*~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Characters of a pair of names that a message shows. */
const MOST_SHOWN = 300;

/**
 * `DEVICE/SENSOR`, as children are named; both plain or encoded. A device with a slash must be encoded.
 * @throws FleetscoreError `INVALID_NAME`
 */
export function parseSensorName(name: string): SensorKey {
  const slash = name.indexOf('/');
  if (slash < 0)
    throw new FleetscoreError(
      'INVALID_NAME',
      `a sensor is named DEVICE/SENSOR, such as pump-1/vibration; got ${JSON.stringify(name.slice(0, MOST_SHOWN))}`,
    );
  const key = { device: decoded(name.slice(0, slash)), sensor: decoded(name.slice(slash + 1)) };
  const problem = nameProblem('device', key.device) ?? nameProblem('sensor', key.sensor);
  if (problem !== undefined)
    throw new FleetscoreError('INVALID_NAME', `${problem}, in ${JSON.stringify(name.slice(0, MOST_SHOWN))}`);
  return key;
}

/**
 * A sensor in one word, as people copy it from one command to the next: `press-7/oil-temp`. A slash in the name of the
 * device, and percent signs, are encoded, so that {@link parseSensorName} gives the same sensor back.
 */
export function sensorName({ device, sensor }: SensorKey): string {
  const percent = (text: string): string => text.replaceAll('%', '%25');
  return `${percent(device).replaceAll('/', '%2F')}/${percent(sensor)}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a plain name with a percent sign
  }
}

/** The key of a sensor in maps: names never contain U+0000, so it is unambiguous. */
export function keyOf(key: SensorKey): string {
  return `${key.device}\u0000${key.sensor}`;
}
