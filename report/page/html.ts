/**
 * A batch as one HTML page that works from a file, offline, under a strict policy: nothing is fetched, only
 * this style and this script run, known by their hashes. Everything but charts is there without a script.
 */
import { createHash } from 'node:crypto';
import { keyOf, type SensorKey } from '../../domain/sensor.ts';
import { groupByDevice, type BatchData } from '../collect/batch-data.ts';
import { chartData, timeTicks } from '../charts/chart-data.ts';
import { matchFaults, type FaultMatch } from '../collect/faults.ts';
import { formatCount, formatMs, formatNumberOf, formatPeriod, formatShare, formatTime } from '../format.ts';
import { heatMap, type HeatMap } from '../charts/heat-map.ts';
import { embedJson, html, trusted, type Markup } from './markup.ts';
import { deviceSections } from './devices.ts';
import { heatNumbers, heatSection } from './heat.ts';
import { PAGE_SCRIPT } from './script.ts';
import { PAGE_STYLE } from './style.ts';
import { batchSection, causeSection, faultSection } from './tables.ts';

/** Points drawn on the whole page; long series are thinned to their share of it. */
const POINT_BUDGET = 400_000;
const MOST_POINTS = 1_500;
const LEAST_POINTS = 150;

const sha256 = (text: string): string => `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;

/** What the page may do: run its own script and style, show its own icon, nothing else. */
export const PAGE_POLICY = `default-src 'none'; script-src ${sha256(PAGE_SCRIPT)}; style-src ${sha256(PAGE_STYLE)}; img-src data:; base-uri 'none'; form-action 'none'`;

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20'%3E%3Cpath d='M1 13l4-3 3 4 4-10 3 6h4' fill='none' stroke='%233a6f9f' stroke-width='2' stroke-linejoin='round'/%3E%3Ccircle cx='12' cy='4' r='2.6' fill='%23cf3d1b'/%3E%3C/svg%3E";
const LOGO =
  '<svg viewBox="0 0 20 20" aria-hidden="true"><path class="g1" d="M1 13l4-3 3 4 4-10 3 6h4"/><circle class="g2" cx="12" cy="4" r="2.6"/></svg>';

/** The page as text. Pure: the same data gives the same bytes. */
export function renderReport(data: BatchData): string {
  const groups = groupByDevice(data.sensors);
  const match = data.faults && matchFaults(data.faults, data.sensors, data);
  const faults = match?.faults ?? [];
  const map = heatMap(data);
  const deviceId = new Map(groups.map((group, i) => [group.device, `d${i}`]));
  const cardIds = new Map(data.sensors.map((sensor, i) => [keyOf(sensor), `s${i}`]));
  const drawn = data.sensors.filter((sensor) => sensor.series.tsMs.length > 0);
  const charts = new Map(drawn.map((sensor, i) => [keyOf(sensor), i]));
  const cardId = (key: SensorKey): string | undefined => cardIds.get(keyOf(key));
  const cardHref = (key: SensorKey): string | undefined => (cardId(key) === undefined ? undefined : `#${cardId(key)}`);
  const title = `Batch report, ${formatPeriod(data)}`;
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${trusted(PAGE_POLICY)}">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer"><title>${title}</title>
<link rel="icon" href="${trusted(ICON)}"><style>${trusted(PAGE_STYLE)}</style></head><body>
<a class="skip" href="#devices">Skip to the sensors</a>
${header(data, match)}<main>
${heatSection(data, map, faults, (device) => `#${deviceId.get(device) ?? ''}`)}${match && faultSection(match, cardHref)}${causeSection(data, cardHref)}${batchSection(data)}${deviceSections(data, groups, { deviceId, cardId, chart: (sensor) => charts.get(keyOf(sensor)) })}</main>
<footer><p>Made by fleetscore. Keys: <kbd>/</kbd> filter; in a chart <kbd>←</kbd> <kbd>→</kbd> window by window (<kbd>shift</kbd>: ten), <kbd>n</kbd> <kbd>p</kbd> next and previous anomaly.</p></footer>
<div id="tip" hidden></div><div id="say" class="sr" aria-live="polite"></div>
<script type="application/json" id="data">${embedJson(embedded(data, drawn, faults, map))}</script>
<script>${trusted(PAGE_SCRIPT)}</script></body></html>
`;
  return page.markup;
}

/** What the script draws from; its shape is known to page-script.ts only. */
function embedded(data: BatchData, drawn: BatchData['sensors'], faults: FaultMatch['faults'], map: HeatMap): object {
  const most = Math.max(LEAST_POINTS, Math.min(MOST_POINTS, Math.floor(POINT_BUDGET / Math.max(1, drawn.length))));
  const bySensor = Map.groupBy(faults, keyOf);
  return {
    from: data.fromMs,
    to: data.toMs,
    ticks: timeTicks(data, 7),
    heat: heatNumbers(map),
    s: drawn.map((sensor) => {
      const own = bySensor.get(keyOf(sensor));
      return {
        u: sensor.unit,
        ...chartData(sensor.series, data, most),
        ...(own ? { f: own.map((fault) => [fault.fromMs, fault.toMs, fault.kind, fault.found ? 1 : 0]) } : {}),
      };
    }),
  };
}

function tile(name: string, big: string, small: string, tone = ''): Markup {
  return html`<div class="tile ${tone}"><dt>${name}</dt><dd class="big">${big}</dd><dd>${small}</dd></div>`;
}

function header(data: BatchData, match: FaultMatch | undefined): Markup {
  const { totals, batches } = data;
  const distinct = (values: readonly (string | undefined)[]): string =>
    [...new Set(values.filter((v) => v !== undefined))].join(', ');
  const only = batches.length === 1 ? batches[0] : undefined;
  const releases = distinct(batches.map((batch) => batch.release));
  const schedules = distinct(batches.map((batch) => batch.schedule));
  const facts = html`<div class="facts"><span>${only ? html`Batch <b class="mono">${only.id}</b>` : html`<b>${formatNumberOf(batches.length, 'batch', 'batches')}</b>, see below`}</span><span>Release <b>${releases}</b></span>${schedules !== '' && html`<span>Schedule <b>${schedules}</b></span>`}${only && html`<span>Started <b>${formatTime(only.startedAtMs)}</b>${only.finishedAtMs !== undefined && html`, took <b>${formatMs(only.finishedAtMs - only.startedAtMs)}</b>`}</span>${only.kind !== 'score' && html`<span>${only.kind}${only.supersedes !== undefined && html` of <b class="mono">${only.supersedes}</b>`}</span>`}<span class="chip ${only.status}">${only.status}</span>`}</div>`;
  const parts = [
    `${formatCount(totals.scored)} scored`,
    totals.skipped > 0 && `${formatCount(totals.skipped)} skipped`,
    totals.cancelled > 0 && `${formatCount(totals.cancelled)} cancelled`,
  ];
  const notes = [
    ...data.problems,
    ...batches.flatMap((batch) =>
      batch.message === undefined ? [] : [`Batch ${batch.id} ${batch.status}: ${batch.message}`],
    ),
  ];
  return html`<header><div class="brand">${trusted(LOGO)}fleetscore batch report</div>
<h1>${formatPeriod(data)}</h1>${facts}
<dl class="tiles">${tile('Sensors', formatCount(totals.sensors), parts.filter((part) => part !== false).join(', '))}${tile('Windows scored', formatCount(totals.windows), `${typicalStep(data)} each`)}${tile('Anomalies', formatCount(totals.anomalies), totals.windows > 0 ? `${formatShare(totals.anomalies, totals.windows)} of windows` : 'no windows', totals.anomalies > 0 ? 'hot' : '')}${tile('Failed', formatCount(totals.failed), totals.failed > 0 ? (totals.failed === 1 ? 'sensor, see below' : 'sensors, see below') : 'every sensor is accounted for', totals.failed > 0 ? 'bad' : 'ok')}${match && match.faults.length > 0 && tile('Injected faults found', `${formatCount(match.found)} of ${formatCount(match.faults.length)}`, formatNumberOf(match.falseAlarms, 'false alarm'), match.missed === 0 ? 'ok' : '')}</dl>
${notes.length > 0 && html`<div class="notes" role="note">${notes.map((note) => html`<p>${note}</p>`)}</div>`}</header>
`;
}

/** The usual time between two windows of the first series that has some, for people. */
function typicalStep({ sensors }: BatchData): string {
  const series = sensors.find((sensor) => sensor.series.tsMs.length > 1)?.series;
  if (!series) return 'period';
  const steps = Array.from(series.tsMs.subarray(1), (ts, i) => ts - series.tsMs[i]!).sort((a, b) => a - b);
  return formatMs(steps[Math.floor(steps.length / 2)]!);
}
