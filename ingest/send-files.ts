/**
 * Readings from files to Event Hubs: CSV, Parquet, Avro, also files of Event Hubs Capture, several of them merged by
 * time. What was not sent is counted by kind and, as far as it is wrong, told by row.
 */
import type { Readable } from 'node:stream';
import { FleetscoreError } from '../domain/errors.ts';
import { mergeByTime } from './csv/merge.ts';
import { readFile, type FileRules, type NamedInput } from './open-file.ts';
import { sendReadings, type SendOptions, type SendResult, type SentReading } from './send-readings.ts';

export type { NamedInput } from './open-file.ts';

export interface BadRow {
  /** Where several files are sent. */
  readonly file?: string;
  /** Line of a text, from 1; row of a file that has no lines. */
  readonly line: number;
  readonly reason: string;
}

export interface ReadFilesOptions extends FileRules {
  readonly onBadRow?: (row: BadRow) => void;
}

export interface SendFilesOptions extends SendOptions, ReadFilesOptions {}

/** What was in the files beside the readings. */
export interface FileCounts {
  readonly bad: number;
  /** Cells without a value. */
  readonly missing: number;
  /** Rows left out because of their quality, by what it is. */
  readonly notGood: Readonly<Record<string, number>>;
  /** Times that clocks showed twice. */
  readonly ambiguous: number;
}

export type SendFilesResult = SendResult & FileCounts;

/**
 * @param input bytes or text of one file, or several by name
 * @throws FleetscoreError `CSV_HEADER` when a column is missing, `CSV_FILE`, `CSV_ENCODING`, `FILE_COLUMNS`,
 *   `FILE_UNREADABLE`, else as {@link sendReadings}
 */
export async function sendFiles(
  input: Readable | readonly NamedInput[],
  options: SendFilesOptions,
): Promise<SendFilesResult> {
  const { readings, counts } = readFiles('read' in input ? [{ name: '-', stream: input }] : input, options);
  const result = await sendReadings(readings, options);
  return { ...result, ...counts() };
}

/** The readings of files, merged by time; the counts are those of what was read of them so far. */
export function readFiles(
  inputs: readonly NamedInput[],
  options: ReadFilesOptions,
): { readonly readings: AsyncIterable<SentReading>; counts(): FileCounts } {
  let bad = 0;
  let missing = 0;
  let ambiguous = 0;
  const notGood: Record<string, number> = {};
  const readers = inputs.map((input) =>
    namingFile(
      inputs.length > 1 ? input.name : undefined,
      readFile(
        input,
        {
          onBad(line, reason) {
            bad++;
            options.onBadRow?.({ ...(inputs.length > 1 ? { file: input.name } : undefined), line, reason });
          },
          onRow(row) {
            missing += row.missing;
            if (row.notGood !== undefined) notGood[row.notGood] = (notGood[row.notGood] ?? 0) + 1;
          },
          onAmbiguous: (times) => void (ambiguous += times),
        },
        { ...options, files: inputs.map(({ name }) => name) },
      ),
    ),
  );
  return {
    readings: readers.length === 1 ? readers[0]! : mergeByTime(readers),
    counts: () => ({ bad, missing, ambiguous, notGood }),
  };
}

/** Tells which of several files it is that cannot be read. */
export async function* namingFile(
  name: string | undefined,
  readings: AsyncIterable<SentReading>,
): AsyncGenerator<SentReading> {
  try {
    yield* readings;
  } catch (error) {
    if (!(error instanceof FleetscoreError) || name === undefined || error.message.startsWith(name)) throw error;
    throw new FleetscoreError(error.code, `${name}: ${error.message}`, { cause: error });
  }
}
