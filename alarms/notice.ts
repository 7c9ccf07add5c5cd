/**
 * What there is to tell of an incident: that it began, that it became worse or asks again, and that all of it is over.
 * One that was told as begun is told as over once, also when it turned out to be part of another; nothing is told as
 * over that was not told before. Ids follow from events, so that deciding again finds the same. Pure.
 */
import type { Alarm, AlarmChange, AlarmEvent, AlarmKind } from '../domain/alarm.ts';
import { defined } from '../domain/defined.ts';
import { isoTime } from '../domain/time.ts';
import type { NotifySettings } from './notify-settings.ts';
import { alarmSentence } from './sentence.ts';

export type NoticeKind = 'opened' | 'escalated' | 'realarmed' | 'closed';

/** The alarm that a notice is about, as receivers get it. Times are texts. */
export interface NoticeAlarm {
  /** Under which its incident was told first. */
  readonly incident: string;
  readonly alarm: string;
  readonly device: string;
  readonly sensor: string;
  readonly kind: AlarmKind;
  readonly severity: number;
  readonly active: boolean;
  readonly acked: boolean;
  readonly since: string;
  readonly cleared?: string;
  readonly windows: number;
  readonly unit?: string;
  /** Of its worst window. */
  readonly peakValue?: number;
  readonly peakScore?: number;
  readonly cause?: string;
}

export interface Notice {
  readonly id: string;
  readonly what: NoticeKind;
  /** Of the window that changed it, epoch ms. */
  readonly timeMs: number;
  readonly severity: number;
  readonly text: string;
  /** Of the incident. */
  readonly alarms: number;
  readonly about: NoticeAlarm;
}

/** An incident that was told as begun and not yet as over. */
export interface OpenNotice {
  readonly incident: string;
  /** The worst that was told of it. */
  readonly severity: number;
}

/** An alarm with what happened to it. */
export interface AlarmWithEvents {
  readonly alarm: Alarm;
  readonly events: readonly AlarmEvent[];
}

/** What is out of service is over for those who are told. */
export const goesOn = ({ active, withdrawn, outOfService }: Alarm): boolean => active && !withdrawn && !outOfService;

const OPENS: ReadonlySet<AlarmChange> = new Set<AlarmChange>(['activated', 'reopened', 'escalated', 'realarmed']);
const CLOSES: ReadonlySet<AlarmChange> = new Set<AlarmChange>(['cleared', 'withdrawn', 'corrected']);

interface Told {
  readonly group: readonly AlarmWithEvents[];
  readonly batches: ReadonlySet<string>;
  readonly nowMs: number;
}

/**
 * What batches have to tell of one incident.
 * @param group all its alarms
 * @param open what was told of these alarms by this way and is not told as over
 * @param batches that decided on alarms just now
 */
export function noticesOf(
  group: readonly AlarmWithEvents[],
  open: readonly OpenNotice[],
  batches: ReadonlySet<string>,
  { severity }: Pick<NotifySettings, 'severity'>,
  nowMs: number,
): Notice[] {
  const told: Told = { group: group.toSorted((a, b) => a.alarm.facts.sinceMs - b.alarm.facts.sinceMs), batches, nowMs };
  const active = group.some(({ alarm }) => goesOn(alarm));
  if (open.length > 0) return active ? again(told, open) : closed(told, open);
  // What was found late is listed, and calls nobody; what is shelved neither.
  const calling = told.group.filter(({ alarm }) => !alarm.late && !alarm.suppressedOrShelved && !alarm.withdrawn);
  const first = calling[0];
  const because = earliest(calling, batches, OPENS);
  if (!first || !because || worstOf(calling) < severity) return [];
  const opening = notice(told, first.alarm, 'opened', because, first.alarm.incident, worstOf(calling));
  return active ? [opening] : [opening, ...closed(told, [opening.about])];
}

const worstOf = (group: readonly AlarmWithEvents[]): number =>
  group.reduce((worst, { alarm }) => Math.max(worst, alarm.facts.severity), 0);

/** Events of some kinds (all when undefined), of some batches, in the order in which they were stored. */
function eventsOf(
  group: readonly AlarmWithEvents[],
  batches: ReadonlySet<string> | undefined,
  changes: ReadonlySet<AlarmChange> | undefined,
): AlarmEvent[] {
  const isOf = (batchId: string | undefined): boolean => !batches || (batchId !== undefined && batches.has(batchId));
  return group
    .flatMap(({ events }) => events)
    .filter(({ change, batchId }) => (changes === undefined || changes.has(change)) && isOf(batchId))
    .sort((a, b) => a.seq - b.seq);
}

const earliest = (...asked: Parameters<typeof eventsOf>): AlarmEvent | undefined => eventsOf(...asked)[0];
const latest = (...asked: Parameters<typeof eventsOf>): AlarmEvent | undefined => eventsOf(...asked).at(-1);

function again(told: Told, open: readonly OpenNotice[]): Notice[] {
  const calling = told.group.filter(({ alarm }) => alarm.active && !alarm.suppressedOrShelved);
  const worst = worstOf(calling);
  return open.flatMap(({ incident, severity }): Notice[] => {
    const worse = worst > severity;
    const because = latest(calling, told.batches, worse ? OPENS : new Set<AlarmChange>(['realarmed']));
    const about = calling.find(({ events }) => because && events.includes(because))?.alarm;
    return because && about ? [notice(told, about, worse ? 'escalated' : 'realarmed', because, incident, worst)] : [];
  });
}

function closed(told: Told, open: readonly { readonly incident: string; readonly severity: number }[]): Notice[] {
  const retired = told.group.some(({ alarm }) => alarm.active && alarm.outOfService);
  const because = latest(told.group, undefined, retired ? undefined : CLOSES);
  return open.flatMap(({ incident, severity }): Notice[] => {
    const first = (told.group.find(({ alarm }) => alarm.id === incident) ?? told.group[0])?.alarm;
    if (!first || !because) return [];
    const over = notice(told, first, 'closed', because, incident, Math.max(severity, worstOf(told.group)));
    // No event ended it: the newest one may have been told under its own id.
    return [retired ? { ...over, id: `${over.id}/retired` } : over];
  });
}

function notice(
  { group, nowMs }: Told,
  alarm: Alarm,
  what: NoticeKind,
  because: AlarmEvent,
  incident: string,
  severity: number,
): Notice {
  const others = group.length === 1 ? '' : ` (and ${group.length - 1} more of the same incident)`;
  const words = { opened: '', closed: '', escalated: 'more severe: ', realarmed: 'still: ' } as const;
  return {
    // The first incident that an event ends or worsens has its id; others that it does so too have their own.
    id: because.alarmId === incident ? because.id : `${because.id}/${incident}`,
    what,
    timeMs: because.timeMs,
    severity,
    text: `${words[what]}${alarmSentence(alarm, nowMs)}${others}`,
    alarms: group.length,
    about: aboutOf(alarm, incident, severity),
  };
}

function aboutOf(alarm: Alarm, incident: string, severity: number): NoticeAlarm {
  const { facts } = alarm;
  return defined({
    incident,
    alarm: alarm.id,
    device: alarm.device,
    sensor: alarm.sensor,
    kind: alarm.kind,
    severity,
    active: goesOn(alarm),
    acked: alarm.acked,
    since: isoTime(facts.sinceMs),
    cleared: facts.clearedMs === undefined ? undefined : isoTime(facts.clearedMs),
    windows: facts.windows,
    unit: alarm.unit || undefined,
    peakValue: facts.peakValue,
    peakScore: facts.peakScore,
    cause: facts.cause,
  });
}
