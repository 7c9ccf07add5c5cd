/** Alarms as rows of either engine: columns for what is searched, documents for the rest. */
import { actOn, eventIdOf, type ActionResult } from '../alarms/act.ts';
import { alarmOf, flagsOf } from '../alarms/flags.ts';
import type {
  Alarm,
  AlarmAction,
  AlarmChange,
  AlarmEvent,
  AlarmOutline,
  AlarmRecord,
  AlarmShelf,
} from '../domain/alarm.ts';
import { defined } from '../domain/defined.ts';
import { MAX_TIME_MS, type Period } from '../domain/time.ts';
import { signalOf } from './alarm-chains.ts';
import { alarmRefused } from './failures.ts';
import { STATUSES } from './outcome-rows.ts';
import { toWindow } from './rows.ts';
import type { AlarmCandidate, AlarmCounts, AlarmFilter, AlarmPlace, AlarmWorkStore, ChangedAlarm } from './store.ts';

/** Of an alarm with the names of its sensor, and the shelf of its sensor and kind. */
export interface AlarmRow {
  readonly record: string;
  readonly device: string;
  readonly sensor: string;
  readonly unit: string;
  readonly shelf: string | null;
  /** 1 where its sensor is out of service. */
  readonly retired: number | boolean;
}

export const recordOf = ({ record }: Pick<AlarmRow, 'record'>): AlarmRecord => JSON.parse(record) as AlarmRecord;

export const shelfOf = ({ shelf }: Pick<AlarmRow, 'shelf'>): AlarmShelf | undefined =>
  shelf === null ? undefined : (JSON.parse(shelf) as AlarmShelf);

export const toAlarm = (row: AlarmRow, nowMs: number): Alarm =>
  alarmOf(recordOf(row), { ...row, outOfService: Boolean(row.retired) }, shelfOf(row), nowMs);

/** What is searched for, from a record. */
export function alarmColumns(record: AlarmRecord) {
  const flags = flagsOf(record, undefined, 0);
  return {
    id: record.id,
    sensorId: record.sensorId,
    kind: record.kind,
    sinceMs: record.facts.sinceMs,
    untilMs: flags.active ? MAX_TIME_MS : (record.facts.clearedMs ?? record.facts.lastMs),
    open: flags.retain,
    severity: record.facts.severity,
    incident: record.incident,
    record: JSON.stringify(record),
  };
}

/** An event before it is stored. */
export type NewAlarmEvent = Omit<AlarmEvent, 'seq'>;

export interface EventRow {
  readonly seq: number;
  readonly event: string;
}

export const toEvent = ({ seq, event }: EventRow): AlarmEvent => ({
  ...(JSON.parse(event) as NewAlarmEvent),
  seq: Number(seq),
});

/** The event of a change; the record is the one after it. */
function eventOf(
  record: AlarmRecord,
  shelf: AlarmShelf | undefined,
  what: {
    readonly change: AlarmChange;
    readonly timeMs: number;
    readonly receivedMs: number;
    readonly user?: string;
    readonly comment?: string;
    readonly batchId?: string;
  },
): NewAlarmEvent {
  return {
    id: eventIdOf(record.id, record.version),
    alarmId: record.id,
    severity: record.facts.severity,
    quality: record.facts.quality,
    ...flagsOf(record, shelf, what.receivedMs),
    ...what,
  };
}

/** The events of a changed alarm; all of them tell the state that it came to. */
export function changedEvents(
  { record, changes }: ChangedAlarm,
  shelf: AlarmShelf | undefined,
  receivedMs: number,
): NewAlarmEvent[] {
  const before = record.version - changes.length;
  return changes.map((what, i) => eventOf({ ...record, version: before + i + 1 }, shelf, { ...what, receivedMs }));
}

/** What an action makes of a row. @throws FleetscoreError `ALARM_REFUSED` */
export function acted(
  row: AlarmRow,
  action: AlarmAction,
): Extract<ActionResult, { ok: true }> & { readonly event: NewAlarmEvent } {
  const before = recordOf(row);
  const result = actOn(before, shelfOf(row), action);
  if (!result.ok) throw alarmRefused(action.id, result.refusal);
  const comment = action.comment?.trim();
  const event = eventOf(result.record, result.shelf, {
    change: result.change,
    timeMs: action.atMs,
    receivedMs: action.atMs,
    user: action.user,
    ...defined({ comment: comment || undefined }),
  });
  return { ...result, event };
}

/** The way that rows are found; the other filters are asked of each. */
export type AlarmPath = 'sensor' | 'incident' | 'device' | 'open' | 'lasting' | 'time';

export function pathOf({ sensorId, incident, device, retain, active, within }: AlarmFilter): AlarmPath {
  if (sensorId !== undefined) return 'sensor';
  if (incident !== undefined) return 'incident';
  if (device !== undefined) return 'device';
  if (retain === true || active === true) return 'open';
  return within === undefined ? 'time' : 'lasting';
}

/** Parameters of a list, null for what is not asked. */
export function filterValues(filter: AlarmFilter) {
  const { active, retain, kind, sensorId, device, incident, minSeverity = 0, within } = filter;
  return {
    kind: kind ?? null,
    minSeverity,
    fromMs: within?.fromMs ?? -1,
    toMs: within?.toMs ?? MAX_TIME_MS,
    device: device ?? null,
    incident: incident ?? null,
    sensorId: sensorId ?? null,
    open: retain ?? null,
    /** An active alarm has the largest end there is. */
    activeMs: active === undefined ? null : MAX_TIME_MS,
    active: active ?? null,
    /** What is of interest now is not what is out of service. */
    inService: active === true || retain === true ? true : null,
  };
}

export function alarmCounts(open: readonly Alarm[]): AlarmCounts {
  const active = open.filter((alarm) => alarm.active);
  return {
    active: active.length,
    unacked: open.filter((alarm) => !alarm.acked).length,
    shelved: open.filter((alarm) => alarm.suppressedOrShelved).length,
    incidents: new Set(active.map(({ incident }) => incident)).size,
  };
}

/** Found in the text of a record that was withdrawn, and in no other: quotes inside of a text have a backslash. */
export const WITHDRAWN = '"withdrawn":true';

/** Where a page of outlines begins, which is behind all that were over before the period; and what it is of. */
export const outlineValues = (
  { fromMs, toMs }: Period,
  { after, limit }: { readonly after?: AlarmOutline; readonly limit: number },
) => ({
  afterUntilMs: after?.untilMs ?? fromMs,
  afterSinceMs: after?.sinceMs ?? MAX_TIME_MS,
  afterId: after?.id ?? '',
  toMs,
  limit,
});

/** A sensor whose alarms a batch may change. */
export interface CandidateRow {
  readonly sensorId: number;
  readonly device: string;
  readonly sensor: string;
  readonly status: number;
  readonly class: string | null;
  readonly windows: string | number;
  readonly windowMs: string | number | null;
  /** Size of its signal; null where there is none. */
  readonly bytes: string | number | null;
}

/** How far one sensor is, as a row has it: JSON. */
export interface PlaceRow {
  readonly place: string | null;
}

export const placeOf = ({ place }: PlaceRow): AlarmPlace | undefined =>
  place === null ? undefined : (JSON.parse(place) as AlarmPlace);

export const placeText = (at: AlarmPlace | undefined): string | null => (at ? JSON.stringify(at) : null);

/** @param signal as it is stored */
export function candidateOf(row: CandidateRow, signal: string | null): AlarmCandidate {
  const { sensorId, device, sensor, status } = row;
  return {
    sensorId,
    device,
    sensor,
    windows: Number(row.windows),
    status: STATUSES[status]!,
    ...defined({ ...toWindow(row.windowMs), class: row.class ?? undefined }),
    ...signalOf(signal),
  };
}

/** The statement that finds candidates. */
export const kindOf = (
  options: Parameters<AlarmWorkStore['alarmCandidates']>[3],
): 'next' | 'reordered' | 'candidates' => {
  if ('next' in options) return 'next';
  return options.reordered ? 'reordered' : 'candidates';
};

/** Each once: what is asked for in two ways may be found twice. */
export const distinct = (records: readonly AlarmRecord[]): AlarmRecord[] => [
  ...new Map(records.map((record) => [record.id, record])).values(),
];
