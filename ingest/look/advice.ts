/**
 * How a file seems to be meant that does not fit what was said of it: as a whole command that can be copied, with the
 * first reading that it would send. It is tried on the rows that were looked at before it is given. What only the user
 * can know (day or month first, when a test began) stands beside it, and is never decided here.
 */
import type { ErrorCode } from '../../domain/error-codes.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { isoTime } from '../../domain/time.ts';
import type { CsvFormat } from '../csv/read.ts';
import { listOf } from '../table/layout.ts';
import { createTableReader, type TableRow } from '../table/rows.ts';
import { commandFor } from './command.ts';
import { guessColumns } from './guess-columns.ts';
import { guessTime } from './guess-time.ts';
import { sampleText, type Sample } from './sample.ts';

export interface Advice {
  readonly code: ErrorCode;
  readonly message: string;
  readonly format: CsvFormat;
  /** The command that reads the file so. */
  readonly command: string;
  /** What only the user can know; empty where the advice may be followed unseen. */
  readonly doubts: readonly string[];
}

export type SaidOfFile = CsvFormat & {
  readonly name: string;
  /** All that are sent together; of several each is a device of its own name. */
  readonly files?: readonly string[];
};

/** @returns undefined where the file can be read as was said, or nobody can tell how */
export function adviceOnText(beginning: Uint8Array, { name, files = [name], ...said }: SaidOfFile): Advice | undefined {
  const asSaid = sampleText(beginning, { encoding: 'utf-8', separator: ',', skipLines: 0, ...said });
  if (asSaid && (asSaid.format.rowNumbers ?? false) === (said.rowNumbers ?? false) && fits(asSaid, said))
    return undefined;
  const sample = sampleText(beginning, said);
  return sample && adviceFor(sample, { ...said, ...sample.format }, said, { name, files, code: 'CSV_HEADER' });
}

const MOST_COMMAND = 2_000;

/** @param sample of a file with types @returns as {@link adviceOnText} */
export function adviceOnTyped(sample: Sample, { name, files = [name], ...said }: SaidOfFile): Advice | undefined {
  if (fits(sample, said)) return undefined;
  return adviceFor(sample, said, said, { name, files, code: 'FILE_COLUMNS' });
}

function adviceFor(
  sample: Sample,
  base: CsvFormat,
  said: CsvFormat,
  { name, files, code }: { readonly name: string; readonly files: readonly string[]; readonly code: ErrorCode },
): Advice | undefined {
  const time = guessTime(sample, said);
  if (!time) return undefined;
  const columns = guessColumns(sample, time.at, said, stem(name));
  const named = {
    ...(/^ts$/i.test(time.ts) ? undefined : { ts: time.ts }),
    ...columns.format.columns,
    ...said.columns,
  };
  const { columns: _columns, ...rest } = columns.format;
  const format: CsvFormat = {
    ...base,
    ...time.rules,
    ...rest,
    ...said,
    ...(Object.keys(named).length > 0 ? { columns: named } : undefined),
  };
  const { rows = [], early = false } = tried(sample, format) ?? {};
  const first = rows.find(({ readings }) => readings.length > 0)?.readings[0];
  if (!first && !early) return undefined;
  const ownDevice = files.length > 1 && said.device === undefined && format.device !== undefined;
  const command = commandFor(files, ownDevice ? { ...format, device: '{file}' } : format);
  // Nobody copies more; the names of the columns are told without it.
  if (command.length > MOST_COMMAND) return undefined;
  const problem =
    Object.keys(said).length > 0 ? 'does not fit what was said of it' : 'is not in the form TS,Device,Sensor,Value';
  const doubts = [...time.doubts, ...headerDoubts(base, said), ...encodingDoubts(base, said)];
  const says = [...separatorSays(base), ...columns.says, ...(time.says === undefined ? [] : [time.says])];
  return {
    code,
    format,
    command,
    doubts,
    message: [
      `${name} ${problem}. It looks like ${says.join('; ')}:`,
      '',
      `  ${command}`,
      '',
      (first
        ? `The first reading then is ${isoTime(first.tsMs)} ${first.device}/${first.sensor} ${first.value}.`
        : 'The rows that were looked at are before 1970, and are left out: times from 1970 to 9999 are taken.') +
        (format.timezone === undefined ? ' Times without a zone are UTC; --timezone names another one.' : ''),
      ...doubts,
    ].join('\n'),
  };
}

const SEPARATORS: Readonly<Record<string, string>> = { ';': 'semicolons', '\t': 'tabs', '|': 'bars', ' ': 'spaces' };

function separatorSays({ separator, skipLines, rowNumbers, encoding }: CsvFormat): string[] {
  return [
    ...(encoding === undefined ? [] : [`text in ${encoding}`]),
    ...(separator === undefined || separator === ',' ? [] : [SEPARATORS[separator] ?? `'${separator}' between fields`]),
    ...(skipLines ? [`${skipLines} ${skipLines === 1 ? 'line' : 'lines'} before the header`] : []),
    ...(rowNumbers ? ['rows that begin with their number'] : []),
  ];
}

function headerDoubts({ header }: CsvFormat, said: CsvFormat): string[] {
  return header && !said.header
    ? [`The file has no header line: put the names of its columns in the place of ${listOf(header)}.`]
    : [];
}

function encodingDoubts({ encoding }: CsvFormat, said: CsvFormat): string[] {
  return encoding === 'windows-1252' && said.encoding === undefined
    ? ['It is not UTF-8; that it is windows-1252 (Latin-1) is likely, look at the names.']
    : [];
}

/** Whether a row of the sample can be read in a format, or there is no row. */
function fits(sample: Sample, format: CsvFormat): boolean {
  const found = tried(sample, format);
  return found !== undefined && (found.rows.length > 0 || sample.rows.length === 0);
}

/**
 * The rows of the sample that can be read in a format, and whether there are some before 1970; undefined where it does
 * not fit at all.
 */
function tried(
  sample: Sample,
  format: CsvFormat,
): { readonly rows: readonly TableRow[]; readonly early: boolean } | undefined {
  try {
    const reader = createTableReader(sample.names, format);
    if ('problem' in reader) return undefined;
    const read = sample.rows.map((cells) => reader.read(cells));
    return {
      rows: read.filter((row) => typeof row !== 'string'),
      early: read.some((row) => typeof row === 'string' && row.includes('before 1970')),
    };
  } catch (error) {
    // What was said cannot be used, and is told by whoever reads the file.
    if (error instanceof FleetscoreError) return undefined;
    throw error;
  }
}

const stem = (name: string): string =>
  (name.split(/[\\/]/).at(-1) ?? '').replace(/(\.(csv|txt|tsv|dat|parquet|avro|gz))+$/i, '');
