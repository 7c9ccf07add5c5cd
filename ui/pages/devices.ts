/** All devices, a page of them at a time: search, by what became of their sensors, in any order. */
import type { FastifyRequest } from 'fastify';
import { ask } from '../../domain/answer.ts';
import { formatCount, formatNumberOf, formatShare } from '../../report/format.ts';
import { compareNames } from '../../report/collect/batch-data.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import { chip, nameOf, section, toned } from '../../report/page/parts.ts';
import { meter } from '../../report/site/layout.ts';
import type { App } from '../app.ts';
import { renderApp } from '../layout.ts';
import { hasWords } from '../look/alarms.ts';
import type { Fleet } from '../look/fleet.ts';
import type { SensorNow } from '../look/survey.ts';
import { deviceHref, pageOf, pager, sortTable, type SortColumn } from '../parts.ts';

interface Query {
  readonly q?: string;
  readonly state?: string;
  readonly sort?: string;
  readonly down?: string;
  readonly page?: string;
}

export interface DeviceRow {
  readonly device: string;
  readonly sensors: number;
  readonly windows: number;
  readonly anomalies: number;
  readonly silent: number;
  readonly failed: number;
  /** Of its sensors, those out of service. */
  readonly retired: number;
  /** Highest share of anomalous windows of one of its sensors: a mean over all would hide the one that is bad. */
  readonly worst: number;
}

const PAGE = 100;
const STATES = [
  ['', 'All devices'],
  ['hot', 'With anomalies'],
  ['no_data', 'With silent sensors'],
  ['failed', 'With failures'],
  ['no_model', 'Without a model'],
  ['retired', 'Out of service'],
] as const;

export async function devicesPage(app: App, request: FastifyRequest): Promise<string> {
  const { look, deps } = app;
  const query = request.query as Query;
  const [fresh, fleet, sensors, retired] = await Promise.all([
    look.freshness(),
    look.fleet(),
    ask(look.sensors),
    ask(look.retired),
  ]);
  const rows = sorted(deviceRows(fleet, sensors.value ?? new Map(), retired.value ?? new Set(), query), query);
  const shown = pageOf(rows, query.page, PAGE);
  const asRecord = { ...query } as Record<string, string>;
  return renderApp({
    title: 'Devices',
    tab: 'devices',
    heading: 'Devices',
    fresh,
    nowMs: deps.now(),
    liveSeconds: 30,
    body: html`
      ${tools(query)}
      <div id="list-part" data-part>
        ${section('list', formatNumberOf(shown.total, 'device'), 'What the newest batches made of their sensors.', [
          shown.total === 0
            ? html`<div class="panel none calm"><b>${fleet.count === 0 ? 'No sensor has sent a reading yet.' : 'No device fits.'}</b></div>`
            : sortTable('list', COLUMNS, shown.rows.map(row), asRecord),
          pager(shown, asRecord, 'devices'),
        ])}
      </div>`,
  });
}

const COLUMNS: readonly SortColumn[] = [
  { title: 'Device', key: 'device' },
  { title: 'Worst sensor', key: 'worst', number: true },
  { title: 'Anomalous windows', key: 'anomalies', number: true },
  { title: 'Silent', key: 'silent', number: true },
  { title: 'Not scored', key: 'failed', number: true },
  { title: 'Sensors', key: 'sensors', number: true, optional: true },
];

function row({ device, sensors, windows, anomalies, silent, failed, retired, worst }: DeviceRow): Markup {
  const words = (n: number, word: string): Markup => html`${formatCount(n)}<span class="small"> ${word}</span>`;
  const counted = retired === sensors ? '' : `${formatCount(retired)} `;
  const out = retired > 0 && html` ${chip('skipped', `${counted}out of service`)}`;
  return html`
    <tr>
      <td class="name"><a class="row-link" href="${deviceHref(device)}">${nameOf(device)}</a>${out}</td>
      <td class="num">${toned('hot', worst, formatShare(worst, 1) || '–')}<span class="small"> of its worst sensor</span>${meter([[1, worst]])}</td>
      <td class="num">${words(anomalies, 'anomalous')}${windows > 0 && html` <span class="soft">of ${formatCount(windows)}</span>`}</td>
      <td class="num">${toned('bad', silent, formatCount(silent))}<span class="small"> silent</span></td>
      <td class="num">${toned('bad', failed, formatCount(failed))}<span class="small"> not scored</span></td>
      <td class="num opt">${words(sensors, 'sensors')}</td>
    </tr>
`;
}

/** Devices that fit the search, with the sums over their sensors. Pure. */
function deviceRows(
  fleet: Fleet,
  sensors: ReadonlyMap<number, SensorNow>,
  retired: ReadonlySet<number>,
  { q = '', state = '' }: Pick<Query, 'q' | 'state'>,
): DeviceRow[] {
  return fleet.devices.flatMap((device) => {
    if (!hasWords(device, q)) return [];
    const own = fleet.ofDevice(device);
    const now = own.flatMap(({ id }) => sensors.get(id) ?? []);
    const count = (of: (one: SensorNow) => boolean): number => now.filter(of).length;
    const sum = {
      device,
      sensors: own.length,
      windows: now.reduce((all, one) => all + one.windows, 0),
      anomalies: now.reduce((all, one) => all + one.anomalies, 0),
      silent: count((one) => one.state === 'no_data'),
      failed: count((one) => one.state === 'failed' || one.state === 'no_model' || one.state === 'cancelled'),
      retired: own.filter(({ id }) => retired.has(id)).length,
      worst: now.reduce((most, one) => Math.max(most, one.windows === 0 ? 0 : one.anomalies / one.windows), 0),
    };
    if (state === 'hot') return sum.anomalies > 0 ? [sum] : [];
    if (state === 'retired') return sum.retired > 0 ? [sum] : [];
    return state === '' || now.some((one) => one.state === state) ? [sum] : [];
  });
}

function sorted(rows: readonly DeviceRow[], { sort = 'worst', down }: Query): DeviceRow[] {
  const sign = down === '1' ? -1 : 1;
  const value = (one: DeviceRow): number =>
    sort === 'anomalies' || sort === 'silent' || sort === 'failed' || sort === 'sensors' ? one[sort] : one.worst;
  if (sort === 'device') return down === '1' ? rows.toReversed() : [...rows];
  return rows.toSorted(
    (a, b) =>
      sign * (value(b) - value(a)) || b.silent + b.failed - (a.silent + a.failed) || compareNames(a.device, b.device),
  );
}

function tools({ q = '', state = '', sort }: Query): Markup {
  return html`
    <form class="tools filter" role="search" aria-label="Devices" method="get">
      <label class="sr" for="q">Device</label>
      <input id="q" name="q" type="search" value="${q}" placeholder="Device" autocomplete="off" spellcheck="false">
      <label class="sr" for="state">Which</label>
      <select id="state" name="state">
        ${STATES.map(([value, text]) => html`<option value="${value}"${value === state && html` selected`}>${text}</option>`)}
      </select>
      ${sort !== undefined && html`<input type="hidden" name="sort" value="${sort}">`}
      <button>Show</button>
    </form>`;
}
