/** The span of time that a page shows, from its address: an hour, a day, a week, a month, or from and to. Pure. */
import { FleetscoreError } from '../../domain/errors.ts';
import { HOUR_MS, isoTime, parseTime, type Period } from '../../domain/time.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import { queryOf } from '../parts.ts';
import { span } from '../time.ts';

const SPANS = { hour: HOUR_MS, day: 24 * HOUR_MS, week: 7 * 24 * HOUR_MS, month: 30 * 24 * HOUR_MS } as const;
export type SpanName = keyof typeof SPANS;
const NAMES: Readonly<Record<SpanName, string>> = { hour: 'Hour', day: 'Day', week: 'Week', month: 'Month' };

/** Longest and shortest that is drawn. */
const MOST_MS = 62 * 24 * HOUR_MS;
const LEAST_MS = 60_000;

export interface RangeQuery {
  readonly span?: string;
  readonly at?: string;
  readonly from?: string;
  readonly to?: string;
}

export interface ShownRange extends Period {
  /** One of the usual spans that ends where data end. */
  readonly name?: SpanName;
}

/**
 * @param asOfMs where data end: what a span without a time ends at
 * @param sinceMs where they begin: of a plant of an hour a day would be a line at the edge
 * @throws FleetscoreError `INVALID_TIME`, `INVALID_ARGUMENT`
 */
export function rangeOf({ span: name, at, from, to }: RangeQuery, asOfMs: number, sinceMs = 0): ShownRange {
  if (from !== undefined && to !== undefined) {
    const [fromMs, toMs] = [parseTime(from, 'from'), parseTime(to, 'to')];
    if (toMs - fromMs < LEAST_MS || toMs - fromMs > MOST_MS)
      throw new FleetscoreError(
        'INVALID_ARGUMENT',
        `from ${from} to ${to} cannot be drawn: it takes a minute to 62 days, and to after from.`,
      );
    return { fromMs, toMs };
  }
  const known = Object.keys(SPANS).find((one): one is SpanName => one === name) ?? usual(asOfMs - sinceMs);
  const toMs = at === undefined ? asOfMs : parseTime(at, 'at');
  return { fromMs: Math.max(0, toMs - SPANS[known]), toMs, name: known };
}

const usual = (ms: number): SpanName => (ms <= SPANS.hour ? 'hour' : 'day');

type Query = Readonly<Record<string, string | undefined>>;

/** Spans, steps back and forth, closer and wider: links, so that they work without a script. */
export function rangeTools(range: ShownRange, asOfMs: number, query: Query): Markup {
  const { fromMs, toMs, name } = range;
  const width = toMs - fromMs;
  const clear = { from: undefined, to: undefined, at: undefined, span: undefined, page: undefined };
  const to = (a: number, b: number): string =>
    queryOf(query, { ...clear, from: isoTime(Math.max(0, a)), to: isoTime(b) });
  const middle = (fromMs + toMs) / 2;
  const closer = Math.max(LEAST_MS, width / 2);
  const wider = Math.min(MOST_MS, width * 2);
  return html`
    <div class="bar-line">
      <nav class="seg" aria-label="Span">
        ${(Object.keys(SPANS) as SpanName[]).map(
          (one) =>
            html`<a href="${queryOf(query, { ...clear, span: one })}"${one === name && toMs === asOfMs && html` aria-current="true"`}>${NAMES[one]}</a>`,
        )}
      </nav>
      <nav class="seg" aria-label="Earlier, later, closer, wider">
        <a href="${to(fromMs - width, fromMs)}" rel="prev">← Earlier</a>
        <a href="${to(toMs, toMs + width)}" rel="next">Later →</a>
        <a href="${to(middle - closer / 2, middle + closer / 2)}">Zoom in</a>
        <a href="${to(middle - wider / 2, middle + wider / 2)}">Zoom out</a>
      </nav>
      <span class="soft">${span(fromMs, toMs, width < 10 * 60_000 ? 'second' : 'full')}</span>
    </div>`;
}
