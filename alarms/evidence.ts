/**
 * What alarms are decided on: the windows of one sensor over one stretch of time, as short as it can be said. Normal
 * windows that follow each other are one item, so a stretch costs what is abnormal in it. Most sensors have nothing to
 * say, and then nothing is made.
 */
import type { FailureClass, SkipClass } from '../domain/outcome.ts';
import type { Period } from '../domain/time.ts';
import type { WindowShape } from '../domain/windowing.ts';
import type { Sense } from './rules.ts';

/**
 * In order of time. A start is that of the window, or, of a longer window than the fleet's, that of the last of the
 * fleet's windows in it: so every item lies in the stretch that it belongs to.
 * - `[0, start, count, step]`: normal windows, `step` ms apart
 * - `[1, start, score, value]`: an abnormal window
 * - `[2, start, score, value]`: a normal one whose score is below the deadband
 * - `[3, start, count, step, value]`: normal windows of one and the same value
 * - `[4, start, count, step]`: windows that were not scored
 */
export type EvidenceItem =
  | readonly [0 | 4, number, number, number]
  | readonly [1 | 2, number, number, number]
  | readonly [3, number, number, number, number];

/** What a batch says of a sensor over its period. */
export type StretchVerdict = 'scored' | SkipClass | FailureClass | 'cancelled';

export interface Stretch extends Period {
  readonly batchId: string;
  readonly verdict: StretchVerdict;
  /** It had readings, whether they were scored or not. */
  readonly seen: boolean;
  readonly items: readonly EvidenceItem[];
}

/** The rows of one sensor in what a chunk has read and scored. */
export interface SensorRows {
  /** First row and the one after the last, in order of time. */
  readonly from: number;
  readonly to: number;
  readonly startMs: Float64Array;
  readonly value: Float64Array;
  readonly scored: Uint8Array;
  readonly anomaly: Uint8Array;
  readonly score: Float64Array;
}

/**
 * True when the windows say something that alarms may rest on. Cheap: nearly always false.
 * @param period where they start
 */
export function isNotable(
  rows: SensorRows,
  anomalies: number,
  period: Period,
  sense: Sense,
  shape: WindowShape,
): boolean {
  const { silentMs, stuckMs } = sense;
  const { hopMs, windowMs } = shape;
  if (anomalies > 0 && hasRun(rows, sense, shape)) return true;
  const { from, to, startMs, value } = rows;
  const whole = (to - from) * hopMs >= period.toMs - period.fromMs;
  if (whole && stuckMs === Number.POSITIVE_INFINITY) return false;
  let seenMs = period.fromMs;
  let flat = 0;
  for (let row = from; row < to; row++) {
    if (startMs[row]! - seenMs >= silentMs / 2) return true;
    seenMs = startMs[row]! + windowMs;
    flat = row > from && value[row] !== value[row - 1] ? 1 : flat + 1;
    if (flat * hopMs >= stuckMs / 2) return true;
  }
  // A stretch of one value, however short, may be the middle of a longer one.
  const allFlat = stuckMs !== Number.POSITIVE_INFINITY && to > from && flat === to - from;
  return allFlat || period.toMs - seenMs >= silentMs / 2;
}

/**
 * Abnormal windows that are enough for an alarm, or that others before the first or after the last window may belong
 * to. Single ones among normal ones, as noise makes them, are what most sensors have: they leave nothing, and are read
 * back where another batch cuts into them.
 */
function hasRun(
  { from, to, startMs, scored, anomaly }: SensorRows,
  { onWindows, onMs }: Sense,
  { windowMs }: WindowShape,
): boolean {
  let [windows, sinceMs, first] = [0, 0, true];
  for (let row = from; row < to; row++) {
    if (scored[row] !== 1) continue;
    if (anomaly[row] !== 1) {
      windows = 0;
      first = false;
      continue;
    }
    if (windows === 0) sinceMs = startMs[row]!;
    windows += 1;
    if (first || windows >= onWindows || startMs[row]! + windowMs - sinceMs >= onMs) return true;
  }
  return windows > 0;
}

/** Whether the first window that was scored is abnormal: it may go on with what was before. */
export const beginsAbnormal = (items: readonly EvidenceItem[]): boolean =>
  items.find(([code]) => code !== 4)?.[0] === 1;

/** The windows of a sensor as items. */
export function itemsOf(rows: SensorRows, sense: Sense, shape: WindowShape): EvidenceItem[] {
  const items: EvidenceItem[] = [];
  addItems(items, rows, rows, sense, shape);
  return items;
}

/** As {@link itemsOf}; undefined where there are more than `most`, which is found out without making them all. */
export function fewItemsOf(
  rows: SensorRows,
  sense: Sense,
  shape: WindowShape,
  most: number,
): EvidenceItem[] | undefined {
  const items: EvidenceItem[] = [];
  for (let from = rows.from; from < rows.to; from += most) {
    addItems(items, rows, { from, to: Math.min(rows.to, from + most) }, sense, shape);
    if (items.length > most) return undefined;
  }
  return items;
}

/** Only the windows that were not scored. */
export function unscoredOf(
  { from, to, startMs, scored }: SensorRows,
  { hopMs, leadMs = 0 }: WindowShape,
): EvidenceItem[] {
  const items: EvidenceItem[] = [];
  // A run is of windows with no scored one in between.
  for (let row = from, isNew = true; row < to; row++) {
    const start = startMs[row]! + leadMs;
    if (scored[row] === 1) isNew = true;
    else if (isNew) {
      items.push([4, start, 1, hopMs]);
      isNew = false;
    } else addRun(items, 4, start, hopMs);
  }
  return items;
}

/** Goes on with the windows of `part`, which follow those that are in the items. */
export function addItems(
  items: EvidenceItem[],
  rows: SensorRows,
  part: { readonly from: number; readonly to: number },
  { deadband, stuckMs }: Sense,
  { hopMs, leadMs = 0 }: WindowShape,
): void {
  const { from, to, startMs, value, scored, anomaly, score } = rows;
  const flats = stuckMs !== Number.POSITIVE_INFINITY;
  /** Whether it has the value of a neighbour, or may have that of one in the next stretch. */
  const flat = (row: number): boolean =>
    flats && (row === from || row === to - 1 || value[row] === value[row - 1] || value[row] === value[row + 1]);
  for (let row = part.from; row < part.to; row++) {
    const start = startMs[row]! + leadMs;
    if (scored[row] !== 1) addRun(items, 4, start, hopMs);
    else if (anomaly[row] === 1) items.push([1, start, score[row]!, value[row]!]);
    else if (score[row]! < deadband) items.push([2, start, score[row]!, value[row]!]);
    else if (flat(row)) addFlat(items, start, hopMs, value[row]!);
    else addRun(items, 0, start, hopMs);
  }
}

/** A window as predictions have it. */
export interface PredictedWindow {
  readonly tsMs: number;
  readonly value: number;
  readonly prediction: 0 | 1;
  readonly score: number;
}

/** Rows of predictions that are read back, to be filled by {@link fillRows}: what was not predicted is not in them. */
export const rowsFor = (length: number): SensorRows => ({
  from: 0,
  to: length,
  startMs: new Float64Array(length),
  value: new Float64Array(length),
  scored: new Uint8Array(length).fill(1),
  anomaly: new Uint8Array(length),
  score: new Float64Array(length),
});

/** @param scoreOf what counts as the score of a window */
export function fillRows(
  rows: SensorRows,
  predictions: readonly PredictedWindow[],
  { from, to }: { readonly from: number; readonly to: number },
  scoreOf: (score: number) => number = (score) => score,
): void {
  for (let row = from; row < to; row++) {
    const { tsMs, value, prediction, score } = predictions[row]!;
    rows.startMs[row] = tsMs;
    rows.value[row] = value;
    rows.anomaly[row] = prediction;
    rows.score[row] = scoreOf(score);
  }
}

/** Items of predictions that were read back. */
export function itemsOfPredictions(
  predictions: readonly PredictedWindow[],
  sense: Sense,
  shape: WindowShape,
): EvidenceItem[] {
  const rows = rowsFor(predictions.length);
  fillRows(rows, predictions, rows);
  return itemsOf(rows, sense, shape);
}

/** Lengthens the newest item by a window, where it goes on at the same pace; the pace is set by its second window. */
function addRun(items: EvidenceItem[], code: 0 | 4, start: number, hopMs: number): void {
  const last = items.at(-1);
  if (last?.[0] === code) {
    const [, first, count, step] = last;
    const pace = start - (first + (count - 1) * step);
    if (count === 1 || pace === step) {
      items[items.length - 1] = [code, first, count + 1, pace];
      return;
    }
  }
  items.push([code, start, 1, hopMs]);
}

function addFlat(items: EvidenceItem[], start: number, hopMs: number, value: number): void {
  const last = items.at(-1);
  if (last?.[0] === 3 && last[4] === value) {
    const [, first, count, step] = last;
    const pace = start - (first + (count - 1) * step);
    if (count === 1 || pace === step) {
      items[items.length - 1] = [3, first, count + 1, pace, value];
      return;
    }
  }
  items.push([3, start, 1, hopMs, value]);
}

/** The same, so much earlier. */
export const earlier = (stretch: Stretch, ms: number): Stretch => ({
  ...stretch,
  fromMs: stretch.fromMs - ms,
  toMs: stretch.toMs - ms,
  items: stretch.items.map(([code, start, ...rest]) => [code, start - ms, ...rest] as unknown as EvidenceItem),
});

/** How many windows have the value of the first one, and whether all have. */
export function leadingFlat(items: readonly EvidenceItem[]): { readonly windows: number; readonly whole: boolean } {
  const valueOf = (item: EvidenceItem): number | undefined => {
    if (item[0] === 3) return item[4];
    return item[0] === 1 || item[0] === 2 ? item[3] : undefined;
  };
  const value = items[0] && valueOf(items[0]);
  let windows = 0;
  for (const item of items) {
    if (value === undefined || valueOf(item) !== value) return { windows, whole: false };
    windows += item[0] === 3 ? item[2] : 1;
  }
  return { windows, whole: windows > 0 };
}

/** The part of a stretch inside a period. */
export function within(stretch: Stretch, { fromMs, toMs }: Period): Stretch {
  const items = stretch.items.flatMap((item): readonly EvidenceItem[] => {
    const [code, start] = item;
    if (code === 1 || code === 2) return start >= fromMs && start < toMs ? [item] : [];
    const [, , count, step] = item;
    const skip = Math.max(0, Math.ceil((fromMs - start) / step));
    const end = Math.min(count, Math.ceil((toMs - start) / step));
    if (end <= skip) return [];
    const first = start + skip * step;
    return [code === 3 ? [code, first, end - skip, step, item[4]] : [code, first, end - skip, step]];
  });
  return {
    ...stretch,
    fromMs: Math.max(stretch.fromMs, fromMs),
    toMs: Math.min(stretch.toMs, toMs),
    // Of what was scored every window is an item: a part without any had none.
    seen: items.length > 0 || (stretch.seen && stretch.verdict !== 'scored'),
    items,
  };
}
