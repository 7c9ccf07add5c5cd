/** Small words and layouts that several commands print. */
import pc from 'picocolors';
import type { Batch } from '../../storage/store.ts';
import { storeName } from '../../storage/store-name.ts';
import { plainTime, type Period } from '../../domain/time.ts';
import { formatPeriod } from '../../report/format.ts';
import { renderTable, terminalOptions, type Colors, type Column } from '../../report/table.ts';

/** A table as wide as the terminal, and of full width for other programs; `empty` where there are no rows. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], empty = ''): string {
  const options = terminalOptions(process.stdout, process.env);
  return rows.length === 0
    ? empty
    : renderTable(columns, rows, process.stdout.isTTY ? options : { ...options, width: Number.MAX_SAFE_INTEGER });
}

/** What is said where a store has nothing, with which store that is: the usual mistake is another folder. */
export const emptyIn = ({ config }: { readonly config: { readonly sqlUrl: string } }, text: string): string =>
  `${text}\nThis is what is in ${storeName(config.sqlUrl)}.`;

/** `name: value` lines with the values in one column; empty values are left out. */
export function facts(pairs: readonly (readonly [string, string | number | undefined])[]): string {
  const shown = pairs.filter((pair) => pair[1] !== undefined && pair[1] !== '');
  const width = Math.max(...shown.map(([name]) => name.length)) + 1;
  return shown.map(([name, value]) => `${pc.bold(`${name}:`.padEnd(width + 1))} ${value}`).join('\n');
}

export const when = (ms: number | undefined): string => (ms === undefined || ms < 0 ? '-' : plainTime(ms));

/**
 * A period in a column of a table whose title says that it is UTC: a digit more and a batch does not fit 80 columns.
 */
export const shortPeriod = (period: Period): string => formatPeriod(period).replace(' – ', '–').replace(/ UTC$/, '');

type Paint = 'green' | 'red' | 'cyan' | 'yellow';
const PAINT: Readonly<Record<string, Paint>> = {
  completed: 'green',
  scored: 'green',
  failed: 'red',
  lost: 'red',
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

/** A table's column of statuses, which no width takes away. */
export const statusColumn = (title: string): Column => ({
  title,
  whole: true,
  paint: (text, _, colors) => statusWord(text, colors),
});

/** How the newest batch of a schedule went. */
export function lastWord(batch: Batch | undefined): string {
  if (!batch) return '-';
  return batch.class === undefined ? batch.status : `${batch.status}: ${batch.class}`;
}
