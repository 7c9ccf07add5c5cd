/** Where the time of a row stands, and how it is written: by the names of columns first, then by what is in them. */
import type { CsvFormat } from '../csv/read.ts';
import { tryParseTime } from '../../domain/time.ts';
import { timeColumns } from '../table/layout.ts';
import type { TimeRules } from '../table/times.ts';
import { dateForm } from './date-form.ts';
import type { Sample } from './sample.ts';

export interface TimeGuess {
  /** Name of the column, or `Date+Time`. */
  readonly ts: string;
  readonly at: readonly number[];
  readonly rules: Pick<TimeRules, 'timeFormat' | 'timeUnit' | 'startMs'>;
  /** For people: `times such as 10/03/2004 18.00.00, day first`. */
  readonly says?: string;
  /** What only the user can know. */
  readonly doubts: readonly string[];
}

const TIME_WORDS = 'timestamp|time_?stamp|datetime|date[_ ]?time|time|date|zeitstempel|zeit|datum';
const TIME_NAME = new RegExp(`^(ts|t|times|utc|when|${TIME_WORDS})\\b|(^|[_ ])(${TIME_WORDS})([_ ([]|$)`, 'i');
const DAY_NAME = /date|datum|day|tag/i;
const CLOCK_NAME = /time|zeit|hour|uhr/i;
const COUNT_NAME = /sec|elapsed|cycle|step|^t$|^t[_ ([]/i;

/** A time that stands in for the one that the user knows. */
const EXAMPLE_START = '2020-01-01T00:00:00Z';

export function guessTime(sample: Sample, said: CsvFormat): TimeGuess | undefined {
  const { names } = sample;
  if (said.columns?.ts !== undefined) {
    const at = timeColumns(names, said.columns.ts);
    return at && read(sample, said.columns.ts, at, said);
  }
  // pandas writes an index without a name.
  const all = names.map((name, at) => ({ name: name === '' ? `#${at + 1}` : name, at }));
  const likely = all.filter(({ name }) => TIME_NAME.test(name) || COUNT_NAME.test(name));
  for (const { name, at } of likely) {
    const guess = read(sample, name, [at], said);
    // A date alone may have its time of day in another column.
    const clock =
      guess && isDay(sample, at) ? all.find((one) => CLOCK_NAME.test(one.name) && one.at !== at) : undefined;
    const both = clock && read(sample, `${name}+${clock.name}`, [at, clock.at], said);
    const found = both ?? guess;
    if (found) return found;
  }
  const day = all.find(({ name, at }) => DAY_NAME.test(name) && isDay(sample, at));
  if (day) return read(sample, day.name, [day.at], said);
  for (const { name, at } of all) {
    const guess = read(sample, name, [at], said);
    if (guess && guess.rules.startMs === undefined) return guess;
  }
  return undefined;
}

const textsOf = ({ rows }: Sample, at: readonly number[]): string[] =>
  rows
    .map((row) =>
      at
        .map((column) => String(row[column] ?? ''))
        .join(' ')
        .trim(),
    )
    .filter((text) => text !== '');

const isDay = (sample: Sample, at: number): boolean => {
  const texts = textsOf(sample, [at]);
  return texts.every((text) => /^\d{4}-\d{2}-\d{2}$/.test(text)) || (dateForm(texts)?.dateOnly ?? false);
};

/** What these columns are as a time; undefined when they are none. */
function read(sample: Sample, ts: string, at: readonly number[], said: CsvFormat): TimeGuess | undefined {
  const plain = { ts, at, rules: {}, doubts: [] };
  const typed = sample.rows.map((row) => row[at[0]!] ?? null).filter((cell) => cell !== null);
  if (at.length === 1 && typed.length > 0 && typed.every((cell) => typeof cell === 'object')) return plain;
  const texts = textsOf(sample, at);
  if (texts.length === 0) return undefined;
  if (texts.every((text) => tryParseTime(text) !== undefined)) return plain;
  const [first] = texts as [string];
  const form = said.timeFormat === undefined ? dateForm(texts) : undefined;
  if (form)
    return {
      ...plain,
      rules: { timeFormat: form.format },
      says: `times such as ${first}${form.dayFirst === undefined ? '' : `, ${form.dayFirst ? 'day' : 'month'} first`}`,
      doubts: form.doubtful
        ? [
            'The rows that were looked at do not tell day from month: ' +
              `where ${first.split(/[ ,]/)[0]} begins with the month, say --time-format '${swapped(form.format)}'.`,
          ]
        : [],
    };
  const counted = numbers(texts, ts, said);
  return counted && { ...plain, ...counted };
}

const swapped = (format: string): string =>
  format.replaceAll(/d+|M+/g, (token) => (token.startsWith('d') ? 'M' : 'd').repeat(token.length));

function numbers(texts: readonly string[], name: string, said: CsvFormat): Omit<TimeGuess, 'ts' | 'at'> | undefined {
  if (!texts.every((text) => /^-?\d+(\.\d+)?$/.test(text))) return undefined;
  const values = texts.map(Number);
  const digits = new Set(texts.map((text) => text.split('.')[0]!.length));
  const [length] = digits;
  if (digits.size === 1 && (length === 10 || length === 13)) return { rules: {}, doubts: [] };
  if (digits.size === 1 && (length === 16 || length === 19)) {
    const timeUnit = length === 16 ? 'us' : 'ns';
    return { rules: { timeUnit }, says: `times in ${timeUnit} since 1970`, doubts: [] };
  }
  const named = TIME_NAME.test(name) || COUNT_NAME.test(name);
  if (!named) return undefined;
  const days = texts.some((text) => text.includes('.')) || DAY_NAME.test(name);
  if (days && values.every((value) => value > 20_000 && value < 80_000))
    return { rules: { timeUnit: 'excel' }, says: 'times as days of a spreadsheet', doubts: [] };
  // It begins again with each unit where there are several.
  const rising = values.filter((value, i) => i === 0 || value >= values[i - 1]!).length;
  if (rising < values.length * 0.8 || values[0]! < -1 || values[0]! > 1_000_000 || said.startMs !== undefined)
    return undefined;
  const unit = said.timeUnit ?? unitOf(name);
  return {
    rules: { timeUnit: unit, startMs: Date.parse(EXAMPLE_START) },
    says: `times that count from a start (in ${unit})`,
    doubts: [`The file does not say when its times began: put that in the place of ${EXAMPLE_START}.`],
  };
}

function unitOf(name: string): 's' | 'ms' | 'us' | 'm' | 'h' {
  if (/\b(ms|msec|millis)|milli|_ms\b/i.test(name)) return 'ms';
  if (/micro|_us\b|\bus\b|µs/i.test(name)) return 'us';
  if (/\bmin/i.test(name)) return 'm';
  return /hour|\bh\b/i.test(name) ? 'h' : 's';
}
