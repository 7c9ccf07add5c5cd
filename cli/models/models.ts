/** `fleetscore models ...`: from scikit-learn pickles to a release that batches score with. */
import { defined } from '../../domain/defined.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { formatThreshold } from '../../domain/threshold.ts';
import { formatDuration, isoTime } from '../../domain/time.ts';
import { formatCount, formatNumberOf, formatShare } from '../../report/format.ts';
import { storedWindows } from '../../ingest/settings.ts';
import { poolQueues } from '../../pool/queues.ts';
import { type EntryDefaults, readFeatureList, readThreshold } from '../../scoring/model-list.ts';
import { readWindow } from '../../scoring/own-window.ts';
import { paceText } from '../../scoring/slow-readings.ts';
import { publishModels, type PublishOptions } from '../../scoring/publish.ts';
import type { Challenger } from '../../domain/challenge.ts';
import type { Release } from '../../storage/contract/releases.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import { checkDeployment } from '../../storage/deployment-id.ts';
import type { Context } from '../frame/context.ts';
import { startBar } from '../batch/progress.ts';
import { requireRelease } from './releases.ts';
import { emptyIn, table, when } from '../frame/text.ts';
import { whoami } from '../frame/whoami.ts';
import { tell } from '../frame/terminal.ts';
import { modelSettings } from '../../scoring/settings.ts';

/** Names of files shown at a time. */
const SHOWN = 10;

export async function convert(
  context: Context,
  options: { features?: string },
  dir: string,
  out: string,
): Promise<Output> {
  const { convertModels } = await import('../../scoring/convert.ts');
  const summary = await convertModels(dir, out, {
    toolsDir: context.config.toolsDir,
    log: tell,
    ...defined({ features: options.features?.split(',').map((name) => name.trim()) }),
  });
  const bad = summary.models.filter((model) => !model.ok);
  return {
    data: summary,
    text: [
      `${formatNumberOf(summary.models.length - bad.length, 'model')} converted to ${out}.`,
      ...bad.map((model) => `${model.file}: ${model.error}`),
      ...summary.models.flatMap((model) =>
        model.ok && model.note !== undefined ? [`${model.file}: ${model.note}`] : [],
      ),
      ...leftAlone(summary.ignored),
      ...(bad.length === 0 ? [`Next: fleetscore models publish ${out}`] : []),
    ].join('\n'),
    ...(bad.length === 0 ? {} : { exitCode: EXIT_FAILED }),
  };
}

/** Which files were not taken for models, by name as far as there is room. */
function leftAlone(files: readonly string[]): string[] {
  if (files.length === 0) return [];
  const names = files.slice(0, SHOWN).join(', ') + (files.length > SHOWN ? `, and ${files.length - SHOWN} more` : '');
  return [`Left alone, not models by their names or not in manifest.csv: ${names}.`];
}

interface ModelsPublishOptions {
  readonly release?: string;
  readonly features?: string;
  readonly label?: string;
  readonly threshold?: string;
  readonly window?: string;
  readonly skipBad?: boolean;
  readonly promote: boolean;
  readonly merge?: boolean;
  readonly replace?: boolean;
}

export async function publish(context: Context, options: ModelsPublishOptions, dir: string): Promise<Output> {
  const defaults = declaredByOptions(options);
  const [store, blobs] = [await context.storeToFill(), context.blobs()];
  await checkDeployment(store, blobs);
  const bar = context.json ? undefined : startBar('checking models', 'models');
  try {
    const summary = await publishModels(dir, {
      store,
      blobs,
      ...modelSettings(context.config.scoring),
      nowMs: Date.now(),
      windows: await storedWindows(store, context.config.ingest),
      pools: new Set((await poolQueues(context.config)).keys()),
      ...defined({ release: options.release }),
      ...(options.skipBad ? { skipBad: true } : {}),
      promote: options.promote,
      by: whoami(),
      others: othersOf(options),
      defaults,
      onProgress: (done, total) => bar?.set(done, total),
    });
    bar?.end();
    return {
      data: summary,
      text: [
        ...(summary.before ? [`Release ${summary.release} was published before, of these very models.`] : []),
        `Release ${summary.release} is ${options.promote ? 'current' : 'published, and not current'}: ` +
          `${formatNumberOf(summary.models, 'model')}, ${formatCount(summary.packed)} in ` +
          `${formatNumberOf(summary.packs, 'pack')}.`,
        ...Object.entries(summary.pools).map(
          ([pool, sensors]) =>
            `${formatNumberOf(sensors, 'sensor')} will be scored in pool ${pool}, as the manifest says.`,
        ),
        ...(summary.kept === 0
          ? []
          : [
              `${formatNumberOf(summary.kept, 'other sensor')} ` +
                `${summary.kept === 1 ? 'keeps its' : 'keep their'} model.`,
            ]),
        ...(summary.lost === 0
          ? []
          : [
              `${formatNumberOf(summary.lost, 'sensor')} had a model and ` +
                `${summary.lost === 1 ? 'has' : 'have'} none any more: batches skip ` +
                `${summary.lost === 1 ? 'it' : 'them'}. Back: fleetscore models rollback`,
            ]),
        ...(summary.slow
          ? [
              `${formatCount(summary.slow.slow)} of ${formatNumberOf(summary.slow.looked, 'sensor')} looked at, ` +
                `whose models look at earlier windows, will be skipped: ${paceText(summary.slow)}.`,
            ]
          : []),
        ...summary.bad.map((bad) => `left out: ${bad.file}: ${bad.message}`),
        ...(options.promote
          ? []
          : [`Have batches score it beside the current release: fleetscore models challenge ${summary.release}`]),
      ].join('\n'),
      ...(summary.bad.length === 0 ? {} : { exitCode: EXIT_FAILED }),
    };
  } catch (error) {
    bar?.end();
    throw error;
  }
}

/** @throws FleetscoreError `INVALID_ARGUMENT` */
function declaredByOptions({ features, label, threshold, window }: ModelsPublishOptions): EntryDefaults {
  const [list, limit, length] = [readFeatureList(features), readThreshold(threshold), readWindow(window)];
  for (const problem of [list, limit, length])
    if (typeof problem === 'string') throw new FleetscoreError('INVALID_ARGUMENT', `${problem}.`);
  return defined({
    features: list as Exclude<typeof list, string>,
    label,
    threshold: limit as Exclude<typeof limit, string>,
    windowMs: length as Exclude<typeof length, string>,
  });
}

function othersOf({ merge, replace }: ModelsPublishOptions): NonNullable<PublishOptions['others']> {
  if (merge) return 'merge';
  return replace ? 'replace' : 'refuse';
}

function roleOf(release: Release, challenger: Challenger | undefined): string {
  if (release.current) return 'current';
  return release.name === challenger?.release ? `challenger on ${formatShare(challenger.share, 1)}` : '';
}

export async function list(context: Context, options: { release?: string; limit: number }): Promise<Output> {
  const store = await context.store();
  const releases = await store.listReleases();
  const challenger = await store.findChallenger();
  if (options.release === undefined)
    return {
      data: releases.map(({ createdAtMs, ...rest }) => ({
        ...rest,
        challenger: rest.name === challenger?.release,
        createdAt: isoTime(createdAtMs),
      })),
      text: table(
        [
          { title: 'Release', whole: true },
          { title: 'Created (UTC)', whole: true, leave: 1 },
          { title: 'Models', align: 'right' },
          { title: '' },
        ],
        releases.map((r) => [r.name, when(r.createdAtMs), formatCount(r.models), roleOf(r, challenger)]),
        emptyIn(context, 'No models yet. Publish some: fleetscore models publish DIR'),
      ),
    };
  const current = releases.find((r) => r.current)?.name;
  const { name } = requireRelease(
    releases,
    options.release === 'current' && current !== undefined ? current : options.release,
  );
  const models = await store.listReleaseModels(name, { limit: options.limit });
  const pooled = models.some((m) => m.pool !== undefined);
  const limited = models.some((m) => m.threshold);
  const windowed = models.some((m) => m.windowMs !== undefined);
  return {
    data: models.map(({ threshold, windowMs, ...model }) => ({
      ...model,
      ...(windowMs === undefined ? {} : { window: formatDuration(windowMs) }),
      ...(threshold ? { threshold: formatThreshold(threshold) } : {}),
    })),
    text: table(
      [
        { title: 'Device' },
        { title: 'Sensor' },
        { title: 'Kind' },
        { title: 'Features' },
        ...(pooled ? [{ title: 'Pool' }] : []),
        ...(limited ? [{ title: 'Threshold' }] : []),
        ...(windowed ? [{ title: 'Window' }] : []),
        { title: 'Bytes', align: 'right', leave: 2 },
        { title: 'SHA-256', whole: true, leave: 1 },
      ],
      models.map((m) => [
        m.device,
        m.sensor,
        m.kind,
        m.features.join(' '),
        ...(pooled ? [m.pool ?? '-'] : []),
        ...(limited ? [m.threshold ? formatThreshold(m.threshold) : '-'] : []),
        ...(windowed ? [m.windowMs === undefined ? '-' : formatDuration(m.windowMs)] : []),
        formatCount(m.bytes),
        m.model.slice(0, 16),
      ]),
    ),
  };
}
