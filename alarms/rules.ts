/**
 * Rules of alarms: what makes an alarm of abnormal windows, for which sensors. A file is a list; of the rules that
 * match a sensor each sets what it names, the later over the earlier, and the defaults hold for the rest. All that is
 * wrong with a file is said at once. Delays count windows or window time, never the clock: a backfill gives what live
 * runs gave.
 */
import { notifyIn, type NotifySettings } from './notify-settings.ts';
import { MAX_SEVERITY, MIN_SEVERITY } from '../domain/alarm.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { globMatches } from '../domain/glob.ts';
import type { SensorKey } from '../domain/sensor.ts';
import { HOUR_MS, parseDurationOrZero } from '../domain/time.ts';
import { defined } from '../domain/defined.ts';

/** For how long something must last: so many windows, or so much window time. */
export type Delay = { readonly windows: number } | { readonly ms: number };

/** A severity, from a score or a duration on. The highest that holds is that of the alarm. */
export interface SeverityStep {
  readonly severity: number;
  /** Model scores at or below; absent: any. */
  readonly score?: number;
  /** Window time since its first abnormal window, ms; 0: from the beginning. */
  readonly afterMs: number;
}

/** What holds for one sensor. */
export interface AlarmRule {
  /** False: its alarms are disabled; no new ones come, open ones stay as they are. */
  readonly enabled: boolean;
  readonly onDelay: Delay;
  readonly offDelay: Delay;
  /** A window is normal again when its score is at least this: 0 takes the model's word. */
  readonly deadband: number;
  /** An alarm that stays active asks for attention again after so much window time; undefined: never. */
  readonly reAlarmMs?: number;
  readonly latch: boolean;
  readonly confirm: boolean;
  readonly severity: readonly SeverityStep[];
  /** Window time without readings that makes a silent sensor; undefined: never. */
  readonly silentMs?: number;
  /** Window time with one and the same value; undefined: never. */
  readonly stuckMs?: number;
  /** Window time over which its model is missing or fails; undefined: never. */
  readonly modelMs?: number;
  /** Time with readings and without a batch, by the clock and in window time; undefined: never. */
  readonly unplannedMs?: number;
}

export const DEFAULT_RULE: AlarmRule = {
  enabled: true,
  onDelay: { windows: 2 },
  offDelay: { windows: 3 },
  deadband: 0,
  latch: false,
  confirm: false,
  severity: [
    { severity: 500, afterMs: 0 },
    { severity: 600, afterMs: 600_000 },
    { severity: 700, afterMs: HOUR_MS },
  ],
  silentMs: 900_000,
  modelMs: 0,
  unplannedMs: HOUR_MS,
};

/** One entry of a file: which sensors, and what for them. */
interface RuleEntry {
  readonly device?: string;
  readonly sensor?: string;
  readonly release?: string;
  readonly set: { readonly [K in keyof AlarmRule]?: AlarmRule[K] | undefined };
}

export interface AlarmRules {
  readonly entries: readonly RuleEntry[];
  /** Absent: nobody is told of single alarms. */
  readonly notify?: readonly NotifySettings[];
}

export const NO_RULES: AlarmRules = { entries: [] };

/** The rule of a sensor. */
export function ruleFor({ entries }: AlarmRules, { device, sensor }: SensorKey, release: string): AlarmRule {
  let rule: { -readonly [K in keyof AlarmRule]?: AlarmRule[K] | undefined } = DEFAULT_RULE;
  for (const entry of entries)
    if (
      globMatches(entry.device ?? '*', device) &&
      globMatches(entry.sensor ?? '*', sensor) &&
      globMatches(entry.release ?? '*', release)
    )
      rule = { ...rule, ...entry.set };
  return rule as AlarmRule;
}

/** What is worth recording of a sensor for any of the rules: the least of each. */
export interface Sense {
  /** Abnormal windows, and time from the first of them, ms, with which an alarm becomes active. */
  readonly onWindows: number;
  readonly onMs: number;
  readonly deadband: number;
  readonly silentMs: number;
  readonly stuckMs: number;
}

export function senseOf({ entries }: AlarmRules): Sense {
  const rules = [DEFAULT_RULE, ...entries.map(({ set }) => set)];
  const least = (values: readonly (number | undefined)[]): number =>
    Math.min(...values.map((value) => value ?? Number.POSITIVE_INFINITY));
  const delays = rules.flatMap(({ onDelay }) => onDelay ?? []);
  return {
    onWindows: least(delays.map((delay) => ('windows' in delay ? delay.windows : undefined))),
    onMs: least(delays.map((delay) => ('ms' in delay ? delay.ms : undefined))),
    deadband: Math.max(...rules.map(({ deadband }) => deadband ?? 0)),
    silentMs: least(rules.map(({ silentMs }) => silentMs)),
    stuckMs: least(rules.map(({ stuckMs }) => stuckMs)),
  };
}

const FIELDS = [
  'device',
  'sensor',
  'release',
  'enabled',
  'onDelay',
  'offDelay',
  'deadband',
  'reAlarm',
  'latch',
  'confirm',
  'severity',
  'silentAfter',
  'stuckAfter',
  'modelAfter',
  'unplannedAfter',
] as const;
type Field = (typeof FIELDS)[number];
const MAX_ENTRIES = 1_000;

/** @throws FleetscoreError `ALARM_RULES_INVALID`, with all that is wrong */
export function parseRules(text: string, where: string): AlarmRules {
  const problems: string[] = [];
  const { list, notify } = rulesIn(text, problems);
  const entries = list.map((entry, i) => readEntry(entry, `rule ${i + 1}`, problems));
  if (problems.length > 0)
    throw new FleetscoreError(
      'ALARM_RULES_INVALID',
      `${where} holds no rules that can be used: ${problems.slice(0, 20).join('; ')}. ` +
        'docs/alarms.md says what rules are.',
    );
  return { entries, ...(notify ? { notify } : {}) };
}

function rulesIn(
  text: string,
  problems: string[],
): { readonly list: readonly unknown[]; readonly notify?: readonly NotifySettings[] } {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    problems.push(`it is no JSON (${(error as Error).message})`);
    return { list: [] };
  }
  const { rules, notify, ...others } = isObject(content) ? content : { rules: undefined, notify: undefined };
  if (!Array.isArray(rules)) problems.push('it is to be an object with a list "rules"');
  for (const name of Object.keys(others)) if (name !== '$schema') problems.push(`${JSON.stringify(name)} is unknown`);
  if (Array.isArray(rules) && rules.length > MAX_ENTRIES) problems.push(`it has more than ${MAX_ENTRIES} rules`);
  return {
    list: Array.isArray(rules) ? rules.slice(0, MAX_ENTRIES) : [],
    ...(notify === undefined ? {} : { notify: notifyIn(notify, problems) }),
  };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Read = (value: unknown) => unknown;

/** Thrown by a reader with what it takes. */
class Unfit extends Error {}

function readEntry(entry: unknown, where: string, problems: string[]): RuleEntry {
  if (!isObject(entry)) {
    problems.push(`${where} is no object`);
    return { set: {} };
  }
  const found: Partial<Record<string, unknown>> = {};
  for (const [name, value] of Object.entries(entry)) {
    const reader = READERS[name as Field] as { readonly as: string; readonly read: Read } | undefined;
    if (!reader) {
      problems.push(`${where}: ${JSON.stringify(name)} is unknown, use ${FIELDS.join(', ')}`);
      continue;
    }
    try {
      found[reader.as] = reader.read(value);
    } catch (error) {
      problems.push(`${where}: ${name} ${JSON.stringify(value)?.slice(0, 60)}: ${(error as Error).message}`);
    }
  }
  const { device, sensor, release, ...set } = found as Omit<RuleEntry, 'set'> & RuleEntry['set'];
  return { ...(device ? { device } : {}), ...(sensor ? { sensor } : {}), ...(release ? { release } : {}), set };
}

const text: Read = (value) => {
  if (typeof value !== 'string') throw new Unfit('it takes a text');
  return value;
};
const flag: Read = (value) => {
  if (typeof value !== 'boolean') throw new Unfit('it takes true or false');
  return value;
};
const amount: Read = (value) => {
  if (typeof value !== 'number' || !(value >= 0)) throw new Unfit('it takes a number, 0 or more');
  return value;
};
const duration: Read = (value) => parseDurationOrZero(text(value) as string);
const durationOrNever: Read = (value) => (value === 'never' ? undefined : duration(value));
const delay: Read = (value) => {
  const windows = /^(\d{1,6}) windows?$/.exec(text(value) as string);
  if (windows) return { windows: Number(windows[1]) };
  try {
    return { ms: duration(value) };
  } catch {
    throw new Unfit('it takes a number of windows such as "3 windows", or a duration such as "30s"');
  }
};
const severityValue = (value: unknown): number => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < MIN_SEVERITY || value > MAX_SEVERITY)
    throw new Unfit(`a severity is a whole number from ${MIN_SEVERITY} to ${MAX_SEVERITY}`);
  return value;
};
const severity: Read = (value) => {
  if (!Array.isArray(value)) return [{ severity: severityValue(value), afterMs: 0 }];
  const steps = value.map((step: unknown): SeverityStep => {
    if (!isObject(step)) throw new Unfit('a step is an object with a severity');
    const { severity: worth, score, after = '0s', ...others } = step;
    if (Object.keys(others).length > 0) throw new Unfit(`a step takes severity, score and after`);
    if (score !== undefined && (typeof score !== 'number' || !Number.isFinite(score)))
      throw new Unfit('a score is a number');
    const afterMs = duration(after) as number;
    return { severity: severityValue(worth), afterMs, ...defined({ score }) };
  });
  if (!steps.some(({ score, afterMs }) => score === undefined && afterMs === 0))
    throw new Unfit('one step must hold from the beginning: without score and after');
  return steps;
};

const READERS: Readonly<Record<Field, { readonly as: keyof AlarmRule | keyof RuleEntry; readonly read: Read }>> = {
  device: { as: 'device', read: text },
  sensor: { as: 'sensor', read: text },
  release: { as: 'release', read: text },
  enabled: { as: 'enabled', read: flag },
  onDelay: { as: 'onDelay', read: delay },
  offDelay: { as: 'offDelay', read: delay },
  deadband: { as: 'deadband', read: amount },
  reAlarm: { as: 'reAlarmMs', read: durationOrNever },
  latch: { as: 'latch', read: flag },
  confirm: { as: 'confirm', read: flag },
  severity: { as: 'severity', read: severity },
  silentAfter: { as: 'silentMs', read: durationOrNever },
  stuckAfter: { as: 'stuckMs', read: durationOrNever },
  modelAfter: { as: 'modelMs', read: durationOrNever },
  unplannedAfter: { as: 'unplannedMs', read: durationOrNever },
};
