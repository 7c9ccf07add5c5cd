/**
 * When a schedule starts batches, as Temporal keeps it: calendars on the wall clock of one zone, and intervals that
 * count from the epoch. On a day when clocks change the server leaves some of these times out, and which ones depends
 * on when it happens to look; `schedule-period.ts` says what periods make of that.
 */
import { instantsOf, wallTime } from './zone.ts';
import { DAY_MS } from './time.ts';

/** From `start` to `end`, both included, every `step`. */
export interface NumberRange {
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** Fields that are empty match everything. */
export interface Calendar {
  readonly second: readonly NumberRange[];
  readonly minute: readonly NumberRange[];
  readonly hour: readonly NumberRange[];
  readonly dayOfMonth: readonly NumberRange[];
  /** 1 is January. */
  readonly month: readonly NumberRange[];
  readonly year: readonly NumberRange[];
  /** 0 is Sunday. */
  readonly dayOfWeek: readonly NumberRange[];
}

export interface Interval {
  readonly everyMs: number;
  readonly offsetMs: number;
}

export interface ScheduleSpec {
  readonly calendars: readonly Calendar[];
  /** Times that match one of these are left out. */
  readonly excluded: readonly Calendar[];
  readonly intervals: readonly Interval[];
  /** IANA name; `UTC` when the schedule names none. */
  readonly zone: string;
  /** Longest random delay of a start, ms; it does not move the scheduled time. */
  readonly jitterMs: number;
  /** No times before and after these, epoch ms. */
  readonly startMs?: number;
  readonly endMs?: number;
}

/** A schedule as the server knows it. */
export interface SeenSchedule {
  readonly spec: ScheduleSpec;
  /** Scheduled times of its last starts (ten, by the server), epoch ms. */
  readonly started: readonly number[];
  readonly createdMs: number;
  /**
   * The next time that the server will look at, epoch ms: it has dealt with all before it. Absent when none is to come,
   * or it is paused.
   */
  readonly nextMs?: number;
  /** Batches that wait until the one before has ended. */
  readonly waiting: number;
  /** Since it was created: starts that were missed for longer than the catch-up, and left out by the overlap policy. */
  readonly missed: number;
  readonly skipped: number;
}

const matches = (ranges: readonly NumberRange[], value: number): boolean =>
  ranges.length === 0 ||
  ranges.some(({ start, end, step }) => value >= start && value <= end && (value - start) % step === 0);

function dayMatches(calendar: Calendar, date: Date): boolean {
  return (
    matches(calendar.year, date.getUTCFullYear()) &&
    matches(calendar.month, date.getUTCMonth() + 1) &&
    matches(calendar.dayOfMonth, date.getUTCDate()) &&
    matches(calendar.dayOfWeek, date.getUTCDay())
  );
}

function timeMatches(calendar: Calendar, wallMs: number): boolean {
  const date = new Date(wallMs);
  return (
    wallMs % 1000 === 0 &&
    dayMatches(calendar, date) &&
    matches(calendar.hour, date.getUTCHours()) &&
    matches(calendar.minute, date.getUTCMinutes()) &&
    matches(calendar.second, date.getUTCSeconds())
  );
}

/** Whether a wall time is one of the calendars' times. */
export function onCalendar({ calendars, excluded }: ScheduleSpec, wallMs: number): boolean {
  return (
    calendars.some((calendar) => timeMatches(calendar, wallMs)) &&
    !excluded.some((calendar) => timeMatches(calendar, wallMs))
  );
}

/** As far back as times are looked for: past the longest time between two 29ths of February. */
const MOST_DAYS = 366 * 9;
const dayOf = (wallMs: number): number => Math.floor(wallMs / DAY_MS) * DAY_MS;

/** The calendars' wall times before `wallMs`, newest first. */
export function* wallTimesBefore(spec: ScheduleSpec, wallMs: number): Generator<number> {
  for (const times of daysBefore(spec, dayOf(wallMs))) for (const time of times) if (time < wallMs) yield time;
}

/** Wall times of one day after the other, `firstDay` and those before it, newest first. */
function* daysBefore(spec: ScheduleSpec, firstDay: number): Generator<readonly number[]> {
  for (let day = firstDay; day > firstDay - MOST_DAYS * DAY_MS; day -= DAY_MS) {
    const date = new Date(day);
    const own = spec.calendars.filter((calendar) => dayMatches(calendar, date)).map(timesOfDay);
    const all = own.length === 1 ? own[0]! : [...new Set(own.flat())].sort((a, b) => b - a);
    const times = all.map((time) => day + time);
    yield spec.excluded.length === 0
      ? times
      : times.filter((time) => !spec.excluded.some((calendar) => timeMatches(calendar, time)));
  }
}

const ofDay = new WeakMap<Calendar, readonly number[]>();

/** Milliseconds since midnight, latest first. */
function timesOfDay(calendar: Calendar): readonly number[] {
  const known = ofDay.get(calendar);
  if (known) return known;
  const down = (ranges: readonly NumberRange[], count: number): number[] =>
    Array.from({ length: count }, (_, i) => count - 1 - i).filter((value) => matches(ranges, value));
  const [hours, minutes, seconds] = [down(calendar.hour, 24), down(calendar.minute, 60), down(calendar.second, 60)];
  const times = hours.flatMap((h) => minutes.flatMap((m) => seconds.map((s) => ((h * 60 + m) * 60 + s) * 1000)));
  ofDay.set(calendar, times);
  return times;
}

/**
 * The times of a schedule before `ms`, newest first, epoch ms: every instant at which the wall clock shows a time of
 * its calendars, twice where clocks are put back, and every multiple of its intervals.
 */
export function* timesBefore(spec: ScheduleSpec, ms: number): Generator<number> {
  const sources = spec.intervals.map((one) => intervalBefore(one, ms));
  if (spec.calendars.length > 0) sources.push(calendarBefore(spec, ms));
  const heads = sources.map((source) => source.next().value as number | undefined);
  for (let last = Infinity; ;) {
    const newest = Math.max(...heads.map((head) => head ?? -Infinity));
    if (newest === -Infinity || newest < (spec.startMs ?? 0)) return;
    heads.forEach((head, i) => {
      if (head === newest) heads[i] = sources[i]!.next().value as number | undefined;
    });
    if (newest < last && newest <= (spec.endMs ?? Infinity)) yield (last = newest);
  }
}

function* intervalBefore({ everyMs, offsetMs }: Interval, ms: number): Generator<number> {
  for (let time = Math.ceil((ms - offsetMs) / everyMs - 1) * everyMs + offsetMs; time >= 0; time -= everyMs) yield time;
}

function* calendarBefore(spec: ScheduleSpec, ms: number): Generator<number> {
  // A clock that was just put back showed later times than now.
  for (const walls of daysBefore(spec, dayOf(wallTime(ms, spec.zone) + DAY_MS / 8)))
    for (const instant of instantsOf(walls, spec.zone).sort((a, b) => b - a)) if (instant < ms) yield instant;
}
