/**
 * A batch as one HTML page that works from a file, offline, under a strict policy: nothing is fetched, only
 * this style and this script run, known by their hashes. Everything but charts is there without a script.
 */
import { createHash } from 'node:crypto';
import { keyOf, type SensorKey } from '../../domain/sensor.ts';
import { groupByDevice, type BatchData, type ReportBatch, type ReportSensor } from '../collect/batch-data.ts';
import { chartData, timeTicks } from '../charts/chart-data.ts';
import { matchFaults, type FaultMatch } from '../collect/faults.ts';
import { formatCount, formatMs, formatNumberOf, formatPeriod, formatShare, formatTime } from '../format.ts';
import { heatMap, type HeatMap } from '../charts/heat-map.ts';
import { embedJson, html, trusted, type Markup } from './markup.ts';
import { deviceSections } from './devices.ts';
import { heatNumbers, heatSection } from './heat.ts';
import { PAGE_SCRIPT } from './script.ts';
import { PAGE_STYLE } from './style.ts';
import { chip, documentHead, LOGO, notes, tile, tiles } from './parts.ts';
import { batchSection, causeSection, faultSection, kindOf } from './tables.ts';

/** Points drawn on the whole page; long series are thinned to their share of it. */
const POINT_BUDGET = 400_000;
const MOST_POINTS = 1_500;
const LEAST_POINTS = 150;

const sha256 = (text: string): string => `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;

/** What the page may do: run its own script and style, show its own icon, nothing else. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `script-src ${sha256(PAGE_SCRIPT)}`,
  `style-src ${sha256(PAGE_STYLE)}`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

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
  const chart = (sensor: ReportSensor): number | undefined => charts.get(keyOf(sensor));
  return html`<!doctype html>
    <html lang="en">
      <head>
        ${documentHead(PAGE_POLICY, title)}
        <style>${trusted(PAGE_STYLE)}</style>
      </head>
      <body>
        <a class="skip" href="#devices">Skip to the sensors</a>
        ${header(data, match)}
        <main>
          ${heatSection(data, map, faults, (device) => `#${deviceId.get(device) ?? ''}`)}
          ${match && faultSection(match, cardHref)}
          ${causeSection(data, cardHref)}
          ${batchSection(data)}
          ${deviceSections(data, groups, { deviceId, cardId, chart })}
        </main>
        <footer><p>Made by fleetscore. Keys: ${KEYS}.</p></footer>
        <div id="tip" hidden></div>
        <div id="say" class="sr" aria-live="polite"></div>
        <script type="application/json" id="data">${embedJson(embedded(data, drawn, faults, map))}</script>
        <script>${trusted(PAGE_SCRIPT)}</script>
      </body>
    </html>
`.markup;
}

const KEYS = html`
  <kbd>/</kbd> filter; in a chart <kbd>←</kbd> <kbd>→</kbd> window by window (<kbd>shift</kbd>: ten),${' '}
  <kbd>n</kbd> <kbd>p</kbd> next and previous anomaly`;

/** What the script draws from; its shape is known to script.ts only. */
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

function header(data: BatchData, match: FaultMatch | undefined): Markup {
  const messages = data.batches.flatMap(({ id, status, message }) =>
    message === undefined ? [] : [`Batch ${id} ${status}: ${message}`],
  );
  return html`
    <header>
      <div class="brand">${LOGO}fleetscore batch report</div>
      <h1>${formatPeriod(data)}</h1>
      ${headerFacts(data.batches)}
      ${headerTiles(data, match)}
      ${notes([...data.problems, ...messages])}
    </header>
`;
}

function headerFacts(batches: BatchData['batches']): Markup {
  const distinct = (values: readonly (string | undefined)[]): string =>
    [...new Set(values.filter((value) => value !== undefined))].join(', ');
  const only = batches.length === 1 ? batches[0] : undefined;
  const schedules = distinct(batches.map((batch) => batch.schedule));
  return html`
    <div class="facts">
      ${
        only
          ? html`<span>Batch <b class="mono">${only.id}</b></span>`
          : html`<span><b>${formatNumberOf(batches.length, 'batch', 'batches')}</b>, see below</span>`
      }
      <span>Release <b>${distinct(batches.map((batch) => batch.release))}</b></span>
      ${schedules !== '' && html`<span>Schedule <b>${schedules}</b></span>`}
      ${only && factsOfOne(only)}
    </div>`;
}

function factsOfOne(batch: ReportBatch): Markup {
  const { startedAtMs, finishedAtMs } = batch;
  return html`
    <span>
      Started <b>${formatTime(startedAtMs)}</b>
      ${finishedAtMs !== undefined && html`, took <b>${formatMs(finishedAtMs - startedAtMs)}</b>`}
    </span>
    ${batch.kind !== 'score' && html`<span>${kindOf(batch)}</span>`}
    ${chip(batch.status)}`;
}

function headerTiles(data: BatchData, match: FaultMatch | undefined): Markup {
  const { sensors, scored, skipped, cancelled, windows, anomalies, failed } = data.totals;
  const parts = [
    `${formatCount(scored)} scored`,
    ...(skipped > 0 ? [`${formatCount(skipped)} skipped`] : []),
    ...(cancelled > 0 ? [`${formatCount(cancelled)} cancelled`] : []),
  ];
  const share = windows > 0 ? `${formatShare(anomalies, windows)} of windows` : 'no windows';
  const below = failed === 1 ? 'sensor, see below' : 'sensors, see below';
  return tiles(
    tile('Sensors', formatCount(sensors), parts.join(', ')),
    tile('Windows scored', formatCount(windows), `${typicalStep(data)} each`),
    tile('Anomalies', formatCount(anomalies), share, anomalies > 0 ? 'hot' : ''),
    tile(
      'Failed',
      formatCount(failed),
      failed > 0 ? below : 'every sensor is accounted for',
      failed > 0 ? 'bad' : 'ok',
    ),
    match && match.faults.length > 0 && faultTile(match),
  );
}

/** How many of the faults that the sample data have on purpose were found. */
export function faultTile(match: FaultMatch): Markup {
  return tile(
    'Injected faults found',
    `${formatCount(match.found)} of ${formatCount(match.faults.length)}`,
    formatNumberOf(match.falseAlarms, 'false alarm'),
    match.missed === 0 ? 'ok' : '',
  );
}

/** The usual time between two windows of the first series that has some, for people. */
function typicalStep({ sensors }: BatchData): string {
  const series = sensors.find((sensor) => sensor.series.tsMs.length > 1)?.series;
  if (!series) return 'period';
  const steps = Array.from(series.tsMs.subarray(1), (ts, i) => ts - series.tsMs[i]!).sort((a, b) => a - b);
  return formatMs(steps[Math.floor(steps.length / 2)]!);
}
