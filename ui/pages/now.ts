/**
 * The first screen: what is wrong now, since when, how bad, and whether it still goes on; what is silent or not scored;
 * which batches failed or are missing; and how the last day compares with the same hours a week before.
 */
import type { FastifyRequest } from 'fastify';
import { ask } from '../../domain/answer.ts';
import type { Alarm } from '../../domain/alarm.ts';
import { formatCount } from '../../report/format.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import { section } from '../../report/page/parts.ts';
import type { App } from '../app.ts';
import { renderApp } from '../layout.ts';
import { listAlarms, MOST_ALARMS, type AlarmList, type AlarmQuery } from '../look/alarms.ts';
import type { WeekView } from '../look/week.ts';
import { pageOf, pager, problemOf, sortTable } from '../parts.ts';
import { ALARM_COLUMNS, incidentRow, type RowContext } from './alarm-rows.ts';
import { alarmTools } from './alarm-tools.ts';
import { saidOf } from './said.ts';
import { weekChart } from './week-chart.ts';
import { normalsOf } from './alarm-normals.ts';
import { batchSection } from './now-batches.ts';
import { stretchNormals, stretchSection } from './now-stretches.ts';
import { nowTiles } from './now-tiles.ts';
import { unscoredSection } from './now-unscored.ts';

/** Incidents on the first screen; the page of alarms has all. */
const MOST_SHOWN = 50;

export async function nowPage(app: App, request: FastifyRequest): Promise<string> {
  const { look, deps } = app;
  const query = request.query as AlarmQuery & { readonly page?: string };
  const nowMs = deps.now();
  const [fresh, alarms, sensors, fleet, batches, lost, missed, week, failedFiles] = await Promise.all([
    look.freshness(),
    ask(async () => listAlarms(await deps.store(), query, nowMs)),
    ask(look.sensors),
    ask(look.fleet),
    ask(look.batches),
    ask(look.lost),
    look.missed(),
    ask(look.week),
    ask(async () => (await (await deps.store()).countDropped()).failed),
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
            ? stretchSection(stretches, await stretchNormals(app, stretches.value ?? []), fresh.value?.kind !== 'none')
            : section('wrong', 'Alarms', '', [
                alarmTools(query),
                alarms.value ? alarmList(alarms.value, query, context) : problemOf(alarms),
              ])
        }
      </div>
      <div id="unscored" data-part>${unscoredSection(sensors, fleet)}</div>
      <div id="bad-batches" data-part>${batchSection(batches, lost, missed, failedFiles, nowMs)}</div>
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

/** Whether no batch ever looked for alarms in this store. */
async function never({ deps }: App, { counts, alarms }: AlarmList): Promise<boolean> {
  if (alarms > 0 || counts.active > 0) return false;
  const known = await ask(async () => (await deps.store()).alarmEvents({ limit: 1 }));
  return known.value?.length === 0;
}

function weekSection(week: WeekView): Markup {
  const lead = 'Share of anomalous windows by hour; the line is the same hour a week ago.';
  return section('hours', 'The last 24 hours', lead, weekChart(week));
}
