/** Sensors of a batch that were not scored, and why. Pure. */
import { formatCount, formatNumberOf } from '../format.ts';
import { html } from '../page/markup.ts';
import { cell, chip, code, nameOf, row, tile, tiles } from '../page/parts.ts';
import { causeSection } from '../page/tables.ts';
import { renderPage, tableSection } from './layout.ts';
import { deviceHref, frame, type BatchPages } from './batch-frame.ts';

/** Rows of the failures page: what a page still shows well. */
const MOST_FAILURES = 2_000;

export function failuresPage(pages: BatchPages): string {
  const { data } = pages;
  const unscored = data.sensors.filter((sensor) => sensor.status !== 'scored');
  const ordered = unscored
    .toSorted((a, b) => Number(b.status === 'failed') - Number(a.status === 'failed'))
    .slice(0, MOST_FAILURES);
  const all = data.totals.sensors - data.totals.scored;
  const rows = ordered.map(({ status, device, sensor, class: reason, message }) =>
    row(
      cell('nw', chip(status)),
      html`<td><a href="${deviceHref(device)}">${nameOf(device)}</a> / ${nameOf(sensor)}</td>`,
      cell('msg', html`${code(reason ?? status)}${message !== undefined && html`: ${message}`}`),
    ),
  );
  const command = `fleetscore batch show ${pages.batch.id} --json`;
  const listed = tableSection({
    id: 'failures',
    title: 'Sensors that were not scored',
    lead:
      all > rows.length
        ? `${formatCount(rows.length)} of ${formatCount(all)}, failed ones first. All of them: ${command}.`
        : 'Failed ones first.',
    columns: [{ title: 'Outcome' }, { title: 'Sensor' }, { title: 'What was wrong' }],
    rows,
    empty: html`<b>Every sensor was scored.</b>`,
  });
  return renderPage({
    ...frame(pages, 'Failures'),
    head: tiles(
      tile(
        'Failed',
        formatCount(data.totals.failed),
        'somebody should look at them',
        data.totals.failed > 0 ? 'bad' : 'ok',
      ),
      tile('Skipped', formatCount(data.totals.skipped), 'nothing to score, or to score with'),
      data.totals.cancelled > 0 && tile('Cancelled', formatCount(data.totals.cancelled), 'before their turn came'),
      tile('Scored', formatCount(data.totals.scored), `of ${formatNumberOf(data.totals.sensors, 'sensor')}`),
    ),
    body: html`${causeSection({ ...data, sensors: [] }, () => undefined)}${listed}`,
  });
}
