/** Pages at the top of the site: the fleet over its latest batches. Pure. */
import { compareNames, type ReportBatch } from '../collect/batch-data.ts';
import { formatCount, formatMs, formatNumberOf, formatPeriod, formatShare, formatTime } from '../format.ts';
import { withAll, type HeatMap } from '../charts/heat-map.ts';
import { html, type Markup } from '../page/markup.ts';
import { heatNumbers, heatPanel, type AxisLabel } from '../page/heat.ts';
import {
  cell,
  chip,
  code,
  columns,
  linked,
  nameOf,
  notes,
  numberCell,
  row,
  section,
  tile,
  tiles,
  toned,
} from '../page/parts.ts';
import { formatClock, formatCost, type CostView } from './cost-data.ts';
import { HEAT_KEYS, meter, renderPage, tableSection, type Tab } from './layout.ts';
import { batchPath, deviceFile } from './paths.ts';
import type { BatchSummary } from './summary.ts';
import { DAY_MS } from '../../domain/time.ts';

/** A batch that has its pages. */
export interface ListedBatch {
  readonly batch: ReportBatch;
  readonly summary: BatchSummary;
}

export interface FleetPages {
  /** By period, then start; at least one. */
  readonly batches: readonly ListedBatch[];
  readonly cost?: CostView;
}

const MOST_ROWS = 100;

const MOST_TOP = 12;

export const tabs = (current: 'Fleet' | 'Cost'): Tab[] => [
  { name: 'Fleet', href: 'index.html', current: current === 'Fleet' },
  { name: 'Cost', href: 'cost.html', current: current === 'Cost' },
];

/** The batches that follow each other in time: those of the newest one's schedule and length, and no repairs. */
export function mainLine(batches: readonly ListedBatch[]): readonly ListedBatch[] {
  const scoring = batches.filter(({ batch }) => batch.kind === 'score');
  const newest = scoring.reduce<ReportBatch | undefined>(
    (a, { batch }) =>
      a && (a.toMs > batch.toMs || (a.toMs === batch.toMs && a.startedAtMs > batch.startedAtMs)) ? a : batch,
    undefined,
  );
  if (!newest) return [];
  return scoring.filter(
    ({ batch }) => batch.schedule === newest.schedule && batch.toMs - batch.fromMs === newest.toMs - newest.fromMs,
  );
}

interface DeviceTotal {
  readonly name: string;
  readonly windows: number;
  readonly anomalies: number;
  readonly notScored: number;
  /** Anomalous windows by batch of the line, and the newest batch that has a page of the device. */
  readonly newest: ReportBatch;
}

function deviceTotals(line: readonly ListedBatch[]): DeviceTotal[] {
  const totals = new Map<string, DeviceTotal>();
  for (const { batch, summary } of line)
    for (const device of summary.devices) {
      const sum = totals.get(device.name);
      totals.set(device.name, {
        name: device.name,
        newest: batch,
        windows: (sum?.windows ?? 0) + device.windows,
        anomalies: (sum?.anomalies ?? 0) + device.anomalies,
        notScored: (sum?.notScored ?? 0) + device.notScored,
      });
    }
  return [...totals.values()];
}

function batchHeat(line: readonly ListedBatch[], devices: readonly DeviceTotal[]): HeatMap {
  const at = new Map(devices.map((device, i) => [device.name, i]));
  const rows = devices.map(({ name }) => ({
    name,
    density: { windows: new Uint32Array(line.length), anomalies: new Uint32Array(line.length) },
  }));
  line.forEach(({ summary }, slice) => {
    for (const { name, windows, anomalies } of summary.devices) {
      const row = rows[at.get(name) ?? -1];
      if (!row) continue;
      row.density.windows[slice] = windows;
      row.density.anomalies[slice] = anomalies;
    }
  });
  return withAll(line.length, rows);
}

function batchAxis(line: readonly ListedBatch[]): AxisLabel[] {
  const every = Math.ceil(line.length / 8);
  const oneDay = new Set(line.map(({ batch }) => formatTime(batch.fromMs).slice(0, 10))).size === 1;
  const short = line.every(({ batch }) => batch.toMs - batch.fromMs < DAY_MS);
  return line.flatMap(({ batch }, i) =>
    i % every > 0
      ? []
      : [
          [
            (i + 0.5) / line.length,
            oneDay ? formatTime(batch.fromMs).slice(11) : formatTime(batch.fromMs).slice(5, short ? undefined : 10),
          ] as const,
        ],
  );
}

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

/** @param of devices in all, where the map has only those with most anomalies */
function fleetHeat(
  line: readonly ListedBatch[],
  map: HeatMap,
  of: number | undefined,
  pageOf: ReadonlyMap<string, string>,
): Markup {
  const most =
    of !== undefined && ` The ${formatCount(map.rows.length)} of ${formatNumberOf(of, 'device')} with most anomalies.`;
  const lead = html`
    A column a batch, coloured by the share of anomalous windows${map.all && '; above, how many in all'}.${' '}
    A slice opens the page of the device in that batch.${most}`;
  const panel = heatPanel({
    map,
    axis: batchAxis(line),
    allName: 'All devices',
    cells: true,
    label: 'Anomalies per device and batch',
    href: (name) => pageOf.get(name),
  });
  return section('when', 'Devices over time', lead, panel);
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

/** As in all pages, with the file that a slice opens in the folder of its batch. */
function fleetNumbers(map: HeatMap, devices: readonly DeviceTotal[]): object {
  const { n, rows } = heatNumbers(map);
  const files = [
    ...(map.all ? [{ all: 1 }] : []),
    ...devices.map(({ name }) => ({ f: `devices/${deviceFile(name)}` })),
  ];
  return { n, rows: rows.map((row, i) => ({ ...row, ...files[i] })) };
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

function topSection(ranked: readonly DeviceTotal[], pageOf: ReadonlyMap<string, string>): Markup {
  const top = ranked.filter((device) => device.anomalies > 0 || device.notScored > 0).slice(0, MOST_TOP);
  const most = Math.max(1, ...top.map((device) => device.anomalies));
  const rows = top.map(({ name, windows, anomalies, notScored }) =>
    row(
      cell('name', html`<a href="${pageOf.get(name) ?? ''}">${nameOf(name)}</a>`),
      numberCell(html`${toned('hot', anomalies, formatCount(anomalies))}${meter([[1, anomalies / most]])}`),
      numberCell(formatShare(anomalies, windows)),
      numberCell(toned('bad', notScored, formatCount(notScored))),
    ),
  );
  return tableSection({
    id: 'top',
    title: 'Devices to look at',
    lead: 'Most anomalies over these batches.',
    columns: [
      { title: 'Device' },
      { title: 'Anomalies', number: true },
      { title: 'Share', number: true },
      { title: 'Not scored', number: true },
    ],
    rows,
    empty: html`<b>All quiet:</b> no anomaly, and every sensor was scored.`,
  });
}

function causesSection(
  batch: ReportBatch,
  { causes }: Pick<BatchSummary, 'causes'>,
  withPages: ReadonlySet<string>,
): Markup {
  const rows = causes.map(({ status, class: reason, sensors, example }) => {
    const { device, sensor, message } = example;
    const page = withPages.has(device) ? `${batchPath(batch)}devices/${deviceFile(device)}` : undefined;
    return row(
      cell('nw', chip(status)),
      numberCell(formatCount(sensors)),
      html`
        <td class="msg">
          ${code(reason)}<br>
          ${sensors > 1 && 'for example '}${linked(page, nameOf(device))} / ${nameOf(sensor)}
          ${message !== undefined && html`: ${message}`}
        </td>`,
    );
  });
  return tableSection({
    id: 'causes',
    title: 'Failures by cause',
    lead: html`In the latest batch. <a href="${batchPath(batch)}failures.html">All of them</a>`,
    columns: [{ title: 'Outcome' }, { title: 'Sensors', number: true }, { title: 'Cause' }],
    rows,
    empty: html`<b>Every sensor was scored.</b>`,
  });
}

/** The period of a batch, leading to one of its pages. */
export const periodLink = (batch: ReportBatch, file: string): Markup =>
  cell('nw', html`<a href="${batchPath(batch)}${file}">${formatPeriod(batch).replace(' UTC', '')}</a>`);

function batchesSection(batches: readonly ListedBatch[], cost: CostView | undefined): Markup {
  const kinds = batches.some(({ batch }) => batch.kind !== 'score');
  const rows = batches.toReversed().map(({ batch, summary: { totals } }) => {
    const share = cost?.shares.get(batch.id);
    return row(
      periodLink(batch, 'index.html'),
      html`<td>${chip(batch.status)}</td>`,
      kinds && html`<td>${batch.kind}</td>`,
      numberCell(formatCount(totals.scored)),
      numberCell(toned('bad', totals.failed, formatCount(totals.failed))),
      numberCell(formatCount(totals.skipped)),
      numberCell(toned('hot', totals.anomalies, formatCount(totals.anomalies))),
      numberCell(batch.finishedAtMs === undefined ? '' : formatMs(batch.finishedAtMs - batch.startedAtMs)),
      numberCell(share && cost ? formatCost(share.runMs + share.aroundMs, cost.rate) : ''),
    );
  });
  return tableSection({
    id: 'batches',
    title: 'Latest batches',
    columns: columns(
      { title: 'Period' },
      { title: 'Status' },
      kinds && { title: 'Kind' },
      { title: 'Scored', number: true },
      { title: 'Failed', number: true },
      { title: 'Skipped', number: true },
      { title: 'Anomalies', number: true },
      { title: 'Took', number: true },
      { title: 'Cost', number: true },
    ),
    rows,
  });
}
