/**
 * A file that is sent, whatever it is: told by its first bytes, looked at before a reading of it is sent, and read as
 * readings in the order in which it holds them.
 */
import type { Readable } from 'node:stream';
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { readCaptured } from './captured.ts';
import { nameProblem } from '../domain/sensor.ts';
import { openEncoding } from './csv/encoding.ts';
import { inflated } from './csv/inflate.ts';
import { readCsv, type CsvFormat, type RowEvents } from './csv/read.ts';
import { isJsonLines, readJsonLines } from './json-lines.ts';
import { adviceOnText, adviceOnTyped, type Advice } from './look/advice.ts';
import type { ParseSettings } from './parse-event.ts';
import type { SentReading } from './send-readings.ts';
import { openAvro } from './typed/avro.ts';
import { openParquet } from './typed/parquet.ts';
import type { Cell } from './table/cells.ts';
import { createTableReader } from './table/rows.ts';
import { readTyped, type TypedTable, wantedBy } from './typed/table.ts';

export interface NamedInput {
  /** As it was named; `-` for standard input. */
  readonly name: string;
  readonly stream: Readable;
  /** Where it lies; absent for standard input, which cannot be read from its end, as Parquet is. */
  readonly path?: string;
}

export interface FileRules {
  readonly format?: CsvFormat;
  /** How the events of a capture file are parsed, default as ingest does without settings. */
  readonly events?: ParseSettings;
  /** True to read a file as it seems to be meant, where nothing about that is in doubt. */
  readonly guess?: boolean;
  readonly onGuess?: (advice: Advice) => void;
  /** What is advised where it may not be followed. */
  readonly onAdvice?: (advice: Advice) => void;
  /** Names of all files that are sent together. */
  readonly files?: readonly string[];
}

const LOOKED_AT = 256 * 1024;
/** Of each of many files, all of which are open at once, and of standard input, which may come slowly. */
const LOOKED_AT_LESS = 64 * 1024;
const MANY = 16;
const LOOKED_AT_ROWS = 500;

/**
 * @throws FleetscoreError `CSV_HEADER`, `FILE_COLUMNS` with a command that would read it, `CSV_FILE`, `CSV_ENCODING`,
 *   `FILE_UNREADABLE`, `INVALID_NAME` for a device or sensor that was said, `INVALID_ARGUMENT`, `INVALID_ZONE`
 */
export async function* readFile(input: NamedInput, events: RowEvents, rules: FileRules): AsyncGenerator<SentReading> {
  try {
    yield* readOpened(input, events, rules);
  } catch (error) {
    if (error instanceof FleetscoreError || !(error instanceof Error && 'syscall' in error)) throw error;
    const remedy =
      'code' in error && error.code === 'EMFILE'
        ? ' All files of one call are open at once: send fewer at a time, or allow more (ulimit -n).'
        : '';
    throw new FleetscoreError('FILE_UNREADABLE', `${input.name} cannot be read: ${error.message}.${remedy}`, {
      cause: error,
    });
  } finally {
    input.stream.destroy();
  }
}

async function* readOpened(
  input: NamedInput,
  events: RowEvents,
  { format = {}, ...rules }: FileRules,
): AsyncGenerator<SentReading> {
  const most = (rules.files?.length ?? 1) > MANY || input.path === undefined ? LOOKED_AT_LESS : LOOKED_AT;
  const { beginning, chunks } = await begun(inflated(input.stream), most);
  const kind = beginning.subarray(0, 4).toString('latin1');
  const named = { ...format, ...namesFrom(input.name, format) };
  if (kind === 'PAR1') {
    input.stream.destroy();
    yield* readTable(await openParquet(pathOf(input)), input, events, { ...rules, format: named });
  } else if (kind === 'Obj\u0001') {
    if (isCapture(beginning)) yield* readCaptured(chunks, input.name, events, rules.events);
    else yield* readTable(await openAvro(chunks), input, events, { ...rules, format: named });
  } else if (isJsonLines(beginning)) yield* readJsonLines(chunks, input.name, events, format, rules.events);
  else {
    openEncoding(format.encoding);
    const advice = adviceOnText(beginning, { ...named, name: input.name, ...defined({ files: rules.files }) });
    yield* readCsv({ [Symbol.asyncIterator]: () => chunks }, events, followed(advice, named, rules));
  }
}

/** What is advised, where that may be followed; else the format that was said. @throws what the advice says */
function followed(advice: Advice | undefined, format: CsvFormat, { guess, onGuess, onAdvice }: FileRules): CsvFormat {
  if (!advice) return format;
  if (!guess || advice.doubts.length > 0) onAdvice?.(advice);
  if (!guess || advice.doubts.length > 0) throw new FleetscoreError(advice.code, advice.message);
  onGuess?.(advice);
  return advice.format;
}

async function* readTable(
  table: TypedTable,
  input: NamedInput,
  events: RowEvents,
  { format, ...rules }: FileRules & { readonly format: CsvFormat },
): AsyncGenerator<SentReading> {
  try {
    const wanted = wantedIn(table, format) ?? [...table.names.keys()];
    const { first, all } = await lookedAt(table.rows(wanted));
    const said = { ...format, name: input.name, ...defined({ files: rules.files }) };
    const rows = first.map((cells) => table.names.map((_, at) => cells[at] ?? null));
    const advice = adviceOnTyped({ names: table.names, rows }, said);
    // Columns that fit may hold times that do not. What was not read cannot be part of another reading of the file.
    const isRead = advice && wantedIn(table, advice.format)?.every((at) => wanted.includes(at));
    yield* readTyped({ ...table, rows: () => all }, events, followed(isRead ? advice : undefined, format, rules));
  } finally {
    await table.close();
  }
}

/** Columns that are read under a format; undefined where it does not fit. */
function wantedIn({ names }: TypedTable, format: CsvFormat): readonly number[] | undefined {
  const reader = createTableReader(names, format);
  return 'problem' in reader ? undefined : wantedBy(reader);
}

/** The first rows of a file that can be read once only, and all of them with these. */
async function lookedAt(
  rows: AsyncIterable<readonly Cell[]>,
): Promise<{ readonly first: readonly (readonly Cell[])[]; readonly all: AsyncIterable<readonly Cell[]> }> {
  const source = rows[Symbol.asyncIterator]();
  const first: (readonly Cell[])[] = [];
  while (first.length < LOOKED_AT_ROWS) {
    const next = await source.next();
    if (next.done === true) break;
    first.push(next.value);
  }
  async function* all(): AsyncGenerator<readonly Cell[]> {
    yield* first;
    for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
  }
  return { first, all: all() };
}

/** The schema of Event Hubs Capture, whose records are events and not readings. */
const isCapture = (beginning: Buffer): boolean =>
  beginning.includes('"EventData"') && beginning.includes('"EnqueuedTimeUtc"');

function pathOf({ name, path }: NamedInput): string {
  if (path !== undefined && !/\.gz$/i.test(name)) return path;
  throw new FleetscoreError(
    'FILE_UNREADABLE',
    `${name === '-' ? 'standard input' : name} is a Parquet file, which is read from its end: name the file itself, ` +
      'without gzip around it.',
  );
}

/** `{file}` and `{folder}` in the name of a device or sensor: the file's own, without its ending, and its folder's. */
function namesFrom(name: string, { device, sensor }: CsvFormat): Pick<CsvFormat, 'device' | 'sensor'> {
  const parts = name.split(/[\\/]/);
  const file = (parts.at(-1) ?? '').replace(/(\.(csv|txt|tsv|dat|parquet|avro|gz))+$/i, '');
  const folder = parts.at(-2) ?? '';
  const filled = (text: string): string => {
    if (name === '-' && /\{(file|folder)\}/.test(text))
      throw new FleetscoreError('INVALID_ARGUMENT', `standard input has no name for ${text}: say another one.`);
    return text.replaceAll('{file}', file).replaceAll('{folder}', folder);
  };
  const checked = (what: 'device' | 'sensor', text: string): string => {
    const full = filled(text);
    const problem = nameProblem(what, full);
    if (problem === undefined) return full;
    throw new FleetscoreError('INVALID_NAME', `--${what} ${text}: ${problem}. Say another one.`);
  };
  return {
    ...(device === undefined ? undefined : { device: checked('device', device) }),
    ...(sensor === undefined ? undefined : { sensor: checked('sensor', sensor) }),
  };
}

interface Begun {
  readonly beginning: Buffer;
  /** All of it, with the beginning. */
  readonly chunks: AsyncGenerator<Buffer>;
}

/** The first bytes of a stream, without taking them out of it. */
async function begun(input: Readable, most: number): Promise<Begun> {
  const source = (input as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const held: Buffer[] = [];
  for (let bytes = 0; bytes < most;) {
    const next = await source.next();
    if (next.done === true) break;
    held.push(next.value);
    bytes += next.value.length;
  }
  const beginning = Buffer.concat(held);
  async function* all(): AsyncGenerator<Buffer> {
    try {
      if (beginning.length > 0) yield beginning;
      for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
    } finally {
      await source.return?.();
    }
  }
  return { beginning, chunks: all() };
}
