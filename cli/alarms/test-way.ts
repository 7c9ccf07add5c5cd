/** `fleetscore alarms test WAY`: sends a message that says that it is a test, as this process is set up. */
import type { Message } from '../../alarms/message.ts';
import { type NotifySettings, type NotifyWay } from '../../alarms/notify-settings.ts';
import { parseRules } from '../../alarms/rules.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { isoTime } from '../../domain/time.ts';
import { openSenders } from '../../notify/senders.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { tell } from '../frame/terminal.ts';

const NEEDS: Readonly<Record<NotifyWay, string>> = {
  webhook: 'FLEETSCORE_ALERT_URL',
  email: 'FLEETSCORE_SMTP_URL and FLEETSCORE_MAIL_FROM',
  events: 'FLEETSCORE_EVENT_HUBS_NAMESPACE or FLEETSCORE_EVENT_HUBS_CONNECTION_STRING',
};

function testMessage(nowMs: number): Message {
  const since = isoTime(nowMs);
  return {
    id: `test.${nowMs}`,
    what: 'opened',
    timeMs: nowMs,
    severity: 500,
    text: 'this is a test: no alarm is active because of it',
    alarms: 1,
    about: {
      incident: 'test',
      alarm: 'test',
      device: 'test',
      sensor: 'test',
      kind: 'anomaly',
      severity: 500,
      active: false,
      acked: true,
      since,
      windows: 0,
    },
  };
}

/** As the rules have it; a way that they do not name needs nothing but addresses. */
async function settingsOf(context: Context, by: NotifyWay, to: readonly string[]): Promise<NotifySettings> {
  const stored = await (await context.store()).alarmRules();
  const rules = stored && parseRules(stored.text, `version ${stored.version} of the rules of alarms`);
  const ruled = rules?.notify?.find((way) => way.by === by);
  if (ruled && to.length === 0) return ruled;
  if (by === 'email' && to.length === 0)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      'the rules name no address for mail: give one, for example --to ann@plant.example.',
    );
  const asked = { by, ...(by === 'email' ? { to } : {}) };
  return parseRules(JSON.stringify({ rules: [], notify: asked }), 'what is asked for').notify![0]!;
}

export async function testWay(
  context: Context,
  { to = [] }: { readonly to?: readonly string[] },
  by: NotifyWay,
): Promise<Output> {
  const settings = await settingsOf(context, by, to);
  const { senders, close } = openSenders(context.config, tell);
  try {
    const send = senders[by];
    if (!send) throw new FleetscoreError('NOT_CONFIGURED', `${by} is not set up here: set ${NEEDS[by]}.`);
    const message = testMessage(Date.now());
    const sent = await send(message, settings).catch((error: unknown) => {
      throw new FleetscoreError('NOTICE_REFUSED', `the test was not taken (${by}): ${(error as Error).message}`);
    });
    return {
      data: { by, id: message.id, sent },
      text: sent ? `A test went out by ${by}.` : `Nobody took the test (${by}).`,
      ...(sent ? {} : { exitCode: EXIT_FAILED }),
    };
  } finally {
    await close();
  }
}
