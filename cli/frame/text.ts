/** Small words and layouts that several commands print. */
import pc from 'picocolors';
import type { Batch } from '../../storage/store.ts';
import { plainTime } from '../../domain/time.ts';
import { renderTable, terminalOptions, type Colors, type Column } from '../../report/table.ts';

/** A table as wide as the terminal, and of full width for other programs; `empty` where there are no rows. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], empty = ''): string {
  const options = terminalOptions(process.stdout, process.env);
  return rows.length === 0
    ? empty
    : renderTable(columns, rows, process.stdout.isTTY ? options : { ...options, width: Number.MAX_SAFE_INTEGER });
}

/** `name: value` lines with the values in one column; empty values are left out. */
export function facts(pairs: readonly (readonly [string, string | number | undefined])[]): string {
  const shown = pairs.filter((pair) => pair[1] !== undefined && pair[1] !== '');
  const width = Math.max(...shown.map(([name]) => name.length)) + 1;
  return shown.map(([name, value]) => `${pc.bold(`${name}:`.padEnd(width + 1))} ${value}`).join('\n');
}

export const when = (ms: number | undefined): string => (ms === undefined || ms < 0 ? '-' : plainTime(ms));

type Paint = 'green' | 'red' | 'cyan' | 'yellow';
const PAINT: Readonly<Record<string, Paint>> = {
  completed: 'green',
  scored: 'green',
  failed: 'red',
  running: 'cyan',
  waiting: 'cyan',
  cancelled: 'yellow',
  skipped: 'yellow',
};

/** A status in its colour. */
export function statusWord(status: string, colors: Colors = pc): string {
  const paint = PAINT[status.trim()];
  return paint ? colors[paint](status) : status;
}

/** Paint of a column that counts skipped sensors: any at all is worth a look. */
export const skippedPaint: NonNullable<Column['paint']> = (text, _, colors) =>
  text.trim() === '0' ? text : colors.yellow(text);

/** Paint of `failed: release_unknown`, a status with a class behind it. */
export const lastPaint: NonNullable<Column['paint']> = (text, _, colors) =>
  text.replace(/^\w+/, (status) => statusWord(status, colors));

/** A table's column of statuses. */
export const statusColumn = (title: string): Column => ({
  title,
  paint: (text, _, colors) => statusWord(text, colors),
});

/** How the newest batch of a schedule went. */
export function lastWord(batch: Batch | undefined): string {
  if (!batch) return '-';
  return batch.class === undefined ? batch.status : `${batch.status}: ${batch.class}`;
}
