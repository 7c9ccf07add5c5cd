/**
 * Features are what a model sees of one window: one of its aggregates, or that of an earlier window (a lag).
 * A lag counts in hops of time, not in rows: `mean[-1]` is the mean of the window that starts one hop
 * earlier (the one before, unless windows overlap). A window that lacks one of its features is not scored, never
 * guessed.
 */
import type { Period } from '../domain/time.ts';
import type { SeriesBlock } from '../storage/store.ts';

export const STATISTICS = ['mean', 'min', 'max', 'last', 'count'] as const;
export type Statistic = (typeof STATISTICS)[number];

/** Furthest lag, in windows, and most features of one model. */
export const MAX_LAG = 60;
const MAX_FEATURES = 256;

export interface Feature {
  /** As declared: `mean`, `max[-3]`. */
  readonly name: string;
  readonly statistic: Statistic;
  /** Windows back, from 0. */
  readonly lag: number;
}

const FEATURE = /^(mean|min|max|last|count)(?:\[-([1-9]\d?)\])?$/;

/** What a model that declares nothing takes. */
export const DEFAULT_FEATURES: readonly Feature[] = [{ name: 'mean', statistic: 'mean', lag: 0 }];

/** The declared features (JSON array of names), or in words what is wrong with the declaration. */
export function parseFeatures(json: string | undefined): readonly Feature[] | string {
  if (json === undefined) return DEFAULT_FEATURES;
  let names: unknown;
  try {
    names = JSON.parse(json);
  } catch {
    return `fleetscore.features is not JSON: ${json.slice(0, 80)}`;
  }
  if (!Array.isArray(names) || names.length === 0)
    return `fleetscore.features must be a JSON array of names, got ${json.slice(0, 80)}`;
  if (names.length > MAX_FEATURES)
    return `fleetscore.features names ${names.length} features, at most ${MAX_FEATURES} are taken`;
  const features: Feature[] = [];
  for (const name of names) {
    const match = typeof name === 'string' ? FEATURE.exec(name) : null;
    const lag = Number(match?.[2] ?? 0);
    if (!match || lag > MAX_LAG)
      return (
        `fleetscore.features names ${JSON.stringify(name).slice(0, 40)}; ` +
        `a feature is one of ${STATISTICS.join(', ')}, or one of an earlier window such as mean[-1], down ` +
        `to [-${MAX_LAG}]`
      );
    features.push({ name: match[0], statistic: match[1] as Statistic, lag });
  }
  return features;
}

/** Windows back of a feature by its name. */
export const lagOf = (name: string): number => Number(FEATURE.exec(name)?.[2] ?? 0);

/** How many windows before the period these features reach. */
export function maxLag(features: readonly Feature[]): number {
  return features.reduce((most, feature) => Math.max(most, feature.lag), 0);
}

/** Whether any of them needs more of a window than its mean. */
export function needsMoreThanMean(features: readonly Feature[]): boolean {
  return features.some((feature) => feature.statistic !== 'mean');
}

/** Rows of one sensor in a block, half open. */
export interface RowRange {
  readonly from: number;
  readonly to: number;
}

/** Rows of every sensor in a block, by sensor id. */
export function rowRanges(series: Pick<SeriesBlock, 'length' | 'sensorId'>): Map<number, RowRange> {
  const ranges = new Map<number, RowRange>();
  for (let from = 0; from < series.length;) {
    const id = series.sensorId[from]!;
    let to = from + 1;
    while (to < series.length && series.sensorId[to] === id) to++;
    ranges.set(id, { from, to });
    from = to;
  }
  return ranges;
}

/** Rows and values may be those of the whole block, of which a part is meant: a view for each sensor costs more. */
export interface SensorFeatures {
  /** Rows of the block that have every feature, ascending: `count` of them, from the place `from` on. */
  readonly rows: Int32Array;
  /** [rows, features], row by row, in the places of `rows`. */
  readonly values: Float64Array;
  readonly from: number;
  readonly count: number;
  /** Windows that start in the period, with and without every feature. */
  readonly windows: number;
}

/**
 * Features of the windows of one sensor that start in the period. `range` also spans the history before it.
 * @param rowNumbers 0, 1, 2, ... for every row of the series: it may be what is returned, as a column may
 */
export function sensorFeatures(
  series: SeriesBlock,
  rowNumbers: Int32Array,
  range: RowRange,
  period: Period,
  hopMs: number,
  features: readonly Feature[],
): SensorFeatures {
  let first = range.from;
  while (first < range.to && series.startMs[first]! < period.fromMs) first++;
  let end = first;
  while (end < range.to && series.startMs[end]! < period.toMs) end++;
  const windows = end - first;
  const width = features.length;
  for (const { statistic } of features)
    if (series[statistic].length !== series.length)
      throw new Error(`the series was read without ${statistic}, which a model needs`);
  // Nearly every model: the windows as they are. Arrays of their own for each sensor cost more than to score it.
  if (width === 1 && features[0]!.lag === 0)
    return { rows: rowNumbers, values: series[features[0]!.statistic], from: first, count: windows, windows };
  const columns = features.map((feature) => series[feature.statistic]);
  const cursors = new Int32Array(width).fill(range.from);
  const at = new Int32Array(width);
  const rows = new Int32Array(windows);
  const values = new Float64Array(windows * width);
  let count = 0;
  for (let row = first; row < end; row++) {
    let complete = true;
    for (let f = 0; f < width && complete; f++) {
      const { lag } = features[f]!;
      if (lag === 0) {
        at[f] = row;
        continue;
      }
      const wanted = series.startMs[row]! - lag * hopMs;
      let cursor = cursors[f]!;
      while (cursor < row && series.startMs[cursor]! < wanted) cursor++;
      cursors[f] = cursor;
      at[f] = cursor;
      complete = series.startMs[cursor] === wanted;
    }
    if (!complete) continue;
    for (let f = 0; f < width; f++) values[count * width + f] = columns[f]![at[f]!]!;
    rows[count++] = row;
  }
  return { rows, values, from: 0, count, windows };
}
