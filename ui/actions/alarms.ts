/**
 * Actions on an alarm: acknowledge, confirm, comment, shelve, reset. What its state does not allow is refused by the
 * store.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AlarmAction } from '../../domain/alarm.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { parseDuration } from '../../domain/time.ts';
import type { App } from '../app.ts';
import { act, formOf } from './act.ts';

const DONE = {
  ack: 'acknowledged',
  confirm: 'confirmed',
  comment: 'commented on',
  shelve: 'shelved',
  shelveOnce: 'shelved until it ends',
  unshelve: 'unshelved',
  reset: 'reset',
} as const satisfies Record<AlarmAction['do'], string>;

const isAction = (name: string): name is AlarmAction['do'] => Object.hasOwn(DONE, name);

export async function alarmAction(app: App, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { id, what } = request.params as { readonly id: string; readonly what: string };
  if (!isAction(what))
    throw new FleetscoreError('INVALID_ARGUMENT', `an alarm cannot be ${JSON.stringify(what.slice(0, 40))}.`);
  const comment = formOf(request).get('comment')?.trim();
  return act(
    app,
    request,
    reply,
    {
      name: `alarm.${what}`,
      target: id,
      leadsTo: `/alarms/${encodeURIComponent(id)}`,
      ...(comment ? { detail: comment } : {}),
    },
    async () => {
      if (what === 'comment' && !comment)
        throw new FleetscoreError('INVALID_ARGUMENT', 'a comment has no words. Write some.');
      const store = await app.deps.store();
      const shared = { id, user: app.who(request), atMs: app.deps.now(), ...(comment ? { comment } : {}) };
      const { alarm } = await store.actOnAlarm(
        what === 'shelve' ? { ...shared, do: what, untilMs: shared.atMs + shelfMs(request) } : { ...shared, do: what },
      );
      return `${alarm.device} / ${alarm.sensor}: ${DONE[what]}${comment ? `: ${comment}` : ''}`;
    },
  );
}

const shelfMs = (request: FastifyRequest): number => parseDuration(formOf(request).get('for') ?? '', 'how long');
