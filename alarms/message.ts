/**
 * Notices as they go out: a CloudEvent (1.0, structured JSON), as chat systems take it, or a mail. Several that go out
 * together are one message with what became of each incident. Pure.
 */
import { appPage } from '../domain/app-page.ts';
import { withoutControls } from '../domain/plain-text.ts';
import { isoTime } from '../domain/time.ts';
import type { Notice, NoticeAlarm } from './notice.ts';
import type { NoticeFormat } from './notify-settings.ts';

/** What goes out at once: one notice, or several that were gathered. */
export interface Message {
  /** That of the only notice, or made of the first and the last. */
  readonly id: string;
  readonly what: Notice['what'] | 'digest';
  readonly timeMs: number;
  readonly severity: number;
  readonly text: string;
  readonly alarms: number;
  /** The alarm of a single notice. */
  readonly about?: NoticeAlarm;
  /** The newest of each incident of a digest, the worst first. */
  readonly incidents?: readonly { readonly text: string; readonly about: NoticeAlarm }[];
  /** Incidents of a digest that are not in the list. */
  readonly more?: number;
}

const SOURCE = '/fleetscore';
/** Incidents of a digest that are named. */
const NAMED = 50;

export function single({ id, what, timeMs, severity, text, alarms, about }: Notice): Message {
  return { id, what, timeMs, severity, text, alarms, about };
}

/** @param notices in the order of their time; at least one */
export function digest(notices: readonly Notice[]): Message {
  if (notices.length === 1) return single(notices[0]!);
  const newest = new Map(notices.map((notice) => [notice.about.incident, notice]));
  const incidents = [...newest.values()].sort((a, b) => b.severity - a.severity || a.timeMs - b.timeMs);
  const over = incidents.filter(({ what }) => what === 'closed').length;
  const more = incidents.length - NAMED;
  const goOn = incidents.length - over;
  return {
    id: `${notices[0]!.id}+${notices.length}`,
    what: 'digest',
    timeMs: Math.max(...notices.map(({ timeMs }) => timeMs)),
    severity: Math.max(...incidents.map(({ severity }) => severity)),
    text:
      `${incidents.length} ${incidents.length === 1 ? 'incident' : 'incidents'}: ` +
      `${goOn === 1 ? '1 goes on' : `${goOn} go on`}, ` +
      (over === 1 ? '1 is over' : `${over} are over`),
    alarms: incidents.reduce((sum, { alarms }) => sum + alarms, 0),
    incidents: incidents.slice(0, NAMED).map(({ text, about }) => ({ text, about })),
    ...(more > 0 ? { more } : {}),
  };
}

/** Every sentence of a message. */
function linesOf({ text, incidents = [], more }: Message): string[] {
  return [
    text,
    ...incidents.map((one) => `- ${one.text}`),
    ...(more === undefined ? [] : [`and ${more} more: fleetscore alarms list --all`]),
  ];
}

/** @param appUrl where people open the web application, for a link */
export function cloudEvent(message: Message, appUrl?: string): string {
  const { about, incidents, more } = message;
  const linked = (alarm: NoticeAlarm) => ({
    ...alarm,
    ...(appUrl === undefined ? {} : { url: appPage(appUrl, 'alarms', alarm.alarm) }),
  });
  return JSON.stringify({
    specversion: '1.0',
    id: message.id,
    source: SOURCE,
    type: `fleetscore.alarm.${message.what}`,
    time: isoTime(message.timeMs),
    ...(about ? { subject: `${about.device}/${about.sensor}` } : {}),
    datacontenttype: 'application/json',
    data: {
      text: message.text,
      severity: message.severity,
      alarms: message.alarms,
      ...(about ? linked(about) : {}),
      ...(incidents ? { incidents: incidents.map((one) => ({ text: one.text, ...linked(one.about) })) } : {}),
      ...(more === undefined ? {} : { more }),
    },
  });
}

/** Where people act on it. */
const linkOf = ({ about }: Message, appUrl: string): string =>
  about ? appPage(appUrl, 'alarms', about.alarm) : appUrl;

/** The body that a webhook gets. */
export function webhookBody(message: Message, format: NoticeFormat, appUrl?: string): string {
  if (format === 'cloudevents') return cloudEvent(message, appUrl);
  const text = `fleetscore: ${linesOf(message).join('\n')}`;
  const link = appUrl === undefined ? undefined : linkOf(message, appUrl);
  if (format === 'slack') return JSON.stringify({ text: link === undefined ? text : `${text}\n<${link}|Open>` });
  // As the workflows of Teams take it: a message with an Adaptive Card.
  return JSON.stringify({
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          body: [{ type: 'TextBlock', text, wrap: true, weight: 'Bolder' }],
          ...(link === undefined ? {} : { actions: [{ type: 'Action.OpenUrl', title: 'Open', url: link }] }),
        },
      },
    ],
  });
}

export interface Mail {
  readonly subject: string;
  readonly text: string;
  /** Without angle brackets; the same should it be sent again. */
  readonly messageId: string;
  /** That of the mail in which its incident began. */
  readonly inReplyTo?: string;
}

/** Longest subject: RFC 5322 wants lines of 78 characters, and names may be longer than that alone. */
const MOST_SUBJECT = 150;

const mailId = (id: string): string => `${id.replace(/[^\w.+-]/g, '_')}@fleetscore.invalid`;

/** As the web application calls them. */
function levelOf(severity: number): string {
  if (severity > 800) return 'High';
  return severity > 600 ? 'Medium' : 'Low';
}

export function mailOf(message: Message, appUrl?: string): Mail {
  const { about, what } = message;
  const head = what === 'closed' ? 'Over' : levelOf(message.severity);
  const lines = linesOf(message).map(withoutControls);
  const links = appUrl === undefined ? [] : [linkOf(message, appUrl)];
  const acks = about && what !== 'closed' ? [`Acknowledge it: fleetscore alarms ack ${about.alarm}`] : [];
  return {
    subject: withoutControls(`fleetscore: ${head}: ${message.text}`).slice(0, MOST_SUBJECT),
    text: [...lines, '', `Severity ${message.severity} of 1000.`, ...acks, ...links, ''].join('\n'),
    messageId: mailId(message.id),
    // Mail programs show an incident as one thread.
    ...(about ? { inReplyTo: mailId(about.incident) } : {}),
  };
}
