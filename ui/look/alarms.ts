/** Alarms as lists show them: filtered, sorted, and one row an incident, so that a gateway that is gone is one line. */
import type { Alarm } from '../../domain/alarm.ts';
import { compareNames } from '../../report/collect/batch-data.ts';
import type { AlarmCounts, Store } from '../../storage/store.ts';

const ALARM_STATES = ['open', 'active', 'unacked', 'shelved', 'all'] as const;
export type AlarmState = (typeof ALARM_STATES)[number];

export interface AlarmQuery {
  readonly q?: string;
  readonly kind?: string;
  readonly state?: string;
  readonly sort?: string;
  readonly down?: string;
}

/** Alarms that belong together, by the worst of them. */
export interface Incident {
  readonly id: string;
  readonly worst: Alarm;
  /** The one that began first. */
  readonly first: Alarm;
  readonly alarms: number;
  readonly sensors: number;
  readonly devices: number;
}

/** Read in one statement, and looked through for words. */
export const MOST_ALARMS = 2_000;

export interface AlarmList {
  readonly incidents: readonly Incident[];
  readonly alarms: number;
  readonly counts: AlarmCounts;
  /** There are more than were looked at. */
  readonly cut: boolean;
}

export async function listAlarms(
  store: Pick<Store, 'listAlarms' | 'countAlarms'>,
  query: AlarmQuery,
  nowMs: number,
): Promise<AlarmList> {
  const state = stateOf(query.state);
  const filter = filterOf(state);
  const [found, counts] = [
    await store.listAlarms({ ...filter, limit: MOST_ALARMS }, nowMs),
    await store.countAlarms(nowMs),
  ];
  const fitting = found.filter((alarm) => fits(alarm, query, state));
  return {
    incidents: sorted(incidentsOf(fitting), query),
    alarms: fitting.length,
    counts,
    cut: found.length === MOST_ALARMS,
  };
}

function filterOf(state: AlarmState): { readonly active?: boolean; readonly retain?: boolean } {
  if (state === 'all') return {};
  return state === 'active' ? { active: true } : { retain: true };
}

export const stateOf = (text: string | undefined): AlarmState => ALARM_STATES.find((state) => state === text) ?? 'open';

function fits(alarm: Alarm, { q = '', kind = '' }: AlarmQuery, state: AlarmState): boolean {
  if (state === 'shelved' ? !alarm.suppressedOrShelved : state !== 'all' && alarm.suppressedOrShelved) return false;
  if (state === 'unacked' && alarm.acked) return false;
  if (kind !== '' && alarm.kind !== kind) return false;
  return hasWords(`${alarm.device} ${alarm.sensor}`, q);
}

/** Whether a text has all words of a search, in any order and case. */
export function hasWords(text: string, q: string): boolean {
  const lower = text.toLowerCase();
  return q
    .toLowerCase()
    .split(/\s+/)
    .every((word) => lower.includes(word));
}

export function incidentsOf(alarms: readonly Alarm[]): Incident[] {
  return [...Map.groupBy(alarms, ({ incident }) => incident)].map(([id, own]) => ({
    id,
    worst: own.reduce((a, b) => (worse(a, b) <= 0 ? a : b)),
    first: own.reduce((a, b) => (a.facts.sinceMs <= b.facts.sinceMs ? a : b)),
    alarms: own.length,
    sensors: new Set(own.map(({ sensorId }) => sensorId)).size,
    devices: new Set(own.map(({ device }) => device)).size,
  }));
}

/** Active before ended, severe before mild. What goes on: the longest first; what is over: what ended last. */
const worse = (a: Alarm, b: Alarm): number =>
  Number(b.active) - Number(a.active) ||
  b.facts.severity - a.facts.severity ||
  (a.active ? a.facts.sinceMs - b.facts.sinceMs : b.facts.lastMs - a.facts.lastMs) ||
  (a.id < b.id ? -1 : 1);

function sorted(incidents: readonly Incident[], { sort, down }: AlarmQuery): Incident[] {
  const by: Readonly<Record<string, (a: Incident, b: Incident) => number>> = {
    severity: (a, b) => b.worst.facts.severity - a.worst.facts.severity,
    sensor: (a, b) => compareNames(a.worst.device, b.worst.device) || compareNames(a.worst.sensor, b.worst.sensor),
    since: (a, b) => b.first.facts.sinceMs - a.first.facts.sinceMs,
    lasted: (a, b) => lasted(b.worst) - lasted(a.worst),
  };
  const order = by[sort ?? ''] ?? (() => 0);
  const sign = down === '1' ? -1 : 1;
  return incidents.toSorted((a, b) => sign * order(a, b) || worse(a.worst, b.worst));
}

const lasted = ({ facts }: Alarm): number => facts.lastMs - facts.sinceMs;
