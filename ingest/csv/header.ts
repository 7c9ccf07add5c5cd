/** Lines of CSV -> fields, and what is wrong with a header. */
import { parse } from 'csv-parse/sync';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { shellWord } from '../../domain/shell-word.ts';
import { planOf, TITLES, VALUE_ALIAS, type Column } from '../table/layout.ts';

const COLUMNS = ['ts', 'device', 'sensor', 'value'] as const satisfies readonly Column[];

const SEPARATORS: Readonly<Record<string, string>> = { ';': "';'", '\t': 'tab', '|': "'|'", ',': "','" };
export const nameOf = (separator: string): string => SEPARATORS[separator] ?? `'${separator}'`;

/** Fields without the spaces around them, or what is wrong with the row. */
export function splitRow(text: string, separator: string): readonly string[] | string {
  // Columns that stand below each other are divided by any number of spaces.
  if (separator === ' ' && !text.includes('"')) return text.trim().split(/ +/);
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

/** @throws FleetscoreError `CSV_HEADER` */
export function headerError(text: string, separator: string, names: readonly string[] = []): FleetscoreError {
  const got = text.trim() === '' ? 'nothing' : JSON.stringify(text.slice(0, 100));
  return new FleetscoreError(
    'CSV_HEADER',
    `the first line must name the columns TS, Device, Sensor, Value, separated by ${nameOf(separator)}, got ` +
      `${got}. ${headerHint(text, separator, names)}`,
  );
}

function headerHint(text: string, separator: string, names: readonly string[]): string {
  if (/^\s*[[{]/.test(text))
    return (
      'This looks like JSON that goes over several lines: events are taken one a line, as `jq -c . FILE` writes them ' +
      "(`jq -c '.[]' FILE` those of an array)."
    );
  const separated = separatorHint(text, separator, names);
  if (separated !== undefined) return separated;
  if (text.includes('\r')) return "The lines end with CR alone: tr '\\r' '\\n' < FILE | fleetscore send -";
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
  const plan = planOf(names, {});
  if (missing.length === 0 && 'problem' in plan) return `But ${plan.problem}.`;
  if (missing.length <= 2)
    return `It lacks ${missing.map((column) => TITLES[column]).join(' and ')}: add it, or rename a column.`;
  return names.length >= 4
    ? 'Rename its columns so, or say which they are: --columns ts=NAME,device=NAME,sensor=NAME,value=NAME.'
    : 'Add the header line TS,Device,Sensor,Value.';
}

/** For a header that another separator parts into more columns. */
function separatorHint(text: string, separator: string, names: readonly string[]): string | undefined {
  const other = Object.keys(SEPARATORS).find(
    (one) => one !== separator && text.split(one).length > Math.max(2, names.length),
  );
  if (other === undefined) return undefined;
  const row = splitRow(text, other);
  const decimal = other === ';' ? ', and --decimal , when the values have a decimal comma' : '';
  if (typeof row === 'string' || !(fits(row) || names.length < 4)) return undefined;
  // All at once: what the columns seem to be is told, too.
  const more = fits(row) ? '' : ` ${headerHint(text, other, row)}`;
  return (
    `The columns seem to be separated by ${nameOf(other)}: say --separator ` +
    `${other === '\t' ? 'tab' : nameOf(other)}${decimal}.${more}`
  );
}

const fits = (names: readonly string[]): boolean => !('problem' in planOf(names, {}));
