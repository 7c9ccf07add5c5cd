/**
 * Publishing under a name that is taken: a publish that was killed between its release and `current` is whole, and the
 * same folder under the same name finishes it. Any other models under that name are refused: releases never change.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { FleetscoreError } from '../domain/errors.ts';
import { keyOf } from '../domain/sensor.ts';
import type { Store } from '../storage/store.ts';
import { mapLimit } from './concurrency.ts';
import type { ModelEntry } from './model-list.ts';

const FILES_AT_ONCE = 16;

/**
 * How many models the folder and the release have both: all of the release, but for those that a merge kept.
 * @param skipBad whether the folder may have models that the release left out
 * @throws FleetscoreError `RELEASE_EXISTS` when the folder holds other models than the release
 */
export async function requireSameModels(
  release: string,
  entries: readonly ModelEntry[],
  { store, skipBad = false, others }: { readonly store: Store; readonly skipBad?: boolean; readonly others?: string },
): Promise<number> {
  const models = await store.listReleaseModels(release);
  const byName = new Map(models.map((model) => [keyOf(model), model]));
  let same = 0;
  await mapLimit(entries, FILES_AT_ONCE, async (entry) => {
    const model = byName.get(keyOf(entry));
    if (model ? model.model !== (await sha256Of(entry.path)) || model.pool !== entry.pool : !skipBad)
      throw releaseTaken(release);
    if (model) same += 1;
  });
  if (same !== models.length && others !== 'merge') throw releaseTaken(release);
  return same;
}

export const releaseTaken = (release: string): FleetscoreError =>
  new FleetscoreError(
    'RELEASE_EXISTS',
    `there is already a release ${JSON.stringify(release)}, and not of these models. Choose another name; releases never change.`,
  );

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
