/** What an action came to, said on the page that it leads back to: the entry of the log that the address names. */
import type { FastifyRequest } from 'fastify';
import { html } from '../../report/page/markup.ts';
import type { App } from '../app.ts';
import type { AppPage } from '../layout.ts';

/** So long an action is news. */
const NEWS_MS = 60_000;

export async function saidOf({ deps }: App, request: FastifyRequest): Promise<Pick<AppPage, 'said'>> {
  const id = Number((request.query as { readonly did?: string }).did);
  if (!Number.isInteger(id) || id <= 0) return {};
  const [entry] = await (await deps.store()).listAudit({ before: id + 1, limit: 1 });
  if (entry?.id !== id || entry.atMs < deps.now() - NEWS_MS) return {};
  const bad = entry.result !== 'done';
  return {
    said: {
      bad,
      text: bad
        ? html`<b>Not done:</b> ${entry.result}`
        : html`Done: ${entry.detail === '' ? `${entry.action} ${entry.target}` : entry.detail}`,
    },
  };
}
