/** `fleetscore models publish`: a folder of models becomes a release that batches score with. */
import { defined } from '../../domain/defined.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { storedWindows } from '../../ingest/settings.ts';
import { poolQueues } from '../../pool/queues.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';
import { type EntryDefaults, readFeatureList, readThreshold } from '../../scoring/model-list.ts';
import { readWindow } from '../../scoring/own-window.ts';
import { publishModels, type PublishOptions } from '../../scoring/publish.ts';
import { modelSettings } from '../../scoring/settings.ts';
import { keptTooShort, tooShortText } from '../../batches/kept-too-short.ts';
import { paceText } from '../../scoring/slow-readings.ts';
import { checkDeployment } from '../../storage/deployment-id.ts';
import { startBar } from '../batch/progress.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { whoami } from '../frame/whoami.ts';

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
    const { ingest, keep } = context.config;
    const short = await keptTooShort(store, ingest, summary.release, keep.windowsMs);
    return {
      data: { ...summary, ...(short ? { keptTooShort: short } : {}) },
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
        ...(short ? [`Windows are not kept for long enough: ${tooShortText(short, 'FLEETSCORE_KEEP_WINDOWS')}.`] : []),
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
