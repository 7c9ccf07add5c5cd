/**
 * Windows from raw capture, ours or that of Azure Event Hubs Capture: after windows were lost, or with a wider
 * filter. Readings are merged into what is there, so what is right already stays as it is, and a rebuild may be
 * stopped, repeated, and run beside live ingest. One limit: when a sensor sent two values for one time, the one
 * captured last wins, even over a correction that is applied but not in a capture file yet; run it again then.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CONTAINERS } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { windowStart, type Period } from '../domain/time.ts';
import { firstWindowStart, windowsPerReading } from '../domain/windowing.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';
import { parseCaptureName, type CaptureName } from './capture.ts';
import { readCapture } from './capture-file.ts';
import { hubFolder, sourceName, type HubName } from './event.ts';
import { createFilter } from './filter.ts';
import type { IngestLog } from './log.ts';
import { createEventParser, type ParsedReading } from './parse-event.ts';
import { untilDone } from './retry.ts';
import { createSensorIds } from './sensor-ids.ts';
import { claimWindows, INGEST_DEFAULTS, type IngestSettings } from './settings.ts';
import { buildWindows } from './windows.ts';

export interface RebuildOptions {
  readonly store: Store;
  readonly blobs: BlobStore;
  /** See `hubNameOf`. */
  readonly hub: HubName;
  readonly consumerGroup: string;
  /** Windows that start in it, by event time. */
  readonly period: Period;
  /** Those of the ingest worker; a late limit does not count here. */
  readonly settings?: Partial<IngestSettings>;
  readonly log: IngestLog;
  readonly onProgress?: (progress: RebuildResult & { readonly filesInAll: number }) => void;
  readonly signal?: AbortSignal;
}

export interface RebuildResult {
  readonly files: number;
  readonly events: number;
  /** Readings of the period that were merged. */
  readonly readings: number;
  /** Readings and events that could not be taken; they are in the dead letters of ingest. */
  readonly dead: number;
}

/** @throws FleetscoreError `NO_RAW_CAPTURE`, `CAPTURE_UNREADABLE`, `INTERVAL_CHANGED`, `INGEST_STOPPED` */
export async function rebuildWindows(options: RebuildOptions): Promise<RebuildResult> {
  const { store, blobs, period, log } = options;
  const settings: IngestSettings = { ...INGEST_DEFAULTS, ...options.settings };
  const source = sourceName(options.hub, options.consumerGroup);
  const signal = options.signal ?? new AbortController().signal;
  await claimWindows(store, settings);
  const files = await captureFiles(blobs, `${hubFolder(options.hub)}/`, period.fromMs - settings.clockSkewMs);
  const parse = createEventParser(settings);
  const filter = createFilter(settings.filter);
  const sensors = createSensorIds(store);
  const copies = windowsPerReading(settings);
  const retry = <T>(what: string, work: () => Promise<T>, answers?: readonly string[]): Promise<T> =>
    untilDone(work, { what, log, signal, ...(answers ? { answers } : undefined) });

  const total = { files: 0, events: 0, readings: 0, dead: 0 };
  let partition = '';
  let watermarkMs = -1;
  let held: (ParsedReading & { readonly arrivedMs: number })[] = [];

  const commit = async (): Promise<void> => {
    if (held.length === 0) return;
    await retry('registration of sensors', () => sensors.register(held));
    const windows = buildWindows(
      { windowMs: settings.windowMs, hopMs: settings.hopMs, outOfOrderMs: settings.outOfOrderMs, starts: period },
      watermarkMs,
    );
    for (const { device, sensor, tsMs, value, arrivedMs } of held)
      windows.add({ sensorId: sensors.find(device, sensor)!, tsMs, value, arrivedMs });
    const { updates, readings, watermarkMs: reached } = windows.result;
    for (;;) {
      const progress = (await retry('progress', () => store.listProgress(source))).find(
        (p) => p.partition === partition,
      );
      const seq = progress?.appliedSeq ?? -1;
      try {
        // Progress stays where it is: these events are applied already, or will be by ingest itself.
        await retry(
          'commit',
          () =>
            store.commitReadings({
              source,
              partition,
              expectedSeq: seq,
              throughSeq: seq,
              watermarkMs: reached,
              updates,
              readings: 0,
              late: 0,
              dead: 0,
            }),
          ['PROGRESS_CONFLICT'],
        );
        break;
      } catch (error) {
        // Live ingest went on in between.
        if (!(error instanceof FleetscoreError) || error.code !== 'PROGRESS_CONFLICT') throw error;
      }
    }
    watermarkMs = reached;
    total.readings += readings;
    held = [];
  };

  for (const file of files) {
    if (signal.aborted) break;
    if (file.partition !== partition) {
      await commit();
      ({ partition } = file);
      watermarkMs = -1;
    }
    const events = readCapture(await blobs.get(CONTAINERS.raw, file.name), file.name);
    for (const event of events) {
      const { readings, problems } = parse(event);
      total.dead += problems.length;
      for (const reading of readings) {
        // One of its windows may start in the period, another one outside of it.
        const wanted =
          windowStart(reading.tsMs, settings.hopMs) >= period.fromMs &&
          firstWindowStart(reading.tsMs, settings) < period.toMs;
        if (wanted && (filter === undefined || filter(reading))) held.push({ ...reading, arrivedMs: event.enqueuedMs });
      }
      if (held.length * copies >= settings.maxCommitReadings) {
        await commit();
        // SQLite commits without a pause: let timers and signals in.
        await sleep(0);
      }
    }
    total.files++;
    total.events += events.length;
    options.onProgress?.({ ...total, filesInAll: files.length });
  }
  await commit();
  if (signal.aborted)
    throw new FleetscoreError(
      'INGEST_STOPPED',
      `the rebuild was stopped after ${total.files} of ${files.length} files. What it did stays; run it again to finish.`,
      { retryable: true },
    );
  return total;
}

/**
 * Files that can hold readings from `fromMs` on, in the order of their events: the last file of each partition that
 * begins before, and all later ones, because late readings of the period can be in any of them.
 */
async function captureFiles(blobs: BlobStore, prefix: string, fromMs: number): Promise<CaptureName[]> {
  const byPartition = new Map<string, CaptureName[]>();
  for await (const { name } of blobs.list(CONTAINERS.raw, prefix)) {
    const file = parseCaptureName(name);
    if (!file) continue;
    const list = byPartition.get(file.partition);
    if (list) list.push(file);
    else byPartition.set(file.partition, [file]);
  }
  if (byPartition.size === 0)
    throw new FleetscoreError(
      'NO_RAW_CAPTURE',
      `there is no raw capture below ${CONTAINERS.raw}/${prefix}. Check the names of the namespace and the hub.`,
    );
  return [...byPartition.values()].flatMap((files) => {
    files.sort((a, b) => a.timeMs - b.timeMs || a.order - b.order);
    const first = files.findIndex((file) => file.timeMs >= fromMs);
    return files.slice(first < 0 ? -1 : Math.max(0, first - 1));
  });
}
