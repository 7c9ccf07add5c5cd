/**
 * Tells the webhook of alerts about incidents that a batch opened or closed, where the rules of alarms ask for it. Told
 * at least once, with the same id each time; trouble with the webhook is a warning and never touches a batch.
 */
import { noticeBody, noticesOf, type Notice, type NotifySettings } from '../alarms/notice.ts';
import type { Alarm } from '../domain/alarm.ts';
import type { Batch, Store } from '../storage/store.ts';
import { chatText, post, type AlertSettings } from './alerts.ts';

interface TellDeps {
  readonly store: Store;
  readonly alerts: AlertSettings;
  readonly warn: (message: string) => void;
  readonly now: () => number;
}

/** Alarms of one period that are looked at. */
const MOST_ALARMS = 5_000;
const SOURCE = '/fleetscore';

export async function tellAlarms(deps: TellDeps, batch: Batch, settings: NotifySettings): Promise<number> {
  const { store, alerts, warn } = deps;
  const nowMs = deps.now();
  const alarms = await store.listAlarms({ within: batch, limit: MOST_ALARMS }, nowMs);
  const notices: Notice[] = [];
  for (const incident of new Set(alarms.map((alarm) => alarm.incident)))
    notices.push(...(await noticesIn(store, incident, batch, settings, nowMs)));
  const shown = notices.slice(0, settings.atMost);
  if (notices.length > shown.length) {
    const left = notices.length - shown.length;
    const text = `${left} more incidents began or ended in batch ${batch.id}: fleetscore alarms list`;
    shown.push({ id: `${batch.id}/digest`, what: 'digest', timeMs: batch.toMs, text, alarms: left });
  }
  const json = settings.format === 'cloudevents' ? 'application/cloudevents+json' : 'application/json';
  for (const notice of shown)
    await post(
      { ...alerts, contentType: json },
      notice.id,
      noticeBody(withPlainText(notice), settings.format, SOURCE),
      warn,
    );
  return shown.length;
}

/** Names come from outside: in a chat they are no mention, link or markup. */
const withPlainText = (notice: Notice): Notice => ({ ...notice, text: chatText(notice.text) });

async function noticesIn(
  store: Store,
  incident: string,
  batch: Batch,
  settings: NotifySettings,
  nowMs: number,
): Promise<Notice[]> {
  const alarms = await store.listAlarms({ incident, limit: MOST_ALARMS }, nowMs);
  // Only what changed in this batch can have something to tell: most incidents just go on.
  const withEvents = async (alarm: Alarm) => ({ alarm, events: await store.alarmEvents({ alarmId: alarm.id }) });
  return noticesOf(await Promise.all(alarms.map(withEvents)), batch.id, settings, nowMs);
}
