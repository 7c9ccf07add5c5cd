/**
 * One sensor over time: value in its normal band, score, alarms, releases and batches; readings and CSV files of it.
 */
import type { FastifyRequest } from 'fastify';
import { FleetscoreError } from '../../domain/errors.ts';
import type { Sensor } from '../../domain/sensor.ts';
import { isoTime } from '../../domain/time.ts';
import { formatCount, formatShare } from '../../report/format.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import { chip, code, nameOf, section } from '../../report/page/parts.ts';
import type { App } from '../app.ts';
import { renderApp } from '../layout.ts';
import { incidentsOf } from '../look/alarms.ts';
import type { SensorSeries } from '../look/series.ts';
import { batchHref, deviceHref, queryOf, sensorHref, sortTable } from '../parts.ts';
import { span } from '../time.ts';
import { ALARM_COLUMNS, incidentRow } from './alarm-rows.ts';
import { asOf, drawSensor, since } from './device.ts';
import { retiredNote, retireForm, retirementsOf } from './out-of-service.ts';
import { explainHref, plot, PLOT_KEY } from './plot.ts';
import { rangeOf, rangeTools, type RangeQuery, type ShownRange } from './range.ts';
import { saidOf } from './said.ts';

/** Bytes of predictions files that its page reads anew: about a day of a large fleet. */
const SENSOR_BYTES = 96 * 1024 * 1024;
/** Batches listed; the chart has all. */
const MOST_ROWS = 50;

export async function sensorOf({ deps }: App, request: FastifyRequest): Promise<Sensor> {
  const { device, sensor } = request.params as { readonly device: string; readonly sensor: string };
  const found = await (await deps.store()).findSensor({ device, sensor });
  if (found) return found;
  throw new FleetscoreError(
    'SENSOR_UNKNOWN',
    `there is no sensor ${JSON.stringify(sensor.slice(0, 200))} of a device ` +
      `${JSON.stringify(device.slice(0, 200))}. The page of devices lists those there are.`,
  );
}

export async function sensorPage(app: App, request: FastifyRequest): Promise<string> {
  const sensor = await sensorOf(app, request);
  const query = request.query as RangeQuery;
  const [fresh, fleet, asOfMs] = await Promise.all([app.look.freshness(), app.look.fleet(), asOf(app)]);
  const range = rangeOf(query, asOfMs, await since(app));
  const { json, series, normal } = await drawSensor(app, sensor, range, SENSOR_BYTES);
  const { device } = sensor;
  const retired = (await retirementsOf(app, [sensor])).get(sensor.id);
  const href = sensorHref(device, sensor.sensor);
  const asRecord = { ...query } as Record<string, string>;
  const siblings = fleet.ofDevice(device);
  const at = siblings.findIndex(({ id }) => id === sensor.id);
  const neighbour = (one: Sensor | undefined, rel: string): Markup | false =>
    one !== undefined &&
    html`<a href="${sensorHref(device, one.sensor, queryOf(asRecord))}" rel="${rel}">${rel === 'prev' && '← '}${nameOf(one.sensor)}${rel === 'next' && ' →'}</a>`;
  return renderApp({
    title: `${device} / ${sensor.sensor}`,
    tab: 'devices',
    crumbs: [
      { name: 'Devices', href: '/devices' },
      { name: device, href: `${deviceHref(device)}${queryOf(asRecord)}` },
      { name: sensor.sensor },
    ],
    heading: html`${nameOf(device)} / ${nameOf(sensor.sensor)}`,
    fresh,
    nowMs: app.deps.now(),
    ...(await saidOf(app, request)),
    head: html`
      <nav class="walk" aria-label="Neighbouring sensors">
        ${neighbour(siblings[at - 1], 'prev')}<span class="gap"></span>${neighbour(siblings[at + 1], 'next')}
      </nav>
      ${retired && retiredNote(app, href, retired)}
      ${rangeTools(range, asOfMs, asRecord)}`,
    body: html`
      ${plot({ series, normal, at: 0, heading: 'h2', tall: true })}
      ${PLOT_KEY}
      ${downloads(sensor, range)}
      ${alarmSection(app, series, normal, asOfMs, request.url)}
      ${historySection(series)}
      ${!retired && retireForm(app, href, undefined)}`,
    charts: { from: range.fromMs, to: range.toMs, series: [json] },
    keys: html`in the chart <kbd>←</kbd> <kbd>→</kbd> through time, <kbd>n</kbd> <kbd>p</kbd> through anomalies, <kbd>+</kbd> <kbd>-</kbd> zoom, <kbd>Enter</kbd> explains`,
  });
}

/** Files of the span shown, and the way to one window. */
function downloads(sensor: Sensor, { fromMs, toMs }: ShownRange): Markup {
  const query = `?from=${isoTime(fromMs)}&to=${isoTime(toMs)}`;
  const file = (name: string): string => `${sensorHref(sensor.device, sensor.sensor)}/${name}.csv${query}`;
  return html`
    <div class="bar-line">
      <a class="button" href="${file('predictions')}">Predictions as CSV</a>
      <a class="button" href="${file('readings')}">Readings as CSV</a>
      <form class="act" action="${explainHref(sensor)}" method="get">
        <label class="sr" for="at">Explain the window at</label>
        <input type="datetime-local" step="1" id="at" name="at" required data-utc="${isoTime(Math.floor(toMs - 5_000))}">
        <button>Explain this window</button>
      </form>
    </div>`;
}

function alarmSection(
  app: App,
  { alarms }: SensorSeries,
  normal: Parameters<typeof plot>[0]['normal'],
  asOfMs: number,
  back: string,
): Markup | false {
  if (alarms.length === 0) return false;
  const context = { formToken: app.formToken, asOfMs, normalOf: () => normal, back };
  const rows = incidentsOf(alarms.map((alarm) => ({ ...alarm, incident: alarm.id })))
    .toSorted((a, b) => b.worst.facts.sinceMs - a.worst.facts.sinceMs)
    .map((one) => incidentRow(one, context));
  const columns = ALARM_COLUMNS.map(({ title, number }) => ({ title, ...(number ? { number } : {}) }));
  return section('own-alarms', 'Alarms in this time', '', sortTable('own-alarms', columns, rows, {}));
}

function historySection({ history }: SensorSeries): Markup {
  const rows = history
    .toReversed()
    .slice(0, MOST_ROWS)
    .map(
      (one) => html`
        <tr>
          <td><a class="row-link" href="${batchHref(one.batchId)}">${span(one.fromMs, one.toMs)}</a></td>
          <td>${chip(one.status)}${one.class !== undefined && html` ${code(one.class)}`}</td>
          <td class="num">${formatCount(one.anomalies)} of ${formatCount(one.windows)}</td>
          <td class="num">${formatShare(one.anomalies, one.windows)}</td>
          <td>${one.release}</td>
        </tr>`,
    );
  const columns = [
    { title: 'Batch' },
    { title: 'Outcome' },
    { title: 'Anomalous windows', number: true },
    { title: 'Share', number: true },
    { title: 'Release' },
  ];
  const lead = history.length > MOST_ROWS ? `The newest ${MOST_ROWS} of ${formatCount(history.length)}.` : '';
  return section(
    'own-batches',
    'Batches in this time',
    lead,
    rows.length === 0
      ? html`<div class="panel none">No batch planned it in this time.</div>`
      : sortTable('own-batches', columns, rows, {}),
  );
}
