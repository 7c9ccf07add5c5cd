/**
 * Which alarms belong together: those of one device that overlap in time, with the one that began first in front; and
 * sensors of many devices that fell silent, or are in no batch, together, which is a gateway and not ten thousand
 * faults. A function of the set of alarms: their order in the list is no matter. There may be a million of them, so
 * they are told apart by their place in the order of time.
 */
import type { AlarmOutline } from '../domain/alarm.ts';

/** What befalls sensors together: a gateway is gone, a schedule is. */
const FLEET_KINDS = ['silent', 'unplanned'] as const;
/** Sensors that fall silent within this time of each other fell silent together. */
const TOGETHER_MS = 60_000;
/** On how many devices at least, for one incident of the fleet. */
const FLEET_DEVICES = 3;

const byStart = (a: AlarmOutline, b: AlarmOutline): number => a.sinceMs - b.sinceMs || (a.id < b.id ? -1 : 1);

/** Places in the order of time, ascending. */
type Places = readonly number[];

/**
 * Alarms that belong to another incident than they say, with the one that they belong to: an incident has the id of its
 * first alarm, or of one before it where that reaches back further than what is looked at.
 */
export function movedAlarms(all: readonly AlarmOutline[]): { readonly id: string; readonly incident: string }[] {
  const alarms = all.toSorted(byStart);
  const first = Int32Array.from(alarms, (_, place) => place);
  const firstOf = (place: number): number => {
    let at = place;
    while (first[at] !== at) at = first[at] = first[first[at]!]!;
    return at;
  };
  const join = (one: number, other: number): void => {
    const [a, b] = [firstOf(one), firstOf(other)];
    first[Math.max(a, b)] = Math.min(a, b);
  };
  const devices = Map.groupBy(alarms.keys(), (place) => alarms[place]!.device);
  for (const own of devices.values()) joinOverlapping(alarms, own, join);
  for (const kind of FLEET_KINDS) {
    const places: number[] = [];
    for (const [place, alarm] of alarms.entries()) if (alarm.kind === kind) places.push(place);
    joinTogether(alarms, places, join);
  }
  return alarms.flatMap(({ id, incident }, place) => {
    const belongs = alarms[firstOf(place)]!.incident;
    return incident === belongs ? [] : [{ id, incident: belongs }];
  });
}

function joinOverlapping(alarms: readonly AlarmOutline[], own: Places, join: (a: number, b: number) => void): void {
  // The one of those before that lasts longest: who begins before its end overlaps it.
  let longest = own[0]!;
  for (const place of own) {
    if (place !== longest && alarms[place]!.sinceMs < alarms[longest]!.untilMs) join(longest, place);
    if (alarms[place]!.untilMs > alarms[longest]!.untilMs) longest = place;
  }
}

function joinTogether(alarms: readonly AlarmOutline[], ofKind: Places, join: (a: number, b: number) => void): void {
  let group: number[] = [];
  const close = (): void => {
    if (new Set(group.map((place) => alarms[place]!.device)).size >= FLEET_DEVICES)
      for (const place of group.slice(1)) join(group[0]!, place);
    group = [];
  };
  for (const place of ofKind) {
    const last = group.at(-1);
    if (last !== undefined && alarms[place]!.sinceMs - alarms[last]!.sinceMs > TOGETHER_MS) close();
    group.push(place);
  }
  close();
}
