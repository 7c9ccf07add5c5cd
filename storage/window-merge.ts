/**
 * A window as both engines store it: the aggregate, the time of its newest reading, and the readings as
 * bytes unless there is only the newest one. Pure; the aggregate always follows from the readings.
 */
import {
  aggregate,
  decodeReadings,
  encodeReadings,
  mergeReadings,
  type ReadingSet,
  type WindowUpdate,
} from '../domain/window.ts';

export interface StoredWindow {
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly last: number;
  /** Event time of the newest reading, epoch ms. */
  readonly lastTs: number;
  /** Null when the newest reading is the only one. */
  readonly readings: Uint8Array | null;
}

/** The window of a non-empty set of readings. */
function storedWindow(startMs: number, set: ReadingSet): StoredWindow {
  const { count, mean, min, max, last } = aggregate(startMs, set);
  const lastTs = set.tsMs[set.tsMs.length - 1]!;
  return { count, mean, min, max, last, lastTs, readings: count === 1 ? null : encodeReadings(startMs, set) };
}

/** The window that holds only the readings of an update, undefined when it has none. */
export function newWindow(update: WindowUpdate): StoredWindow | undefined {
  const { startMs, tsMs, values } = update;
  if (tsMs.length === 0) return undefined;
  if (tsMs.length > 1) return storedWindow(startMs, mergeReadings(undefined, update));
  const value = values[0]!;
  return { count: 1, mean: value, min: value, max: value, last: value, lastTs: tsMs[0]!, readings: null };
}

/** The window with the readings of an update added; undefined when that changes nothing. */
export function mergedWindow(old: StoredWindow, update: WindowUpdate): StoredWindow | undefined {
  const { startMs } = update;
  const held = old.readings ? decodeReadings(startMs, old.readings) : { tsMs: [old.lastTs], values: [old.last] };
  const merged = mergeReadings(held, update);
  return sameReadings(held, merged) ? undefined : storedWindow(startMs, merged);
}

// By value, not by bytes: an engine may store -0 as 0.
function sameReadings(a: ReadingSet, b: ReadingSet): boolean {
  return (
    a.tsMs.length === b.tsMs.length &&
    a.tsMs.every((ts, i) => ts === b.tsMs[i]) &&
    a.values.every((value, i) => value === b.values[i])
  );
}

/** The readings of a stored window. Of several, those that were not kept are not listed. */
export function readingsOf({ count, last, lastTs, readings }: StoredReadings, startMs: number): ReadingSet {
  if (readings) return decodeReadings(startMs, readings);
  return count === 1 ? { tsMs: [lastTs], values: [last] } : { tsMs: [], values: [] };
}

export type StoredReadings = Pick<StoredWindow, 'count' | 'last' | 'lastTs' | 'readings'>;

/**
 * Counts, by the place of their send less one, readings of an update whose time was there already or comes again.
 * @param held readings of the window before; undefined when it is new
 */
export function countDuplicates(update: WindowUpdate, held: ReadingSet | undefined, into: number[]): void {
  const { from, tsMs } = update;
  if (!from) return;
  const seen = new Set(held?.tsMs);
  tsMs.forEach((ts, i) => {
    const send = from[i]!;
    if (send > 0 && seen.has(ts)) into[send - 1] = (into[send - 1] ?? 0) + 1;
    seen.add(ts);
  });
}

/** One update for each window, ordered by sensor and start; within a window the order of arrival stays. */
export function mergeUpdates(updates: readonly WindowUpdate[]): WindowUpdate[] {
  const sorted = updates
    .filter((update) => update.tsMs.length > 0)
    .sort((a, b) => a.sensorId - b.sensorId || a.startMs - b.startMs);
  const merged: WindowUpdate[] = [];
  for (const update of sorted) {
    const previous = merged.at(-1);
    if (previous?.sensorId === update.sensorId && previous.startMs === update.startMs)
      merged[merged.length - 1] = {
        ...update,
        tsMs: [...previous.tsMs, ...update.tsMs],
        values: [...previous.values, ...update.values],
        ...(previous.from || update.from ? { from: [...sendsOf(previous), ...sendsOf(update)] } : undefined),
      };
    else merged.push(update);
  }
  return merged;
}

const sendsOf = ({ from, tsMs }: WindowUpdate): readonly number[] => from ?? tsMs.map(() => 0);
