/**
 * The aggregate of a window is a pure function of its set of readings, so redelivered, repeated and
 * out-of-order readings end in the same window. The set is kept beside the aggregate as bytes; a window
 * of one reading is its own set and needs none.
 */
import type { Window } from './reading.ts';

/** Readings of one window: times ascending and unique, epoch milliseconds, with their values. */
export interface ReadingSet {
  readonly tsMs: readonly number[];
  readonly values: readonly number[];
}

/** New readings for one window of one sensor, in order of arrival. */
export interface WindowUpdate {
  readonly sensorId: number;
  readonly startMs: number;
  readonly tsMs: readonly number[];
  readonly values: readonly number[];
  /** Which send each reading came with, from 1, where duplicates are to be counted; 0 for none. */
  readonly from?: readonly number[];
}

/** Adds readings in order of arrival; for the same time the later arrival wins. */
export function mergeReadings(base: ReadingSet | undefined, added: ReadingSet): ReadingSet {
  if (isAscending(added.tsMs, base?.tsMs.at(-1)))
    return {
      tsMs: base ? [...base.tsMs, ...added.tsMs] : added.tsMs,
      values: base ? [...base.values, ...added.values] : added.values,
    };
  const byTime = new Map<number, number>();
  if (base) for (let i = 0; i < base.tsMs.length; i++) byTime.set(base.tsMs[i]!, base.values[i]!);
  for (let i = 0; i < added.tsMs.length; i++) byTime.set(added.tsMs[i]!, added.values[i]!);
  const sorted = [...byTime].sort((a, b) => a[0] - b[0]);
  return { tsMs: sorted.map((e) => e[0]), values: sorted.map((e) => e[1]) };
}

/** Whether times come in order, each once, and after this one: so most do. */
function isAscending(tsMs: readonly number[], afterMs = Number.NEGATIVE_INFINITY): boolean {
  let before = afterMs;
  for (const time of tsMs) {
    if (time <= before) return false;
    before = time;
  }
  return true;
}

/** The window over a non-empty set. The mean sums in time order: the same set gives the same bits. */
export function aggregate(startMs: number, readings: ReadingSet): Window {
  const { values } = readings;
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  let mean = sum / values.length;
  // A sum of huge values can overflow though the mean does not.
  if (!Number.isFinite(mean)) mean = values.reduce((acc, value) => acc + value / values.length, 0);
  return {
    startMs,
    count: values.length,
    mean: Math.min(max, Math.max(min, mean)),
    min,
    max,
    last: values[values.length - 1]!,
  };
}

const BYTES_PER_READING = 12; // uint32 offset from the window's start in ms, float64 value, little-endian

/** The set as bytes, relative to the window's start. */
export function encodeReadings(startMs: number, readings: ReadingSet): Uint8Array {
  const bytes = new Uint8Array(readings.tsMs.length * BYTES_PER_READING);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < readings.tsMs.length; i++) {
    view.setUint32(i * BYTES_PER_READING, readings.tsMs[i]! - startMs, true);
    view.setFloat64(i * BYTES_PER_READING + 4, readings.values[i]!, true);
  }
  return bytes;
}

export function decodeReadings(startMs: number, bytes: Uint8Array): ReadingSet {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tsMs: number[] = [];
  const values: number[] = [];
  for (let at = 0; at + BYTES_PER_READING <= bytes.byteLength; at += BYTES_PER_READING) {
    tsMs.push(startMs + view.getUint32(at, true));
    values.push(view.getFloat64(at + 4, true));
  }
  return { tsMs, values };
}
