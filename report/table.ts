/**
 * Plain tables for a terminal: no line is ever wider than the width asked for, colour changes nothing but
 * colour, and every cell is made harmless. Where it is narrow, columns that may leave do so and `…` stands for them in
 * the header; then columns give up space from the widest on, numbers last, and none of which nothing is left stays.
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
  /** Where the width is short the whole column goes, that with the least number first; one without it stays. */
  readonly leave?: number;
  /** Colours a cell of row `row`; gets the padded text and must not change its width. */
  readonly paint?: (text: string, row: number, colors: Colors) => string;
}

const MIN_WIDTH = 60;
const MAX_WIDTH = 200;

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
function shareWidth(natural: readonly number[], rigid: readonly boolean[], available: number): number[] {
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

/** A column of text that stays is at least so wide, or as wide as what is in it. */
const LEAST_TEXT = 10;
/** Of a column that is cut to less there is nothing to read. */
const LEAST_CUT = 4;

/** Which columns there is room for: those that stay, and of the others those with the greatest `leave` first. */
function columnsWithin(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const wanted = columns.map(({ whole, align }, i) =>
    whole || align === 'right' ? natural[i]! : Math.min(natural[i]!, LEAST_TEXT),
  );
  const kept = new Set(columns.flatMap(({ leave }, i) => (leave === undefined ? [i] : [])));
  const needed = (more: number): number => [...kept, more].reduce((sum, i) => sum + wanted[i]!, GAP.length * kept.size);
  const others = columns
    .flatMap(({ leave }, i) => (leave === undefined ? [] : [{ i, leave }]))
    .sort((a, b) => b.leave - a.leave);
  for (const { i } of others) if (needed(i) <= width) kept.add(i);
  const cut = columns.map(({ whole }, i) => (whole ? natural[i]! : Math.min(natural[i]!, LEAST_CUT)));
  const least = (): number => [...kept].reduce((sum, i) => sum + cut[i]!, GAP.length * (kept.size - 1));
  for (let i = columns.length - 1; i > 0 && least() > width; i--) if (!columns[i]!.whole) kept.delete(i);
  return [...kept].sort((a, b) => a - b);
}

/** A header line, then a line for each row; cells beyond the columns are ignored. Ends without a newline. */
export function renderTable(
  all: readonly Column[],
  rows: readonly (readonly string[])[],
  { width, color }: TerminalOptions,
): string {
  const colors = pc.createColors(color);
  const everything = rows.map((row) => all.map((_, i) => harmless(row[i] ?? '')));
  const wanted = all.map((column, i) =>
    everything.reduce((widest, row) => Math.max(widest, textWidth(row[i]!)), textWidth(column.title)),
  );
  const kept = columnsWithin(all, wanted, width);
  const columns = kept.map((i) => all[i]!);
  const natural = kept.map((i) => wanted[i]!);
  const cells = everything.map((row) => kept.map((i) => row[i]!));
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
  const titles = columns.map((column) => column.title);
  const header = line(titles, (text) => colors.dim(text));
  const left = kept.length < all.length && textWidth(line(titles, (text) => text)) + 2 <= width ? colors.dim(' …') : '';
  return [
    `${header}${left}`,
    ...cells.map((row, r) => line(row, (text, column) => column.paint?.(text, r, colors) ?? text)),
  ].join('\n');
}
