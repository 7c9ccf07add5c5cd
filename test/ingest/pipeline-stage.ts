/** Pipelines of one partition on a real SQLite store and Blob server, and what must come out of them. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { FleetscoreError } from '../../domain/errors.ts';
import type { Window } from '../../domain/reading.ts';
import { aggregate, mergeReadings } from '../../domain/window.ts';
import type { WindowShape } from '../../domain/windowing.ts';
import { parseCaptureName } from '../../ingest/capture.ts';
import { readCapture } from '../../ingest/capture-file.ts';
import type { IngestEvent } from '../../ingest/event.ts';
import type { Position } from '../../ingest/capture-flow.ts';
import { createFilter } from '../../ingest/filter.ts';
import { createEventParser } from '../../ingest/parse-event.ts';
import { openPipeline, type Pipeline } from '../../ingest/partition-pipeline.ts';
import { createSensorIds } from '../../ingest/sensor-ids.ts';
import { INGEST_DEFAULTS, parseSettings, type IngestSettings } from '../../ingest/settings.ts';
import { newTotals, type Totals } from '../../ingest/stats.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';

export const SOURCE = 'test/hub/$default';
export const T0 = Date.UTC(2026, 9, 1);

export interface Stage {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly folder: string;
  readonly totals: Totals;
  readonly logged: string[];
  readonly checkpoints: Position[];
  open(settings?: Partial<IngestSettings>, fate?: Fate): Promise<Pipeline>;
  close(): Promise<void>;
}

/** What goes wrong between one pipeline and the store. */
export interface Fate {
  /** The worker dies between writing a capture file and recording it: called then, and nothing comes after. */
  diesInCapture?: () => void;
  /** The answers to this many commits are lost, though they happened. */
  lostAnswers?: number;
  /** Another store or Blob before the real one. */
  store?: (store: Store) => Store;
  blobs?: BlobStore;
}

function fatefulStore(store: Store, fate: Fate): Store {
  return Object.assign(Object.create(store) as Store, {
    commitCapture: (...args: Parameters<Store['commitCapture']>): Promise<void> => {
      if (!fate.diesInCapture) return store.commitCapture(...args);
      fate.diesInCapture();
      return new Promise(() => {});
    },
    async commitReadings(commit: Parameters<Store['commitReadings']>[0]): Promise<void> {
      await store.commitReadings(commit);
      if ((fate.lostAnswers ?? 0) === 0) return;
      fate.lostAnswers!--;
      throw new FleetscoreError('STORE_UNAVAILABLE', 'the connection broke', { retryable: true });
    },
  });
}

/** A store of its own and a folder of its own in Blob. */
export async function openStage(dir: string, blobs: BlobStore): Promise<Stage> {
  const id = randomUUID();
  const store = await openStore(`sqlite:${join(dir, `${id}.db`)}`);
  await store.migrate();
  const totals = newTotals();
  const logged: string[] = [];
  const checkpoints: Position[] = [];
  const note = (fields: object, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const log = { debug: note, info: note, warn: note, error: note };
  const giveUp = new AbortController();
  const folder = `${id}/hub`;
  return {
    store,
    blobs,
    folder,
    totals,
    logged,
    checkpoints,
    open: (changes = {}, fate = {}) => {
      const settings = { ...INGEST_DEFAULTS, ...changes };
      const before = fate.store ? fate.store(store) : fatefulStore(store, fate);
      return openPipeline({
        source: SOURCE,
        folder,
        partition: '0',
        store: before,
        blobs: fate.blobs ?? blobs,
        settings,
        totals,
        log,
        giveUp: giveUp.signal,
        parse: createEventParser(parseSettings(settings)),
        filter: createFilter(settings.filter),
        sensors: createSensorIds(before, settings.quota),
        checkpoint: async (at) => void checkpoints.push(at),
      });
    },
    async close() {
      giveUp.abort();
      await store.close();
    },
  };
}

export interface SentReading {
  readonly device: string;
  readonly sensor: string;
  readonly ts: number;
  readonly value: number;
}

/** Events as a partition holds them: numbered from 0, a second apart. */
export function toEvents(bodies: readonly unknown[]): IngestEvent[] {
  return bodies.map((body, seq) => ({
    seq,
    offset: String(seq * 100),
    enqueuedMs: T0 + 3_600_000 + seq * 1_000,
    body: body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body)),
  }));
}

/** All windows of a store by sensor. */
export async function allWindows(store: Store): Promise<Record<string, Window[]>> {
  const period = { fromMs: 0, toMs: T0 * 2 };
  const sensors = await store.listSensors();
  const entries = await Promise.all(
    sensors.map(
      async ({ id, device, sensor }) => [`${device}/${sensor}`, await store.readSensorWindows(id, period)] as const,
    ),
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The windows that these readings, in order of arrival, must give; written without any part of ingest. */
export function expectedWindows(
  readings: readonly SentReading[],
  { windowMs, hopMs }: WindowShape = INGEST_DEFAULTS,
): Record<string, Window[]> {
  const sets = new Map<string, Map<number, ReturnType<typeof mergeReadings>>>();
  for (const { device, sensor, ts, value } of readings) {
    const key = `${device}/${sensor}`;
    const windows = sets.get(key) ?? new Map<number, ReturnType<typeof mergeReadings>>();
    sets.set(key, windows);
    for (let startMs = ts - (ts % hopMs); startMs > ts - windowMs; startMs -= hopMs)
      windows.set(startMs, mergeReadings(windows.get(startMs), { tsMs: [ts], values: [value] }));
  }
  return Object.fromEntries(
    [...sets]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, windows]) => [
        key,
        [...windows].sort(([a], [b]) => a - b).map(([startMs, set]) => aggregate(startMs, set)),
      ]),
  );
}

/** Sequence numbers in raw capture, in the order of files and records. */
export async function capturedSeqs(blobs: BlobStore, folder: string): Promise<number[]> {
  return (await capturedEvents(blobs, folder)).map((event) => event.seq);
}

export async function capturedEvents(blobs: BlobStore, folder: string): Promise<IngestEvent[]> {
  const files = [];
  for await (const { name } of blobs.list('raw', `${folder}/`)) files.push(parseCaptureName(name)!);
  files.sort((a, b) => a.partition.localeCompare(b.partition) || a.timeMs - b.timeMs || a.order - b.order);
  const events: IngestEvent[] = [];
  for (const { name } of files) events.push(...readCapture(await blobs.get('raw', name), name));
  return events;
}

/** Readings of eleven devices, out of order within a few seconds, some twice. */
export function stream(count: number): SentReading[] {
  return Array.from({ length: count }, (_, n) => {
    const i = n % 97 === 0 ? Math.max(0, n - 30) : n;
    return {
      device: `device-${i % 11}`,
      sensor: `s${i % 2}`,
      ts: T0 + i * 40 + ((i * 7_919) % 5_000),
      value: Math.round(Math.sin(i) * 1e6) / 1e6,
    };
  });
}
