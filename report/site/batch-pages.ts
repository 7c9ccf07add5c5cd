/** Pages of one batch: overview, failures, cost. Pure. */
import { groupByDevice, type BatchData, type DeviceGroup, type ReportBatch } from '../collect/batch-data.ts';
import { matchFaults, type FaultMatch } from '../collect/faults.ts';
import { formatCount, formatMs, formatNumberOf, formatPeriod, formatShare } from '../format.ts';
import { busiestRows, heatMap } from '../charts/heat-map.ts';
import { html, type Markup, type MarkupValue } from '../page/markup.ts';
import { heatNumbers, heatSection } from '../page/heat.ts';
import { faultTile } from '../page/html.ts';
import { cell, chip, code, linked, nameOf, notes, row, tile, tiles, toned, type Column } from '../page/parts.ts';
import { causeSection, faultSection, kindOf } from '../page/tables.ts';
import type { BatchChallenge } from '../../verify/compare-releases.ts';
import { formatClock, formatCost, type CostView } from './cost-data.ts';
import { type HealthView } from './health-data.ts';
import {
  emptySection,
  FIND_KEY,
  HEAT_KEYS,
  meter,
  renderPage,
  tableSection,
  type SitePage,
  type Tab,
} from './layout.ts';
import { deviceFile, toTop } from './paths.ts';

/** Folders between the top of the site and a batch's pages. */
const BATCH_DEPTH = 3;

export interface BatchPages {
  readonly batch: ReportBatch;
  readonly data: BatchData;
  readonly health: HealthView;
  readonly challenge?: BatchChallenge;
  readonly cost?: CostView;
  /** Batch whose pages precede these, with the devices that have one there. */
  readonly before?: { readonly id: string; readonly path: string; readonly devices: ReadonlySet<string> };
}

export type BatchTab = 'Overview' | 'Failures' | 'Model health' | 'Cost';

/** @param up from the page to the folder of the batch */
export function batchTabs({ data }: BatchPages, current: BatchTab | undefined, up = ''): Tab[] {
  const unscored = data.totals.sensors - data.totals.scored;
  return (
    [
      ['Overview', 'index'],
      ['Failures', 'failures'],
      ['Model health', 'health'],
      ['Cost', 'cost'],
    ] as const
  ).map(([name, file]) => ({
    name,
    href: `${up}${file}.html`,
    current: name === current,
    ...(name === 'Failures' && unscored > 0 ? { count: formatCount(unscored) } : {}),
  }));
}

/** Short name of a batch, for crumbs and titles. */
export const batchName = (batch: ReportBatch): string => formatPeriod(batch);

export function batchFacts(batch: ReportBatch): Markup {
  const { id, kind, release, schedule, startedAtMs, finishedAtMs } = batch;
  return html`
    <div class="facts">
      ${chip(batch.status)}
      <span>Batch <b class="mono">${id}</b></span>
      ${kind !== 'score' && html`<span>${kindOf(batch)}</span>`}
      <span>Release <b>${release}</b></span>
      ${schedule !== undefined && html`<span>Schedule <b>${schedule}</b></span>`}
      <span>
        Started <b>${formatClock(startedAtMs)}</b>
        ${finishedAtMs !== undefined && html`, took <b>${formatMs(finishedAtMs - startedAtMs)}</b>`}
      </span>
    </div>`;
}

/** What all pages of a batch share. */
export function frame(
  pages: BatchPages,
  tab: BatchTab,
): Pick<SitePage, 'title' | 'depth' | 'crumbs' | 'heading' | 'facts' | 'tabs'> {
  const top = toTop(BATCH_DEPTH);
  return {
    title: `${tab}, ${batchName(pages.batch)}`,
    depth: BATCH_DEPTH,
    heading: formatPeriod(pages.batch),
    facts: batchFacts(pages.batch),
    tabs: batchTabs(pages, tab),
    crumbs: [{ name: 'Fleet', href: `${top}index.html` }, { name: batchName(pages.batch) }],
  };
}

const deviceHref = (device: string): string => `devices/${deviceFile(device)}`;

/** Address of a device that may have no page. */
function hrefIn({ sensors }: BatchData): (of: { readonly device: string }) => string | undefined {
  const devices = new Set(sensors.map((sensor) => sensor.device));
  return ({ device }) => (devices.has(device) ? deviceHref(device) : undefined);
}

/** The name of a device, leading to its page where it has one. */
export function linksIn(data: BatchData): (of: { readonly device: string }) => Markup {
  const hrefOf = hrefIn(data);
  return (sensor) => html`${linked(hrefOf(sensor), nameOf(sensor.device))}`;
}

const anomaliesOf = (group: DeviceGroup): number => group.sensors.reduce((sum, sensor) => sum + sensor.anomalies, 0);

const windowsOf = (group: DeviceGroup): number => group.sensors.reduce((sum, sensor) => sum + sensor.windows, 0);

const unscoredOf = (group: DeviceGroup): number => group.sensors.filter((sensor) => sensor.status !== 'scored').length;

/** What is not on the pages, in words. */
export function limitNotes({ omitted, undrawn = 0, sensors }: BatchData): string[] {
  const shown = formatNumberOf(sensors.length, 'sensor');
  const counted = formatNumberOf(omitted, 'sensor is', 'sensors are');
  const without = formatNumberOf(undrawn, 'sensor has', 'sensors have');
  const first = `Of this fleet the ${shown} that need attention first have a page: failures and most anomalies.`;
  const commands = '`fleetscore report` and `fleetscore predictions` show them.';
  return [
    ...(omitted > 0 ? [`${first} ${counted} counted here, and not drawn.`] : []),
    ...(undrawn > 0 ? [`${without} no chart here: there are too many windows to draw for all. ${commands}`] : []),
  ];
}

/** Devices in the heat map; the list below it has all. */
const MOST_HEAT_ROWS = 150;

export function overviewPage(pages: BatchPages): string {
  const { batch, data } = pages;
  const groups = groupByDevice(data.sensors);
  const match = data.faults && matchFaults(data.faults, data.sensors, data);
  const map = busiestRows(heatMap(data), MOST_HEAT_ROWS);
  const ordered = groups.toSorted((a, b) => anomaliesOf(b) - anomaliesOf(a) || unscoredOf(b) - unscoredOf(a));
  const most = Math.max(1, ...groups.map(anomaliesOf));
  const devices = tableSection({
    id: 'devices',
    title: 'Devices',
    lead: 'Each has a page with the charts of its sensors.',
    columns: DEVICE_COLUMNS,
    rows: ordered.map((group) => deviceRow(group, most)),
    empty: 'No sensor was planned.',
    list: { id: 'list', tools: findTools('device') },
  });
  const earlier = pages.before && `${toTop(BATCH_DEPTH)}${pages.before.path}index.html`;
  const messages = [...(batch.message === undefined ? [] : [batch.message]), ...data.problems, ...limitNotes(data)];
  return renderPage({
    ...frame(pages, 'Overview'),
    head: html`
      ${earlier !== undefined && html`<p class="walk"><a href="${earlier}" rel="prev">← Batch before</a></p>`}
      ${batchTiles(pages, match)}
      ${notes(messages)}`,
    body: html`
      ${heatSection(data, map, match?.faults ?? [], deviceHref)}
      ${match && faultSection(match, hrefIn(data))}
      ${causeSection(data, (sensor) => deviceHref(sensor.device))}
      ${devices}`,
    data: { from: data.fromMs, to: data.toMs, heat: heatNumbers(map) },
    keys: html`${FIND_KEY}${HEAT_KEYS}`,
  });
}

const DEVICE_COLUMNS: readonly Column[] = [
  { title: 'Device' },
  { title: 'Anomalies', number: true },
  { title: 'Share', number: true },
  { title: 'Not scored', number: true },
  { title: 'Sensors', number: true, optional: true },
  { title: 'Windows', number: true, optional: true },
];

/** @param most anomalies of the device with most, for the bar */
function deviceRow(group: DeviceGroup, most: number): Markup {
  const [windows, anomalies, unscored] = [windowsOf(group), anomaliesOf(group), unscoredOf(group)];
  // `data-v` is what the script sorts by.
  const sortable = (value: number, content: MarkupValue, kind = 'num'): Markup =>
    html`<td class="${kind}" data-v="${value}">${content}</td>`;
  return html`
    <tr data-d="${group.device}" data-a="${anomalies}" data-b="${unscored}">
      ${cell('name', html`<a href="${deviceHref(group.device)}">${nameOf(group.device)}</a>`)}
      ${sortable(anomalies, html`${toned('hot', anomalies, formatCount(anomalies))}${meter([[1, anomalies / most]])}`)}
      ${sortable(windows === 0 ? 0 : anomalies / windows, formatShare(anomalies, windows))}
      ${sortable(unscored, toned('bad', unscored, formatCount(unscored)))}
      ${sortable(group.sensors.length, formatCount(group.sensors.length), 'num opt')}
      ${sortable(windows, formatCount(windows), 'num opt')}
    </tr>
`;
}

/** The filter over a list of devices; shown by the script that makes it work. */
function findTools(what: string): Markup {
  return html`
    <div class="tools" id="tools" role="search" hidden>
      <label class="sr" for="find">Filter by ${what} name</label>
      <input id="find" type="search" placeholder="Filter ${what}s" autocomplete="off" spellcheck="false">
      <label class="sr" for="which">Which ${what}s</label>
      <select id="which">
        <option value="all">All ${what}s</option>
        <option value="anomalies">With anomalies</option>
        <option value="trouble">With sensors not scored</option>
        <option value="quiet">Quiet</option>
      </select>
      <output id="shown" aria-live="polite"></output>
    </div>
    <p class="notes" id="none" hidden>No ${what} fits the filter.</p>`;
}

function batchTiles({ batch, data: { totals }, cost }: BatchPages, match: FaultMatch | undefined): Markup {
  const rest = [
    totals.skipped > 0 && `${formatCount(totals.skipped)} skipped`,
    totals.cancelled > 0 && `${formatCount(totals.cancelled)} cancelled`,
  ].filter((part) => part !== false);
  const share = cost?.shares.get(batch.id);
  return tiles(
    tile('Sensors', formatCount(totals.sensors), [`${formatCount(totals.scored)} scored`, ...rest].join(', ')),
    tile('Windows scored', formatCount(totals.windows), 'one prediction each'),
    tile(
      'Anomalies',
      formatCount(totals.anomalies),
      totals.windows > 0 ? `${formatShare(totals.anomalies, totals.windows)} of windows` : 'no windows',
      totals.anomalies > 0 ? 'hot' : '',
    ),
    tile(
      'Failed',
      formatCount(totals.failed),
      totals.failed > 0 ? html`<a href="failures.html">see which and why</a>` : 'every sensor is accounted for',
      totals.failed > 0 ? 'bad' : 'ok',
    ),
    match && match.faults.length > 0 && faultTile(match),
    share !== undefined &&
      share.runMs + share.aroundMs > 0 &&
      tile(
        'Cost',
        formatCost(share.runMs + share.aroundMs, cost?.rate),
        html`<a href="cost.html">${cost?.rate ? 'so far' : 'of nodes, so far'}</a>`,
      ),
  );
}

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
