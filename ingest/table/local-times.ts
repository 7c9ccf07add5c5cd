/**
 * Times without a zone in the zone that was said, with what clocks do to them when they change. A time that clocks
 * left out is none, and is told: a clock that shows it keeps another time. Of a time that came twice the order of the
 * readings decides: the second pass begins where a sensor's time goes back by ten minutes or more, or where the first
 * time of the hour that came twice comes again; until then it is the first. How many there were is counted.
 */
import { FleetscoreError } from '../../domain/errors.ts';
import { instantsOf, offsetAt } from '../../domain/zone.ts';
import { DAY_MS, plainTime } from '../../domain/time.ts';
import { boundedMap } from '../bounded-map.ts';

export interface LocalTimes {
  /** Epoch milliseconds of a wall time of this sensor (or row), or why there is none. */
  read(wallMs: number, key: string): number | string;
  /** Times read that clocks showed twice. */
  ambiguous(): number;
}

/** Where a sensor is within an hour that came twice. */
interface Pass {
  readonly firstWallMs: number;
  readonly wallMs: number;
  readonly second: boolean;
}

const BACK_MS = 10 * 60_000;
const KNOWN = 100_000;
const OFFSET = /^([+-])(\d{2}):?(\d{2})$/;

/** @throws FleetscoreError `INVALID_ZONE` */
export function createLocalTimes(zone = 'UTC'): LocalTimes {
  const [, sign, hours = '', minutes = ''] = OFFSET.exec(zone) ?? [];
  if (sign !== undefined) {
    if (Number(hours) > 14 || Number(minutes) > 59)
      throw new FleetscoreError('INVALID_ZONE', `${zone} is no offset of a zone: they go from -12:00 to +14:00.`);
    const offset = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
    return { read: (wallMs) => wallMs - offset, ambiguous: () => 0 };
  }
  offsetAt(0, zone);
  let ambiguous = 0;
  const passes = boundedMap<Pass>(KNOWN);
  return {
    read(wallMs, key) {
      const [first, second] = instantsOf([wallMs], zone);
      if (first === undefined)
        return (
          `TS ${plainTime(wallMs)} does not exist in ${zone}: clocks were put forward past it; ` +
          standard(wallMs, zone)
        );
      if (second === undefined) return first;
      ambiguous++;
      const known = passes.get(key);
      const before = known && Math.abs(wallMs - known.wallMs) < DAY_MS ? known : undefined;
      const isSecond =
        before !== undefined &&
        (before.second ||
          before.wallMs - wallMs >= BACK_MS ||
          (wallMs === before.wallMs && wallMs === before.firstWallMs));
      passes.set(key, { firstWallMs: before?.firstWallMs ?? wallMs, wallMs, second: isSecond });
      return isSecond ? second : first;
    },
    ambiguous: () => ambiguous,
  };
}

/** What to say for a clock that is never put forward. */
function standard(wallMs: number, zone: string): string {
  const minutes = offsetAt(wallMs - DAY_MS, zone) / 60_000;
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0');
  const text = `${minutes < 0 ? '-' : '+'}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
  return `for a clock that is never put forward say --timezone ${text}`;
}
