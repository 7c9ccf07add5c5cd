/**
 * Whether windows are kept for as long as the models of a release look back. Where they are not, batches find no window
 * before those of their period and skip the sensor: nothing fails, so it has to be said when a release is published,
 * when windows are deleted, and by `doctor`.
 */
import { lookbackOf } from './select.ts';
import { DAY_MS, formatDuration } from '../domain/time.ts';
import type { WindowShape } from '../domain/windowing.ts';
import type { Store } from '../storage/store.ts';

export interface KeptTooShort {
  readonly release: string;
  /** How far before the end of a batch's first window its models read, and how long windows are kept, ms. */
  readonly needsMs: number;
  readonly keptMs: number;
}

/**
 * @param keptMs absent: for ever
 * @returns undefined where it is long enough for a period as short as one window
 */
export async function keptTooShort(
  store: Store,
  windows: WindowShape,
  release: string | undefined,
  keptMs: number | undefined,
): Promise<KeptTooShort | undefined> {
  if (release === undefined || keptMs === undefined || keptMs === Number.POSITIVE_INFINITY) return undefined;
  const { furthestMs, changed } = await lookbackOf({ store, windows }, release);
  // Of windows of a sensor's own the one that is scored is counted already.
  const needsMs = Math.max(furthestMs, (changed.lookbackMs ?? 0) + windows.windowMs);
  return needsMs > keptMs ? { release, needsMs, keptMs } : undefined;
}

/** For people, without a full stop. @param kept what says how long they are kept */
export const tooShortText = ({ release, needsMs, keptMs }: KeptTooShort, kept: string): string =>
  `models of release ${release} look back over ${formatDuration(needsMs)} of windows, and ${kept} keeps ` +
  `${formatDuration(keptMs)}: their sensors are skipped where windows are gone. Keep that and the period of a batch: ` +
  `FLEETSCORE_KEEP_WINDOWS=${formatDuration(Math.ceil(needsMs / DAY_MS + 1) * DAY_MS)} or more, for control workers`;
