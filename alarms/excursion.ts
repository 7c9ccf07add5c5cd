/** One excursion of a sensor while it lasts: what is counted of it, window by window. Each function gives a new one. */
import { MAX_STEPS, type AlarmFacts, type AlarmKind, type AlarmStep } from '../domain/alarm.ts';
import type { Delay } from './rules.ts';

/** What an alarm is about, before and while it is active. */
export interface Excursion {
  readonly sinceMs: number;
  readonly lastMs: number;
  readonly windows: number;
  readonly peakScore?: number;
  readonly peakMs?: number;
  readonly peakValue?: number;
  readonly cause?: string;
  readonly firstBatch: string;
  readonly lastBatch: string;
}

/** Facts of an alarm that is active, and how far its off-delay is. */
export interface OpenAlarm extends Omit<AlarmFacts, 'activations' | 'clearedMs'> {
  readonly raisedMs: number;
  readonly offWindows: number;
  readonly offSinceMs?: number;
}

/** An alarm as far as it is known. */
export interface FoundAlarm {
  readonly kind: AlarmKind;
  readonly facts: Omit<AlarmFacts, 'activations'>;
}

export const isOver = (delay: Delay, windows: number, ms: number): boolean =>
  'windows' in delay ? windows >= delay.windows : ms >= delay.ms;

export function withWindow<E extends Excursion>(
  excursion: E,
  start: number,
  end: number,
  score: number,
  value: number,
  lastBatch: string,
): E {
  const worst = excursion.peakScore === undefined || score < excursion.peakScore;
  return {
    ...withoutOff(excursion),
    windows: excursion.windows + 1,
    lastMs: end,
    lastBatch,
    ...(worst ? { peakScore: score, peakMs: start, peakValue: value } : {}),
  };
}

/** The off-delay begins anew. */
export function withoutOff<E extends Excursion>(excursion: E): E {
  if (!('offWindows' in excursion)) return excursion;
  const { offSinceMs: _, ...rest } = excursion as E & { readonly offSinceMs?: number };
  return { ...rest, offWindows: 0 } as unknown as E;
}

export function raised(alarm: OpenAlarm, change: AlarmStep['change'], timeMs: number, severity: number): OpenAlarm {
  const next = {
    ...alarm,
    raises: alarm.raises + 1,
    raisedMs: timeMs,
    severity,
    ...(severity === alarm.severity ? {} : { lastSeverity: alarm.severity }),
  };
  return withStep(next, change, timeMs);
}

export function withStep(alarm: OpenAlarm, change: AlarmStep['change'], timeMs: number): OpenAlarm {
  if (alarm.steps.length >= MAX_STEPS && change !== 'cleared') return alarm;
  const { severity, quality } = alarm;
  return { ...alarm, steps: [...alarm.steps, { change, timeMs, severity, quality }] };
}

/** Without what only the fold needs. */
export function factsOf(alarm: OpenAlarm): FoundAlarm['facts'] {
  const { raisedMs: _, offWindows: __, offSinceMs: ___, ...facts } = alarm;
  return facts;
}
