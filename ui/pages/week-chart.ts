/**
 * Bars of the last 24 hours beside the same hours a week before, drawn on the server, with the numbers as a table.
 * Pure.
 */
import { formatCount, formatShare } from '../../report/format.ts';
import { html, trusted, type Markup } from '../../report/page/markup.ts';
import type { Hour, WeekView } from '../look/week.ts';
import { time } from '../time.ts';
import { HOUR_MS } from '../../domain/time.ts';

const HEIGHT = 72;

const shareOf = ({ windows, anomalies }: Hour): number => (windows === 0 ? 0 : anomalies / windows);

export function weekChart({ now, before }: WeekView): Markup {
  const highest = Math.max(...now.map(shareOf), ...before.map(shareOf));
  const most = Math.max(0.001, highest);
  const high = (share: number): number => (share === 0 ? 0 : Math.max(2, Math.round((share / most) * HEIGHT)));
  const bars = now
    .map((hour, i) => {
      const height = high(shareOf(hour));
      if (hour.windows === 0) return `<path class="gap" d="M${i * 10 + 1} ${HEIGHT}h8v-1h-8z"/>`;
      const kind = height === 0 ? 'calm' : 'bar';
      return `<path class="${kind}" d="M${i * 10 + 1} ${HEIGHT}h8v-${Math.max(1, height)}h-8z"/>`;
    })
    .join('');
  const line = before
    .map((hour, i) => (hour.windows === 0 ? '' : `M${i * 10} ${HEIGHT - Math.max(1, high(shareOf(hour)))}h10`))
    .join('');
  const drawn = trusted(
    `<svg class="hours" viewBox="0 0 240 ${HEIGHT}" preserveAspectRatio="none" ` +
      `aria-hidden="true">${bars}<path class="was" d="${line}"/></svg>`,
  );
  const scored = now.some(({ windows }) => windows > 0);
  return html`
    <div class="panel week">
      ${scored ? drawn : html`<p class="none">No batch in the last 24 hours.</p>`}
      <p class="ends">${time(now[0]!.fromMs)}<span class="gap"></span>${time(now.at(-1)!.fromMs + HOUR_MS)}</p>
      <p class="key">
        <span>
          <i class="k bar"></i>anomalous windows${highest > 0 && html`, highest ${formatShare(highest, 1)}`}
        </span>
        <span><i class="k was"></i>a week ago</span>
      </p>
      <details>
        <summary>As a table</summary>
        <div class="scroll" tabindex="0" role="group" aria-label="The last 24 hours as a table">
          <table>
            <thead><tr>
              <th scope="col">Hour</th>
              <th scope="col" class="num">Windows</th>
              <th scope="col" class="num">Anomalous</th>
              <th scope="col" class="num">A week ago</th>
              <th scope="col" class="num">Silent or failed</th>
            </tr></thead>
            <tbody>${now.map((hour, i) => hourRow(hour, before[i]!))}</tbody>
          </table>
        </div>
      </details>
    </div>`;
}

const hourRow = (hour: Hour, before: Hour): Markup => html`
  <tr>
    <td class="nw">${time(hour.fromMs)}</td>
    <td class="num">${formatCount(hour.windows)}</td>
    <td class="num">${formatShare(hour.anomalies, hour.windows) || '–'}</td>
    <td class="num">${formatShare(before.anomalies, before.windows) || '–'}</td>
    <td class="num">${formatCount(hour.skipped + hour.failed)}</td>
  </tr>`;
