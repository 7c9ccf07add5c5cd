/** What people did, from the application or by a command that leaves a record of it; newest first. */
import type { FastifyRequest } from 'fastify';
import { html } from '../../report/page/markup.ts';
import { code, section } from '../../report/page/parts.ts';
import type { App } from '../app.ts';
import { renderApp } from '../layout.ts';
import { sortTable } from '../parts.ts';
import { time } from '../time.ts';

const PAGE = 100;

export async function logPage(app: App, request: FastifyRequest): Promise<string> {
  const before = Number((request.query as { readonly before?: string }).before);
  const store = await app.deps.store();
  const entries = await store.listAudit({ limit: PAGE, ...(Number.isInteger(before) && before > 0 ? { before } : {}) });
  const rows = entries.map(
    (entry) => html`
      <tr>
        <td class="nw">${time(entry.atMs, 'full')}</td>
        <td>${entry.by}</td>
        <td>${code(entry.action)}</td>
        <td class="name">${entry.target}</td>
        <td class="msg">${entry.detail}</td>
        <td class="msg">${entry.result === 'done' ? 'done' : html`<b class="bad">Not done:</b> ${entry.result}`}</td>
      </tr>`,
  );
  const columns = [
    { title: 'When' },
    { title: 'Who' },
    { title: 'Action' },
    { title: 'On' },
    { title: 'What' },
    { title: 'Result' },
  ];
  return renderApp({
    title: 'Log',
    tab: 'log',
    heading: 'What people did',
    fresh: await app.look.freshness(),
    nowMs: app.deps.now(),
    body: section(
      'entries',
      'Actions',
      'Actions from this application, done or refused, and sensors taken out of service or back by a command. ' +
        'Entries are never changed.',
      [
        rows.length === 0
          ? html`<div class="panel none calm"><b>Nobody has done anything yet.</b></div>`
          : sortTable('entries', columns, rows, {}),
        entries.length === PAGE &&
          html`<nav class="walk" aria-label="Older entries"><a href="?before=${entries.at(-1)!.id}" rel="next">Older →</a></nav>`,
      ],
    ),
  });
}
