/**
 * Sizes of groups (sensors of a child workflow) and chunks (sensors of a scoring activity). A child costs
 * Temporal tens of milliseconds of CPU whatever it does, so small fleets get a child per sensor, which reads
 * well in the Web UI, and large fleets get large groups. Limits hold at every size: at most 500 children,
 * at most 500 chunks a child, so no history nears Temporal's 51,200 events or 50 MB. Pure.
 */
import { FleetscoreError } from './errors.ts';

/** Up to here every sensor has a child workflow of its own. */
export const ONE_CHILD_PER_SENSOR_UP_TO = 500;
export const MAX_CHILDREN = 500;
export const MAX_CHUNKS_PER_CHILD = 500;
/** A chunk's series and predictions are held in memory at once. */
export const MAX_SENSORS_PER_ACTIVITY = 20_000;

/** 15 windows a sensor make 7,500 rows: the size at which packs score fastest. */
const CHUNK = 500;
/** Chunks of a child of a large fleet. */
const CHUNKS_PER_CHILD = 40;

export interface Sizes {
  readonly sensorsPerChild: number;
  readonly sensorsPerActivity: number;
}

/**
 * @param planned sensors of the batch
 * @throws FleetscoreError `INVALID_SIZES` when a size asked for breaks a limit; names the least that fits
 */
export function chooseSizes(planned: number, asked: Partial<Sizes> = {}): Sizes {
  const least = Math.max(1, Math.ceil(planned / MAX_CHILDREN));
  const sensorsPerChild =
    asked.sensorsPerChild ?? (planned <= ONE_CHILD_PER_SENSOR_UP_TO ? 1 : Math.max(least, Math.min(planned, CHUNK * CHUNKS_PER_CHILD)));
  if (sensorsPerChild < least)
    throw new FleetscoreError(
      'INVALID_SIZES',
      `sensorsPerChild ${sensorsPerChild} gives ${Math.ceil(planned / sensorsPerChild)} child workflows for ${planned} sensors, ` +
        `at most ${MAX_CHILDREN} are allowed. Use at least ${least}, or leave it out.`,
    );
  const leastChunk = Math.max(1, Math.ceil(sensorsPerChild / MAX_CHUNKS_PER_CHILD));
  const sensorsPerActivity = asked.sensorsPerActivity ?? Math.min(sensorsPerChild, Math.max(CHUNK, leastChunk));
  if (sensorsPerActivity < leastChunk || sensorsPerActivity > MAX_SENSORS_PER_ACTIVITY)
    throw new FleetscoreError(
      'INVALID_SIZES',
      `sensorsPerActivity ${sensorsPerActivity} does not fit ${sensorsPerChild} sensors a child: ` +
        `use ${leastChunk} to ${MAX_SENSORS_PER_ACTIVITY}, or leave it out.`,
    );
  return { sensorsPerChild, sensorsPerActivity };
}
