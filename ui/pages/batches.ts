/** Batches and schedules: what runs, how far it is, what failed, and what one can do about it. */
import type { FastifyRequest } from 'fastify';
import { ask, type Answer } from '../../domain/answer.ts';
import { decided } from '../../domain/outcome.ts';
import { HOUR_MS, isoTime } from '../../domain/time.ts';
import { formatCount, formatMs, formatNumberOf, formatShare } from '../../report/format.ts';
import { html, type Markup, type MarkupValue } from '../../report/page/markup.ts';
import { chip, section } from '../../report/page/parts.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import type { App } from '../app.ts';
import { renderApp } from '../layout.ts';
import type { MissedPeriods, ScheduleView } from '../look/schedules.ts';
import { batchHref, button, LOST, pageOf, pager, sortTable } from '../parts.ts';
import { span, time } from '../time.ts';
import { saidOf } from './said.ts';

const PAGE = 50;

interface Query {
  readonly status?: string;
  readonly page?: string;
}

export async function batchesPage(app: App, request: FastifyRequest): Promise<string> {
  const { look, deps, formToken } = app;
  const query = request.query as Query;
  const [fresh, batches, lost, schedules, missed] = await Promise.all([
    look.freshness(),
    ask(look.batches),
    ask(look.lost),
    look.schedules(),
    look.missed(),
  ]);
  const fitting = (batches.value ?? []).filter(({ status }) => !query.status || status === query.status);
  const shown = pageOf(fitting, query.page, PAGE);
  const counts = new Map(
    await Promise.all(
      shown.rows.filter((one) => !hasEnded(one)).map(async (one) => [one.id, await countsOf(app, one)] as const),
    ),
  );
  const asRecord = { ...query } as Record<string, string>;
  return renderApp({
    title: 'Batches',
    tab: 'batches',
    heading: 'Batches',
    fresh,
    nowMs: deps.now(),
    liveSeconds: 5,
    ...(await saidOf(app, request)),
    body: html`
      <div id="batch-list" data-part>
        ${section('list', 'Newest batches', batches.problem ?? '', [
          statusTabs(query.status),
          shown.total === 0
            ? html`<div class="panel none calm"><b>${noneText(query)}</b></div>`
            : sortTable(
                'list',
                BATCH_COLUMNS,
                shown.rows.map((one) =>
                  batchRow(one, counts.get(one.id) ?? one.counts, lost.value?.has(one.id) === true),
                ),
                {},
              ),
          pager(shown, asRecord, 'batches'),
        ])}
      </div>
      <div id="schedule-list" data-part>${scheduleSection(schedules, missed, formToken)}</div>
      ${scoreForm(formToken, deps.now())}`,
  });
}

const noneText = ({ status }: Query): string => (status ? `No batch is ${status}.` : 'No batch yet.');

export const countsOf = async ({ deps }: App, batch: Batch): Promise<Batch['counts']> =>
  (await ask(async () => (await deps.store()).countOutcomes(batch.id))).value ?? batch.counts;

const BATCH_COLUMNS = [
  { title: 'Period' },
  { title: 'Status' },
  { title: 'Schedule' },
  { title: 'Scored', number: true },
  { title: 'Silent', number: true },
  { title: 'Failed', number: true },
  { title: 'Anomalous', number: true },
  { title: 'Took', number: true },
];

function batchRow(batch: Batch, counts: Batch['counts'], isLost: boolean): Markup {
  const { id, kind, status, planned, fromMs, toMs, schedule, startedAtMs, finishedAtMs } = batch;
  const state = status === 'running' ? progressOf(counts, planned) : chip(status);
  return html`
    <tr>
      <td class="nw"><a class="row-link" href="${batchHref(id)}">${span(fromMs, toMs)}</a>${kind !== 'score' && html` <span class="soft">${kind}</span>`}</td>
      <td>${isLost ? LOST : state}</td>
      <td>${schedule ?? 'by hand'}</td>
      <td class="num">${formatCount(counts.scored)}<span class="small"> scored</span></td>
      <td class="num">${formatCount(counts.skipped)}<span class="small"> silent</span></td>
      <td class="num">${counts.failed > 0 ? html`<b class="bad">${formatCount(counts.failed)}</b>` : '0'}<span class="small"> failed</span></td>
      <td class="num">${formatShare(counts.anomalies, counts.windows) || '–'}<span class="small"> anomalous</span></td>
      <td class="num">${finishedAtMs === undefined ? html`since ${time(startedAtMs)}` : formatMs(finishedAtMs - startedAtMs)}</td>
    </tr>
`;
}

export function progressOf(counts: Batch['counts'], planned: number): Markup {
  const done = decided(counts);
  return html`
    <span class="nw">
      <progress max="${Math.max(1, planned)}" value="${done}" aria-label="Sensors done"></progress>${' '}
      ${formatShare(done, planned) || '0%'} <span class="soft">${formatCount(done)} of ${formatCount(planned)}</span>
    </span>`;
}

function statusTabs(current: string | undefined): Markup {
  const link = (value: string, text: string): Markup =>
    html`<a href="${value === '' ? '/batches' : `?status=${value}`}"${value === (current ?? '') && html` aria-current="true"`}>${text}</a>`;
  return html`
    <div class="bar-line"><nav class="seg" aria-label="Status">
      ${link('', 'All')}${link('running', 'Running')}${link('completed', 'Completed')}${link('failed', 'Failed')}${link('cancelled', 'Cancelled')}
    </nav></div>`;
}

function scheduleSection(
  { value: schedules, problem }: Answer<readonly ScheduleView[]>,
  missed: Answer<readonly MissedPeriods[]>,
  formToken: string,
): Markup {
  if (!schedules)
    return section(
      'schedules',
      'Schedules',
      '',
      html`<div class="panel none"><b class="bad">Not known:</b> ${problem}</div>`,
    );
  const to = (name: string, what: string): string => `/schedules/${encodeURIComponent(name)}/${what}`;
  const rows = schedules.map(
    (one) => html`
      <tr>
        <td class="name"><b>${one.name}</b>${one.note !== '' && html`<br><span class="soft">${one.note}</span>`}</td>
        <td>${one.paused ? chip('skipped', 'paused') : chip('good', 'active')}</td>
        <td>${one.times}</td>
        <td class="nw">${one.nextMs === undefined ? '–' : html`next ${time(one.nextMs)}`}</td>
        <td class="acts">
          ${one.paused ? button(formToken, to(one.name, 'resume'), 'Resume') : button(formToken, to(one.name, 'pause'), 'Pause')}
          ${button(formToken, to(one.name, 'trigger'), 'Run now')}
        </td>
      </tr>`,
  );
  const gaps = (missed.value ?? []).slice(0, 20).map(
    (gap) => html`
      <tr>
        <td class="nw">${span(gap.fromMs, gap.toMs)}</td>
        <td>${chip(gap.state === 'missing' ? 'skipped' : 'failed', gap.state)}</td>
        <td>${gap.schedule}</td>
        <td class="num">${formatNumberOf(gap.periods, 'period')}</td>
        <td class="acts">
          ${gap.state === 'missing' && button(formToken, to(gap.schedule, 'backfill'), 'Backfill', { from: isoTime(gap.backfill.fromMs), to: isoTime(gap.backfill.toMs) })}
          ${gap.batches[0] !== undefined && html`<a class="act-link" href="${batchHref(gap.batches[0])}">Newest batch over it</a>`}
        </td>
      </tr>`,
  );
  const head = [{ title: 'Name' }, { title: 'State' }, { title: 'Starts' }, { title: 'Next' }, { title: 'Actions' }];
  const gapHead = [
    { title: 'Period' },
    { title: 'State' },
    { title: 'Schedule' },
    { title: 'Periods', number: true },
    { title: 'Actions' },
  ];
  const none: MarkupValue = html`<div class="panel none">No schedule. Create one: <span class="mono">fleetscore schedule create NAME --every 15m</span></div>`;
  return html`
    ${section('schedules', 'Schedules', '', rows.length === 0 ? none : sortTable('schedules', head, rows, {}))}
    ${gaps.length > 0 && section('gaps', 'Periods of the last week that no batch scored', '', sortTable('gaps', gapHead, gaps, {}))}`;
}

/** Scores a period again, or for the first time. */
function scoreForm(formToken: string, nowMs: number): Markup {
  const hour = Math.floor(nowMs / HOUR_MS) * HOUR_MS;
  return html`
    <section class="panel form" aria-labelledby="again">
      <h2 id="again">Score a period</h2>
      <form method="post" action="/score" class="bar-line">
        <input type="hidden" name="token" value="${formToken}">
        <label class="field" for="from">From <input type="datetime-local" id="from" name="from" required data-utc="${isoTime(hour - HOUR_MS)}"></label>
        <label class="field" for="to">To <input type="datetime-local" id="to" name="to" required data-utc="${isoTime(hour)}"></label>
        <label class="field" for="what">Which sensors
          <select id="what" name="what">
            <option value="changed">Those whose readings changed since (rescore)</option>
            <option value="all">All</option>
          </select>
        </label>
        <button>Start</button>
      </form>
      <noscript><p class="lead">The times are in UTC.</p></noscript>
    </section>`;
}
