/** Small parts of the application's pages: links, forms, values beside what is normal, lists that are paged. Pure. */
import type { Answer } from '../domain/answer.ts';
import { beyond, type Range } from '../scoring/normal-range.ts';
import { isoTime } from '../domain/time.ts';
import { formatCount, formatValue } from '../report/format.ts';
import { html, type Markup, type MarkupValue } from '../report/page/markup.ts';
import { chip, nameOf } from '../report/page/parts.ts';

export const deviceHref = (device: string): string => `/devices/${encodeURIComponent(device)}`;

export const sensorHref = (device: string, sensor: string, query = ''): string =>
  `${deviceHref(device)}/${encodeURIComponent(sensor)}${query}`;

/** Page of a sensor around a time: half an hour to either side. */
export function sensorAt(device: string, sensor: string, fromMs: number, toMs: number): string {
  const room = Math.max(15 * 60_000, (toMs - fromMs) / 2);
  return sensorHref(device, sensor, `?from=${isoTime(fromMs - room)}&to=${isoTime(toMs + room)}`);
}

export const batchHref = (id: string): string => `/batches/${encodeURIComponent(id)}`;

/** State of a batch that is open on record although its workflow has ended. */
export const LOST: Markup = chip('failed', 'lost');

/** `DEVICE / SENSOR`, leading to `href`. */
export const sensorLink = (key: { readonly device: string; readonly sensor: string }, href: string): Markup =>
  html`<a href="${href}" class="row-link">${nameOf(key.device)} / ${nameOf(key.sensor)}</a>`;

/** Digits of a value that matter beside a range this wide. */
function fine(value: number, width: number): string {
  if (!(width > 0) || !Number.isFinite(width)) return formatValue(value);
  const digits = Math.max(0, Math.min(9, 2 - Math.floor(Math.log10(width))));
  return Math.abs(value) >= 1e9 ? formatValue(value) : value.toFixed(digits);
}

/** `3.9 to 4.7`, `above 3.9`, `1 to 2 or 5 to 6`. */
export function rangesText(ranges: readonly Range[], unit: string): string {
  const width = widthOf(ranges);
  const text = ranges.map(({ from, to }) => {
    if (from === Number.NEGATIVE_INFINITY && to === Number.POSITIVE_INFINITY) return 'any value';
    if (from === Number.NEGATIVE_INFINITY) return `below ${fine(to, width)}`;
    if (to === Number.POSITIVE_INFINITY) return `above ${fine(from, width)}`;
    return `${fine(from, width)} to ${fine(to, width)}`;
  });
  return text.length === 0 ? 'no value' : `${text.join(' or ')}${unit === '' ? '' : ` ${unit}`}`;
}

/** From the lowest to the highest end that there is. */
function widthOf(ranges: readonly Range[]): number {
  const ends = ranges.flatMap(({ from, to }) => [from, to]).filter(Number.isFinite);
  return ends.length < 2 ? Math.abs(ends[0] ?? 0) : Math.max(...ends) - Math.min(...ends);
}

/** `2.1 above normal`, `0.4 below normal`, `normal`. */
export function beyondText(value: number, ranges: readonly Range[], unit: string): string | undefined {
  const far = beyond(value, ranges);
  if (far === undefined) return undefined;
  if (far === 0) return 'inside the normal range';
  return `${fine(far, widthOf(ranges))}${unit === '' ? '' : ` ${unit}`} ${sideOf(value, ranges)} normal`;
}

function sideOf(value: number, ranges: readonly Range[]): string {
  if (ranges.every(({ to }) => value > to)) return 'above';
  return ranges.every(({ from }) => value < from) ? 'below' : 'away from';
}

/** A form with one button. `fields` are hidden. */
export function button(
  formToken: string,
  action: string,
  label: MarkupValue,
  fields: Readonly<Record<string, string>> = {},
  kind = '',
): Markup {
  return html`
    <form method="post" action="${action}" class="act">
      <input type="hidden" name="token" value="${formToken}">
      ${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
      <button class="${kind}">${label}</button>
    </form>`;
}

/** Parameters of a page with some of them changed; undefined takes one away. */
export function queryOf(
  query: Readonly<Record<string, string | undefined>>,
  changes: Readonly<Record<string, string | undefined>> = {},
): string {
  const all: Readonly<Record<string, string | undefined>> = { ...query, did: undefined, ...changes };
  const kept = Object.entries(all).filter((entry): entry is [string, string] => !!entry[1]);
  return kept.length === 0 ? '?' : `?${new URLSearchParams(kept).toString()}`;
}

export interface Paged<T> {
  readonly rows: readonly T[];
  readonly page: number;
  readonly pages: number;
  readonly total: number;
}

export function pageOf<T>(rows: readonly T[], wanted: string | undefined, size: number): Paged<T> {
  const pages = Math.max(1, Math.ceil(rows.length / size));
  const page = Math.max(1, Math.min(pages, Math.trunc(Number(wanted)) || 1));
  return { rows: rows.slice((page - 1) * size, page * size), page, pages, total: rows.length };
}

/** Links to the pages before and after; nothing where there is one page. */
export function pager(
  { page, pages, total }: Paged<unknown>,
  query: Readonly<Record<string, string | undefined>>,
  what: string,
): Markup | false {
  if (pages < 2) return false;
  const link = (to: number, text: string, rel: string): Markup =>
    html`<a href="${queryOf(query, { page: String(to) })}" rel="${rel}">${text}</a>`;
  return html`
    <nav class="walk pager" aria-label="Pages of the list">
      ${page > 1 && link(page - 1, '← Before', 'prev')}
      <span>Page ${formatCount(page)} of ${formatCount(pages)}, ${formatCount(total)} ${what}</span>
      ${page < pages && link(page + 1, 'Next →', 'next')}
    </nav>`;
}

/** A heading cell that sorts by a link, so that it works without a script. */
export interface SortColumn {
  readonly title: string;
  /** Value of `sort`; absent: not sorted by it. */
  readonly key?: string;
  readonly number?: boolean;
  readonly optional?: boolean;
}

/** A table whose columns sort; `current` is the query of the page, with `sort` and `down`. */
export function sortTable(
  headingId: string,
  head: readonly SortColumn[],
  rows: readonly Markup[],
  query: Readonly<Record<string, string | undefined>>,
): Markup {
  const cells = head.map(({ title, key, number, optional }) => {
    const current = key !== undefined && query.sort === key;
    const down = current && query.down === '1';
    const kind = [number && 'num', optional && 'opt'].filter(Boolean).join(' ');
    const next = queryOf(query, { sort: key, down: current && !down ? '1' : undefined, page: undefined });
    const sorted = current && html` aria-sort="${down ? 'descending' : 'ascending'}"`;
    return html`
      <th scope="col" class="${kind}"${sorted}>${key === undefined ? title : html`<a href="${next}">${title}</a>`}</th>`;
  });
  return html`
    <div class="panel scroll" tabindex="0" role="group" aria-labelledby="${headingId}">
      <table class="stack rows-walk">
        <thead><tr>${cells}</tr></thead>
        <tbody>${rows}</tbody>
      </table>
    </div>`;
}

/** In the place of what could not be asked for. */
export const problemOf = ({ problem }: Answer<unknown>): Markup | false =>
  problem !== undefined && html`<div class="panel none"><b class="bad">Not known:</b> ${problem}</div>`;
