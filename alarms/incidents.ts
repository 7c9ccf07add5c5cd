/**
 * Which alarms belong together: those of one device that overlap in time, with the one that began first in front; and
 * sensors of many devices that fell silent, or are in no batch, together, which is a gateway and not ten thousand
 * faults. A function of the set of alarms: their order in the list is no matter.
 */
import type { Alarm } from '../domain/alarm.ts';

export interface Incident {
  /** That of its first alarm. */
  readonly id: string;
  /** The one that began first in front. */
  readonly alarms: readonly Alarm[];
  readonly devices: number;
}

/** What befalls sensors together: a gateway is gone, a schedule is. */
const FLEET_KINDS = ['silent', 'unplanned'] as const;
/** Sensors that fall silent within this time of each other fell silent together. */
const TOGETHER_MS = 60_000;
/** On how many devices at least, for one incident of the fleet. */
const FLEET_DEVICES = 3;

const byStart = (a: Alarm, b: Alarm): number => a.facts.sinceMs - b.facts.sinceMs || (a.id < b.id ? -1 : 1);
const endOf = ({ facts }: Alarm): number => facts.clearedMs ?? Number.POSITIVE_INFINITY;

export function incidentsOf(all: readonly Alarm[]): Incident[] {
  // What is out of service may stay active for ever: all that its device ever has would be one incident with it.
  const alarms = all.filter(({ withdrawn, outOfService }) => !withdrawn && !outOfService).sort(byStart);
  const root = new Map(alarms.map((alarm) => [alarm.id, alarm.id]));
  const find = (id: string): string => {
    let at = id;
    while (root.get(at) !== at) at = root.get(at)!;
    root.set(id, at);
    return at;
  };
  const join = (a: Alarm, b: Alarm): void => void root.set(find(b.id), find(a.id));

  for (const own of Map.groupBy(alarms, ({ device }) => device).values()) joinOverlapping(own, join);
  for (const fleetwide of FLEET_KINDS)
    joinTogether(
      alarms.filter(({ kind }) => kind === fleetwide),
      join,
    );
  const groups = Map.groupBy(alarms, ({ id }) => find(id));
  return [...groups.values()].map((group) => ({
    id: group[0]!.id,
    alarms: group,
    devices: new Set(group.map(({ device }) => device)).size,
  }));
}

function joinOverlapping(own: readonly Alarm[], join: (a: Alarm, b: Alarm) => void): void {
  // The one of those before that lasts longest: who begins before its end overlaps it.
  let longest = own[0];
  for (const alarm of own.slice(1)) {
    if (longest && alarm.facts.sinceMs < endOf(longest)) join(longest, alarm);
    if (!longest || endOf(alarm) > endOf(longest)) longest = alarm;
  }
}

function joinTogether(ofKind: readonly Alarm[], join: (a: Alarm, b: Alarm) => void): void {
  let group: Alarm[] = [];
  const close = (): void => {
    if (new Set(group.map(({ device }) => device)).size >= FLEET_DEVICES)
      for (const alarm of group.slice(1)) join(group[0]!, alarm);
    group = [];
  };
  for (const alarm of ofKind) {
    if (group.length > 0 && alarm.facts.sinceMs - group.at(-1)!.facts.sinceMs > TOGETHER_MS) close();
    group.push(alarm);
  }
  close();
}
