/**
 * Wall-clock time of a zone. A wall time is written as the epoch milliseconds at which a clock in UTC shows the same
 * date and time of day, so that it can be reckoned with. Not for workflow code: the rules of zones come with Node and
 * change between versions, and a workflow must replay the same for ever.
 */
import { FleetscoreError } from './errors.ts';
import { DAY_MS } from './time.ts';

const clocks = new Map<string, Intl.DateTimeFormat>();

/** @throws FleetscoreError `INVALID_ZONE` */
function clockOf(zone: string): Intl.DateTimeFormat {
  const known = clocks.get(zone);
  if (known) return known;
  try {
    const clock = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'iso8601',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    clocks.set(zone, clock);
    return clock;
  } catch {
    throw new FleetscoreError(
      'INVALID_ZONE',
      `there is no time zone ${JSON.stringify(zone)}. Use a name such as Europe/Berlin, America/New_York or UTC.`,
    );
  }
}

/** Whether clocks in this zone show UTC. */
export const isUtc = (zone: string): boolean => /^(|UTC|Etc\/(UTC|UCT|Zulu|Universal|GMT|Greenwich)|GMT)$/.test(zone);

/**
 * What clocks in a zone show at an instant (epoch ms), as a wall time.
 * @throws FleetscoreError `INVALID_ZONE`
 */
export const wallTime = (ms: number, zone: string): number => ms + offsetAt(ms, zone);

/** How far clocks in a zone are ahead of UTC at an instant, ms. Clocks change once within three days, at most. */
export function offsetAt(ms: number, zone: string): number {
  if (isUtc(zone)) return 0;
  const day = Math.floor(ms / DAY_MS) * DAY_MS;
  const offset = offsetOfDay(day, zone);
  return offset === offsetOfDay(day + DAY_MS, zone) ? offset : askClock(ms, zone);
}

/** Offsets at the beginnings of days of UTC, by zone: a clock is asked rarely, for that takes microseconds. */
const offsets = new Map<string, Map<number, number>>();
const MOST_DAYS = 10_000;

function offsetOfDay(day: number, zone: string): number {
  const known = offsets.get(zone) ?? new Map<number, number>();
  const found = known.get(day);
  if (found !== undefined) return found;
  const offset = askClock(day, zone);
  if (known.size >= MOST_DAYS) known.clear();
  offsets.set(zone, known.set(day, offset));
  return offset;
}

function askClock(ms: number, zone: string): number {
  const fields: Record<string, number> = {};
  for (const { type, value } of clockOf(zone).formatToParts(ms)) fields[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = fields;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1000) * 1000;
}

/**
 * The instant (epoch ms) at which clocks in a zone show a wall time: the first of two where clocks were put back. A
 * wall time that clocks leave out when they are put forward is later by as much as they were put forward.
 */
export function instantOf(wallMs: number, zone: string): number {
  return instantsOf([wallMs], zone)[0] ?? wallMs - offsetAt(wallMs - DAY_MS, zone);
}

/** Every instant at which clocks in a zone show one of these wall times of one day: none, one or two each. */
export function instantsOf(wallsMs: readonly number[], zone: string): number[] {
  if (wallsMs.length === 0) return [];
  const [first, last] = [wallsMs[0]!, wallsMs.at(-1)!].sort((a, b) => a - b) as [number, number];
  const before = offsetAt(first - DAY_MS, zone);
  const after = offsetAt(last + DAY_MS, zone);
  if (before === after) return wallsMs.map((wall) => wall - before);
  // The first second of the new offset; clocks change once within three days.
  let [old, changed] = [(first - DAY_MS) / 1000, (last + DAY_MS) / 1000].map(Math.floor) as [number, number];
  while (changed - old > 1) {
    const middle = Math.floor((old + changed) / 2);
    if (offsetAt(middle * 1000, zone) === before) old = middle;
    else changed = middle;
  }
  return wallsMs.flatMap((wall) => [
    ...(wall - before < changed * 1000 ? [wall - before] : []),
    ...(wall - after >= changed * 1000 ? [wall - after] : []),
  ]);
}
