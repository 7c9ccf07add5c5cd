/** The first page of the site: the fleet over its latest batches. Pure. */
import { compareNames, type ReportBatch } from '../collect/batch-data.ts';
import { formatCount, formatMs, formatPeriod, formatShare } from '../format.ts';
import { html, type Markup } from '../page/markup.ts';
import { chip, notes, tile, tiles } from '../page/parts.ts';
import { formatClock, formatCost, type CostView } from './cost-data.ts';
import { HEAT_KEYS, renderPage } from './layout.ts';
import { batchPath, deviceFile } from './paths.ts';
import { mainLine, tabs, type FleetPages, type ListedBatch } from './fleet-frame.ts';
import { deviceTotals, batchHeat, fleetHeat, fleetNumbers } from './fleet-heat.ts';
import { batchesSection, causesSection, topSection } from './fleet-tables.ts';

const MOST_ROWS = 100;

export function fleetPage({ batches, cost }: FleetPages): string {
  const line = mainLine(batches);
  const latest = line.at(-1) ?? batches.at(-1)!;
  const totals = deviceTotals(line);
  const ranked = totals.toSorted(
    (a, b) => b.anomalies - a.anomalies || b.notScored - a.notScored || compareNames(a.name, b.name),
  );
  const shown = ranked.slice(0, MOST_ROWS).toSorted((a, b) => compareNames(a.name, b.name));
  const map = batchHeat(line, shown);
  const pageOf = new Map(
    totals.map((device) => [device.name, `${batchPath(device.newest)}devices/${deviceFile(device.name)}`]),
  );
  const heat =
    map.rows.length > 0 && fleetHeat(line, map, totals.length > shown.length ? totals.length : undefined, pageOf);
  const folders = line.map(({ batch }) => batchPath(batch));
  const { devices: _, ...summary } = latest.summary;
  const withPages = new Set(latest.summary.devices.map((device) => device.name));
  return renderPage({
    title: 'Fleet',
    depth: 0,
    crumbs: [],
    heading: 'Fleet',
    tabs: tabs('Fleet'),
    facts: latestFacts(latest.batch),
    head: html`
      ${fleetTiles(latest, batches, cost)}
      ${notes(latest.batch.message === undefined ? [] : [latest.batch.message])}`,
    body: html`
      ${heat}
      <div class="cols">
        ${topSection(ranked, pageOf)}
        ${causesSection(latest.batch, summary, withPages)}
      </div>
      ${batchesSection(batches, cost)}`,
    data: { heat: { ...fleetNumbers(map, shown), label: line.map(({ batch }) => formatPeriod(batch)), to: folders } },
    keys: HEAT_KEYS,
  });
}

function latestFacts(batch: ReportBatch): Markup {
  return html`
    <div class="facts">
      <span>Latest batch <b><a href="${batchPath(batch)}index.html">${formatPeriod(batch)}</a></b></span>
      ${batch.schedule !== undefined && html`<span>Schedule <b>${batch.schedule}</b></span>`}
      <span>Release <b>${batch.release}</b></span>
      ${chip(batch.status)}
    </div>`;
}

function fleetTiles(
  { batch, summary: { totals } }: ListedBatch,
  batches: readonly ListedBatch[],
  cost: CostView | undefined,
): Markup {
  const ofWhat = cost?.rate ? 'of the batches below' : 'of nodes, all batches below';
  const failedBatches = batches.filter((one) => one.batch.status !== 'completed').length;
  return tiles(
    tile('Sensors', formatCount(totals.sensors), `${formatCount(totals.scored)} scored in the latest batch`),
    tile(
      'Anomalies',
      formatCount(totals.anomalies),
      totals.windows > 0 ? `${formatShare(totals.anomalies, totals.windows)} of the latest windows` : 'no windows',
      totals.anomalies > 0 ? 'hot' : '',
    ),
    tile(
      'Failed',
      formatCount(totals.failed),
      totals.failed > 0
        ? html`<a href="${batchPath(batch)}failures.html">sensors, see why</a>`
        : 'every sensor is accounted for',
      totals.failed > 0 ? 'bad' : 'ok',
    ),
    tile(
      'Batches',
      formatCount(batches.length),
      failedBatches === 0 ? 'all completed' : `${formatCount(failedBatches)} not completed`,
      failedBatches === 0 ? 'ok' : 'bad',
    ),
    tile(
      'Latest took',
      batch.finishedAtMs === undefined ? '' : formatMs(batch.finishedAtMs - batch.startedAtMs),
      formatClock(batch.startedAtMs),
    ),
    tile(
      'Cost',
      cost ? formatCost(cost.totalMs, cost.rate) : 'no record',
      html`<a href="cost.html">${cost ? ofWhat : 'why'}</a>`,
    ),
  );
}
