/**
 * Sizes of groups (sensors of a child workflow) and chunks (sensors of a scoring activity). A child costs
 * Temporal tens of milliseconds of CPU whatever it does, so small fleets get a child per sensor, which reads
 * well in the Web UI, and large fleets get large groups. Limits hold at every size: at most 500 children,
 * at most 500 chunks a child, so no history nears Temporal's 51,200 events or 50 MB. Pure.
 */
import { FleetscoreError } from './errors.ts';
import type { Period } from './time.ts';
import type { WindowShape } from './windowing.ts';

/** Up to here every sensor has a child workflow of its own. */
export const ONE_CHILD_PER_SENSOR_UP_TO = 500;
export const MAX_CHILDREN = 500;
export const MAX_CHUNKS_PER_CHILD = 500;
/** A chunk's series and predictions are held in memory at once. */
export const MAX_SENSORS_PER_ACTIVITY = 20_000;

/**
 * An activity costs some 15 ms of CPU around its work, as much as to score so many sensors of packs: a small fleet is
 * not scored sooner in smaller chunks side by side.
 */
const LEAST_CHUNK = 2_500;
const MOST_CHUNK = 4_000;
/** Windows of one chunk: its series, scores and predictions take some 300 bytes of memory each. */
const MOST_WINDOWS = 60_000;
/** Windows read at once by what goes through a fleet in pages: some 100 MB. */
const WINDOWS_OF_PAGE = 2_000_000;
/** Before chunks grow past {@link LEAST_CHUNK} there are so many of them, for a pool to share. */
const CHUNKS = 25;
/** Chunks of a named pool: its models are few, and may be slow. */
const CHUNKS_OF_POOL = 50;
/** Chunks of a child of a large fleet. */
const CHUNKS_PER_CHILD = 40;

export interface Sizes {
  readonly sensorsPerChild: number;
  readonly sensorsPerActivity: number;
}

/** What was asked for, and what is known of the fleet. */
export interface SizesAsked extends Partial<Sizes> {
  /** Windows that a sensor can have in the period: chunks of long periods hold fewer sensors. */
  readonly windows?: number;
  /** Pools that its sensors are spread over: each may end in a group that is not full. */
  readonly pools?: number;
}

/** Most windows that start in a period. */
export const windowsOf = ({ fromMs, toMs }: Period, { hopMs }: Pick<WindowShape, 'hopMs'>): number =>
  Math.ceil((toMs - fromMs) / hopMs);

/** Sensors whose windows of a period may be read at once by what goes through a fleet in pages, at most `most`. */
export const pageOfSensors = (most: number, windows: number): number =>
  Math.max(1, Math.min(most, Math.floor(WINDOWS_OF_PAGE / Math.max(1, windows))));

/**
 * @param planned sensors of the batch
 * @throws FleetscoreError `INVALID_SIZES` when a size asked for breaks a limit; names the least that fits
 */
export function chooseSizes(planned: number, asked: SizesAsked = {}): Sizes {
  const full = MAX_CHILDREN - Math.max(0, (asked.pools ?? 0) - 1);
  if (full < 1)
    throw new FleetscoreError(
      'INVALID_SIZES',
      `${asked.pools} pools are more than the ${MAX_CHILDREN} child workflows that a batch may have.`,
    );
  const least = planned <= MAX_CHILDREN ? 1 : Math.ceil(planned / full);
  const fits = Math.max(1, Math.floor(MOST_WINDOWS / Math.max(1, asked.windows ?? 1)));
  const share = Math.ceil(planned / CHUNKS / 100) * 100;
  const chunk = Math.min(fits, MOST_CHUNK, Math.max(LEAST_CHUNK, share));
  // A child has no more sensors than there are.
  const wanted =
    asked.sensorsPerChild === undefined ? undefined : Math.min(asked.sensorsPerChild, Math.max(1, planned));
  const sensorsPerChild =
    wanted ??
    (planned <= ONE_CHILD_PER_SENSOR_UP_TO ? 1 : Math.max(least, Math.min(planned, chunk * CHUNKS_PER_CHILD)));
  if (sensorsPerChild < least)
    throw new FleetscoreError(
      'INVALID_SIZES',
      `sensorsPerChild ${sensorsPerChild} gives ${Math.ceil(planned / sensorsPerChild)} child workflows for ` +
        `${planned} sensors, ` +
        `at most ${MAX_CHILDREN} are allowed. Use at least ${least}, or leave it out.`,
    );
  const mostOfChild = MAX_CHUNKS_PER_CHILD * MAX_SENSORS_PER_ACTIVITY;
  if (sensorsPerChild > mostOfChild)
    throw new FleetscoreError(
      'INVALID_SIZES',
      `sensorsPerChild ${sensorsPerChild} is more than a child workflow may have. ` +
        `Use ${least} to ${mostOfChild}, or leave it out.`,
    );
  const leastChunk = Math.max(1, Math.ceil(sensorsPerChild / MAX_CHUNKS_PER_CHILD));
  const sensorsPerActivity = asked.sensorsPerActivity ?? Math.min(sensorsPerChild, Math.max(chunk, leastChunk));
  if (sensorsPerActivity < leastChunk || sensorsPerActivity > MAX_SENSORS_PER_ACTIVITY)
    throw new FleetscoreError(
      'INVALID_SIZES',
      `sensorsPerActivity ${sensorsPerActivity} does not fit ${sensorsPerChild} sensors a child: ` +
        `use ${leastChunk} to ${MAX_SENSORS_PER_ACTIVITY}, or leave it out.`,
    );
  return { sensorsPerChild, sensorsPerActivity };
}

/**
 * Sensors of a scoring activity of one named pool: a pool that has a few of many sensors still has chunks for all of
 * its workers. Never more than the batch's own size, and at most {@link CHUNKS_OF_POOL} of them.
 */
export function chunkOfPool(planned: number, { sensorsPerActivity }: Pick<Sizes, 'sensorsPerActivity'>): number {
  return Math.min(sensorsPerActivity, Math.max(1, Math.ceil(planned / CHUNKS_OF_POOL)));
}
