/** Heat map of the page: devices down, time across, colour for the share of anomalous windows. */
import type { Period } from '../domain/time.ts';
import { groupByDevice, type BatchData, type DeviceGroup, type ReportSensor } from './batch-data.ts';
import { timeTicks } from './chart-data.ts';
import { density, type Density } from './density.ts';
import type { MatchedFault } from './faults.ts';
import { formatCount, formatMs, formatNumberOf } from './format.ts';
import { html, trusted, type Markup } from './markup.ts';

/** Upper ends of the levels 1 to 4; level 0 has windows and no anomaly, level 5 is above them all. */
const LEVELS = [0.05, 0.15, 0.3, 0.6] as const;
const LEVEL_NAMES = ['no anomaly', 'up to 5%', '15%', '30%', '60%', 'more of its windows anomalous'] as const;

const SECOND = 1_000;
const SLICES_MS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
].map((seconds) => seconds * SECOND);
const MOST_SLICES = 120;

/** Slices of round length, at most 120, none shorter than a window. */
export function sliceCount({ fromMs, toMs }: Period, sensors: readonly ReportSensor[]): number {
  let step = Number.POSITIVE_INFINITY;
  for (const { series: { tsMs } } of sensors)
    if (tsMs.length > 1) step = Math.min(step, (tsMs.at(-1)! - tsMs[0]!) / (tsMs.length - 1));
  const span = toMs - fromMs;
  const shortest = Math.max(span / MOST_SLICES, Number.isFinite(step) ? step * 0.99 : 0);
  const slice = SLICES_MS.find((length) => length >= shortest) ?? shortest;
  return Math.max(1, Math.min(MOST_SLICES, Math.round(span / slice)));
}

export interface HeatRow {
  readonly group: DeviceGroup | undefined;
  readonly density: Density;
}

export interface HeatMap {
  readonly slices: number;
  /** The first one is all devices together, when there is more than one. */
  readonly rows: readonly HeatRow[];
}

export function heatMap(data: BatchData): HeatMap {
  const slices = sliceCount(data, data.sensors);
  const groups = groupByDevice(data.sensors);
  const row = (group: DeviceGroup | undefined, sensors: readonly ReportSensor[]): HeatRow => ({
    group,
    density: density(sensors.map((sensor) => sensor.series), data, slices),
  });
  const rows = groups.map((group) => row(group, group.sensors));
  return { slices, rows: groups.length > 1 ? [row(undefined, data.sensors), ...rows] : rows };
}

function level(density: Density, at: number): number {
  const windows = density.windows[at]!;
  if (windows === 0) return -1;
  const share = density.anomalies[at]! / windows;
  if (share === 0) return 0;
  const above = LEVELS.findIndex((limit) => share <= limit);
  return above < 0 ? LEVELS.length + 1 : above + 1;
}

/** One path a level: runs of slices as rectangles. */
function strip(row: HeatRow, slices: number, index: number, faults: readonly MatchedFault[], period: Period): Markup {
  const paths: string[] = ['', '', '', '', '', ''];
  for (let at = 0; at < slices; ) {
    const here = level(row.density, at);
    let end = at + 1;
    while (end < slices && level(row.density, end) === here) end++;
    if (here >= 0) paths[here] += `M${at} 0h${end - at}v17h-${end - at}z`;
    at = end;
  }
  const scale = slices / (period.toMs - period.fromMs);
  const marks = faults
    .map((fault) => {
      const from = Math.max(0, (fault.fromMs - period.fromMs) * scale);
      const to = Math.min(slices, (fault.toMs - period.fromMs) * scale);
      return `M${from.toFixed(2)} 14h${Math.max(0.4, to - from).toFixed(2)}v3H${from.toFixed(2)}z`;
    })
    .join('');
  const drawn = paths.map((d, i) => (d === '' ? '' : `<path class="h${i}" d="${d}"/>`)).join('');
  return trusted(
    `<svg class="strip" data-r="${index}" viewBox="0 0 ${slices} 17" preserveAspectRatio="none" shape-rendering="crispEdges" aria-hidden="true">${drawn}${marks === '' ? '' : `<path class="hf" d="${marks}"/>`}</svg>`,
  );
}

/** All devices together: a bar as high as the slice's anomalies, as shares of a large fleet would all look alike. */
function bars({ density: counted }: HeatRow, slices: number, index: number): Markup {
  const most = counted.anomalies.reduce((a, b) => Math.max(a, b), 1);
  const path = Array.from(counted.anomalies, (n, at) => {
    const height = n === 0 ? 0 : Math.max(2, Math.round((n / most) * 32));
    return height === 0 ? '' : `M${at} 34v-${height}h1v${height}z`;
  }).join('');
  return trusted(
    `<svg class="strip all top" data-r="${index}" viewBox="0 0 ${slices} 34" preserveAspectRatio="none" shape-rendering="crispEdges" aria-hidden="true"><path class="hb" d="${path}"/></svg>`,
  );
}

/** Axis labels at their share of the width. */
function axis(data: Period): Markup {
  const span = data.toMs - data.fromMs;
  const texts = timeTicks(data, 7).map(([offset, label], i) => {
    const share = offset / span;
    const anchor = share < 0.04 ? 'start' : share > 0.96 ? 'end' : 'middle';
    return html`<text x="${(share * 100).toFixed(2)}%" y="13" text-anchor="${anchor}"${i % 2 === 1 && html` class="odd"`}>${label}</text>`;
  });
  return html`<svg class="axis end" aria-hidden="true">${texts}</svg>`;
}

/** @param anchors id of each device's section, by name */
export function heatSection(data: BatchData, map: HeatMap, faults: readonly MatchedFault[], anchors: ReadonlyMap<string, string>): Markup | false {
  if (map.rows.length === 0 || data.sensors.every((sensor) => sensor.series.tsMs.length === 0)) return false;
  const byDevice = Map.groupBy(faults, (fault) => fault.device);
  const rows = map.rows.map(({ group, density: counted }, i) => {
    const anomalies = counted.anomalies.reduce((sum, n) => sum + n, 0);
    const name = group
      ? html`<a href="#${anchors.get(group.device) ?? ''}" title="${group.device}"><bdi>${group.device}</bdi></a>`
      : html`<b class="top">All devices</b>`;
    const own = group ? (byDevice.get(group.device) ?? []) : [];
    const row = { group, density: counted };
    const drawn = group ? strip(row, map.slices, i, own, data) : bars(row, map.slices, i);
    return html`${name}${drawn}<span${!group && html` class="top"`}>${formatCount(anomalies)}<span class="sr"> anomalies</span></span>
`;
  });
  const slice = formatMs((data.toMs - data.fromMs) / map.slices);
  const swatch = (level: number): Markup =>
    html`<span>${trusted(`<svg viewBox="0 0 14 11" aria-hidden="true"><path class="h${level}" d="M0 0h14v11H0z"/></svg>`)}${LEVEL_NAMES[level]!}</span>`;
  return html`<section aria-labelledby="when"><h2 id="when">When anomalies occurred</h2>
<p class="lead">Share of anomalous windows in slices of ${slice}, per device; above, how many in all. ${formatNumberOf(map.rows.filter((row) => row.group).length, 'device')}, times in UTC.</p>
<div class="panel heat" id="heat"><div class="rows" tabindex="0" role="group" aria-label="Anomalies per device">
${rows}<i class="end"></i>${axis(data)}<i class="end"></i></div>
<div class="legend" aria-hidden="true">${[0, 1, 2, 3, 4, 5].map(swatch)}${faults.length > 0 && html`<span>${trusted('<svg viewBox="0 0 14 11"><path class="hf" d="M0 7h14v4H0z"/></svg>')}injected fault</span>`}</div></div></section>
`;
}
