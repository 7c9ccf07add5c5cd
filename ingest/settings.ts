/** All defaults of ingest in one place. Times in ms, sizes in bytes. */
import { FleetscoreError } from '../domain/errors.ts';
import { formatTooNew } from '../domain/format.ts';
import { formatDuration } from '../domain/time.ts';
import { describeWindows, windowsPerReading, type WindowShape } from '../domain/windowing.ts';
import { CAPTURE_DEFAULTS } from './capture.ts';
import type { FilterSettings } from './filter.ts';
import type { OnNewHub } from './hub-check.ts';
import type { SensorQuota, Store } from '../storage/store.ts';
import { PARSE_DEFAULTS, type ParseSettings } from './parse-event.ts';
import { LONGEST_PAUSE_MS } from './retry.ts';
import { SENSOR_QUOTA } from './sensor-ids.ts';
import { WINDOW_DEFAULTS } from './windows.ts';

/** Length and hop of the windows are fixed once readings are stored. */
export interface IngestSettings extends WindowShape, ParseSettings {
  /** How far a partition's watermark stays behind its newest event time. */
  readonly outOfOrderMs: number;
  /** Readings stay out of windows that ended longer than this before the watermark. No limit when absent. */
  readonly lateLimitMs?: number;
  /** How many sensors readings may register. */
  readonly quota: SensorQuota;
  readonly filter: FilterSettings;
  /** False when Event Hubs Capture itself writes the raw events. */
  readonly capture: boolean;
  readonly captureIntervalMs: number;
  readonly captureBytes: number;
  /** A commit holds at most this many readings (more only when one event does); one in two windows counts twice. */
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
  /** Between two tries of what the store or Blob refuses, at the most. */
  readonly longestPauseMs: number;
  /** What becomes of a partition that is not the one that was read before. */
  readonly onNewHub: OnNewHub;
  /**
   * Name of this worker, unique among those alive and the same after a restart: a worker that died has its
   * partitions back at once. Without a name they are free after `ownershipTimeoutMs`.
   */
  readonly workerName?: string;
}

export const INGEST_DEFAULTS: IngestSettings = {
  windowMs: WINDOW_DEFAULTS.windowMs,
  hopMs: WINDOW_DEFAULTS.hopMs,
  outOfOrderMs: WINDOW_DEFAULTS.outOfOrderMs,
  ...PARSE_DEFAULTS,
  quota: SENSOR_QUOTA,
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
  longestPauseMs: LONGEST_PAUSE_MS,
  onNewHub: 'stop',
};

/** Windows that one event may touch: each costs some 250 bytes while its commit is made. */
const MAX_UPDATES_PER_EVENT = 1_000_000;

/** What the parser takes of an event: fewer items where each reading is in many windows. */
export const parseSettings = (settings: IngestSettings): ParseSettings => ({
  ...settings,
  maxItems: Math.min(settings.maxItems, Math.floor(MAX_UPDATES_PER_EVENT / windowsPerReading(settings))),
});

/**
 * Key of the store's setting that holds what {@link windowsText} gives. Stores have this name from a time when windows
 * did not overlap, and it stays.
 */
const WINDOWS_SETTING = 'aggregationIntervalMs';

/** `5000`: the length in ms; `60000/10000`: length and hop, where windows overlap. */
const windowsText = ({ windowMs, hopMs }: WindowShape): string =>
  hopMs === windowMs ? String(windowMs) : `${windowMs}/${hopMs}`;

/** @throws FleetscoreError `FORMAT_TOO_NEW` for a form that this code does not know */
function windowsOfText(text: string): WindowShape {
  if (!/^\d+(\/\d+)?$/.test(text))
    throw formatTooNew('the setting of windows in the store', `its form is ${JSON.stringify(text)}`);
  const [windowMs, hopMs = windowMs] = text.split('/').map(Number) as [number, number?];
  return { windowMs, hopMs: hopMs };
}

/**
 * For whoever writes windows: from then on they have this length and hop. @throws FleetscoreError `INTERVAL_CHANGED`
 * when the stored ones have others
 */
export async function claimWindows(store: Store, shape: WindowShape): Promise<void> {
  refuseOthers(await store.claimSetting(WINDOWS_SETTING, windowsText(shape)), shape);
}

/**
 * For whoever reads windows; writes nothing. @throws FleetscoreError `INTERVAL_CHANGED` when there are windows of
 * another length or hop
 */
export async function checkWindows(store: Store, shape: WindowShape): Promise<void> {
  const stored = await store.findSetting(WINDOWS_SETTING);
  if (stored !== undefined) refuseOthers(stored, shape);
}

/** The windows that the store holds, or those configured while it holds none: for commands that only look. */
export async function storedWindows(store: Store, configured: WindowShape): Promise<WindowShape> {
  const stored = await store.findSetting(WINDOWS_SETTING);
  return stored === undefined ? configured : windowsOfText(stored);
}

function refuseOthers(stored: string, shape: WindowShape): void {
  if (stored === windowsText(shape)) return;
  const found = windowsOfText(stored);
  const variables =
    `FLEETSCORE_WINDOW=${formatDuration(found.windowMs)}` +
    (found.hopMs === found.windowMs ? '' : ` FLEETSCORE_HOP=${formatDuration(found.hopMs)}`);
  const unset = found.hopMs === found.windowMs && shape.hopMs !== shape.windowMs ? ' without FLEETSCORE_HOP' : '';
  throw new FleetscoreError(
    'INTERVAL_CHANGED',
    `windows are configured as ${describeWindows(shape)}, but the store holds windows of ` +
      `${describeWindows(found)}. Set ${variables}${unset}, or use an empty store and rebuild the windows ` +
      'from raw capture.',
  );
}
