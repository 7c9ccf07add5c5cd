/** The first page of a batch: when anomalies occurred, why sensors were not scored, its devices. Pure. */
import { groupByDevice, type DeviceGroup } from '../collect/batch-data.ts';
import { matchFaults, type FaultMatch } from '../collect/faults.ts';
import { formatCount, formatShare } from '../format.ts';
import { busiestRows, heatMap } from '../charts/heat-map.ts';
import { html, type Markup, type MarkupValue } from '../page/markup.ts';
import { heatNumbers, heatSection } from '../page/heat.ts';
import { faultTile } from '../page/html.ts';
import { cell, nameOf, notes, tile, tiles, toned, type Column } from '../page/parts.ts';
import { causeSection, faultSection } from '../page/tables.ts';
import { formatCost } from './cost-data.ts';
import { FIND_KEY, HEAT_KEYS, meter, renderPage, tableSection } from './layout.ts';
import { toTop } from './paths.ts';
import { BATCH_DEPTH, deviceHref, frame, hrefIn, limitNotes, type BatchPages } from './batch-frame.ts';

const anomaliesOf = (group: DeviceGroup): number => group.sensors.reduce((sum, sensor) => sum + sensor.anomalies, 0);

const windowsOf = (group: DeviceGroup): number => group.sensors.reduce((sum, sensor) => sum + sensor.windows, 0);

const unscoredOf = (group: DeviceGroup): number => group.sensors.filter((sensor) => sensor.status !== 'scored').length;

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
