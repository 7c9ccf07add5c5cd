/**
 * `fleetscore models tune` and `models threshold`: how often a sensor is to be an anomaly, without training it anew.
 */
import { FleetscoreError } from '../../domain/errors.ts';
import { sensorName } from '../../domain/sensor.ts';
import { formatThreshold, parseThreshold, THRESHOLD_FORM, type Threshold } from '../../domain/threshold.ts';
import { isoTime } from '../../domain/time.ts';
import { shellWord } from '../../domain/shell-word.ts';
import { storedWindows } from '../../ingest/settings.ts';
import { formatCount as count, formatShare } from '../../report/format.ts';
import { releaseName } from '../../scoring/release-name.ts';
import { setThreshold } from '../../scoring/set-threshold.ts';
import type { Store } from '../../storage/store.ts';
import { type Flagged, tuneThreshold } from '../../verify/tune-threshold.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { periodOf } from '../frame/period.ts';
import { knownSensor, type SensorWords } from '../frame/known.ts';
import { facts, table, when } from '../frame/text.ts';
import { whoami } from '../frame/whoami.ts';
import { openEngine } from './engine.ts';
import { requireRelease } from './releases.ts';

interface TuneOptions {
  readonly from: number;
  readonly to: number;
  readonly release?: string;
  readonly side?: Threshold['side'];
}

interface ThresholdOptions {
  readonly release?: string;
  readonly promote: boolean;
}

export async function tune(context: Context, options: TuneOptions, ...words: SensorWords): Promise<Output> {
  const sensor = await knownSensor(context, words);
  const store = await context.store();
  const { device, sensor: name } = sensor;
  const release = options.release ?? (await currentRelease(store));
  requireRelease(await store.listReleases(), release);
  const shape = await storedWindows(store, context.config.ingest);
  const period = periodOf(options);
  const engine = await openEngine(context);
  try {
    const { windows, now, candidates, ...tuned } = await tuneThreshold(
      { store, engine },
      { release, sensor, period, shape, ...(options.side ? { side: options.side } : {}) },
    );
    const row = (text: string, flagged: Flagged): string[] => [
      text,
      formatShare(flagged.anomalies, windows),
      count(flagged.anomalies),
      count(flagged.stretches),
    ];
    const decides = tuned.threshold ? `threshold ${formatThreshold(tuned.threshold)}` : 'label of the model';
    const example = candidates[0];
    return {
      data: {
        device,
        sensor: name,
        release,
        from: isoTime(period.fromMs),
        to: isoTime(period.toMs),
        windows,
        ...(tuned.threshold ? { threshold: formatThreshold(tuned.threshold) } : {}),
        now,
        candidates: candidates.map((candidate) => ({ ...candidate, threshold: formatThreshold(candidate.threshold) })),
      },
      text: [
        facts([
          ['Sensor', sensorName(sensor)],
          ['Release', release],
          ['Period', `${when(period.fromMs)} to ${when(period.toMs)} UTC, ${count(windows)} windows`],
        ]),
        table(
          [
            { title: 'Decides', whole: true },
            { title: 'Anomalies', align: 'right' },
            { title: 'Windows', align: 'right' },
            { title: 'Stretches', align: 'right' },
          ],
          [row(`now: ${decides}`, now), ...candidates.map((own) => row(formatThreshold(own.threshold), own))],
        ),
        ...(example
          ? [
              `Set one: fleetscore models threshold ${shellWord(sensorName(sensor))} ` +
                `'${formatThreshold(example.threshold)}'`,
            ]
          : []),
      ].join('\n\n'),
    };
  } finally {
    await engine.close();
  }
}

export async function threshold(
  context: Context,
  options: ThresholdOptions,
  first: string,
  second: string,
  third: string | undefined,
): Promise<Output> {
  const [words, text]: [SensorWords, string] = third === undefined ? [[first], second] : [[first, second], third];
  const wanted = text === 'none' ? undefined : parseThreshold(text);
  if (text !== 'none' && !wanted)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(text)} is not a threshold: write ${THRESHOLD_FORM}, in quotation marks, or none.`,
    );
  const sensor = await knownSensor(context, words);
  const store = await context.store();
  const from = await currentRelease(store);
  const nowMs = Date.now();
  const taken = new Set((await store.listReleases()).map((release) => release.name));
  const release = releaseName(options.release, nowMs, taken);
  const change = { sensor, name: release, nowMs, from, ...(wanted ? { threshold: wanted } : {}) };
  const models = await setThreshold(store, change);
  if (options.promote) await store.setCurrentRelease(release, { how: 'publish', by: whoami() });
  const said = wanted
    ? `${formatThreshold(wanted)} decides for ${sensorName(sensor)}`
    : `the label of its model decides for ${sensorName(sensor)}`;
  return {
    data: {
      release,
      from,
      device: sensor.device,
      sensor: sensor.sensor,
      threshold: wanted ? formatThreshold(wanted) : null,
      models,
    },
    text: options.promote
      ? `Release ${release} is current: ${said} from the next batch on, all else is as in ${from}. ` +
        'Back: fleetscore models rollback'
      : `Release ${release} is published, and not current: ${said}, all else is as in ${from}. ` +
        `Have batches score it beside the current one: fleetscore models challenge ${release}`,
  };
}

async function currentRelease(store: Store): Promise<string> {
  const current = await store.currentRelease();
  if (current === undefined)
    throw new FleetscoreError('NO_RELEASE', 'no release is current. Publish models: fleetscore models publish DIR');
  return current;
}
