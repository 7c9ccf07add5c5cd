/**
 * One batch: how far it is, what it came to, which sensors failed and why; actions, and the way to Temporal's Web UI.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { lostBatches, workflowsEnd } from '../../batches/lost.ts';
import { ask } from '../../domain/answer.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { LEFT_OUT } from '../../domain/outcome.ts';
import { collectBatchData, renderReport } from '../../report/index.ts';
import { formatCount, formatMs, formatNumberOf, formatShare } from '../../report/format.ts';
import { PAGE_POLICY } from '../../report/page/html.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import { chip, code, nameOf, section, tile, tiles } from '../../report/page/parts.ts';
import { decodePredictions } from '../../scoring/predictions-file.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import { progressQuery } from '../../workflows/messages.ts';
import type { BatchProgress } from '../../workflows/details.ts';
import type { App } from '../app.ts';
import { renderApp } from '../layout.ts';
import { batchHref, button, deviceHref, LOST, sensorHref, sensorLink, sortTable } from '../parts.ts';
import { span, time } from '../time.ts';
import { countsOf, progressOf } from './batches.ts';
import { saidOf } from './said.ts';

/** Failed sensors listed. */
const MOST_FAILED = 100;
const MOST_HOT = 20;

async function batchOf({ deps }: App, request: FastifyRequest): Promise<Batch> {
  const { id } = request.params as { readonly id: string };
  const batch = await (await deps.store()).findBatch(id);
  if (batch) return batch;
  throw new FleetscoreError(
    'BATCH_UNKNOWN',
    `there is no batch ${JSON.stringify(id.slice(0, 200))}. One that was just started is on record once a ` +
      'control worker takes it up: load this page again.',
  );
}

export async function batchPage(app: App, request: FastifyRequest): Promise<string> {
  const batch = await batchOf(app, request);
  const running = !hasEnded(batch);
  const store = await app.deps.store();
  const counts = running ? await countsOf(app, batch) : batch.counts;
  const progress = running ? (await ask(() => progressIn(app, batch))).value : undefined;
  const lost = running ? (await ask(() => lostIn(app, batch))).value : undefined;
  const link = app.deps.workflowPage(batch.workflowId, batch.runId);
  const leftOut = await store.countLeftOut(batch.id);
  const [before, after] = await neighbours(app, batch);
  const failed = counts.failed > 0 ? await store.listOutcomes(batch.id, { status: 'failed', limit: MOST_FAILED }) : [];
  const renewed = await store.listBatches({ supersedes: batch.id });
  const hot = running ? [] : await hottest(app, batch);
  return renderApp({
    title: `Batch ${batch.id}`,
    tab: 'batches',
    crumbs: [{ name: 'Batches', href: '/batches' }, { name: batch.id }],
    heading: span(batch.fromMs, batch.toMs, 'full'),
    fresh: await app.look.freshness(),
    nowMs: app.deps.now(),
    ...(running ? { liveSeconds: 3 } : {}),
    ...(await saidOf(app, request)),
    head: html`
      <nav class="walk" aria-label="Batches before and after">
        ${before && html`<a href="${batchHref(before.id)}" rel="prev">← Batch before</a>`}<span class="gap"></span>
        ${after && html`<a href="${batchHref(after.id)}" rel="next">Batch after →</a>`}
      </nav>
      <div id="state" data-part>${stateOf(batch, counts, { progress, lost, leftOut, nowMs: app.deps.now() })}</div>
      <div id="act" data-part>${actions(app, batch, progress, link)}</div>`,
    body: html`
      ${renewed.length > 0 && renewedSection(renewed)}
      ${failed.length > 0 && failedSection(failed, counts.failed)}
      ${hot.length > 0 && hotSection(hot)}`,
  });
}

/** What failed here may be scored by now. @param renewed the newest first */
function renewedSection(renewed: readonly Batch[]): Markup {
  const columns = [
    { title: 'Batch' },
    { title: 'Started' },
    { title: 'Status' },
    { title: 'Scored', number: true },
    { title: 'Failed', number: true },
  ];
  const rows = renewed.map(
    ({ id, status, counts, startedAtMs }) => html`
      <tr>
        <td class="name"><a class="row-link" href="${batchHref(id)}">${id}</a></td>
        <td class="nw">${time(startedAtMs, 'second')}</td>
        <td>${chip(status)}</td>
        <td class="num">${formatCount(counts.scored)}<span class="small"> scored</span></td>
        <td class="num">${formatCount(counts.failed)}<span class="small"> failed</span></td>
      </tr>`,
  );
  return section('renewed', 'Scored again since', '', sortTable('renewed', columns, rows, {}));
}

async function progressIn({ deps }: App, { workflowId, runId }: Batch): Promise<BatchProgress> {
  return (await deps.client()).workflow.getHandle(workflowId, runId).query(progressQuery);
}

/** Of the same schedule, by period. */
async function neighbours({ look }: App, batch: Batch): Promise<readonly [Batch | undefined, Batch | undefined]> {
  const all = (await look.batches())
    .filter(({ schedule, kind }) => schedule === batch.schedule && kind === batch.kind)
    .toSorted((a, b) => a.toMs - b.toMs || a.startedAtMs - b.startedAtMs);
  const at = all.findIndex(({ id }) => id === batch.id);
  return at < 0 ? [undefined, undefined] : [all[at - 1], all[at + 1]];
}

const lostIn = async ({ deps }: App, batch: Batch): Promise<string | undefined> =>
  (await lostBatches(await deps.store(), workflowsEnd(await deps.client()), [batch])).get(batch.id)?.text;

interface Around {
  readonly progress: BatchProgress | undefined;
  /** What is so of it where its workflow has ended and it is still open. */
  readonly lost: string | undefined;
  /** Sensors that it is not for. */
  readonly leftOut: number;
  readonly nowMs: number;
}

function stateOf(batch: Batch, counts: Batch['counts'], { progress, lost, leftOut, nowMs }: Around): Markup {
  const { status, planned, release, schedule, kind, supersedes, startedAtMs, finishedAtMs } = batch;
  return html`
    <div class="facts">
      ${lost === undefined ? chip(status) : LOST}
      ${progress && lost === undefined && html`<span>${progress.phase}${progress.paused === true && html` <b class="warn">(paused)</b>`}</span>`}
      ${status === 'running' && lost === undefined && progressOf(counts, planned)}
      <span>Batch <b class="mono">${batch.id}</b></span>
      ${kind !== 'score' && html`<span>${kind}${supersedes !== undefined && html` of <a class="under" href="${batchHref(supersedes)}">${supersedes}</a>`}</span>`}
      ${release !== '' && html`<span>Release <b>${release}</b></span>`}
      ${schedule !== undefined && html`<span>Schedule <b>${schedule}</b></span>`}
      <span>Started ${time(startedAtMs, 'second')}, ${finishedAtMs === undefined ? `for ${formatMs(nowMs - startedAtMs)}` : html`took <b>${formatMs(finishedAtMs - startedAtMs)}</b>`}</span>
    </div>
    ${lost !== undefined && html`<p class="notes">Not running: ${lost}.</p>`}
    ${batch.message !== undefined && html`<p class="notes">${batch.class !== undefined && html`${code(batch.class)}: `}${batch.message}</p>`}
    ${leftOut > 0 && html`<p class="notes">Left out: ${formatNumberOf(leftOut, 'sensor')} ${LEFT_OUT}.</p>`}
    ${tiles(
      tile('Scored', formatCount(counts.scored), `of ${formatNumberOf(planned, 'sensor')}`),
      tile('Silent or without a model', formatCount(counts.skipped), 'nothing to score, or to score with'),
      tile(
        'Failed',
        formatCount(counts.failed),
        counts.failed > 0 ? 'somebody should look' : 'none',
        counts.failed > 0 ? 'bad' : 'ok',
      ),
      tile(
        'Anomalous windows',
        formatCount(counts.anomalies),
        `${formatShare(counts.anomalies, counts.windows) || '0%'} of ${formatCount(counts.windows)}`,
        counts.anomalies > 0 ? 'hot' : '',
      ),
    )}`;
}

function actions(
  { formToken }: App,
  batch: Batch,
  progress: BatchProgress | undefined,
  link: string | undefined,
): Markup {
  const to = (what: string): string => `${batchHref(batch.id)}/${what}`;
  const again = batch.counts.failed + batch.counts.cancelled;
  return html`
    <div class="bar-line">
      ${!hasEnded(batch) && (progress?.paused === true ? button(formToken, to('resume'), 'Resume') : button(formToken, to('pause'), 'Pause'))}
      ${!hasEnded(batch) && button(formToken, to('cancel'), 'Cancel', {}, 'danger')}
      ${hasEnded(batch) && again > 0 && button(formToken, to('redrive'), `Score ${formatNumberOf(again, 'failed sensor')} again`, {}, 'main')}
      ${hasEnded(batch) && batch.planned > 0 && html`<a class="button" href="${to('report')}">Report with charts</a>`}
      ${link !== undefined && html`<a class="button" href="${link}" rel="noreferrer">Workflow in Temporal’s Web UI</a>`}
    </div>`;
}

type Failed = Awaited<ReturnType<Awaited<ReturnType<App['deps']['store']>>['listOutcomes']>>[number];

function failedSection(failed: readonly Failed[], all: number): Markup {
  const rows = failed.map(
    (one) => html`
      <tr>
        <td class="name">${sensorLink(one, sensorHref(one.device, one.sensor))}</td>
        <td>${code(one.class ?? '')}</td>
        <td class="msg">${one.message ?? ''}</td>
      </tr>`,
  );
  const lead = all > failed.length ? `The first ${formatCount(failed.length)} of ${formatCount(all)}.` : '';
  return section(
    'failed',
    'Failed sensors',
    lead,
    sortTable('failed', [{ title: 'Sensor' }, { title: 'Class' }, { title: 'What was wrong' }], rows, {}),
  );
}

interface Hot {
  readonly device: string;
  readonly sensor: string;
  readonly windows: number;
  readonly anomalies: number;
}

/** Its sensors with the highest share of anomalous windows. */
async function hottest({ look }: App, batch: Batch): Promise<Hot[]> {
  const [survey, fleet] = [await look.survey(batch.id), await look.fleet()];
  return Array.from(survey.ids, (id, i) => ({ id, windows: survey.windows[i]!, anomalies: survey.anomalies[i]! }))
    .filter(({ anomalies }) => anomalies > 0)
    .sort((a, b) => b.anomalies / b.windows - a.anomalies / a.windows || b.anomalies - a.anomalies)
    .slice(0, MOST_HOT)
    .flatMap(({ id, ...counts }) => {
      const sensor = fleet.sensor(id);
      return sensor ? [{ device: sensor.device, sensor: sensor.sensor, ...counts }] : [];
    });
}

function hotSection(hot: readonly Hot[]): Markup {
  const rows = hot.map(
    (one) => html`
      <tr>
        <td class="name">${sensorLink(one, sensorHref(one.device, one.sensor))}</td>
        <td class="num">${formatShare(one.anomalies, one.windows)}</td>
        <td class="num">${formatCount(one.anomalies)} of ${formatCount(one.windows)} windows</td>
        <td><a class="under" href="${deviceHref(one.device)}">Device ${nameOf(one.device)}</a></td>
      </tr>`,
  );
  const columns = [
    { title: 'Sensor' },
    { title: 'Anomalous', number: true },
    { title: 'Windows', number: true },
    { title: 'Device' },
  ];
  return section('hot', 'Sensors with most anomalies', '', sortTable('hot', columns, rows, {}));
}

/** Sensors and windows drawn in a report that is made while somebody waits. */
const REPORT_SENSORS = 300;
const REPORT_ROWS = 1_000_000;

/** The single page that `fleetscore report` writes, under its own policy. */
export async function reportPage(app: App, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const batch = await batchOf(app, request);
  const data = await collectBatchData({
    store: await app.deps.store(),
    blobs: await app.deps.blobs(),
    batchIds: [batch.id],
    decodePredictions,
    maxSensors: REPORT_SENSORS,
    maxRows: REPORT_ROWS,
  });
  return reply.header('content-security-policy', `${PAGE_POLICY}; frame-ancestors 'none'`).send(renderReport(data));
}
