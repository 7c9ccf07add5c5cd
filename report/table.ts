/**
 * Plain tables for a terminal: no line is ever wider than the width asked for, colour changes nothing but
 * colour, and every cell is made harmless. Columns give up space from the widest on; numbers last.
 */
import pc from 'picocolors';
import { fitText, harmless, textWidth } from './text-width.ts';

export type Colors = ReturnType<typeof pc.createColors>;

export interface TerminalOptions {
  /** Columns of the terminal. */
  readonly width: number;
  readonly color: boolean;
}

export interface Column {
  readonly title: string;
  /** `right` for numbers; these columns are cut last. */
  readonly align?: 'left' | 'right';
  /** For what people copy, such as ids: never cut; a line rather grows past the width. */
  readonly whole?: boolean;
  /** Colours a cell of row `row`; gets the padded text and must not change its width. */
  readonly paint?: (text: string, row: number, colors: Colors) => string;
}

export const MIN_WIDTH = 60;
export const MAX_WIDTH = 200;

/** What a stream can show: its width within 60 to 200 columns (100 when unknown), colour unless NO_COLOR or no TTY. */
export function terminalOptions(
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  env: Readonly<Record<string, string | undefined>>,
): TerminalOptions {
  const columns = stream.columns || Number.parseInt(env['COLUMNS'] ?? '', 10) || 100;
  const forced = env['FORCE_COLOR'] !== undefined && !['', '0', 'false'].includes(env['FORCE_COLOR']);
  const refused = (env['NO_COLOR'] ?? '') !== '';
  return {
    width: Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, columns)),
    color: !refused && (forced || (stream.isTTY === true && env['TERM'] !== 'dumb')),
  };
}

const GAP = '  ';

/** Widths that add up to at most `available`: the widest flexible column shrinks first, down to 4; then numbers. */
export function shareWidth(natural: readonly number[], rigid: readonly boolean[], available: number): number[] {
  const widths = [...natural];
  const excess = (): number => widths.reduce((sum, w) => sum + w, 0) - available;
  for (const [touchRigid, least] of [
    [false, 4],
    [true, 4],
    [true, 0],
  ] as const) {
    while (excess() > 0) {
      let widest = -1;
      for (let i = 0; i < widths.length; i++) {
        if ((rigid[i] && !touchRigid) || widths[i]! <= least) continue;
        if (widest < 0 || widths[i]! > widths[widest]!) widest = i;
      }
      if (widest < 0) break;
      widths[widest]! -= 1;
    }
  }
  return widths;
}

/** A header line, then a line for each row; cells beyond the columns are ignored. Ends without a newline. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { width, color }: TerminalOptions,
): string {
  const colors = pc.createColors(color);
  const cells = rows.map((row) => columns.map((_, i) => harmless(row[i] ?? '')));
  const natural = columns.map((column, i) =>
    cells.reduce((widest, row) => Math.max(widest, textWidth(row[i]!)), textWidth(column.title)),
  );
  const rigid = columns.map((column) => column.align === 'right');
  const free = columns.flatMap((column, i) => (column.whole ? [] : [i]));
  const taken = natural.reduce((sum, w, i) => (columns[i]!.whole ? sum + w : sum), GAP.length * (columns.length - 1));
  const shared = shareWidth(
    free.map((i) => natural[i]!),
    free.map((i) => rigid[i]!),
    Math.max(0, width - taken),
  );
  const widths = natural.map((w, i) => (columns[i]!.whole ? w : shared[free.indexOf(i)]!));
  const line = (texts: readonly string[], paint: (text: string, column: Column) => string): string => {
    const last = texts.length - 1;
    return texts
      .map((text, i) => {
        const fitted = fitText(text, widths[i]!, columns[i]!.align);
        return paint(i === last ? fitted.trimEnd() : fitted, columns[i]!);
      })
      .join(GAP)
      .trimEnd();
  };
  const header = line(
    columns.map((column) => column.title),
    (text) => colors.dim(text),
  );
  return [header, ...cells.map((row, r) => line(row, (text, column) => column.paint?.(text, r, colors) ?? text))].join(
    '\n',
  );
}
