/**
 * `fleetscore models promote`, `rollback` and `history`: which release the next batches score with, and which they did.
 */
import { closest, didYouMean } from '../../domain/closest.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { isoTime } from '../../domain/time.ts';
import { formatNumberOf as plural } from '../../report/format.ts';
import { releaseBefore, type ReleaseSwitch } from '../../storage/promotions.ts';
import { namedSensors, refuseLoss, unnamedModels } from '../../scoring/replaced-models.ts';
import type { Release, Store } from '../../storage/store.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { emptyIn, table, when } from '../frame/text.ts';
import { whoami } from '../frame/whoami.ts';
import { defined } from '../../domain/defined.ts';

interface ReplaceOption {
  readonly replace?: boolean;
}

export async function promote(context: Context, { replace = false }: ReplaceOption, name: string): Promise<Output> {
  const store = await context.store();
  requireRelease(await store.listReleases(), name);
  const lost = await lossOf(store, name, replace, PROMOTE_REMEDY);
  return switched(context, await store.setCurrentRelease(name, { how: 'promote', by: whoami() }), lost);
}

export async function rollback(context: Context, { replace = false }: ReplaceOption): Promise<Output> {
  const store = await context.store();
  const name = releaseBefore(await store.listPromotions(), await store.currentRelease());
  const lost = await lossOf(store, name, replace, ROLLBACK_REMEDY);
  return switched(context, await store.rollBackRelease(whoami()), lost);
}

const PROMOTE_REMEDY = 'Make it current with --replace to let their models go, or publish its folder with --merge.';
const ROLLBACK_REMEDY =
  'Go back all the same with --replace, or keep their models: publish the folder of that release with --merge.';

/** How many sensors lose their model to a release. @throws FleetscoreError `MODELS_LOST` unless they may */
async function lossOf(store: Store, name: string, allowed: boolean, remedy: string): Promise<number> {
  const lost = await unnamedModels(store, await namedSensors(store, name), name);
  if (!allowed) refuseLoss(lost, name, remedy);
  return lost.length;
}

export async function history(context: Context, { limit }: { readonly limit: number }): Promise<Output> {
  const promotions = await (await context.store()).listPromotions(limit);
  return {
    data: promotions.map(({ atMs, ...rest }) => ({ ...rest, at: isoTime(atMs) })),
    text: table(
      [{ title: 'Current since (UTC)' }, { title: 'Release', whole: true }, { title: 'How' }, { title: 'By' }],
      promotions.map(({ release, how, by, atMs }) => [
        when(atMs),
        release,
        how === 'seen' ? 'not noted' : how,
        by === '' ? '-' : by,
      ]),
      emptyIn(context, 'No release was current yet. Publish one: fleetscore models publish DIR'),
    ),
  };
}

/** @throws FleetscoreError `RELEASE_UNKNOWN` */
export function requireRelease(releases: readonly Release[], name: string): Release {
  const found = releases.find((release) => release.name === name);
  if (!found)
    throw new FleetscoreError(
      'RELEASE_UNKNOWN',
      `there is no release ${JSON.stringify(name)}.${didYouMean(
        closest(
          name,
          releases.map((release) => release.name),
        ),
      )} \`fleetscore models list\` shows those there are.`,
    );
  return found;
}

async function switched(
  context: Context,
  { release, before, wasChallenger }: ReleaseSwitch,
  lost: number,
): Promise<Output> {
  const { models, createdAtMs } = requireRelease(await (await context.store()).listReleases(), release);
  return {
    data: { release, ...defined({ before }), models, lost },
    text:
      before === release
        ? `Release ${release} is current already.`
        : `Release ${release} of ${when(createdAtMs)} UTC is current: ${plural(models, 'model')}.${before === undefined ? '' : ` It was ${before}; go back with \`fleetscore models promote ${before}\`.`}${wasChallenger ? ' It is the challenger no more.' : ''}${lost === 0 ? '' : ` ${plural(lost, 'sensor')} had a model and ${lost === 1 ? 'has' : 'have'} none any more: batches skip ${lost === 1 ? 'it' : 'them'}.`}`,
  };
}
