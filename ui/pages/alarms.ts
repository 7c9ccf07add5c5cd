/** Alarms, all of them, and one alone: its life, and what people can do about it. */
import type { FastifyRequest } from 'fastify';
import type { Alarm, AlarmEvent, AlarmKind } from '../../domain/alarm.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import { nameOf, section } from '../../report/page/parts.ts';
import type { App } from '../app.ts';
import { renderApp } from '../layout.ts';
import { incidentsOf, listAlarms, MOST_ALARMS, type AlarmQuery } from '../look/alarms.ts';
import { batchHref, button, deviceHref, pageOf, pager, sensorAt, sortTable } from '../parts.ts';
import { time } from '../time.ts';
import {
  ALARM_COLUMNS,
  alarmHref,
  incidentRow,
  kindWord,
  lastedText,
  severityChip,
  stateText,
  whatText,
} from './alarm-rows.ts';
import { alarmTools } from './alarm-tools.ts';
import { asOf } from './device.ts';
import { normalsOf } from './alarm-normals.ts';
import { explainHref } from './plot.ts';
import { saidOf } from './said.ts';

const PAGE = 100;

type Query = AlarmQuery & { readonly page?: string; readonly incident?: string };

export async function alarmsPage(app: App, request: FastifyRequest): Promise<string> {
  const query = request.query as Query;
  const nowMs = app.deps.now();
  const store = await app.deps.store();
  const list = await listAlarms(store, query, nowMs);
  const own =
    query.incident === undefined
      ? undefined
      : await store.listAlarms({ incident: query.incident, limit: MOST_ALARMS }, nowMs);
  // One incident is shown alarm by alarm.
  const incidents = own ? incidentsOf(own.map((alarm) => ({ ...alarm, incident: alarm.id }))) : list.incidents;
  const shown = pageOf(incidents, query.page, PAGE);
  const [normals, fresh, asOfMs] = [
    await normalsOf(
      app,
      shown.rows.map(({ worst }) => worst),
    ),
    await app.look.freshness(),
    await asOf(app),
  ];
  const context = {
    formToken: app.formToken,
    asOfMs,
    normalOf: (alarm: Alarm) => normals.get(alarm.id),
    back: request.url,
  };
  const asRecord = { ...query } as Record<string, string>;
  const { active, unacked, shelved, incidents: open } = list.counts;
  return renderApp({
    title: 'Alarms',
    tab: 'alarms',
    heading: own ? 'One incident' : 'Alarms',
    fresh,
    nowMs,
    liveSeconds: 15,
    ...(await saidOf(app, request)),
    body: html`
      <div id="alarms" data-part>
        ${section(
          'wrong',
          own
            ? `${formatNumberOf(own.length, 'alarm')} that began together`
            : `${formatCount(active)} active in ${formatNumberOf(open, 'incident')}`,
          own
            ? html`<a class="under" href="/alarms">All alarms</a>`
            : `${formatCount(unacked)} not acknowledged, ${formatCount(shelved)} shelved.`,
          [
            !own && alarmTools(query),
            shown.total === 0
              ? html`<div class="panel none calm"><b>No alarm fits.</b></div>`
              : sortTable(
                  'wrong',
                  ALARM_COLUMNS,
                  shown.rows.map((one) => incidentRow(one, context)),
                  asRecord,
                ),
            pager(shown, asRecord, 'incidents'),
            list.cut && html`<p class="lead">The ${formatCount(MOST_ALARMS)} newest alarms were looked at.</p>`,
          ],
        )}
      </div>`,
  });
}

export async function alarmPage(app: App, request: FastifyRequest): Promise<string> {
  const { id } = request.params as { readonly id: string };
  const nowMs = app.deps.now();
  const store = await app.deps.store();
  const alarm = await store.findAlarm(id, nowMs);
  if (!alarm) throw new FleetscoreError('ALARM_UNKNOWN', `there is no alarm ${JSON.stringify(id.slice(0, 200))}.`);
  const [events, normals, asOfMs, together] = [
    await store.alarmEvents({ alarmId: alarm.id, limit: 500 }),
    await normalsOf(app, [alarm]),
    await asOf(app),
    await store.listAlarms({ incident: alarm.incident, limit: 100 }, nowMs),
  ];
  const { facts, device, sensor } = alarm;
  return renderApp({
    title: `Alarm of ${device} / ${sensor}`,
    tab: 'alarms',
    crumbs: [{ name: 'Alarms', href: '/alarms' }, { name: `${device} / ${sensor}` }],
    heading: html`${nameOf(device)} / ${nameOf(sensor)}: ${kindWord(alarm.kind).toLowerCase()}`,
    fresh: await app.look.freshness(),
    nowMs,
    ...(await saidOf(app, request)),
    body: html`
      <div class="two">
        <div>
          <dl class="facts2">
            <dt>Severity</dt><dd>${severityChip(facts.severity)}</dd>
            <dt>What</dt><dd>${whatText(alarm, normals.get(alarm.id))}</dd>
            <dt>Since</dt><dd>${time(facts.sinceMs, 'second')}, lasted ${lastedText(alarm, asOfMs)}</dd>
            <dt>State</dt><dd>${stateText(alarm)}</dd>
            <dt>Windows</dt><dd>${formatCount(facts.windows)} abnormal${facts.activations > 1 && `, ${formatCount(facts.activations)} times within an hour`}</dd>
            ${alarm.marks.comment && html`<dt>Comment</dt><dd>${alarm.marks.comment.text} <span class="soft">(${alarm.marks.comment.by}, ${time(alarm.marks.comment.atMs)})</span></dd>`}
            <dt>Batches</dt><dd><a class="under" href="${batchHref(facts.firstBatch)}">first</a>, <a class="under" href="${batchHref(facts.lastBatch)}">newest</a></dd>
            ${together.length > 1 && html`<dt>Incident</dt><dd><a class="under" href="/alarms?incident=${encodeURIComponent(alarm.incident)}">${formatNumberOf(together.length, 'alarm')} that began together</a></dd>`}
          </dl>
          <div class="bar-line">
            <a class="button" href="${sensorAt(device, sensor, facts.sinceMs, facts.lastMs)}">Chart of the sensor</a>
            ${facts.peakMs !== undefined && html`<a class="button" href="${explainHref({ ...alarm, id: alarm.sensorId })}?at=${encodeURIComponent(new Date(facts.peakMs).toISOString())}">Explain its worst window</a>`}
            <a class="button" href="${deviceHref(device)}">The whole device</a>
          </div>
        </div>
        ${actions(app, alarm)}
      </div>
      ${eventSection(alarm.kind, events)}`,
  });
}

const HOURS = [
  ['1h', 'an hour'],
  ['4h', '4 hours'],
  ['8h', 'a shift of 8 hours'],
  ['1d', 'a day'],
  ['7d', 'a week'],
] as const;

/** What its state allows. */
function actions({ formToken }: App, alarm: Alarm): Markup {
  const to = (what: string): string => `${alarmHref(alarm.id)}/${what}`;
  const hidden = html`<input type="hidden" name="token" value="${formToken}">`;
  const shelved = alarm.shelving !== 'unshelved';
  return html`
    <section class="panel form" aria-labelledby="do">
      <h2 id="do">What to do</h2>
      ${
        !alarm.acked || !alarm.confirmed
          ? html`
            <form method="post" action="${to(alarm.acked ? 'confirm' : 'ack')}">
              ${hidden}
              <label class="field" for="why">Comment, if any<textarea id="why" name="comment" maxlength="1000"></textarea></label>
              <p class="bar-line"><button class="main">${alarm.acked ? 'Confirm' : 'Acknowledge'}</button></p>
            </form>`
          : html`
            <form method="post" action="${to('comment')}">
              ${hidden}
              <label class="field" for="why">Comment<textarea id="why" name="comment" maxlength="1000" required></textarea></label>
              <p class="bar-line"><button>Comment</button></p>
            </form>`
      }
      ${
        shelved
          ? button(formToken, to('unshelve'), 'Unshelve')
          : html`
            <form method="post" action="${to('shelve')}">
              ${hidden}
              <label class="field" for="for">Leave it out of screens and notices for
                <select id="for" name="for">${HOURS.map(([value, text]) => html`<option value="${value}">${text}</option>`)}</select>
              </label>
              <p class="bar-line"><button>Shelve</button></p>
            </form>
            ${alarm.active && button(formToken, to('shelveOnce'), 'Shelve until it ends')}`
      }
      ${alarm.latched && button(formToken, to('reset'), 'Reset the latch')}
    </section>`;
}

function eventSection(kind: AlarmKind, events: readonly AlarmEvent[]): Markup {
  const found = kind === 'unplanned' ? 'found as no batch came' : 'found by a batch';
  const rows = events.toReversed().map(
    (event) => html`
      <tr>
        <td class="nw">${time(event.timeMs, 'second')}</td>
        <td>${event.change}</td>
        <td class="num">${formatCount(event.severity)}</td>
        <td>${event.user ?? found}</td>
        <td class="msg">${event.comment ?? ''}</td>
      </tr>`,
  );
  const columns = [
    { title: 'When' },
    { title: 'Change' },
    { title: 'Severity', number: true },
    { title: 'By' },
    { title: 'Comment' },
  ];
  return section('life', 'Its life', 'Newest first.', sortTable('life', columns, rows, {}));
}
