/** Page at the top of the site: what the latest batches cost. Pure. */
import { formatCount, formatNumberOf, formatTime } from '../format.ts';
import { html } from '../page/markup.ts';
import { numberCell, row, tile, tiles } from '../page/parts.ts';
import { formatCost } from './cost-data.ts';
import { emptySection, meter, renderPage, tableSection } from './layout.ts';
import { type FleetPages, tabs, periodLink } from './fleet-frame.ts';

export function fleetCostPage({ batches, cost }: FleetPages): string {
  const frame = {
    title: 'Cost',
    depth: 0,
    crumbs: [{ name: 'Cost' }],
    heading: 'Cost of the latest batches',
    tabs: tabs('Cost'),
  } as const;
  if (!cost)
    return renderPage({
      ...frame,
      body: emptySection(html`
        <b>No record.</b> The pool has no record of nodes at the time of these batches: workers that were started by${' '}
        hand are not counted.`),
    });
  const sensors = batches.reduce((sum, { batch }) => sum + batch.planned, 0);
  const most = Math.max(1, ...[...cost.shares.values()].map((share) => share.runMs + share.aroundMs));
  const rows = batches.toReversed().map(({ batch }) => {
    const { runMs, aroundMs } = cost.shares.get(batch.id) ?? { runMs: 0, aroundMs: 0 };
    const bar = meter([
      [2, runMs / most],
      [3, aroundMs / most],
    ]);
    return row(
      periodLink(batch, 'cost.html'),
      numberCell(formatCount(batch.planned)),
      numberCell(formatCost(runMs, cost.rate)),
      numberCell(formatCost(aroundMs, cost.rate)),
      numberCell(html`${formatCost(runMs + aroundMs, cost.rate)}${bar}`),
    );
  });
  const [from, to] = [cost.fromMs, cost.toMs].map((ms) => formatTime(Math.floor(ms / 60_000) * 60_000));
  return renderPage({
    ...frame,
    facts: html`<div class="facts"><span>${from} – ${to} UTC, all pools together</span></div>`,
    head: tiles(
      tile(
        'Together',
        formatCost(cost.totalMs, cost.rate),
        cost.rate
          ? `at ${cost.rate.perHour.toFixed(4)} ${cost.rate.currency} a node hour`
          : 'time of nodes; no prices are set (FLEETSCORE_PRICES_FILE)',
      ),
      tile('Nodes', formatCount(cost.nodes), `at the most ${formatCount(cost.peakNodes)} at once`),
      tile(
        'Per 1,000 sensors',
        sensors > 0 ? formatCost((cost.totalMs / sensors) * 1_000, cost.rate) : '',
        `${formatNumberOf(sensors, 'sensor')} scored`,
      ),
      tile(
        'Without a batch',
        formatCost(cost.unusedMs, cost.rate),
        'nodes that never saw one',
        cost.unusedMs > 0 ? '' : 'ok',
      ),
    ),
    body: tableSection({
      id: 'costs',
      title: 'By batch',
      lead:
        'Every second of a node belongs to one batch: while it ran, or around it (spin-up, waiting, idle). ' +
        'The bar shows both.',
      columns: [
        { title: 'Period' },
        { title: 'Sensors', number: true },
        { title: 'Scoring', number: true },
        { title: 'Around', number: true },
        { title: 'Together', number: true },
      ],
      rows,
    }),
  });
}
