/** Device sections of the page: a card per sensor, with a place for its chart when it has predictions. */
import type { BatchData, DeviceGroup, ReportSensor } from '../collect/batch-data.ts';
import { formatCount, formatNumberOf } from '../format.ts';
import { html, type Markup } from './markup.ts';
import { chip, code, nameOf, NO_SCRIPT, section } from './parts.ts';

/** Up to so many sensors every device starts open; above it only the most telling ones. */
const ALL_OPEN = 150;
const MOST_OPEN = 8;

/** Places of cards and charts in the page. */
export interface Places {
  readonly deviceId: ReadonlyMap<string, string>;
  readonly cardId: (sensor: ReportSensor) => string | undefined;
  /** Position of the sensor's chart in the embedded data, for sensors with predictions. */
  readonly chart: (sensor: ReportSensor) => number | undefined;
}

const trouble = (group: DeviceGroup): number => group.sensors.filter((sensor) => sensor.status !== 'scored').length;
const anomalies = (group: DeviceGroup): number => group.sensors.reduce((sum, sensor) => sum + sensor.anomalies, 0);

/** One sensor: what became of it, and a place for its chart. @param level of its heading: one below the section's */
export function card(
  sensor: ReportSensor,
  places: Pick<Places, 'cardId' | 'chart'>,
  level: 'h3' | 'h4' = 'h4',
): Markup {
  const at = places.chart(sensor);
  const windows = formatNumberOf(sensor.windows, 'window');
  const found = formatNumberOf(sensor.anomalies, 'anomaly', 'anomalies');
  const some =
    sensor.batchesWithStatus < sensor.batches ? ` in ${sensor.batchesWithStatus} of ${sensor.batches} batches` : '';
  const scored = sensor.status === 'scored';
  const why = html`
    <p>
      ${code(sensor.class ?? sensor.status)}
      ${sensor.message !== undefined && html`: ${sensor.message}`}
    </p>`;
  const unit = sensor.unit === '' ? '' : ` in ${sensor.unit}`;
  const keys = 'Arrow keys move through the windows, n and p through the anomalies.';
  const label = `${sensor.device} ${sensor.sensor}${unit}: ${windows}, ${found}. ${keys}`;
  const data = html`data-d="${sensor.device}" data-n="${sensor.sensor}" data-s="${sensor.status}"`;
  const heading = html`
        ${nameOf(sensor.sensor)}
        ${sensor.unit !== '' && html`<i>${sensor.unit}</i>`}
        ${sensor.anomalies > 0 && chip('hot', found)}
        ${!scored && chip(sensor.status, `${sensor.status}${some}`)}`;
  return html`
    <article class="card${at === undefined && ' flat'}" id="${places.cardId(sensor) ?? ''}"${' '}
      ${data} data-a="${sensor.anomalies}">
      ${level === 'h3' ? html`<h3>${heading}</h3>` : html`<h4>${heading}</h4>`}
      ${!scored && why}
      ${at !== undefined && html`<div class="chart" data-i="${at}" tabindex="0" role="img" aria-label="${label}"></div>`}
    </article>
`;
}

function deviceSection(group: DeviceGroup, open: boolean, places: Places): Markup {
  const bad = trouble(group);
  const hot = anomalies(group);
  return html`
    <details class="device" id="${places.deviceId.get(group.device) ?? ''}"${open && html` open`}>
      <summary>
        <h3>${nameOf(group.device)}</h3>
        <span>${formatNumberOf(group.sensors.length, 'sensor')}</span>
        ${hot > 0 && html`<span class="hot">${formatNumberOf(hot, 'anomaly', 'anomalies')}</span>`}
        ${bad > 0 && html`<span class="bad">${formatCount(bad)} not scored</span>`}
      </summary>
      <div class="grid">${group.sensors.map((sensor) => card(sensor, places))}</div>
    </details>
`;
}

export function deviceSections(data: BatchData, groups: readonly DeviceGroup[], places: Places): Markup {
  const telling = groups.toSorted((a, b) => anomalies(b) - anomalies(a) || trouble(b) - trouble(a)).slice(0, MOST_OPEN);
  const open = data.sensors.length <= ALL_OPEN ? new Set(groups) : new Set(telling);
  const [omitted, shown] = [formatNumberOf(data.omitted, 'sensor is', 'sensors are'), formatCount(data.sensors.length)];
  const rest =
    data.omitted > 0 &&
    ` ${omitted} not on this page: it shows the ${shown} with known faults, failures and most anomalies.`;
  const lead = html`Window means over the period; a dot is an anomalous window. Times in UTC.${rest}`;
  return section('devices', 'Sensors', lead, [
    cardTools(),
    NO_SCRIPT,
    html`<p class="notes" id="none" hidden>No sensor fits the filter.</p>`,
    groups.map((group) => deviceSection(group, open.has(group), places)),
  ]);
}

/** The filter over the cards; shown by the script that makes it work. */
function cardTools(): Markup {
  return html`
    <div class="tools" id="tools" role="search" hidden>
      <label class="sr" for="find">Filter by device or sensor name</label>
      <input id="find" type="search" placeholder="Device or sensor" autocomplete="off" spellcheck="false">
      <label class="sr" for="which">Which sensors</label>
      <select id="which">
        <option value="all">All sensors</option>
        <option value="anomalies">With anomalies</option>
        <option value="trouble">Not scored</option>
        <option value="quiet">Without anomalies</option>
      </select>
      <output id="shown" aria-live="polite"></output>
      <span class="gap"></span>
      <button type="button" id="open">Open all</button>
      <button type="button" id="close">Close all</button>
    </div>`;
}
