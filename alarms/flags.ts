/**
 * The states of an alarm, computed from facts and marks: nothing sets them, so they never contradict what was
 * predicted or done. The rules are those of OPC 10000-9 (1.05.03), 5.5.2, 5.7 and B.1.2.
 */
import { defined } from '../domain/defined.ts';
import type { Alarm, AlarmFlags, AlarmRecord, AlarmShelf, Shelving } from '../domain/alarm.ts';
import type { SensorKey } from '../domain/sensor.ts';
import { DAY_MS } from '../domain/time.ts';

/** @param nowMs of the clock: timed shelving ends by itself */
export function flagsOf(record: AlarmRecord, shelf: AlarmShelf | undefined, nowMs: number): AlarmFlags {
  const { facts, marks, confirm = false, latch = false, withdrawn = false } = record;
  const active = facts.clearedMs === undefined && !withdrawn;
  const acked = marks.ackedRaises >= facts.raises;
  // Wanted from the acknowledgement on, and again after the next one: B.1.2, rows 2 to 4.
  const confirmed = !confirm || !acked || marks.confirmedRaises >= marks.ackedRaises;
  const latched = latch && !withdrawn && marks.reset === undefined;
  const shelving = shelvingOf(shelf, active, nowMs);
  return {
    active,
    acked,
    confirmed,
    latched,
    shelving,
    suppressedOrShelved: shelving !== 'unshelved',
    retain: active || latched || !acked || !confirmed,
  };
}

/** One-shot shelving ends with the alarm (5.8.17.1); both end when their time is over. */
function shelvingOf(shelf: AlarmShelf | undefined, active: boolean, nowMs: number): Shelving {
  if (!shelf || (shelf.untilMs !== undefined && shelf.untilMs <= nowMs)) return 'unshelved';
  return shelf.shelving === 'oneShotShelved' && !active ? 'unshelved' : shelf.shelving;
}

/** ISA-18.2 calls an alarm stale that stays active for a day. */
const STALE_MS = DAY_MS;
/** So many activations within an hour are no alarm but noise. */
const CHATTERING = 3;

export const isStale = ({ active, facts }: Pick<Alarm, 'active' | 'facts'>, nowMs: number): boolean =>
  active && nowMs - facts.activeMs >= STALE_MS;
export const isChattering = ({ facts }: Pick<Alarm, 'facts'>): boolean => facts.activations >= CHATTERING;

/** An alarm with its names and states. */
export function alarmOf(
  record: AlarmRecord,
  sensor: SensorKey & { readonly unit: string; readonly outOfService?: boolean },
  shelf: AlarmShelf | undefined,
  nowMs: number,
): Alarm {
  const flags = flagsOf(record, shelf, nowMs);
  const unshelveMs = flags.shelving === 'unshelved' ? undefined : shelf?.untilMs;
  return {
    device: sensor.device,
    sensor: sensor.sensor,
    unit: sensor.unit,
    ...record,
    ...flags,
    // OPC 10000-9, 5.8.2: what is out of service is not shown to operators, whatever its other states are.
    ...(sensor.outOfService ? { outOfService: true as const, suppressedOrShelved: true, retain: false } : {}),
    ...defined({ unshelveMs }),
  };
}
