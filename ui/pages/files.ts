/** The file drop: which files were read, what became of their rows, and why some were not. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { formatBytes } from '../../domain/bytes.ts';
import { DROP_STATES, type DropState, type HeldDrop } from '../../domain/drop.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { notTaken } from '../../domain/send-tally.ts';
import { formatCount } from '../../report/format.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import { chip, code, section } from '../../report/page/parts.ts';
import { act, formOf } from '../actions/act.ts';
import type { App } from '../app.ts';
import { renderApp } from '../layout.ts';
import { button, pageOf, pager, sortTable } from '../parts.ts';
import { time } from '../time.ts';
import { saidOf } from './said.ts';

/** Files that are looked at, the newest first, and of one page. */
const MOST_FILES = 5_000;
const PAGE = 100;

interface Query {
  readonly state?: string;
  readonly page?: string;
}

const CHIPS: Readonly<Record<DropState, string>> = { reading: 'running', done: 'scored', failed: 'failed' };

export async function filesPage(app: App, request: FastifyRequest): Promise<string> {
  const query = request.query as Query;
  const state = DROP_STATES.find((one) => one === query.state);
  const store = await app.deps.store();
  const counts = await store.countDropped();
  const files = await store.listDropped({ limit: MOST_FILES, ...(state ? { state } : {}) });
  const shown = pageOf(files, query.page, PAGE);
  const columns = [
    { title: 'State' },
    { title: 'File' },
    { title: 'Begun' },
    { title: 'Size', number: true },
    { title: 'Readings', number: true },
    { title: 'Not taken', number: true },
    { title: 'What' },
  ];
  return renderApp({
    title: 'Files',
    tab: 'files',
    heading: 'Files of the drop',
    fresh: await app.look.freshness(),
    nowMs: app.deps.now(),
    liveSeconds: 10,
    ...(await saidOf(app, request)),
    body: html`
      <div id="file-list" data-part>
        ${section(
          'files',
          'What became of them',
          'Ingest workers read what lies in the container drop, each version once.',
          [
            stateTabs(counts, state),
            shown.total === 0
              ? html`<div class="panel none calm"><b>${emptyText(state)}</b></div>`
              : sortTable(
                  'files',
                  columns,
                  shown.rows.map((file) => fileRow(app, file)),
                  {},
                ),
            pager(shown, { state }, 'files'),
          ],
        )}
      </div>`,
  });
}

const emptyText = (state: DropState | undefined): string =>
  state === undefined ? 'No file was read yet: fleetscore drop put FILE.csv puts one there.' : 'No file is so.';

function stateTabs(counts: Readonly<Record<DropState, number>>, current: DropState | undefined): Markup {
  const link = (value: DropState | undefined, text: string, count: number): Markup => {
    const href = value === undefined ? '/files' : `?state=${value}`;
    const here = value === current && html` aria-current="true"`;
    return html`<a href="${href}"${here}>${text} ${formatCount(count)}</a>`;
  };
  return html`
    <div class="bar-line"><nav class="seg" aria-label="State">
      ${link(undefined, 'All', counts.done + counts.reading + counts.failed)}${link('failed', 'Failed', counts.failed)}
      ${link('reading', 'Being read', counts.reading)}${link('done', 'Read', counts.done)}
    </nav></div>`;
}

function fileRow({ formToken }: App, { name, state, begunMs, bytes, result }: HeldDrop): Markup {
  return html`
    <tr>
      <td>${chip(CHIPS[state], state)}</td>
      <td class="name">${name}</td>
      <td class="nw">${time(begunMs)}</td>
      <td class="num">${formatBytes(bytes)}</td>
      <td class="num">${result ? formatCount(result.tally.readings) : '–'}</td>
      <td class="num">${result ? formatCount(notTaken(result.tally)) : '–'}</td>
      <td class="msg">
        ${result?.reason}
        ${result?.readAs !== undefined && html`Read as ${code(result.readAs)}`}
        ${state === 'failed' && button(formToken, '/files/retry', 'Read it again', { name })}
      </td>
    </tr>`;
}

/** A file is read again, as `fleetscore drop retry` asks for it. */
export async function retryFile(app: App, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const name = formOf(request).get('name') ?? '';
  return act(app, request, reply, { name: 'drop.retry', target: name, leadsTo: '/files' }, async () => {
    if (await (await app.deps.store()).forgetDropped(name))
      return `${name} is read again within a minute, where it still lies in the drop`;
    throw new FleetscoreError(
      'DROP_UNKNOWN',
      `no file ${JSON.stringify(name.slice(0, 200))} of the drop was read to its end: it is read now, ` +
        'or was forgotten.',
    );
  });
}
