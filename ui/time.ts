/** Times on pages: text in UTC, which the script rewrites in the time zone of the browser. Pure. */
import { isoTime } from '../domain/time.ts';
import { formatTime } from '../report/format.ts';
import { html, type Markup } from '../report/page/markup.ts';

/** `minute`: the date only when it is another day; `second`: with seconds; `full`: always with its date. */
export type TimeForm = 'minute' | 'second' | 'full';

export function time(ms: number, form: TimeForm = 'minute', afterMs?: number): Markup {
  const text = form === 'minute' ? formatTime(ms - (ms % 60_000)) : formatTime(ms);
  const after = afterMs !== undefined && html` data-after="${isoTime(afterMs)}"`;
  return html`<time datetime="${isoTime(ms)}" data-t="${form}"${after}>${text} UTC</time>`;
}

/** `from – to`; the day is said once where it is that of both. */
export const span = (fromMs: number, toMs: number, form: TimeForm = 'minute'): Markup =>
  html`<span class="nw">${time(fromMs, form)} – ${time(toMs, form, fromMs)}</span>`;
