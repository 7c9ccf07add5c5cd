/**
 * The first lines of a text as a table: which separator its lines agree on, where the header line is, and whether its
 * rows begin with a number that the header does not have.
 */
import { TextDecoder } from 'node:util';
import { splitRow } from '../csv/header.ts';
import type { CsvFormat } from '../csv/read.ts';
import { looksLikeUtf16 } from '../parse/utf8.ts';
import type { Cell } from '../table/cells.ts';

/** Columns and some rows of a file. */
export interface Sample {
  readonly names: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

export type TextSample = Sample & {
  /** What was found out beyond what was said. */
  readonly format: Pick<CsvFormat, 'encoding' | 'separator' | 'skipLines' | 'rowNumbers' | 'header'>;
};

const MOST_LINES = 2_000;
const MOST_SKIPPED = 30;
const SEPARATORS = [',', ';', '\t', '|', ' '] as const;

/** @param beginning whole lines and perhaps a part of one */
export function sampleText(beginning: Uint8Array, said: CsvFormat): TextSample | undefined {
  const encoding = said.encoding ?? encodingOf(beginning);
  const lines = linesOf(beginning, encoding);
  const candidates = said.separator === undefined ? SEPARATORS : [said.separator];
  const tables = candidates
    .map((separator) => tableOf(lines, separator, said.skipLines))
    .filter((table) => table !== undefined)
    .sort((a, b) => b.share * Math.min(b.names.length, 4) - a.share * Math.min(a.names.length, 4));
  const [best] = tables;
  if (!best) return undefined;
  // A first line of numbers is a row of a file that has no header.
  const header = said.header ?? (best.titled ? undefined : best.names.map((_, at) => `c${at + 1}`));
  return {
    names: header ?? best.names,
    rows: header ? [best.names, ...best.rows] : best.rows,
    format: {
      ...(header ? { header } : undefined),
      ...(encoding === 'utf-8' ? undefined : { encoding }),
      ...(best.separator === ',' ? undefined : { separator: best.separator }),
      ...(best.skipLines === 0 ? undefined : { skipLines: best.skipLines }),
      ...(best.rowNumbers ? { rowNumbers: true } : undefined),
    },
  };
}

function encodingOf(bytes: Uint8Array): string {
  const utf16 = looksLikeUtf16(bytes);
  if (utf16) return utf16;
  try {
    // The last character may be cut in two.
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return 'utf-8';
  } catch {
    return 'windows-1252';
  }
}

function linesOf(bytes: Uint8Array, encoding: string): string[] {
  const lines = new TextDecoder(encoding).decode(bytes).split(/\r?\n/);
  // The last one of many may be cut.
  return lines.slice(0, lines.length > 20 ? Math.min(MOST_LINES, lines.length - 1) : lines.length);
}

interface Table {
  readonly separator: string;
  readonly names: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly skipLines: number;
  readonly rowNumbers: boolean;
  /** Whether the first line names columns. */
  readonly titled: boolean;
  /** Of the rows, how many have as many fields as the header; less where the header looks like one of them. */
  readonly share: number;
}

function tableOf(lines: readonly string[], separator: string, said: number | undefined): Table | undefined {
  const fields = lines.map((line) => (line.trim() === '' ? [] : splitRow(line, separator)));
  const widths = fields.map((row) => (typeof row === 'string' ? 0 : row.length));
  const body = widths.slice(1).filter((width) => width > 0);
  const most = mode(body);
  if (most === undefined || most < 2) return undefined;
  // The header is the first line of that width; of one less, where R has written the names of rows without a title.
  const whole = widths.indexOf(most);
  const numbered = widths[whole - 1] === most - 1 && /^\d+$/.test(fields[whole]?.[0] ?? '');
  const header = said ?? (numbered ? whole - 1 : whole);
  if (header < 0 || header > MOST_SKIPPED) return undefined;
  const names = fields[header];
  if (names === undefined || typeof names === 'string' || names.length === 0) return undefined;
  const rows = fields
    .slice(header + 1)
    .filter((row): row is readonly string[] => typeof row !== 'string' && row.some((field) => field !== ''));
  if (rows.length === 0) return undefined;
  const rowNumbers =
    names.length === most - 1 && rows.every((row) => row.length !== most || /^\d+$/.test(row[0] ?? ''));
  const width = rowNumbers ? most : names.length;
  const fitting = rows.filter((row) => row.length === width);
  // A header names columns; one of numbers is a row.
  const titled = names.every((name) => !/^[+-]?[\d.]/.test(name));
  return {
    separator,
    names,
    rows: fitting.map((row) => (rowNumbers ? row.slice(1) : row)),
    skipLines: header,
    rowNumbers,
    titled,
    share: (fitting.length / rows.length) * (titled ? 1 : 0.5),
  };
}

function mode(numbers: readonly number[]): number | undefined {
  const counts = new Map<number, number>();
  for (const number of numbers) counts.set(number, (counts.get(number) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}
