/** Heat map of a page: devices or sensors down, time across, colour for the share of anomalous windows. */
import type { Period } from '../../domain/time.ts';
import type { BatchData } from '../collect/batch-data.ts';
import { timeTicks } from '../charts/chart-data.ts';
import type { Density } from '../charts/density.ts';
import type { MatchedFault } from '../collect/faults.ts';
import { formatCount, formatMs, formatNumberOf } from '../format.ts';
import type { HeatMap } from '../charts/heat-map.ts';
import { html, trusted, type Markup } from './markup.ts';
import { nameOf, section } from './parts.ts';

/** Upper ends of the levels 1 to 4; level 0 has windows and no anomaly, level 5 is above them all. */
const LEVELS = [0.05, 0.15, 0.3, 0.6] as const;
const LEVEL_NAMES = ['no anomaly', 'up to 5%', '15%', '30%', '60%', 'more of its windows anomalous'] as const;

function level(density: Density, at: number): number {
  const windows = density.windows[at]!;
  if (windows === 0) return -1;
  const share = density.anomalies[at]! / windows;
  if (share === 0) return 0;
  const above = LEVELS.findIndex((limit) => share <= limit);
  return above < 0 ? LEVELS.length + 1 : above + 1;
}

/** Height of a slice, and of its bar by level: what the colour says is said by the height too. */
const SLICE = 17;
const BARS = [0, 5, 8, 11, 14, 17] as const;

/** One path a level: runs of slices as bars on the ground of those with windows, or each by itself. */
function strip(counted: Density, slices: number, marks: string, cells: boolean): Markup {
  const paths: string[] = ['', '', '', '', '', ''];
  for (let at = 0; at < slices;) {
    const here = level(counted, at);
    let end = at + 1;
    while (!cells && end < slices && level(counted, end) === here) end++;
    const width = end - at - (cells ? 0.02 : 0);
    if (here >= 0) paths[0] += `M${at} 0h${width}v${SLICE}h-${width}z`;
    const high = BARS[here] ?? 0;
    if (high > 0) paths[here] += `M${at} ${SLICE - high}h${width}v${high}h-${width}z`;
    at = end;
  }
  const drawn = paths.map((d, i) => (d === '' ? '' : `<path class="h${i}" d="${d}"/>`)).join('');
  return stripOf('strip', slices, SLICE, drawn + marks);
}

/** Injected faults as a thin line below their time. */
export function faultMarks(faults: readonly MatchedFault[], period: Period, slices: number): string {
  const scale = slices / (period.toMs - period.fromMs);
  const d = faults
    .map((fault) => {
      const from = Math.max(0, (fault.fromMs - period.fromMs) * scale);
      const to = Math.min(slices, (fault.toMs - period.fromMs) * scale);
      return `M${from.toFixed(2)} 14h${Math.max(0.4, to - from).toFixed(2)}v3H${from.toFixed(2)}z`;
    })
    .join('');
  return d === '' ? '' : `<path class="hf" d="${d}"/>`;
}

/** All rows together: a bar as high as the slice's anomalies, as shares of a large fleet would all look alike. */
function bars(counted: Density, slices: number, cells: boolean): Markup {
  const most = counted.anomalies.reduce((a, b) => Math.max(a, b), 1);
  const path = Array.from(counted.anomalies, (n, at) => {
    const height = n === 0 ? 0 : Math.max(2, Math.round((n / most) * 32));
    return height === 0 ? '' : `M${at} 34v-${height}h${cells ? 0.98 : 1}v${height}z`;
  }).join('');
  return stripOf('strip all top', slices, 34, `<path class="hb" d="${path}"/>`);
}

/** A drawing as wide as its row, a unit a slice. */
function stripOf(kind: string, slices: number, height: number, content: string): Markup {
  const scaling = 'preserveAspectRatio="none" shape-rendering="crispEdges" aria-hidden="true"';
  return trusted(`<svg class="${kind}" viewBox="0 0 ${slices} ${height}" ${scaling}>${content}</svg>`);
}

/** A label at its share of the width, 0 to 1. */
export type AxisLabel = readonly [share: number, label: string];

export function timeAxis(period: Period): AxisLabel[] {
  return timeTicks(period, 7).map(([offset, label]) => [offset / (period.toMs - period.fromMs), label]);
}

function axis(labels: readonly AxisLabel[]): Markup {
  const texts = labels.map(([share, label], i) => {
    const inner = share > 0.96 ? 'end' : 'middle';
    const anchor = share < 0.04 ? 'start' : inner;
    const odd = i % 2 === 1 && html` class="odd"`;
    return html`<text x="${(share * 100).toFixed(2)}%" y="13" text-anchor="${anchor}"${odd}>${label}</text>`;
  });
  return html`<svg class="axis end" aria-hidden="true">${texts}</svg>`;
}

export interface HeatPanel {
  readonly map: HeatMap;
  readonly axis: readonly AxisLabel[];
  /** Name of the row of all together, and of the map for those who hear it. */
  readonly allName: string;
  readonly label: string;
  /** Address of a row, by its name; absent: text only. */
  readonly href: (name: string) => string | undefined;
  /** Markup of one path that marks something in a row. */
  readonly marks?: (name: string) => string;
  readonly faults?: boolean;
  /** Slices stand for things of their own, with a gap between them. */
  readonly cells?: boolean;
}

export function heatPanel({
  map,
  axis: labels,
  allName,
  label,
  href,
  marks,
  faults = false,
  cells = false,
}: HeatPanel): Markup {
  const line = (name: Markup, drawn: Markup, counted: Density, top: boolean): Markup => html`
    ${name}
    ${drawn}
    <span${top && html` class="top"`}>
      ${formatCount(counted.anomalies.reduce((sum, n) => sum + n, 0))}
      <span class="sr"> anomalies</span>
    </span>
`;
  const rows = map.rows.map(({ name, density }) => {
    const address = href(name);
    const shown =
      address === undefined
        ? html`<b class="plain" title="${name}">${nameOf(name)}</b>`
        : html`<a href="${address}" title="${name}">${nameOf(name)}</a>`;
    return line(shown, strip(density, map.slices, marks?.(name) ?? '', cells), density, false);
  });
  const keys = 'Arrow keys move from slice to slice, n and p between those with anomalies, Enter opens.';
  return html`
    <div class="panel heat" id="heat">
      <div class="rows" tabindex="0" role="group" aria-label="${label}. ${keys}">
        ${map.all && line(html`<b class="top">${allName}</b>`, bars(map.all, map.slices, cells), map.all, true)}
        ${rows}
        <i class="end"></i>${axis(labels)}<i class="end"></i>
      </div>
      <div class="legend" aria-hidden="true">
        ${[0, 1, 2, 3, 4, 5].map(swatch)}
        ${faults && FAULT_SWATCH}
      </div>
    </div>`;
}

function swatch(at: number): Markup {
  const high = at === 0 ? 0 : Math.round((BARS[at]! / SLICE) * 11);
  const bar = high === 0 ? '' : `<path class="h${at}" d="M0 ${11 - high}h14v${high}H0z"/>`;
  const drawn = `<svg viewBox="0 0 14 11" aria-hidden="true"><path class="h0" d="M0 0h14v11H0z"/>${bar}</svg>`;
  return html`<span>${trusted(drawn)}${LEVEL_NAMES[at]}</span>`;
}

const FAULT_SWATCH = html`
  <span>
    ${trusted('<svg viewBox="0 0 14 11"><path class="hf" d="M0 7h14v4H0z"/></svg>')}
    injected fault
  </span>`;

/** What the script tells of the slices; its shape is known to script-heat.ts only. */
export function heatNumbers(map: HeatMap): { readonly n: number; readonly rows: object[] } {
  const numbers = ({ windows, anomalies }: Density): object => ({ w: [...windows], a: [...anomalies] });
  return {
    n: map.slices,
    rows: [...(map.all ? [numbers(map.all)] : []), ...map.rows.map((row) => numbers(row.density))],
  };
}

/** @param href address of a device, by name */
export function heatSection(
  data: BatchData,
  map: HeatMap,
  faults: readonly MatchedFault[],
  href: (device: string) => string | undefined,
): Markup | false {
  if (map.rows.length === 0 || data.sensors.every((sensor) => sensor.series.tsMs.length === 0)) return false;
  const byDevice = Map.groupBy(faults, (fault) => fault.device);
  const slice = formatMs((data.toMs - data.fromMs) / map.slices);
  const panel = heatPanel({
    map,
    axis: timeAxis(data),
    allName: 'All devices',
    label: 'Anomalies per device',
    href,
    faults: faults.length > 0,
    marks: (device) => faultMarks(byDevice.get(device) ?? [], data, map.slices),
  });
  const above = map.all ? '; above, how many in all' : '';
  const of = map.of === undefined ? '' : `The ${formatCount(map.rows.length)} with most anomalies of `;
  const devices = `${of}${formatNumberOf(map.of ?? map.rows.length, 'device')}, times in UTC.`;
  const lead = `Share of anomalous windows in slices of ${slice}, per device${above}. ${devices}`;
  return section('when', 'When anomalies occurred', lead, panel);
}
