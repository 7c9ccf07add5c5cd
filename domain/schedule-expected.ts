/**
 * The periods that a schedule should score, and what its request makes of its calendar: time between two periods that
 * no batch scores, and time that two batches score. Pure.
 */
import { parseLength } from './period-length.ts';
import { periodStart } from './schedule-period.ts';
import { timesBefore, type ScheduleSpec } from './schedule-spec.ts';
import { parseDurationOrZero, type Period } from './time.ts';

export interface ExpectedPeriod extends Period {
  /** Scheduled time of its batch, epoch ms. */
  readonly atMs: number;
  /** The time before it in the schedule: a backfill from there starts this batch first. */
  readonly afterMs: number;
}

/** What of a request makes the period; `15m` when it names none, as in `workflows/policies.ts`. */
export interface AskedPeriod {
  readonly period: string;
  readonly delay?: string;
}

/**
 * Periods of the times in (after, until], oldest first; of the newest `most` times only.
 * @throws FleetscoreError `INVALID_DURATION`, `INVALID_ZONE`
 */
export function expectedPeriods(
  spec: ScheduleSpec,
  asked: AskedPeriod,
  { fromMs: afterMs, toMs: untilMs }: Period,
  most = Infinity,
): ExpectedPeriod[] {
  const length = parseLength(asked.period);
  const delayMs = parseDurationOrZero(asked.delay ?? '0s', 'delay');
  const times: number[] = [];
  for (const time of timesBefore(spec, untilMs + 1)) if (times.push(time) > most || time <= afterMs) break;
  times.reverse(); // the first is the one before those that are asked for, where there is one
  const first = times[0] !== undefined && (times[0] <= afterMs || times.length > most) ? 1 : 0;
  return times.slice(first).flatMap((atMs, i) => {
    const start = periodStart(spec, atMs, length, times.slice(Math.max(0, i + first - 1), i + first));
    if (start === undefined) return [];
    return [{ atMs, afterMs: times[i + first - 1] ?? atMs - 1, fromMs: start - delayMs, toMs: atMs - delayMs }];
  });
}

export interface Seams {
  /** Time between periods that follow each other, in all and the first one; ms. */
  readonly leftOutMs: number;
  readonly leftOut?: Period;
  readonly twiceMs: number;
  readonly twice?: Period;
}

/** How periods fit together that follow each other. */
export function seamsOf(periods: readonly Period[]): Seams {
  let leftOut: Period | undefined;
  let twice: Period | undefined;
  let [leftOutMs, twiceMs] = [0, 0];
  periods.slice(1).forEach((period, i) => {
    const seam = period.fromMs - periods[i]!.toMs;
    if (seam > 0) {
      leftOut ??= { fromMs: periods[i]!.toMs, toMs: period.fromMs };
      leftOutMs += seam;
    } else if (seam < 0) {
      twice ??= { fromMs: period.fromMs, toMs: periods[i]!.toMs };
      twiceMs -= seam;
    }
  });
  return { leftOutMs, twiceMs, ...(leftOut ? { leftOut } : {}), ...(twice ? { twice } : {}) };
}
