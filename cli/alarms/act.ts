/** `fleetscore alarms ack`, `confirm`, `comment`, `shelve`, `unshelve`, `reset`: each is an event with who did it. */
import { alarmSentence } from '../../alarms/sentence.ts';
import type { AlarmAction } from '../../domain/alarm.ts';
import { defined } from '../../domain/defined.ts';
import { parseDuration } from '../../domain/time.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { whoami } from '../frame/whoami.ts';
import { alarmData, eventData } from './data.ts';
import { stateText } from './list.ts';

interface ActOptions {
  readonly comment?: string;
  readonly for?: string;
}

async function done(context: Context, action: AlarmAction): Promise<Output> {
  const { alarm, event } = await (await context.store()).actOnAlarm(action);
  return {
    data: { ...alarmData(alarm), event: eventData(event) },
    text: `${alarmSentence(alarm, action.atMs)}\nNow ${stateText(alarm)}.`,
  };
}

const by = (id: string, comment: string | undefined) => ({
  id,
  user: whoami(),
  atMs: Date.now(),
  ...defined({ comment }),
});

type Act = (context: Context, options: ActOptions, id: string) => Promise<Output>;

const plain =
  (what: 'ack' | 'confirm' | 'unshelve' | 'reset'): Act =>
  (context, { comment }, id) =>
    done(context, { do: what, ...by(id, comment) });

export const ack = plain('ack');
export const confirm = plain('confirm');
export const unshelve = plain('unshelve');
export const reset = plain('reset');

export const comment = (context: Context, _options: ActOptions, id: string, text: string): Promise<Output> =>
  done(context, { do: 'comment', ...by(id, text) });

export const shelve: Act = (context, options, id) => {
  const said = by(id, options.comment);
  return done(
    context,
    options.for === undefined
      ? { do: 'shelveOnce', ...said }
      : { do: 'shelve', untilMs: said.atMs + parseDuration(options.for), ...said },
  );
};
