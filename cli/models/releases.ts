/** `fleetscore models promote` and `models rollback`: which release the next batches score with. */
import type { Command } from 'commander';
import { FleetscoreError } from '../../domain/errors.ts';
import { formatNumberOf as plural } from '../../report/format.ts';
import type { Release } from '../../storage/store.ts';
import { action, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { when } from '../frame/text.ts';

/** Adds the subcommands to `models`. */
export function registerReleases(models: Command): void {
  models
    .command('promote')
    .description('make a published release the current one; batches that run keep theirs')
    .argument('<name>', 'name of the release')
    .action(
      action<[string], object>(async (context, _, name) => {
        const releases = await (await context.store()).listReleases();
        return makeCurrent(context, releases, requireRelease(releases, name));
      }),
    );
  models
    .command('rollback')
    .description('make the release that was published before the current one current again')
    .action(
      action<[], object>(async (context) => {
        const releases = await (await context.store()).listReleases();
        const at = releases.findIndex((release) => release.current);
        if (at < 0)
          throw new FleetscoreError(
            'NO_RELEASE',
            'no release is current, so there is none to go back from. Run `fleetscore models publish DIR`.',
          );
        const before = releases[at + 1];
        if (!before)
          throw new FleetscoreError(
            'RELEASE_UNKNOWN',
            `release ${releases[at]!.name} is the oldest there is: there is none to go back to.`,
          );
        return makeCurrent(context, releases, before);
      }),
    );
}

/** @throws FleetscoreError `RELEASE_UNKNOWN` */
export function requireRelease(releases: readonly Release[], name: string): Release {
  const found = releases.find((release) => release.name === name);
  if (!found)
    throw new FleetscoreError(
      'RELEASE_UNKNOWN',
      `there is no release ${JSON.stringify(name)}. \`fleetscore models list\` shows those there are.`,
    );
  return found;
}

async function makeCurrent(context: Context, releases: readonly Release[], next: Release): Promise<Output> {
  const before = releases.find((release) => release.current)?.name;
  const store = await context.store();
  await store.setCurrentRelease(next.name);
  // A release is not compared with itself.
  const challenged = (await store.findChallenger())?.release === next.name;
  if (challenged) await store.setChallenger(undefined);
  return {
    data: { release: next.name, ...(before === undefined ? {} : { before }), models: next.models },
    text:
      before === next.name
        ? `Release ${next.name} is current already.`
        : `Release ${next.name} of ${when(next.createdAtMs)} UTC is current: ${plural(next.models, 'model')}.${before === undefined ? '' : ` It was ${before}; go back with \`fleetscore models promote ${before}\`.`}${challenged ? ' It is the challenger no more.' : ''}`,
  };
}
