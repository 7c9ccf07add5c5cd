/**
 * Publishing under a name that is taken: a publish that was killed between its release and `current` is whole, and the
 * same folder under the same name finishes it. Any other models under that name are refused: releases never change.
 */
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { FleetscoreError } from '../domain/errors.ts';
import { keyOf } from '../domain/sensor.ts';
import type { WindowShape } from '../domain/windowing.ts';
import type { ReleaseModel, Store } from '../storage/store.ts';
import { mapLimit } from './concurrency.ts';
import { declaredModel } from './declare.ts';
import type { ModelEntry } from './model-list.ts';
import { modelProblem } from './model-problem.ts';
import { ownWindowOf } from './own-window.ts';
import { sha256Of } from '../domain/sha256.ts';

const FILES_AT_ONCE = 16;

interface PublishedAgain {
  readonly store: Store;
  readonly skipBad?: boolean;
  readonly others?: string;
  readonly windows?: WindowShape;
  readonly maxModelBytes: number;
}

/**
 * How many models the folder and the release have both: all of the release, but for those that a merge kept.
 * @param skipBad whether the folder may have models that the release left out
 * @throws FleetscoreError `RELEASE_EXISTS` when the folder holds other models than the release
 */
export async function requireSameModels(
  release: string,
  entries: readonly ModelEntry[],
  { store, skipBad = false, others, ...checks }: PublishedAgain,
): Promise<number> {
  const models = await store.listReleaseModels(release);
  const byName = new Map(models.map((model) => [keyOf(model), model]));
  let same = 0;
  await mapLimit(entries, FILES_AT_ONCE, async (entry) => {
    const model = byName.get(keyOf(entry));
    if (model ? !(await isSame(model, entry, checks)) : !skipBad) throw releaseTaken(release);
    if (model) same += 1;
  });
  if (same !== models.length && others !== 'merge') throw releaseTaken(release);
  return same;
}

export const releaseTaken = (release: string): FleetscoreError =>
  new FleetscoreError(
    'RELEASE_EXISTS',
    `there is already a release ${JSON.stringify(release)}, and not of these models. Choose another name; ` +
      'releases never change.',
  );

async function isSame(
  model: ReleaseModel,
  entry: ModelEntry,
  { maxModelBytes, windows }: Pick<PublishedAgain, 'maxModelBytes' | 'windows'>,
): Promise<boolean> {
  if (model.pool !== entry.pool || !isDeepStrictEqual(model.threshold, entry.threshold)) return false;
  try {
    const { bytes, metadata } = declaredModel(await readFile(entry.path), entry.declared, maxModelBytes);
    if (sha256Of(bytes) !== model.model) return false;
    const own = ownWindowOf(entry.windowMs, metadata.windowMs, windows);
    return !('class' in own) && own.windowMs === model.windowMs;
  } catch (error) {
    // One that cannot be published is not the one that was.
    if (modelProblem(error)) return false;
    throw error;
  }
}
