/**
 * What can be wrong with a schedule, told before its first batch is: what the server would take for something else is
 * refused; what can still come, or may be meant so, is a warning with its remedy.
 */
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { SINCE_LAST } from '../../domain/period-length.ts';
import { expectedPeriods, seamsOf, type AskedPeriod } from '../../domain/schedule-expected.ts';
import { timesBefore, type ScheduleSpec } from '../../domain/schedule-spec.ts';
import { GRPC } from '../../domain/temporal-service.ts';
import { DAY_MS, parseDuration, type Period } from '../../domain/time.ts';
import { offsetAt, wallTime } from '../../domain/zone.ts';
import type { Store } from '../../storage/store.ts';
import { when } from '../frame/text.ts';

/** Both the workflow's id and the column of SQL hold a name, and a time behind it. */
const LONGEST_NAME = 200;

const wrong = (message: string): FleetscoreError => new FleetscoreError('INVALID_ARGUMENT', message);

/** @throws FleetscoreError `INVALID_ARGUMENT` */
export function checkScheduleName(name: string): void {
  if (name.trim() !== name || name === '' || name.length > LONGEST_NAME || /\p{Cc}/u.test(name))
    throw wrong(
      `${JSON.stringify(name.slice(0, 40))}${name.length > 40 ? `... (${name.length} characters)` : ''} ` +
        `cannot name a schedule. Use 1 to ${LONGEST_NAME} characters, without control characters and without ` +
        'spaces at the ends.',
    );
}

/**
 * A time between starts that is whole seconds: periods are.
 * @throws FleetscoreError `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function everyMsOf(every: string): number {
  const ms = parseDuration(every, '--every');
  if (ms % 1000 === 0) return ms;
  throw wrong(`--every ${every} is not a whole number of seconds, and periods begin and end at whole seconds.`);
}

/**
 * Six fields are a year at the end for Temporal, and seconds in front for others.
 * @throws FleetscoreError `INVALID_ARGUMENT`, `INVALID_ZONE`
 */
export function checkCron(cron: string, zone: string | undefined): void {
  const [, own, expression = ''] = /^\s*(?:(?:CRON_)?TZ=(\S+)\s+)?(.*?)\s*(?:#.*)?$/s.exec(cron)!;
  if (own !== undefined && zone !== undefined)
    throw wrong(`the cron expression ${JSON.stringify(cron)} names a time zone, and so does --timezone. Give one.`);
  wallTime(0, own ?? zone ?? 'UTC');
  const fields = expression.split(/\s+/);
  if (fields.length === 6)
    throw wrong(
      `the cron expression ${JSON.stringify(cron)} has 6 fields: Temporal takes the sixth as the year, other ` +
        'programs the first as seconds. Give 5 (minute, hour, day, month, weekday), such as ' +
        `${JSON.stringify(fields.slice(1).join(' '))}, or 7 (seconds first, the year last).`,
    );
}

/** What the server says about a schedule that it does not take, as one line with the value. */
export async function creating<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = refusal(error);
    if (reason === undefined) throw error;
    throw wrong(`${what} is refused by Temporal: ${reason}.`);
  }
}

/** The client gives INVALID_ARGUMENT as a TypeError, or as the cause of its own error. */
function refusal(error: unknown): string | undefined {
  if (error instanceof TypeError) return messageOf(error);
  const { code, details } = ((error as Error).cause ?? {}) as { code?: number; details?: string };
  return code === GRPC.INVALID_ARGUMENT ? (details ?? messageOf(error)) : undefined;
}

/** Whether a schedule has a time in the next years, nine at most. */
export function fires(spec: ScheduleSpec, nowMs: number): boolean {
  const { value: last } = timesBefore(spec, nowMs + 9 * 366 * DAY_MS).next();
  return typeof last === 'number' && last > nowMs;
}

/** Periods that are looked at one after the other. */
const MOST = 1_500;

/** What the calendar leaves out or scores twice, and what happens where clocks change. */
export function specWarnings(spec: ScheduleSpec, asked: AskedPeriod, nowMs: number): string[] {
  const until = (days: number): Period => ({ fromMs: nowMs, toMs: nowMs + days * DAY_MS });
  const near = expectedPeriods(spec, asked, until(14), MOST);
  const periods = near.length > 20 ? near : expectedPeriods(spec, asked, until(1_500), MOST);
  const { leftOut, leftOutMs, twice, twiceMs } = seamsOf(periods);
  const remedy =
    'Leave out --period (or give the request "period":"schedule"), and each batch scores from the time before.';
  const span = ({ fromMs, toMs }: Period): string => `${when(fromMs)} to ${when(toMs)} UTC`;
  const wholeMs = periods.length === 0 ? 1 : periods.at(-1)!.toMs - periods[0]!.fromMs;
  const share = (ms: number): string =>
    `${ms / wholeMs < 0.01 ? 'less than 1' : Math.round((100 * ms) / wholeMs)} % of the time`;
  const warnings: string[] = [];
  if (leftOut && asked.period !== SINCE_LAST)
    warnings.push(
      `Periods of ${asked.period} leave time out, first ${span(leftOut)} (${share(leftOutMs)}): no batch ` +
        `scores it. ${remedy}`,
    );
  if (twice)
    warnings.push(
      `Periods of ${asked.period} overlap, first ${span(twice)} (${share(twiceMs)}): it is scored twice. ${remedy}`,
    );
  if (spec.intervals.some(({ everyMs, offsetMs }) => everyMs % 1000 !== 0 || offsetMs % 1000 !== 0))
    warnings.push(
      'Its interval is not a whole number of seconds, and periods are: some readings are left out or scored twice.',
    );
  const atNight = spec.calendars.some(({ hour }) => hour.length === 0 || hour.some(({ start }) => start <= 3));
  if (leftOut && atNight && asked.period !== SINCE_LAST && changesIn(spec, nowMs))
    warnings.push(
      `Where clocks change in ${spec.zone}, Temporal leaves out times of the night, and with periods of ` +
        `${asked.period} what they would have scored.`,
    );
  return warnings;
}

/** Whether clocks of its zone change within a year. */
export function changesIn(spec: ScheduleSpec, nowMs: number): boolean {
  const offsets = Array.from({ length: 53 }, (_, week) => offsetAt(nowMs + week * 7 * DAY_MS, spec.zone));
  return spec.calendars.length > 0 && new Set(offsets).size > 1;
}

/**
 * What batches need and is not there yet. A release that was named must be there: nobody else makes one of that name.
 * @throws FleetscoreError `RELEASE_UNKNOWN`
 */
export async function fleetWarnings(open: () => Promise<Store>, release: string | undefined): Promise<string[]> {
  try {
    return await missingOf(await open(), release);
  } catch (error) {
    if (error instanceof FleetscoreError && error.code === 'RELEASE_UNKNOWN') throw error;
    return [`Models and sensors could not be checked: ${messageOf(error)}`];
  }
}

async function missingOf(store: Store, release: string | undefined): Promise<string[]> {
  if (release !== undefined && !(await store.listReleases()).some(({ name }) => name === release))
    throw new FleetscoreError(
      'RELEASE_UNKNOWN',
      `there is no release ${JSON.stringify(release)}: every batch of this schedule would fail. ` +
        `\`fleetscore models list\` shows those there are.`,
    );
  const warnings: string[] = [];
  if (release === undefined && (await store.currentRelease()) === undefined)
    warnings.push('No models are published: every batch fails until `fleetscore models publish DIR`.');
  if ((await store.countSensors()) === 0)
    warnings.push(
      'There are no sensors: batches score nothing until readings come, for example by `fleetscore send FILE`.',
    );
  return warnings;
}
