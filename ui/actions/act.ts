/**
 * What people do from a page. Every action is an entry of the log, done or refused, with who and what it came to; the
 * page that it leads back to says so. The store is asked first: where nothing can be logged, nothing is done.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { clientTrouble } from '../../connect/temporal-trouble.ts';
import { messageOf } from '../../domain/errors.ts';
import type { App } from '../app.ts';

export interface Action {
  /** `batch.redrive` */
  readonly name: string;
  readonly target: string;
  /** What was asked for, in words of the log; what the work returns goes before it. */
  readonly detail?: string;
  /** Page that it leads to, unless the form names one. */
  readonly leadsTo: string;
}

export const formOf = (request: FastifyRequest): URLSearchParams => request.body as URLSearchParams;

/** @param work does it, and says in a sentence what was done; what it throws is why it was not */
export async function act(
  app: App,
  request: FastifyRequest,
  reply: FastifyReply,
  action: Action,
  work: () => Promise<string>,
): Promise<FastifyReply> {
  const store = await app.deps.store();
  let [detail, result] = [action.detail ?? '', 'done'];
  try {
    detail = await work();
  } catch (error) {
    result = messageOf(clientTrouble(error) ?? error);
  }
  // Whoever pressed a button sees what came of it, not what was known seconds before.
  app.look.forget();
  const entry = await store.addAudit({
    atMs: app.deps.now(),
    by: app.who(request),
    action: action.name,
    target: action.target,
    detail,
    result,
  });
  return reply.redirect(withEntry(backOf(formOf(request).get('back'), action.leadsTo), entry.id), 303);
}

/** Only pages of this server: an address of another one would be a way to lead people there. */
function backOf(back: string | null, otherwise: string): string {
  return back !== null && /^\/(?![/\\])[^\\\s]*$/.test(back) ? back : otherwise;
}

function withEntry(path: string, id: number): string {
  const url = new URL(path, 'http://page');
  url.searchParams.set('did', String(id));
  // `/.//host` comes out as `//host`, which is another server.
  return `${url.pathname.replace(/^\/+/, '/')}${url.search}`;
}
