/** Page of one device in one batch: when its sensors were anomalous, and the chart of each. Pure. */
import type { DeviceGroup } from '../collect/batch-data.ts';
import { chartData, timeTicks } from '../charts/chart-data.ts';
import type { MatchedFault } from '../collect/faults.ts';
import { formatCount, formatNumberOf, formatPeriod, formatShare } from '../format.ts';
import { sensorHeatMap } from '../charts/heat-map.ts';
import { html, type Markup } from '../page/markup.ts';
import { card } from '../page/devices.ts';
import { faultMarks, heatNumbers, heatPanel, timeAxis } from '../page/heat.ts';
import { nameOf, NO_SCRIPT, notes, section, tile, tiles } from '../page/parts.ts';
import { batchFacts, batchName, batchTabs, limitNotes, type BatchPages } from './batch-frame.ts';
import { CHART_KEYS, HEAT_KEYS, renderPage } from './layout.ts';
import { deviceFile, toTop } from './paths.ts';

const DEPTH = 4;
/** Points drawn on one page; long series are thinned to their share of it. */
const POINT_BUDGET = 60_000;
const MOST_POINTS = 1_500;
const LEAST_POINTS = 150;

export interface DevicePlace {
  readonly group: DeviceGroup;
  /** Neighbours in the order of names. */
  readonly before?: string;
  readonly after?: string;
}

export function devicePage(
  pages: BatchPages,
  { group, before, after }: DevicePlace,
  faults: readonly MatchedFault[],
): string {
  const { batch, data } = pages;
  const { device, sensors } = group;
  const drawn = sensors.filter((sensor) => sensor.series.tsMs.length > 0);
  const most = Math.max(LEAST_POINTS, Math.min(MOST_POINTS, Math.floor(POINT_BUDGET / Math.max(1, drawn.length))));
  const map = sensorHeatMap(data, sensors);
  const chartOf = new Map(drawn.map((sensor, i) => [sensor, i]));
  const idOf = new Map(sensors.map((sensor, i) => [sensor.sensor, `s${i}`]));
  const places = {
    cardId: ({ sensor }: { sensor: string }) => idOf.get(sensor),
    chart: (sensor: DeviceGroup['sensors'][number]) => chartOf.get(sensor),
  };
  const panel = heatPanel({
    map,
    axis: timeAxis(data),
    allName: 'All sensors',
    label: 'Anomalies per sensor',
    href: (name) => `#${idOf.get(name) ?? ''}`,
    faults: faults.length > 0,
    marks: (name) =>
      faultMarks(
        faults.filter((fault) => fault.sensor === name),
        data,
        map.slices,
      ),
  });
  const heat = drawn.length > 0 && sensors.length > 1 && section('when', 'When anomalies occurred', '', panel);
  const cards = html`<div class="panel grid wide">${sensors.map((sensor) => card(sensor, places, 'h3'))}</div>`;
  return renderPage({
    title: `${device}, ${batchName(batch)}`,
    depth: DEPTH,
    heading: html`<bdi>${device}</bdi> <small>${formatPeriod(batch)}</small>`,
    facts: batchFacts(batch),
    tabs: batchTabs(pages, undefined, '../'),
    crumbs: [
      { name: 'Fleet', href: `${toTop(DEPTH)}index.html` },
      { name: batchName(batch), href: '../index.html' },
      { name: device },
    ],
    head: html`${walk(pages, device, before, after)}${tilesOf(group, data.batches.length)}${notes(limitNotes(data))}`,
    body: html`
      ${heat}
      ${section('sensors', 'Sensors', 'Window means; a dot is an anomalous window.', [NO_SCRIPT, cards])}`,
    data: {
      from: data.fromMs,
      to: data.toMs,
      ticks: timeTicks(data, 7),
      ...(heat ? { heat: heatNumbers(map) } : {}),
      s: drawn.map((sensor) => {
        const own = faults.filter((fault) => fault.sensor === sensor.sensor);
        return {
          u: sensor.unit,
          ...chartData(sensor.series, data, most),
          ...(own.length > 0
            ? { f: own.map((fault) => [fault.fromMs, fault.toMs, fault.kind, fault.found ? 1 : 0]) }
            : {}),
        };
      }),
    },
    keys: html`${heat && html`${HEAT_KEYS}; `}${CHART_KEYS}`,
  });
}

function tilesOf({ sensors }: DeviceGroup, batches: number): Markup {
  const windows = sensors.reduce((sum, sensor) => sum + sensor.windows, 0);
  const anomalies = sensors.reduce((sum, sensor) => sum + sensor.anomalies, 0);
  const unscored = sensors.filter((sensor) => sensor.status !== 'scored').length;
  return tiles(
    tile(
      'Sensors',
      formatCount(sensors.length),
      unscored > 0 ? `${formatCount(unscored)} not scored` : 'all scored',
      unscored > 0 ? 'bad' : '',
    ),
    tile('Windows scored', formatCount(windows), formatNumberOf(batches, 'batch', 'batches')),
    tile(
      'Anomalies',
      formatCount(anomalies),
      windows > 0 ? `${formatShare(anomalies, windows)} of windows` : 'no windows',
      anomalies > 0 ? 'hot' : '',
    ),
  );
}

/** To the same device in the batch before, and to its neighbours. */
function walk(
  { before: batch }: BatchPages,
  device: string,
  before: string | undefined,
  after: string | undefined,
): Markup {
  const earlier = batch?.devices.has(device) ? `${toTop(DEPTH)}${batch.path}devices/${deviceFile(device)}` : undefined;
  return html`
    <p class="walk">
      ${earlier !== undefined && html`<a href="${earlier}" rel="prev">← This device in the batch before</a>`}
      <span class="gap"></span>
      ${before !== undefined && html`<a href="${deviceFile(before)}">↑ ${nameOf(before)}</a>`}
      ${after !== undefined && html`<a href="${deviceFile(after)}">↓ ${nameOf(after)}</a>`}
    </p>`;
}
