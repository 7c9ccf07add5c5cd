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
import { parseCaptureName, type CaptureName } from './capture.ts';
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
  /** `{namespace}/{hub}/{partition}` of every partition. */
  readonly folders: readonly string[];
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
  folders,
  period,
  clockSkewMs,
  nowMs = Date.now(),
}: FindRawOptions): AsyncGenerator<CaptureName> {
  const fromMs = Math.max(0, period.fromMs - clockSkewMs);
  // The file that was open when the period began may lie in the folder of the day before.
  const before: CaptureName[] = [];
  for await (const prefixes of daysFrom(blobs, folders, fromMs - DAY_MS, nowMs)) {
    const files: CaptureName[] = [];
    for (const prefix of prefixes) {
      let last: CaptureName | undefined;
      for await (const { name } of blobs.list(CONTAINERS.raw, prefix)) {
        const file = parseCaptureName(name);
        if (!file) continue;
        if (file.timeMs >= fromMs) files.push(file);
        else last = file;
      }
      if (last) before.push(last);
    }
    yield* [...before.splice(0), ...files].sort((a, b) => a.timeMs - b.timeMs || a.order - b.order);
  }
}

/** Folders of one day after the other, of all partitions; years and months without a file cost one look each. */
async function* daysFrom(
  blobs: BlobStore,
  folders: readonly string[],
  fromMs: number,
  toMs: number,
): AsyncGenerator<readonly string[]> {
  const first = new Date(Math.max(0, fromMs));
  const two = (n: number): string => String(n).padStart(2, '0');
  for (let year = first.getUTCFullYear(); year <= new Date(toMs).getUTCFullYear(); year++) {
    const inYear = await withFiles(
      blobs,
      folders.map((folder) => `${folder}/${year}/`),
    );
    for (let month = 0; month < 12 && inYear.length > 0; month++) {
      const begins = Date.UTC(year, month);
      const ends = Date.UTC(year, month + 1);
      if (ends <= fromMs || begins > toMs) continue;
      const inMonth = await withFiles(
        blobs,
        inYear.map((prefix) => `${prefix}${two(month + 1)}/`),
      );
      for (let day = begins; day < ends && inMonth.length > 0; day += DAY_MS)
        if (day + DAY_MS > fromMs && day <= toMs)
          yield inMonth.map((prefix) => `${prefix}${two(new Date(day).getUTCDate())}/`);
    }
  }
}

async function withFiles(blobs: BlobStore, prefixes: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const prefix of prefixes)
    for await (const _ of blobs.list(CONTAINERS.raw, prefix)) {
      found.push(prefix);
      break;
    }
  return found;
}
