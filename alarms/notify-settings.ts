/**
 * Who is told of alarms, by which way, and when: `"notify"` of a file of rules. Each way has limits of its own: a
 * mailbox at night is not a program that reads events. Pure; all that is wrong is said at once.
 */
import { MAX_SEVERITY, MIN_SEVERITY } from '../domain/alarm.ts';
import { DAY_MS, HOUR_MS, parseDuration } from '../domain/time.ts';
import { wallTime } from '../domain/zone.ts';
import type { QuietHours } from './quiet.ts';

const NOTIFY_WAYS = ['webhook', 'email', 'events'] as const;
export type NotifyWay = (typeof NOTIFY_WAYS)[number];
const NOTICE_FORMATS = ['cloudevents', 'slack', 'teams'] as const;
export type NoticeFormat = (typeof NOTICE_FORMATS)[number];

export interface NotifySettings {
  readonly by: NotifyWay;
  /** What the webhook gets. */
  readonly format: NoticeFormat;
  /** Addresses of mail; empty for other ways. */
  readonly to: readonly string[];
  /** Incidents below this severity are not told. */
  readonly severity: number;
  /** Notices sent one by one at a time; more go out as one. */
  readonly atMost: number;
  /** Messages of an hour; what is over waits, and goes out as one. */
  readonly perHour: number;
  readonly quiet?: QuietHours;
  /** Notices are gathered for so long, from midnight UTC on; absent: each goes out at once. */
  readonly digestMs?: number;
}

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const MOST_PER_HOUR: Readonly<Record<NotifyWay, number>> = { webhook: 60, email: 30, events: 100_000 };
const NAMES = ['by', 'format', 'to', 'severity', 'atMost', 'perHour', 'quiet', 'digest'] as const;
const ADDRESS = /^[^\s@,;<>"]{1,64}@[^\s@,;<>"]{1,253}$/;
const MOST_ADDRESSES = 50;

/** One way, or a list of them. */
export function notifyIn(value: unknown, problems: string[]): NotifySettings[] {
  const list = Array.isArray(value) ? (value as unknown[]) : [value];
  const found = list.map((entry, i) => oneWay(entry, list.length === 1 ? 'notify' : `notify ${i + 1}`, problems));
  const ways = found.map(({ by }) => by);
  if (new Set(ways).size < ways.length) problems.push('notify: each way ("by") may be there once');
  return found;
}

function oneWay(value: unknown, where: string, problems: string[]): NotifySettings {
  const given: Fields = isFields(value) ? value : {};
  if (!isFields(value)) problems.push(`${where} is to be an object, or a list of them`);
  for (const name of Object.keys(given))
    if (!NAMES.includes(name as (typeof NAMES)[number]))
      problems.push(`${where}: ${JSON.stringify(name)} is unknown, use ${NAMES.join(', ')}`);
  const whole = (name: string, preset: number, least: number, most: number): number => {
    const number = given[name] ?? preset;
    if (typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most) return number;
    problems.push(`${where}: ${name} takes a whole number from ${least} to ${most}`);
    return preset;
  };
  const oneOf = <T extends string>(name: string, preset: T, values: readonly T[]): T => {
    const text = given[name] ?? preset;
    if (values.includes(text as T)) return text as T;
    problems.push(`${where}: ${name} takes ${values.join(', ')}`);
    return preset;
  };
  const by = oneOf<NotifyWay>('by', 'webhook', NOTIFY_WAYS);
  const digestMs = digestIn(given['digest'], where, problems);
  const quiet = given['quiet'] === undefined ? undefined : quietIn(given['quiet'], `${where}: quiet`, problems);
  return {
    by,
    format: oneOf<NoticeFormat>('format', 'cloudevents', NOTICE_FORMATS),
    to: addresses(given['to'], by, where, problems),
    severity: whole('severity', MIN_SEVERITY, 1, MAX_SEVERITY),
    atMost: whole('atMost', 20, 1, 1_000),
    perHour: whole('perHour', MOST_PER_HOUR[by], 1, 1_000_000),
    ...(quiet ? { quiet } : {}),
    ...(digestMs === undefined ? {} : { digestMs }),
  };
}

function addresses(value: unknown, by: NotifyWay, where: string, problems: string[]): string[] {
  const list = typeof value === 'string' ? [value] : value;
  if (by !== 'email') {
    if (value !== undefined) problems.push(`${where}: "to" is for mail, "by": "email"`);
    return [];
  }
  const fits = (one: unknown): one is string => typeof one === 'string' && ADDRESS.test(one);
  if (Array.isArray(list) && list.length > 0 && list.length <= MOST_ADDRESSES && list.every(fits)) return list;
  problems.push(`${where}: "to" takes an address such as ann@plant.example, or a list of up to ${MOST_ADDRESSES}`);
  return [];
}

function digestIn(value: unknown, where: string, problems: string[]): number | undefined {
  if (value === undefined) return undefined;
  try {
    const ms = parseDuration(String(value));
    if (ms >= 60_000 && ms <= DAY_MS) return ms;
  } catch {
    // Said below.
  }
  problems.push(`${where}: digest takes a duration from 1m to 1d`);
  return undefined;
}

const MINUTE_MS = 60_000;

function quietIn(value: unknown, where: string, problems: string[]): QuietHours | undefined {
  if (!isFields(value)) {
    problems.push(`${where} takes an object with from, to and zone`);
    return undefined;
  }
  const { from, to, zone = 'UTC', severity, ...others } = value;
  const before = problems.length;
  for (const name of Object.keys(others))
    problems.push(`${where}: ${JSON.stringify(name)} is unknown, use from, to, zone, severity`);
  const clock = (name: string, text: unknown): number => {
    const found = typeof text === 'string' ? /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) : null;
    if (found) return Number(found[1]) * HOUR_MS + Number(found[2]) * MINUTE_MS;
    problems.push(`${where}: ${name} takes a time of day such as 22:00`);
    return 0;
  };
  const [fromMs, toMs] = [clock('from', from), clock('to', to)];
  if (problems.length === before && fromMs === toMs) problems.push(`${where}: from and to are the same time of day`);
  try {
    wallTime(0, String(zone));
  } catch (error) {
    problems.push(`${where}: ${(error as Error).message}`);
  }
  if (severity !== undefined && !(typeof severity === 'number' && severity >= 1 && severity <= MAX_SEVERITY))
    problems.push(`${where}: severity takes a number from 1 to ${MAX_SEVERITY}`);
  if (problems.length > before) return undefined;
  return { fromMs, toMs, zone: String(zone), ...(severity === undefined ? {} : { severity: severity as number }) };
}
