/**
 * What people do to an alarm. An action either changes something and makes one event, or is refused with the word of
 * OPC 10000-9 (5.13) and changes nothing. Any event of an alarm names it: a comment does not spoil the button of a
 * person who looks at the event before.
 */
import { defined } from '../domain/defined.ts';
import type { AlarmAction, AlarmChange, AlarmFlags, AlarmMarks, AlarmRecord, AlarmShelf } from '../domain/alarm.ts';
import { flagsOf } from './flags.ts';
import { DAY_MS } from '../domain/time.ts';

/** Why an action is refused, as OPC 10000-9 names it without `Bad_`. */
export type Refusal =
  | 'EventIdUnknown'
  | 'ConditionBranchAlreadyAcked'
  | 'ConditionBranchAlreadyConfirmed'
  | 'ConditionAlreadyShelved'
  | 'ConditionNotShelved'
  | 'ShelvingTimeOutOfRange'
  | 'InvalidState';

/** Longest shelving. ISA-18.2 wants a limit, so that nothing is forgotten on the shelf. */
const MAX_SHELVED_MS = 30 * DAY_MS;

export type ActionResult =
  | { readonly ok: false; readonly refusal: Refusal }
  | {
      readonly ok: true;
      readonly record: AlarmRecord;
      /** The shelf of its sensor and kind afterwards. */
      readonly shelf: AlarmShelf | undefined;
      readonly change: AlarmChange;
    };

/** The alarm that an id of an alarm or an event names, and the number of the event. */
export function parseAlarmId(id: string): { readonly alarmId: string; readonly event?: number } {
  const dot = id.lastIndexOf('.');
  if (dot < 0) return { alarmId: id };
  const event = Number(id.slice(dot + 1));
  return Number.isInteger(event) ? { alarmId: id.slice(0, dot), event } : { alarmId: id };
}

export const eventIdOf = (alarmId: string, version: number): string => `${alarmId}.${version}`;

const refused = (refusal: Refusal): ActionResult => ({ ok: false, refusal });

export function actOn(record: AlarmRecord, shelf: AlarmShelf | undefined, action: AlarmAction): ActionResult {
  const { event } = parseAlarmId(action.id);
  if (event !== undefined && (event < 1 || event > record.version)) return refused('EventIdUnknown');
  const flags = flagsOf(record, shelf, action.atMs);
  const step = stepOf(record, flags, action);
  if ('refusal' in step) return refused(step.refusal);
  const marks = { ...record.marks, ...step.marks, ...commentOf(action) };
  return {
    ok: true,
    record: { ...record, marks, version: record.version + 1 },
    shelf: 'shelf' in step ? step.shelf : shelf,
    change: step.change,
  };
}

type Step =
  | { readonly refusal: Refusal }
  | { readonly change: AlarmChange; readonly marks?: Partial<AlarmMarks>; readonly shelf?: AlarmShelf | undefined };

function stepOf(record: AlarmRecord, flags: AlarmFlags, action: AlarmAction): Step {
  const { facts, marks } = record;
  switch (action.do) {
    case 'ack':
      return flags.acked
        ? { refusal: 'ConditionBranchAlreadyAcked' }
        : { change: 'acked', marks: { ackedRaises: facts.raises, ackedBy: action.user, ackedMs: action.atMs } };
    case 'confirm':
      // Nothing needs a confirmation before it is acknowledged.
      return flags.confirmed
        ? { refusal: 'ConditionBranchAlreadyConfirmed' }
        : { change: 'confirmed', marks: { confirmedRaises: marks.ackedRaises } };
    case 'comment':
      return (action.comment ?? '').trim() === '' ? { refusal: 'InvalidState' } : { change: 'commented' };
    case 'reset':
      return flags.latched && !flags.active && flags.acked && flags.confirmed
        ? { change: 'reset', marks: { reset: true } }
        : { refusal: 'InvalidState' };
    case 'unshelve':
      return flags.shelving === 'unshelved'
        ? { refusal: 'ConditionNotShelved' }
        : { change: 'unshelved', shelf: undefined };
    case 'shelve':
    case 'shelveOnce':
      return shelve(record, flags, action);
  }
}

function shelve(
  { sensorId, kind }: AlarmRecord,
  flags: AlarmFlags,
  action: Extract<AlarmAction, { readonly do: 'shelve' | 'shelveOnce' }>,
): Step {
  if (flags.shelving !== 'unshelved') return { refusal: 'ConditionAlreadyShelved' };
  // One-shot shelving ends with the alarm: there is nothing to shelve once it is over.
  if (action.do === 'shelveOnce' && !flags.active) return { refusal: 'InvalidState' };
  const forMs = action.do === 'shelve' ? action.untilMs - action.atMs : MAX_SHELVED_MS;
  if (!(forMs > 0 && forMs <= MAX_SHELVED_MS)) return { refusal: 'ShelvingTimeOutOfRange' };
  return {
    change: 'shelved',
    shelf: {
      sensorId,
      kind,
      shelving: action.do === 'shelve' ? 'timedShelved' : 'oneShotShelved',
      untilMs: action.atMs + forMs,
      by: action.user,
      atMs: action.atMs,
    },
  };
}

function commentOf({ comment, user, atMs }: AlarmAction): Partial<AlarmMarks> {
  const text = comment?.trim();
  return defined({ comment: text ? { text, by: user, atMs } : undefined });
}

/** What a refusal means to people, and what to do. */
export const REFUSALS: Readonly<Record<Refusal, string>> = {
  EventIdUnknown: 'it has no such event. Use the id of the alarm, or of one of its events (fleetscore alarms history)',
  ConditionBranchAlreadyAcked: 'it is acknowledged already. Nothing is to be done',
  ConditionBranchAlreadyConfirmed: 'it has nothing to confirm: it is not acknowledged yet, or confirmed already',
  ConditionAlreadyShelved: 'it is shelved already. Unshelve it first: fleetscore alarms unshelve ID',
  ConditionNotShelved: 'it is not shelved. Nothing is to be done',
  ShelvingTimeOutOfRange: 'it can be shelved for at most 30 days, and not for no time. Give another --for',
  InvalidState:
    'that needs another state: a comment needs a text, a reset a latched alarm that is over and ' +
    'acknowledged, shelving once an active one',
};
