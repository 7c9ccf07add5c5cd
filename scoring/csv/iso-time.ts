/**
 * Times of predictions files, `2026-11-23T14:00:00.000Z` and nothing else, read from bytes: a file holds millions, and
 * a regular expression for each was half of what reading it cost. Rows of a day follow each other, so its date is
 * worked out once.
 */
import { MAX_TIME_MS, MIN_TIME_MS } from '../../domain/time.ts';

/** Bytes of a time. */
export const TIME_LENGTH = 24;

const ZERO = 0x30;
/** What stands between the digits, by place. */
const MARKS = [
  [4, '-'],
  [7, '-'],
  [10, 'T'],
  [13, ':'],
  [16, ':'],
  [19, '.'],
  [23, 'Z'],
].map(([at, mark]) => [at as number, (mark as string).charCodeAt(0)] as const);

/** @returns a reader of the time at a place: epoch ms; undefined when there is none */
export function timeReader(): (buffer: Uint8Array, at: number) => number | undefined {
  let date = -1;
  let dayMs: number | undefined;
  return (buffer, at) => {
    if (at + TIME_LENGTH > buffer.length) return undefined;
    for (const [place, mark] of MARKS) if (buffer[at + place] !== mark) return undefined;
    const [year, month, day] = [number(buffer, at, 4), number(buffer, at + 5, 2), number(buffer, at + 8, 2)];
    const [hours, minutes] = [number(buffer, at + 11, 2), number(buffer, at + 14, 2)];
    const [seconds, ms] = [number(buffer, at + 17, 2), number(buffer, at + 20, 3)];
    // Of anything but digits a number is NaN, and so is the sum.
    if (!(hours < 24 && minutes < 60 && seconds < 60 && ms >= 0)) return undefined;
    const wanted = year * 10_000 + month * 100 + day;
    if (wanted !== date) {
      date = wanted;
      dayMs = dayOf(year, month, day);
    }
    if (dayMs === undefined) return undefined;
    const time = dayMs + ((hours * 60 + minutes) * 60 + seconds) * 1_000 + ms;
    return time >= MIN_TIME_MS && time <= MAX_TIME_MS ? time : undefined;
  };
}

/** Undefined for a day that no calendar has: `Date.UTC` rolls 30 February over to March. */
function dayOf(year: number, month: number, day: number): number | undefined {
  const ms = Date.UTC(year, month - 1, day);
  const there = new Date(ms);
  // Years before 100 are taken for those of the 20th century.
  return there.getUTCFullYear() === year && there.getUTCMonth() === month - 1 && there.getUTCDate() === day
    ? ms
    : undefined;
}

function number(buffer: Uint8Array, at: number, digits: number): number {
  let value = 0;
  for (let i = at; i < at + digits; i++) {
    const digit = buffer[i]! - ZERO;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}
