/**
 * The length of a sensor's own windows, as its model and whoever publishes it say it: in the metadata of the file, in
 * the column Window of manifest.csv, or with --window. What they say must agree, and be a whole number of the fleet's
 * windows; one that is the fleet's is nothing of its own.
 */
import { FleetscoreError } from '../domain/errors.ts';
import { formatDuration, parseDuration } from '../domain/time.ts';
import { ownWindowProblem, type WindowShape } from '../domain/windowing.ts';
import { WINDOW_KEY } from './model-metadata.ts';
import type { ModelProblem } from './model-problem.ts';

/** A length in its written form, `1h`, in ms; or, in words, what is wrong with it. */
export function readWindow(text: string | undefined): number | string | undefined {
  if (text === undefined) return undefined;
  try {
    return parseDuration(text, 'the window');
  } catch (error) {
    if (error instanceof FleetscoreError) return error.message.replace(/\.$/, '');
    throw error;
  }
}

/**
 * The length of the windows of a sensor's own, ms; undefined for the fleet's.
 * @param said what is said of the sensor
 * @param own what its model says itself
 * @param fleet absent where it is not known: then scoring looks at it
 */
export function ownWindowOf(
  said: number | undefined,
  own: number | undefined,
  fleet: WindowShape | undefined,
): { readonly windowMs?: number } | ModelProblem {
  if (said !== undefined && own !== undefined && said !== own)
    return misfit(
      `its metadata says ${WINDOW_KEY} = ${formatDuration(own)}, and a window of ${formatDuration(said)} is ` +
        'declared; leave the declaration out, or export the model again',
    );
  const windowMs = said ?? own;
  if (windowMs === undefined || !fleet) return windowMs === undefined ? {} : { windowMs };
  if (windowMs === fleet.windowMs && fleet.hopMs === fleet.windowMs) return {};
  const problem = ownWindowProblem(windowMs, fleet);
  return problem === undefined
    ? { windowMs }
    : misfit(`its window is ${formatDuration(windowMs)}, but ${problem} (FLEETSCORE_WINDOW)`);
}

const misfit = (message: string): ModelProblem => ({ class: 'model_wrong_shape', message });
