/** A chart with what stands above and below it: name, what is normal, why something is not drawn. Pure. */
import type { Sensor } from '../../domain/sensor.ts';
import { formatCount, formatNumberOf, formatShare } from '../../report/format.ts';
import { html, type Markup, type MarkupValue } from '../../report/page/markup.ts';
import { chip, nameOf } from '../../report/page/parts.ts';
import { bandOf, noBand, type Normal } from '../look/normal.ts';
import type { SensorSeries } from '../look/series.ts';
import { rangesText, sensorHref } from '../parts.ts';

export interface PlotOf {
  readonly series: SensorSeries;
  /** Of the newest release; undefined where nothing was planned. */
  readonly normal: Normal | undefined;
  /** Position in the data of the charts. */
  readonly at: number;
  readonly heading: 'h2' | 'h3';
  readonly tall?: boolean;
  readonly outOfService?: boolean;
  /** Address of the sensor's own page, where this is another one. */
  readonly href?: string;
}

const anomaliesText = (anomalies: number, windows: number): string =>
  `${formatNumberOf(anomalies, 'anomalous window')} (${formatShare(anomalies, windows)})`;

export const explainHref = ({ device, sensor }: Sensor): string => `${sensorHref(device, sensor)}/explain`;

export function plot({ series, normal, at, heading, tall = false, outOfService = false, href }: PlotOf): Markup {
  const { sensor, history, predictions, buckets, coarse } = series;
  const windows = history.reduce((sum, row) => sum + row.windows, 0);
  const anomalies = history.reduce((sum, row) => sum + row.anomalies, 0);
  const unscored = history.filter(({ status }) => status !== 'scored');
  const last = history.at(-1);
  const empty = (predictions?.tsMs.length ?? 0) === 0 && buckets.length === 0;
  const name: MarkupValue = html`
    ${href === undefined ? nameOf(sensor.sensor) : html`<a href="${href}" class="row-link">${nameOf(sensor.sensor)}</a>`}
    ${sensor.unit !== '' && html` <i>${sensor.unit}</i>`}
    ${outOfService && chip('skipped', 'out of service')}
    ${anomalies > 0 && chip('hot', anomaliesText(anomalies, windows))}
    ${last !== undefined && last.status !== 'scored' && chip(last.status, `${last.status}: ${last.class ?? ''}`)}`;
  const label =
    `${sensor.device} ${sensor.sensor}: ${formatNumberOf(windows, 'window')} scored, ${formatCount(anomalies)} ` +
    'anomalous. Arrow keys move through time, n and p through anomalies, plus and minus zoom, Enter explains.';
  const why = [normalText(normal, sensor.unit), coarse, unscoredText(unscored.length, history.length)].filter(Boolean);
  return html`
    <article class="panel plot">
      ${heading === 'h2' ? html`<h2>${name}</h2>` : html`<h3>${name}</h3>`}
      <p class="why">${why.join('. ')}.</p>
      ${
        empty
          ? html`<p class="none">There are no windows of it in this time.</p>`
          : html`<div class="big-chart${tall && ' tall'}" data-i="${at}" data-explain="${explainHref(sensor)}" tabindex="0" role="img" aria-label="${label}"></div>`
      }
    </article>`;
}

function normalText(normal: Normal | undefined, unit: string): string {
  if (!normal) return 'No batch planned it in this time';
  const band = bandOf(normal);
  return band ? `Normal: ${rangesText(band, unit)}` : `No normal band: ${noBand(normal)}`;
}

const unscoredText = (unscored: number, batches: number): string | undefined =>
  unscored === 0
    ? undefined
    : `Not scored in ${formatCount(unscored)} of ${formatNumberOf(batches, 'batch', 'batches')}`;

/** What the colours mean; nothing is told by colour alone. */
export const PLOT_KEY = html`
  <p class="key">
    <span><i class="k line"></i>mean of a window, or of a slice with its lowest and highest reading</span>
    <span><i class="k band"></i>what the model takes for normal</span>
    <span><i class="k bar"></i>alarm, or anomalous windows</span>
  </p>
  <noscript><p class="notes">Charts are drawn by a script, which is switched off here. The numbers are in the tables and CSV files.</p></noscript>`;
