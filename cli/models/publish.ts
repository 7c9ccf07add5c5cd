/** `fleetscore models publish`: a folder of models becomes a release that batches score with. */
import { defined } from '../../domain/defined.ts';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { storedWindows } from '../../ingest/settings.ts';
import { poolQueues } from '../../pool/queues.ts';
import { formatCount, formatNumberOf, formatShare } from '../../report/format.ts';
import { type EntryDefaults, readFeatureList, readThreshold } from '../../scoring/model-list.ts';
import { readWindow } from '../../scoring/own-window.ts';
import { publishModels, type PublishOptions } from '../../scoring/publish.ts';
import { modelSettings } from '../../scoring/settings.ts';
import { keptTooShort, tooShortText } from '../../batches/kept-too-short.ts';
import { paceText } from '../../scoring/slow-readings.ts';
import { type TriedOnWindows, tryOnWindows } from '../../scoring/try-on-windows.ts';
import { checkDeployment } from '../../storage/deployment-id.ts';
import { startBar } from '../batch/progress.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { whoami } from '../frame/whoami.ts';
import { openEngine } from './engine.ts';

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

/** Sensors that are named in a line. */
const SENSORS_SHOWN = 3;

/** What the models say of windows that the store has; none where it has none. @param tried or why they were not */
function triedText(tried: TriedOnWindows | string | undefined): string[] {
  if (tried === undefined) return [];
  if (typeof tried === 'string') return [`The models were not tried on windows of the store: ${tried}`];
  const { sensors, windows, anomalies, loud, failed } = tried;
  const some = (lines: readonly string[]): string => {
    const more = lines.length - SENSORS_SHOWN;
    return [...lines.slice(0, SENSORS_SHOWN), ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
  };
  return [
    ...(sensors === 0
      ? []
      : [
          `Tried on the newest windows of ${formatNumberOf(sensors, 'sensor')}: ${formatCount(anomalies)} of ` +
            `${formatNumberOf(windows, 'window')} (${formatShare(anomalies, windows)}) would be anomalies.`,
        ]),
    ...(loud.length === 0
      ? []
      : [
          `More than a half of the windows of ${formatNumberOf(loud.length, 'sensor')} would be: ` +
            `${some(loud.map((one) => `${one.device} / ${one.sensor} ${one.anomalies} of ${one.windows}`))}. ` +
            'Look at the meaning of the label, the order of the features and the units.',
        ]),
    ...(failed.length === 0
      ? []
      : [
          `${formatNumberOf(failed.length, 'model')} failed on windows of the store: ` +
            some(failed.map((one) => `${one.device} / ${one.sensor}: ${one.message}`)),
        ]),
  ];
}

export async function publish(context: Context, options: ModelsPublishOptions, dir: string): Promise<Output> {
  const defaults = declaredByOptions(options);
  // Blob first: without it no store is made either.
  const blobs = context.blobs();
  const store = await context.storeToFill();
  await checkDeployment(store, blobs);
  const bar = context.json ? undefined : startBar('checking models', 'models');
  try {
    const windows = await storedWindows(store, context.config.ingest);
    const summary = await publishModels(dir, {
      store,
      blobs,
      ...modelSettings(context.config.scoring),
      nowMs: Date.now(),
      windows,
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
    const tried = await tryOnWindows(store, () => openEngine(context), summary.release, windows).catch(messageOf);
    const more = { ...(short ? { keptTooShort: short } : {}), ...(typeof tried === 'object' ? { tried } : {}) };
    return {
      data: { ...summary, ...more },
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
        ...triedText(tried),
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
