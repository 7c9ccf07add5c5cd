/** One device over time: a chart for each of its sensors, next and previous device. */
import type { FastifyRequest } from 'fastify';
import { ask } from '../../domain/answer.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import type { Sensor } from '../../domain/sensor.ts';
import type { Period } from '../../domain/time.ts';
import { formatNumberOf } from '../../report/format.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import { nameOf } from '../../report/page/parts.ts';
import type { App } from '../app.ts';
import { renderApp } from '../layout.ts';
import { chartJson } from '../look/chart.ts';
import type { Fleet } from '../look/fleet.ts';
import type { Normal } from '../look/normal.ts';
import type { SensorSeries } from '../look/series.ts';
import { deviceHref, pageOf, pager, queryOf, sensorHref } from '../parts.ts';
import { kindWord } from './alarm-rows.ts';
import { retiredOfDevice, retireForm, retirementsOf } from './out-of-service.ts';
import { plot, PLOT_KEY } from './plot.ts';
import { rangeOf, rangeTools, type RangeQuery } from './range.ts';
import { saidOf } from './said.ts';

/** Charts on one page. */
const MOST_CHARTS = 12;
/** Bytes of predictions files that one page reads anew; a sensor alone may take more. */
const DEVICE_BYTES = 24 * 1024 * 1024;

/** Where data end: the newest period that was scored, or now. */
export async function asOf({ look, deps }: App): Promise<number> {
  const fresh = await look.freshness();
  return (fresh.value && 'asOfMs' in fresh.value ? fresh.value.asOfMs : undefined) ?? deps.now();
}

/** Where they begin, as far as the newest batches tell. */
export async function since({ look }: App): Promise<number> {
  const batches = await ask(look.batches);
  return Math.min(...(batches.value ?? []).filter(({ planned }) => planned > 0).map(({ fromMs }) => fromMs));
}

/** What was normal for a sensor, by release of the batches shown. */
async function normalsOfSeries({ look }: App, { sensor, history }: SensorSeries): Promise<Map<string, Normal>> {
  const found = new Map<string, Normal>();
  for (const release of new Set(history.map((row) => row.release))) {
    const normal = await ask(() => look.normal(sensor.id, release));
    found.set(release, normal.value ?? { kind: 'none', why: `its model cannot be read (${normal.problem})` });
  }
  return found;
}

const alarmText = (alarm: SensorSeries['alarms'][number]): string =>
  `alarm: ${kindWord(alarm.kind).toLowerCase()}, severity ${alarm.facts.severity}`;

export interface Drawn {
  readonly json: object;
  readonly series: SensorSeries;
  readonly normal: Normal | undefined;
}

export async function drawSensor(app: App, sensor: Sensor, period: Period, bytes: number): Promise<Drawn> {
  const series = await app.look.series.read(sensor, period, bytes);
  const normals = await normalsOfSeries(app, series);
  const last = series.history.at(-1);
  return { json: chartJson(series, period, normals, alarmText), series, normal: last && normals.get(last.release) };
}

export async function devicePage(app: App, request: FastifyRequest): Promise<string> {
  const { device } = request.params as { readonly device: string };
  const query = request.query as RangeQuery & { readonly page?: string };
  const [fresh, fleet, asOfMs] = await Promise.all([app.look.freshness(), app.look.fleet(), asOf(app)]);
  const sensors = fleet.ofDevice(device);
  if (sensors.length === 0)
    throw new FleetscoreError(
      'SENSOR_UNKNOWN',
      `there is no device ${JSON.stringify(device.slice(0, 200))}. The page of devices lists those there are.`,
    );
  const range = rangeOf(query, asOfMs, await since(app));
  const shown = pageOf(sensors, query.page, MOST_CHARTS);
  const drawn: Drawn[] = [];
  for (const sensor of shown.rows)
    drawn.push(await drawSensor(app, sensor, range, DEVICE_BYTES / Math.max(1, shown.rows.length)));
  const asRecord = { ...query } as Record<string, string>;
  const retired = await retirementsOf(app, sensors);
  return renderApp({
    title: device,
    tab: 'devices',
    crumbs: [{ name: 'Devices', href: '/devices' }, { name: device }],
    heading: html`${nameOf(device)} <small>${formatNumberOf(sensors.length, 'sensor')}</small>`,
    fresh,
    nowMs: app.deps.now(),
    ...(await saidOf(app, request)),
    head: html`
      ${walk(fleet, device, asRecord)}
      ${retired.size > 0 && retiredOfDevice(app, deviceHref(device), retired.size, sensors.length)}
      ${rangeTools(range, asOfMs, asRecord)}`,
    body: html`
      ${drawn.map(({ series, normal }, at) =>
        plot({
          series,
          normal,
          at,
          heading: 'h2',
          outOfService: retired.has(series.sensor.id),
          href: sensorHref(device, series.sensor.sensor, queryOf(asRecord, { page: undefined })),
        }),
      )}
      ${pager(shown, asRecord, 'sensors')}
      ${PLOT_KEY}
      ${retired.size < sensors.length && retireForm(app, deviceHref(device), sensors.length - retired.size)}`,
    charts: { from: range.fromMs, to: range.toMs, series: drawn.map(({ json }) => json) },
    keys: html`in a chart <kbd>←</kbd> <kbd>→</kbd> through time, <kbd>n</kbd> <kbd>p</kbd> through anomalies, <kbd>+</kbd> <kbd>-</kbd> zoom`,
  });
}

/** To the neighbours, in the same span of time. */
function walk({ devices }: Fleet, device: string, query: Readonly<Record<string, string>>): Markup {
  const at = devices.indexOf(device);
  const link = (to: string | undefined, arrow: string, rel: string): Markup | false =>
    to !== undefined &&
    html`<a href="${deviceHref(to)}${queryOf(query, { page: undefined })}" rel="${rel}">${rel === 'prev' && `${arrow} `}${nameOf(to)}${rel === 'next' && ` ${arrow}`}</a>`;
  return html`
    <nav class="walk" aria-label="Neighbouring devices">
      ${link(devices[at - 1], '←', 'prev')}<span class="gap"></span>${link(devices[at + 1], '→', 'next')}
    </nav>`;
}
