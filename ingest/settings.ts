/** All defaults of ingest in one place. Times in ms, sizes in bytes. */
import { FleetscoreError } from '../domain/errors.ts';
import { formatDuration } from '../domain/time.ts';
import type { Store } from '../storage/store.ts';
import { CAPTURE_DEFAULTS } from './capture.ts';
import type { FilterSettings } from './filter.ts';
import { PARSE_DEFAULTS, type FieldNames } from './parse-event.ts';
import { WINDOW_DEFAULTS } from './windows.ts';

export interface IngestSettings {
  /** Length of a window. Fixed once readings are stored. */
  readonly windowMs: number;
  /** How far a partition's watermark stays behind its newest event time. */
  readonly outOfOrderMs: number;
  /** Readings whose window ended longer than this before the watermark stay out of windows. None when absent. */
  readonly lateLimitMs?: number;
  /** Readings later than their event's arrival plus this are refused. */
  readonly clockSkewMs: number;
  readonly fields: FieldNames;
  readonly maxBodyBytes: number;
  readonly maxInflatedBytes: number;
  readonly filter: FilterSettings;
  /** False when Event Hubs Capture itself writes the raw events. */
  readonly capture: boolean;
  readonly captureIntervalMs: number;
  readonly captureBytes: number;
  /** A commit holds at most this many readings (more only when one event does). */
  readonly maxCommitReadings: number;
  /** A partition with little traffic commits at most this often. */
  readonly commitIntervalMs: number;
  /** Events taken from the client at once, per partition. */
  readonly maxBatchEvents: number;
  /** How often workers look whether partitions should move, and when a silent worker has lost its own. */
  readonly balanceIntervalMs: number;
  readonly ownershipTimeoutMs: number;
  /** Longest time that a stop takes. */
  readonly stopTimeoutMs: number;
  readonly statsIntervalMs: number;
  /**
   * Name of this worker, unique among those alive and the same after a restart: a worker that died has its
   * partitions back at once. Without a name they are free after `ownershipTimeoutMs`.
   */
  readonly workerName?: string;
}

export const INGEST_DEFAULTS: IngestSettings = {
  windowMs: WINDOW_DEFAULTS.intervalMs,
  outOfOrderMs: WINDOW_DEFAULTS.outOfOrderMs,
  clockSkewMs: PARSE_DEFAULTS.clockSkewMs,
  fields: PARSE_DEFAULTS.fields,
  maxBodyBytes: PARSE_DEFAULTS.maxBodyBytes,
  maxInflatedBytes: PARSE_DEFAULTS.maxInflatedBytes,
  filter: {},
  capture: true,
  captureIntervalMs: CAPTURE_DEFAULTS.intervalMs,
  captureBytes: CAPTURE_DEFAULTS.maxBytes,
  maxCommitReadings: 10_000,
  commitIntervalMs: 250,
  maxBatchEvents: 1_000,
  balanceIntervalMs: 5_000,
  ownershipTimeoutMs: 30_000,
  stopTimeoutMs: 20_000,
  statsIntervalMs: 10_000,
};

/** Key of the store's setting that holds the aggregation interval, in ms. */
export const INTERVAL_SETTING = 'aggregationIntervalMs';

/** @throws FleetscoreError `INTERVAL_CHANGED` when the stored windows have another length */
export async function claimInterval(store: Store, windowMs: number): Promise<void> {
  const stored = await store.claimSetting(INTERVAL_SETTING, String(windowMs));
  if (stored !== String(windowMs))
    throw new FleetscoreError('INTERVAL_CHANGED', `the aggregation interval is ${formatDuration(windowMs)}, but the store holds windows of ${formatDuration(Number(stored))}. Set FLEETSCORE_WINDOW=${formatDuration(Number(stored))}, or use an empty store and rebuild the windows from raw capture.`);
}
