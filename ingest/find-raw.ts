/**
 * Readings of a sensor in raw capture, by the time of the reading. Files are ordered by arrival, which for a history is
 * long after its event time: the search begins where the readings can have arrived at the earliest, goes on in order of
 * arrival, and ends when all are found, or at a bound that is told.
 */
import { CONTAINERS } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { SensorKey } from '../domain/sensor.ts';
import { DAY_MS, type Period } from '../domain/time.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { CaptureLayout, KnownTime } from './capture-layout.ts';
import type { CaptureName } from './capture.ts';
import { readCapture } from './capture-file.ts';
import type { EventParser } from './parse-event.ts';

export interface RawReading {
  /** Event time, epoch milliseconds. */
  readonly tsMs: number;
  readonly value: number;
  /** Blob in the container `raw`. */
  readonly file: string;
  readonly partition: string;
  readonly seq: number;
  /** When its event arrived, epoch milliseconds. */
  readonly arrivedMs: number;
}

export interface RawSearch {
  /** In order of arrival; a reading that was sent twice is there twice. */
  readonly readings: readonly RawReading[];
  /** Files looked into. */
  readonly files: number;
  /** False when the search ended at its bound. */
  readonly complete: boolean;
}

export interface FindRawOptions {
  readonly blobs: BlobStore;
  /** Where raw capture lies. */
  readonly layouts: readonly CaptureLayout[];
  readonly sensor: SensorKey;
  /** Of event time. */
  readonly period: Period;
  /** Times of readings to find, such as those of a window; the search ends when all are found. */
  readonly times: readonly number[];
  readonly parse: EventParser;
  readonly clockSkewMs: number;
  readonly maxFiles?: number;
  readonly nowMs?: number;
}

const MAX_FILES = 400;

export async function findRaw(options: FindRawOptions): Promise<RawSearch> {
  const { blobs, sensor, period, parse, maxFiles = MAX_FILES } = options;
  const missing = new Set(options.times);
  const readings: RawReading[] = [];
  let files = 0;
  if (missing.size === 0) return { readings, files, complete: true };
  for await (const file of filesFrom(options)) {
    if (files === maxFiles) return { readings, files, complete: false };
    files++;
    for (const event of await eventsOf(blobs, file.name))
      for (const { tsMs, value, ...key } of parse(event).readings) {
        if (tsMs < period.fromMs || tsMs >= period.toMs) continue;
        if (key.device !== sensor.device || key.sensor !== sensor.sensor) continue;
        const { seq, enqueuedMs: arrivedMs } = event;
        readings.push({ tsMs, value, file: file.name, partition: file.partition, seq, arrivedMs });
        missing.delete(tsMs);
      }
    if (missing.size === 0) return { readings, files, complete: true };
  }
  return { readings, files, complete: true };
}

/** A file that cannot be read holds nothing that could be shown; `ingest rebuild` and `verify` tell of it. */
async function eventsOf(blobs: BlobStore, name: string): Promise<ReturnType<typeof readCapture>> {
  try {
    return readCapture(await blobs.get(CONTAINERS.raw, name), name);
  } catch (error) {
    if (error instanceof FleetscoreError && /^(CAPTURE_UNREADABLE|BLOB_MISSING)$/.test(error.code)) return [];
    throw error;
  }
}

/** Files that can hold readings from the start of the period on, in order of arrival over all partitions. */
async function* filesFrom({
  blobs,
  layouts,
  period,
  clockSkewMs,
  nowMs = Date.now(),
}: FindRawOptions): AsyncGenerator<CaptureName> {
  const fromMs = Math.max(0, period.fromMs - clockSkewMs);
  // The file that was open when the period began may lie in the folder of the day before.
  const before: CaptureName[] = [];
  // A format of names may say the day behind what is not known: then one prefix has the files of all days.
  const listed = new Set<string>();
  for await (const time of daysFrom(blobs, layouts, fromMs - DAY_MS, nowMs)) {
    const files = new Map<string, CaptureName>();
    for (const { prefixes, parse } of layouts)
      for (const prefix of prefixes(time)) {
        if (listed.has(prefix)) continue;
        listed.add(prefix);
        let last: CaptureName | undefined;
        for await (const { name } of blobs.list(CONTAINERS.raw, prefix)) {
          const file = parse(name);
          if (!file) continue;
          if (file.timeMs >= fromMs) files.set(name, file);
          else if (!last || file.timeMs >= last.timeMs) last = file;
        }
        if (last) before.push(last);
      }
    yield* [...before.splice(0), ...files.values()].sort((a, b) => a.timeMs - b.timeMs || a.order - b.order);
  }
}

const two = (n: number): string => String(n).padStart(2, '0');

/** One day after the other; years and months without a file cost one look each. */
async function* daysFrom(
  blobs: BlobStore,
  layouts: readonly CaptureLayout[],
  fromMs: number,
  toMs: number,
): AsyncGenerator<KnownTime> {
  const first = new Date(Math.max(0, fromMs));
  for (let year = first.getUTCFullYear(); year <= new Date(toMs).getUTCFullYear(); year++) {
    const Year = String(year);
    if (!(await hasFiles(blobs, layouts, { Year }))) continue;
    for (let month = 0; month < 12; month++) {
      const [begins, ends] = [Date.UTC(year, month), Date.UTC(year, month + 1)];
      const Month = two(month + 1);
      if (ends <= fromMs || begins > toMs || !(await hasFiles(blobs, layouts, { Year, Month }))) continue;
      for (let day = begins; day < ends; day += DAY_MS)
        if (day + DAY_MS > fromMs && day <= toMs) yield { Year, Month, Day: two(new Date(day).getUTCDate()) };
    }
  }
}

async function hasFiles(blobs: BlobStore, layouts: readonly CaptureLayout[], time: KnownTime): Promise<boolean> {
  for (const { prefixes } of layouts)
    for (const prefix of prefixes(time)) for await (const _ of blobs.list(CONTAINERS.raw, prefix)) return true;
  return false;
}
