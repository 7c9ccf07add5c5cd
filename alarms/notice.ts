/**
 * What is told of alarms, as a CloudEvent (1.0, structured JSON) or as chat systems take it. An incident is told when
 * its first alarm becomes active and when all of its alarms are over; ids follow from the events, so that a receiver
 * can tell a notice that comes again. Pure.
 */
import type { Alarm, AlarmChange, AlarmEvent } from '../domain/alarm.ts';
import { isoTime } from '../domain/time.ts';
import { alarmSentence } from './sentence.ts';

export const NOTICE_FORMATS = ['cloudevents', 'slack', 'teams'] as const;
export type NoticeFormat = (typeof NOTICE_FORMATS)[number];

export interface NotifySettings {
  readonly format: NoticeFormat;
  /** Incidents below this severity are not told. */
  readonly severity: number;
  /** Notices of one batch; what is left is counted in one more. */
  readonly atMost: number;
}

export interface Notice {
  readonly id: string;
  readonly what: 'opened' | 'closed' | 'digest';
  readonly timeMs: number;
  readonly text: string;
  /** The first alarm of the incident; absent in a digest. */
  readonly alarm?: Alarm;
  readonly alarms: number;
}

const OPENS: ReadonlySet<AlarmChange> = new Set<AlarmChange>(['activated', 'reopened']);
const CLOSES: ReadonlySet<AlarmChange> = new Set<AlarmChange>(['cleared', 'withdrawn']);

/**
 * What a batch has to tell of one incident.
 * @param alarms all of the incident, with their events
 */
export function noticesOf(
  alarms: readonly { readonly alarm: Alarm; readonly events: readonly AlarmEvent[] }[],
  batchId: string,
  { severity }: NotifySettings,
  nowMs: number,
): Notice[] {
  const ordered = alarms.toSorted((a, b) => a.alarm.facts.sinceMs - b.alarm.facts.sinceMs);
  const first = ordered[0];
  const worst = Math.max(...alarms.map(({ alarm }) => alarm.facts.severity));
  // What was found late is listed, and calls nobody; what is shelved neither.
  if (!first || worst < severity || first.alarm.late || first.alarm.suppressedOrShelved) return [];
  const own = (events: readonly AlarmEvent[], changes: ReadonlySet<AlarmChange>): AlarmEvent[] =>
    events.filter((event) => event.batchId === batchId && changes.has(event.change));
  const others = alarms.length === 1 ? '' : ` (and ${alarms.length - 1} more of the same incident)`;
  const notices: Notice[] = [];
  for (const event of own(first.events, OPENS))
    notices.push({
      id: event.id,
      what: 'opened',
      timeMs: event.timeMs,
      text: `${alarmSentence(first.alarm, nowMs)}${others}`,
      alarm: first.alarm,
      alarms: alarms.length,
    });
  const closing = alarms
    .flatMap(({ events }) => own(events, CLOSES))
    .sort((a, b) => a.timeMs - b.timeMs || a.seq - b.seq)
    .at(-1);
  if (closing && alarms.every(({ alarm }) => !alarm.active))
    notices.push({
      id: closing.id,
      what: 'closed',
      timeMs: closing.timeMs,
      text: `${alarmSentence(first.alarm, nowMs)}${others}`,
      alarm: first.alarm,
      alarms: alarms.length,
    });
  return notices;
}

/** The body of a notice. @param source of a CloudEvent */
export function noticeBody(notice: Notice, format: NoticeFormat, source: string): string {
  const text = `fleetscore: ${notice.text}`;
  if (format === 'slack') return JSON.stringify({ text });
  if (format === 'teams')
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
          },
        },
      ],
    });
  const { alarm } = notice;
  return JSON.stringify({
    specversion: '1.0',
    id: notice.id,
    source,
    type: `fleetscore.alarm.${notice.what}`,
    time: isoTime(notice.timeMs),
    ...(alarm ? { subject: `${alarm.device}/${alarm.sensor}` } : {}),
    datacontenttype: 'application/json',
    data: {
      text: notice.text,
      alarms: notice.alarms,
      ...(alarm
        ? {
            incident: alarm.incident,
            alarm: alarm.id,
            device: alarm.device,
            sensor: alarm.sensor,
            kind: alarm.kind,
            severity: alarm.facts.severity,
            active: alarm.active,
            acked: alarm.acked,
            since: isoTime(alarm.facts.sinceMs),
            ...(alarm.facts.clearedMs === undefined ? {} : { cleared: isoTime(alarm.facts.clearedMs) }),
            windows: alarm.facts.windows,
          }
        : {}),
    },
  });
}
