/**
 * The period of a batch that a schedule starts. Periods follow each other in the calendar of the schedule and its zone
 * without gap or overlap, also where clocks change: there the server leaves times out, and fires at some that are no
 * times of the calendar, by when it happens to look. So there, and only there, a period begins at the last time for
 * which a batch was started; a time that is left out belongs to the next batch.
 */
import { monthsBefore, type PeriodLength } from './period-length.ts';
import { onCalendar, timesBefore, wallTimesBefore, type ScheduleSpec } from './schedule-spec.ts';
import { instantOf, isUtc, offsetAt, wallTime } from './zone.ts';
import { DAY_MS, HOUR_MS } from './time.ts';

/** More times before are not counted: where as many lie in one period, it is measured by its length. */
const MOST_TIMES = 5_000;
/**
 * Before and after a change of clocks the server does not fire at every time: by at most two hours, where it is one
 * hour.
 */
const UNSURE_MS = 3 * HOUR_MS;

type Measured = Exclude<PeriodLength, { readonly kind: 'since-last' }>;

/**
 * Where the period of a start of the schedule begins, epoch ms; undefined when the schedule has no time before.
 * @param startedMs scheduled time of this start, or the time of a start by hand
 * @param fired scheduled times of earlier starts; only those near a change of clocks matter
 */
export function periodStart(
  spec: ScheduleSpec,
  startedMs: number,
  length: PeriodLength,
  fired: readonly number[],
): number | undefined {
  if (!isScheduled(spec, startedMs)) {
    if (length.kind !== 'since-last') return measuredStart(spec.zone, startedMs, length);
    const times = timesBefore(spec, startedMs);
    const [last, before] = [times.next().value as number | undefined, times.next().value as number | undefined];
    return last === undefined || before === undefined ? undefined : startedMs - (last - before);
  }
  const count = length.kind === 'since-last' ? 1 : timesInPeriod(spec, startedMs, length);
  if (count === undefined) return measuredStart(spec.zone, startedMs, length as Measured);
  const previous = previousStart(spec, startedMs, fired) ?? spec.startMs;
  if (previous === undefined || count === 1)
    return previous ?? (length.kind === 'since-last' ? undefined : measuredStart(spec.zone, startedMs, length));
  // It overlaps the periods before it: so much back from the first time that is its own.
  let own = startedMs;
  for (const time of timesBefore(spec, startedMs)) {
    if (time <= previous) break;
    own = time;
  }
  let left = count;
  for (const time of timesBefore(spec, own)) if ((left -= 1) === 0) return time;
  return measuredStart(spec.zone, startedMs, length as Measured);
}

/**
 * Where a period of this length starts that ends at any time: epoch ms. Days and months are those of the zone's wall
 * clock; hours and less are time that passes.
 */
export function measuredStart(zone: string, endMs: number, length: Measured): number {
  return length.kind === 'time' && length.ms % DAY_MS !== 0
    ? endMs - length.ms
    : instantOf(lengthBefore(wallTime(endMs, zone), length), zone);
}

const lengthBefore = (wall: number, length: Measured): number =>
  length.kind === 'months' ? monthsBefore(wall, length.months) : wall - length.ms;

/** By how much clocks are put forward (or back, below 0) near an instant, ms. */
function change(spec: ScheduleSpec, ms: number): number {
  if (isUtc(spec.zone) || spec.calendars.length === 0) return 0;
  return offsetAt(ms + UNSURE_MS, spec.zone) - offsetAt(ms - UNSURE_MS, spec.zone);
}

/** Whether this is a time at which the schedule may start a batch by itself. */
function isScheduled(spec: ScheduleSpec, ms: number): boolean {
  return timesBefore(spec, ms + 1).next().value === ms || calendarTime(spec, ms) !== undefined;
}

/**
 * The wall time of the calendar that a start is for. Where clocks change, the server also fires so much later than a
 * time of the calendar: at 02:30 in Australia/Lord_Howe, for 02:00, which is left out.
 */
function calendarTime(spec: ScheduleSpec, ms: number): number | undefined {
  const wall = wallTime(ms, spec.zone);
  if (onCalendar(spec, wall)) return wall;
  const shifted = wall - Math.abs(change(spec, ms));
  return shifted < wall && onCalendar(spec, shifted) ? shifted : undefined;
}

/** The last time before a start that is its neighbour: of the calendar, or where clocks change, one that was fired. */
function previousStart(spec: ScheduleSpec, startedMs: number, fired: readonly number[]): number | undefined {
  const since = (afterMs: number): number[] =>
    fired.filter((ms) => ms > afterMs && ms < startedMs && change(spec, ms) !== 0);
  for (const time of timesBefore(spec, startedMs)) if (change(spec, time) >= 0) return Math.max(time, ...since(time));
  const seen = since(-Infinity);
  return seen.length === 0 ? undefined : Math.max(...seen);
}

/**
 * How many times of the calendar a length reaches back; undefined when it does not end at one, or needs no calendar:
 * times of UTC and of intervals are as far apart as they say.
 */
function timesInPeriod(spec: ScheduleSpec, startedMs: number, length: Measured): number | undefined {
  if (isUtc(spec.zone) || spec.intervals.length > 0) return undefined;
  const own = calendarTime(spec, startedMs);
  if (own === undefined) return undefined;
  const from = lengthBefore(own, length);
  if (!onCalendar(spec, from)) return undefined;
  let count = 0;
  for (const time of wallTimesBefore(spec, own)) {
    count += 1;
    if (time === from) return count;
    if (time < from || count >= MOST_TIMES) return undefined;
  }
  return undefined;
}
