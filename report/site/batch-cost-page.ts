/** What a batch cost. Pure. */
import { formatNumberOf } from '../format.ts';
import { html } from '../page/markup.ts';
import { tile, tiles } from '../page/parts.ts';
import { formatCost } from './cost-data.ts';
import { emptySection, renderPage } from './layout.ts';
import { toTop } from './paths.ts';
import { BATCH_DEPTH, frame, type BatchPages } from './batch-frame.ts';

export function costPage(pages: BatchPages): string {
  const { batch, cost } = pages;
  const share = cost?.shares.get(batch.id);
  const total = share ? share.runMs + share.aroundMs : 0;
  const all = html`<a href="${toTop(BATCH_DEPTH)}cost.html">Cost of the latest batches</a>`;
  if (!cost || !share || total === 0)
    return renderPage({
      ...frame(pages, 'Cost'),
      body: emptySection(html`
        <b>No record.</b> The pool has no record of nodes at that time: workers that were started by hand are not${' '}
        counted. ${all}`),
    });
  const perThousand = batch.planned > 0 ? formatCost((total / batch.planned) * 1_000, cost.rate) : '';
  return renderPage({
    ...frame(pages, 'Cost'),
    head: tiles(
      tile(
        'Together',
        formatCost(total, cost.rate),
        cost.rate
          ? `at ${cost.rate.perHour} ${cost.rate.currency} a node hour`
          : 'time of nodes; no prices are set (FLEETSCORE_PRICES_FILE)',
      ),
      tile('Scoring', formatCost(share.runMs, cost.rate), 'nodes while the batch ran'),
      tile('Spin-up and idle', formatCost(share.aroundMs, cost.rate), 'before and after it'),
      tile('Per 1,000 sensors', perThousand, formatNumberOf(batch.planned, 'sensor')),
    ),
    body: emptySection(html`
      Told when the batch ended: the time until its nodes go, or the next batch takes them, comes on top.${' '}
      ${all} has what it came to.`),
  });
}
