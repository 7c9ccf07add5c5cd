/**
 * A series as small JSON for drawing: times as runs, values and scores as rounded integer steps. Values
 * keep at least a thousandth of their range, which is finer than a screen; a long series is thinned to
 * what a chart can show, where every slice keeps its lowest, highest and most anomalous window.
 */
import { DAY_MS, HOUR_MS, type Period } from '../../domain/time.ts';
import type { PredictionSeries } from '../collect/batch-data.ts';
import { levels } from './levels.ts';

export interface ChartData {
  /** Windows of the series, before thinning. */
  readonly n: number;
  /** Gaps between starts in units of `e` ms, the first from the period's start; -r repeats the gap before r times. */
  readonly t: readonly number[];
  readonly e: number;
  /** Values times 10^k: the first, then steps. */
  readonly v: readonly number[];
  readonly k: number;
  /** Scores times 10^q: the first, then steps. */
  readonly c: readonly number[];
  readonly q: number;
  /** Positions of anomalies, each relative to the one before. */
  readonly a: readonly number[];
  /** A gap longer than this interrupts the line, ms. */
  readonly g: number;
}

/** @param maxPoints most windows drawn */
export function chartData(all: PredictionSeries, period: Period, maxPoints: number): ChartData {
  const series = levels(all, period);
  const kept = thin(series, maxPoints);
  const pick = (column: { readonly [at: number]: number }): number[] => kept.map((at) => column[at]!);
  const tsMs = pick(series.tsMs);
  const values = pick(series.value);
  const scores = pick(series.score);
  const k = decimals(spread(values), magnitude(values), 1_000);
  const q = decimals(magnitude(scores), magnitude(scores), 200);
  const step = medianStep(tsMs);
  return {
    n: all.tsMs.length,
    ...gaps(tsMs, period.fromMs),
    v: toSteps(values, k),
    k,
    c: toSteps(scores, q),
    q,
    a: differences(tsMs.flatMap((_, i) => (series.prediction[kept[i]!] === 1 ? [i] : []))),
    g: kept.length < series.tsMs.length ? step * 6 : step * 2.5,
  };
}

/** From one time to the next, ms, as it usually is; 0 for a time alone. */
export function medianStep(tsMs: ArrayLike<number>): number {
  const steps = Array.from({ length: Math.max(0, tsMs.length - 1) }, (_, i) => tsMs[i + 1]! - tsMs[i]!);
  steps.sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 0;
}

/** Positions to draw, ascending: all, or lowest, highest and most anomalous of equal slices. */
export function thin(
  { value, prediction, score }: Pick<PredictionSeries, 'value' | 'prediction' | 'score'>,
  maxPoints: number,
): number[] {
  const length = value.length;
  if (length <= maxPoints) return Array.from({ length }, (_, i) => i);
  const slices = Math.max(1, Math.floor(maxPoints / 3));
  const kept = new Set<number>();
  for (let slice = 0; slice < slices; slice++) {
    const from = Math.floor((slice * length) / slices);
    const to = Math.floor(((slice + 1) * length) / slices);
    let low = from;
    let high = from;
    let worst = -1;
    for (let i = from; i < to; i++) {
      if (value[i]! < value[low]!) low = i;
      if (value[i]! > value[high]!) high = i;
      if (prediction[i] === 1 && (worst < 0 || score[i]! < score[worst]!)) worst = i;
    }
    kept.add(low).add(high);
    if (worst >= 0) kept.add(worst);
  }
  return [...kept].sort((a, b) => a - b);
}

/** Gaps in their largest common unit; a regular series is three numbers. */
function gaps(tsMs: readonly number[], fromMs: number): { t: number[]; e: number } {
  const all = tsMs.map((ts, i) => ts - (i === 0 ? fromMs : tsMs[i - 1]!));
  const e = all.reduce((a, b) => greatestDivisor(a, Math.abs(b)), 0) || 1;
  const t: number[] = [];
  for (let i = 0; i < all.length;) {
    let end = i + 1;
    while (i > 0 && end < all.length && all[end] === all[i]) end++;
    t.push(all[i]! / e);
    if (end - i > 1) t.push(i + 1 - end);
    i = end;
  }
  return { t, e };
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

const magnitude = (values: readonly number[]): number => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);

function spread(values: readonly number[]): number {
  const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return high > low && Number.isFinite(high - low) ? high - low : magnitude(values);
}

/** Power of ten that gives `range` at least `steps` integers, and keeps the largest within exact integers. */
function decimals(range: number, largest: number, steps: number): number {
  if (!(range > 0)) return 0;
  const fine = Math.ceil(Math.log10(steps) - Math.log10(range));
  return Math.max(-300, Math.min(fine, 15 - Math.ceil(Math.log10(largest)), 300));
}

function toSteps(values: readonly number[], k: number): number[] {
  // A negative power divides: 10 ** -k stays exact where 10 ** k does not.
  const whole = values.map((value) => Math.round(k < 0 ? value / 10 ** -k : value * 10 ** k));
  return differences(whole);
}

function differences(numbers: readonly number[]): number[] {
  return numbers.map((n, i) => (i === 0 ? n : n - numbers[i - 1]!));
}

const SECOND = 1_000;
const MINUTE = 60_000;
const TICK_STEPS = [
  SECOND,
  2 * SECOND,
  5 * SECOND,
  10 * SECOND,
  15 * SECOND,
  30 * SECOND,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  15 * MINUTE,
  30 * MINUTE,
  HOUR_MS,
  2 * HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
  DAY_MS,
  2 * DAY_MS,
  7 * DAY_MS,
  14 * DAY_MS,
  28 * DAY_MS,
] as const;

/** Round UTC times over a period: [offset in ms, label]. */
export function timeTicks({ fromMs, toMs }: Period, most: number): [number, string][] {
  const span = toMs - fromMs;
  const fitting = TICK_STEPS.find((candidate) => span / candidate <= most);
  const step = fitting ?? Math.ceil(span / most / (365 * DAY_MS)) * 365 * DAY_MS;
  const ticks: [number, string][] = [];
  for (let at = Math.ceil(fromMs / step) * step; at <= toMs; at += step) {
    const iso = new Date(at).toISOString();
    const clock = iso.slice(11, step >= MINUTE ? 16 : 19);
    const ofDay = at % DAY_MS === 0 && span > DAY_MS ? iso.slice(5, 10) : clock;
    ticks.push([at - fromMs, step >= DAY_MS ? iso.slice(0, 10) : ofDay]);
  }
  return ticks;
}
