/**
 * The first screen: what is wrong now, since when, how bad, and whether it still goes on; what is silent or not scored;
 * which batches failed or are missing; and how the last day compares with the same hours a week before.
 */
import type { FastifyRequest } from 'fastify';
import type { Answer } from '../../domain/answer.ts';
import { ask } from '../../domain/answer.ts';
import type { Alarm } from '../../domain/alarm.ts';
import { formatCount, formatNumberOf, formatShare } from '../../report/format.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import { chip, code, section, tile, tiles } from '../../report/page/parts.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import type { App } from '../app.ts';
import { renderApp } from '../layout.ts';
import { listAlarms, MOST_ALARMS, type AlarmList, type AlarmQuery } from '../look/alarms.ts';
import type { Fleet } from '../look/fleet.ts';
import type { Normal } from '../look/normal.ts';
import type { MissedPeriods } from '../look/schedules.ts';
import type { Stretch } from '../look/stretches.ts';
import type { SensorNow } from '../look/survey.ts';
import { sumOf, type WeekView } from '../look/week.ts';
import { batchHref, pageOf, pager, sensorAt, sensorHref, sensorLink, sortTable } from '../parts.ts';
import { span, time } from '../time.ts';
import { ALARM_COLUMNS, incidentRow, valueText, type RowContext } from './alarm-rows.ts';
import { alarmTools } from './alarm-tools.ts';
import { saidOf } from './said.ts';
import { weekChart } from './week-chart.ts';
import { DAY_MS } from '../../domain/time.ts';

/** Incidents on the first screen; the page of alarms has all. */
const MOST_SHOWN = 50;
const MOST_LISTED = 8;

export async function nowPage(app: App, request: FastifyRequest): Promise<string> {
  const { look, deps } = app;
  const query = request.query as AlarmQuery & { readonly page?: string };
  const nowMs = deps.now();
  const [fresh, alarms, sensors, fleet, batches, missed, week] = await Promise.all([
    look.freshness(),
    ask(async () => listAlarms(await deps.store(), query, nowMs)),
    ask(look.sensors),
    ask(look.fleet),
    ask(look.batches),
    look.missed(),
    ask(look.week),
  ]);
  const asOfMs = (fresh.value && 'asOfMs' in fresh.value ? fresh.value.asOfMs : undefined) ?? nowMs;
  const shown = alarms.value ? pageOf(alarms.value.incidents, query.page, MOST_SHOWN) : undefined;
  const normals = await normalsOf(app, shown?.rows.map(({ worst }) => worst) ?? []);
  const context = { formToken: app.formToken, asOfMs, normalOf: (alarm: Alarm) => normals.get(alarm.id), back: '/' };
  const noAlarms = alarms.value && (await never(app, alarms.value));
  const stretches = noAlarms ? await ask(look.stretches) : undefined;
  return renderApp({
    title: 'Now',
    tab: 'now',
    heading: 'What is wrong now',
    fresh,
    nowMs,
    liveSeconds: 10,
    ...(await saidOf(app, request)),
    head: html`<div id="tiles" data-part>${nowTiles(alarms, sensors, batches, missed, week, nowMs)}</div>`,
    body: html`
      <div id="alarms" data-part>
        ${
          stretches
            ? stretchSection(stretches, await stretchNormals(app, stretches.value ?? []))
            : section('wrong', 'Alarms', '', [
                alarmTools(query),
                alarms.value ? alarmList(alarms.value, query, context) : problemOf(alarms),
              ])
        }
      </div>
      <div id="unscored" data-part>${unscoredSection(sensors, fleet)}</div>
      <div id="bad-batches" data-part>${batchSection(batches, missed, nowMs)}</div>
      <div id="week" data-part>${week.value ? weekSection(week.value) : problemOf(week)}</div>`,
  });
}

const asRecord = (query: object): Record<string, string | undefined> => ({ ...query });

function alarmList(list: AlarmList, query: AlarmQuery & { readonly page?: string }, context: RowContext): Markup {
  const shown = pageOf(list.incidents, query.page, MOST_SHOWN);
  const rows = shown.rows.map((one) => incidentRow(one, context));
  return html`
    ${
      rows.length === 0
        ? html`<div class="panel none calm"><b>${emptyText(query)}</b></div>`
        : sortTable('wrong', ALARM_COLUMNS, rows, asRecord(query))
    }
    ${pager(shown, asRecord(query), 'incidents')}
    ${list.cut && html`<p class="lead">The ${formatCount(MOST_ALARMS)} newest alarms were looked at.</p>`}`;
}

const emptyText = ({ q, kind, state }: AlarmQuery): string =>
  q || kind || state ? 'No alarm fits.' : 'No alarm: every sensor that was scored is as its model expects.';

const problemOf = ({ problem }: Answer<unknown>): Markup | false =>
  problem !== undefined && html`<div class="panel none"><b class="bad">Not known:</b> ${problem}</div>`;

/** Whether no batch ever looked for alarms in this store. */
async function never({ deps }: App, { counts, alarms }: AlarmList): Promise<boolean> {
  if (alarms > 0 || counts.active > 0) return false;
  const known = await ask(async () => (await deps.store()).alarmEvents({ limit: 1 }));
  return known.value?.length === 0;
}

/** What is normal for the sensors of alarms, by the release of the batch that spoke last. */
export async function normalsOf({ deps, look }: App, alarms: readonly Alarm[]): Promise<ReadonlyMap<string, Normal>> {
  const store = await deps.store();
  const releases = new Map<string, string>();
  const found = new Map<string, Normal>();
  for (const { id, kind, sensorId, facts } of alarms) {
    if (kind !== 'anomaly') continue;
    if (!releases.has(facts.lastBatch))
      releases.set(facts.lastBatch, (await store.findBatch(facts.lastBatch))?.release ?? '');
    const normal = await ask(() => look.normal(sensorId, releases.get(facts.lastBatch)!));
    if (normal.value) found.set(id, normal.value);
  }
  return found;
}

function nowTiles(
  { value: alarms }: Answer<AlarmList>,
  { value: sensors }: Answer<ReadonlyMap<number, SensorNow>>,
  { value: batches }: Answer<readonly Batch[]>,
  missed: Answer<readonly MissedPeriods[]>,
  { value: week }: Answer<WeekView>,
  nowMs: number,
): Markup {
  const counts = alarms?.counts;
  const all = [...(sensors?.values() ?? [])];
  const silent = all.filter(({ state }) => state === 'no_data').length;
  const failed = all.filter(({ state }) => state === 'failed' || state === 'no_model').length;
  const bad = (batches ?? []).filter((batch) => isBad(batch, nowMs)).length;
  const gaps = missed.value?.reduce((sum, gap) => sum + (gap.state === 'missing' ? gap.periods : 0), 0) ?? 0;
  return tiles(
    counts &&
      tile(
        'Alarms',
        formatCount(counts.active),
        counts.active === 0 ? 'none active' : `active, ${formatCount(counts.unacked)} not acknowledged`,
        counts.active > 0 ? 'hot' : 'ok',
      ),
    tile('Silent sensors', formatCount(silent), 'no readings in the newest batch', silent > 0 ? 'bad' : 'ok'),
    tile('Not scored', formatCount(failed), 'failed, or without a model', failed > 0 ? 'bad' : 'ok'),
    tile(
      'Batches',
      formatCount(bad + gaps),
      `${formatCount(bad)} failed in a day, ${formatCount(gaps)} missing in a week`,
      bad + gaps > 0 ? 'bad' : 'ok',
    ),
    week && weekTile(week),
  );
}

function weekTile({ now, before }: WeekView): Markup {
  const [windows, anomalies] = [sumOf(now, (hour) => hour.windows), sumOf(now, (hour) => hour.anomalies)];
  const [then, thenHot] = [sumOf(before, (hour) => hour.windows), sumOf(before, (hour) => hour.anomalies)];
  return tile(
    'Anomalous, 24 h',
    formatShare(anomalies, windows) || '–',
    then === 0 ? 'no batches a week ago' : `${formatShare(thenHot, then)} in the same hours last week`,
  );
}

const isBad = (batch: Batch, nowMs: number): boolean =>
  batch.status === 'failed' && (batch.finishedAtMs ?? batch.startedAtMs) > nowMs - DAY_MS;

const STATE_WORDS = {
  no_data: ['Silent', 'no readings in the period'],
  failed: ['Failed', 'somebody should look'],
  no_model: ['No model', 'the release has none for it'],
  cancelled: ['Cancelled', 'its batch was ended'],
} as const;

/** Sensors without a score, by why; a few by name, the rest by a link. */
function unscoredSection(
  { value: sensors, problem }: Answer<ReadonlyMap<number, SensorNow>>,
  { value: fleet }: Answer<Fleet>,
): Markup {
  if (!sensors || !fleet) return html`${problemOf({ problem: problem ?? 'the sensors cannot be listed' })}`;
  const by = Map.groupBy(
    [...sensors.values()].filter(({ state }) => state !== 'scored'),
    ({ state }) => state as keyof typeof STATE_WORDS,
  );
  if (by.size === 0) return html``;
  const rows = (Object.keys(STATE_WORDS) as (keyof typeof STATE_WORDS)[]).flatMap((state) => {
    const own = by.get(state);
    if (!own) return [];
    const known = own.flatMap(({ id }) => fleet.sensor(id) ?? []);
    const names = known
      .slice(0, MOST_LISTED)
      .map((one, i) => html`${i > 0 && ', '}${sensorLink(one, sensorHref(one.device, one.sensor))}`);
    return [
      html`
        <tr>
          <td>${chip(state === 'failed' ? 'failed' : 'skipped', STATE_WORDS[state][0])}</td>
          <td class="num">${formatNumberOf(own.length, 'sensor')}</td>
          <td class="msg links">${names}${own.length > MOST_LISTED && html`, <a href="/devices?state=${state}">all ${formatCount(own.length)}</a>`}</td>
          <td class="soft">${STATE_WORDS[state][1]}</td>
        </tr>`,
    ];
  });
  const columns = [{ title: 'Why' }, { title: 'Sensors', number: true }, { title: 'Which' }, { title: 'Meaning' }];
  return section('without', 'Not scored in the newest batch', '', sortTable('without', columns, rows, {}));
}

function batchSection(
  { value: batches = [] }: Answer<readonly Batch[]>,
  missed: Answer<readonly MissedPeriods[]>,
  nowMs: number,
): Markup {
  const bad = batches.filter((batch) => isBad(batch, nowMs)).slice(0, MOST_LISTED);
  const gaps = (missed.value ?? []).filter(({ state }) => state === 'missing').slice(0, MOST_LISTED);
  const stuck = batches.filter((batch) => !hasEnded(batch));
  if (bad.length === 0 && gaps.length === 0 && missed.problem === undefined && stuck.length === 0) return html``;
  const rows = [
    ...stuck.slice(0, MOST_LISTED).map(
      (batch) => html`
        <tr>
          <td>${chip('running', batch.status)}</td>
          <td class="nw"><a class="row-link" href="${batchHref(batch.id)}">${span(batch.fromMs, batch.toMs)}</a></td>
          <td>${batch.schedule ?? 'by hand'}</td>
          <td class="msg">Started ${time(batch.startedAtMs)}</td>
        </tr>`,
    ),
    ...bad.map(
      (batch) => html`
        <tr>
          <td>${chip('failed', 'failed')}</td>
          <td class="nw"><a class="row-link" href="${batchHref(batch.id)}">${span(batch.fromMs, batch.toMs)}</a></td>
          <td>${batch.schedule ?? 'by hand'}</td>
          <td class="msg">${batch.class !== undefined && html`${code(batch.class)}: `}${batch.message ?? ''}</td>
        </tr>`,
    ),
    ...gaps.map(
      (gap) => html`
        <tr>
          <td>${chip('skipped', 'missing')}</td>
          <td class="nw">${span(gap.fromMs, gap.toMs)}</td>
          <td>${gap.schedule}</td>
          <td class="msg">${formatNumberOf(gap.periods, 'period')} without a batch. <a class="under" href="/batches#schedules">Backfill</a></td>
        </tr>`,
    ),
  ];
  const columns = [{ title: 'State' }, { title: 'Period' }, { title: 'Schedule' }, { title: 'What' }];
  return section('batches', 'Batches that need a look', '', [
    missed.problem !== undefined &&
      html`<p class="notes">Which periods are missing is not known: ${missed.problem}</p>`,
    rows.length > 0 && sortTable('batches', columns, rows, {}),
  ]);
}

function weekSection(week: WeekView): Markup {
  const lead = 'Share of anomalous windows by hour; the line is the same hour a week ago.';
  return section('hours', 'The last 24 hours', lead, weekChart(week));
}

async function stretchNormals(
  { deps, look }: App,
  stretches: readonly Stretch[],
): Promise<ReadonlyMap<Stretch, Normal>> {
  const store = await deps.store();
  const found = new Map<Stretch, Normal>();
  for (const one of stretches) {
    const normal = await ask(async () => look.normal((await store.findSensor(one))!.id, one.release));
    if (normal.value) found.set(one, normal.value);
  }
  return found;
}

/** What predictions alone tell, while no batch has looked for alarms. */
function stretchSection(
  { value = [], problem }: Answer<readonly Stretch[]>,
  normals: ReadonlyMap<Stretch, Normal>,
): Markup {
  const rows = value
    .toSorted((a, b) => Number(b.goesOn) - Number(a.goesOn) || b.windows - a.windows)
    .map(
      (one) => html`
        <tr>
          <td class="name">${sensorLink(one, sensorAt(one.device, one.sensor, one.sinceMs, one.lastMs))}</td>
          <td class="msg">${valueText(one.peakValue, one.unit, normals.get(one))}</td>
          <td class="nw">${time(one.sinceMs, 'second')}</td>
          <td class="num">${formatNumberOf(one.windows, 'window')}</td>
          <td class="nw">${one.goesOn ? html`<span class="dot bad"></span>Still going on` : html`<span class="dot"></span>Ended ${time(one.lastMs, 'second')}`}</td>
        </tr>`,
    );
  const columns = [
    { title: 'Sensor' },
    { title: 'Worst value' },
    { title: 'Since' },
    { title: 'Anomalous', number: true },
    { title: 'State' },
  ];
  const lead = 'Anomalous stretches of the newest batch, from its predictions: no batch has looked for alarms yet.';
  if (problem !== undefined) return section('wrong', 'Anomalous now', lead, problemOf({ problem }));
  const content =
    rows.length === 0
      ? html`<div class="panel none calm"><b>No anomalous window in the newest batch.</b></div>`
      : sortTable('wrong', columns, rows, {});
  return section('wrong', 'Anomalous now', lead, content);
}
