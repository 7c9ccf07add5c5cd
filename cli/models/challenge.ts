/** `fleetscore models challenge` and what batches recorded of a challenger, for `models compare` and `batch show`. */
import { FleetscoreError } from '../../domain/errors.ts';
import { DAY_MS, isoTime, type Period } from '../../domain/time.ts';
import { formatCount as count, formatNumberOf as plural, formatShare } from '../../report/format.ts';
import { agreedOf, type Challenger, type ChallengeSummary, type SensorDifference } from '../../domain/challenge.ts';
import type { Batch, Store } from '../../storage/store.ts';
import { challengeOf } from '../../verify/compare-releases.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { requireRelease } from './releases.ts';
import { facts, table, when } from '../frame/text.ts';
import { defined } from '../../domain/defined.ts';

interface ChallengeOptions {
  readonly share?: number;
  readonly stop?: boolean;
}

/** Sensors that differ most, listed one by one. */
const SHOWN = 20;

export async function challenge(
  context: Context,
  { share, stop }: ChallengeOptions,
  release: string | undefined,
): Promise<Output> {
  const store = await context.store();
  if (stop && (release !== undefined || share !== undefined))
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      '--stop stops the challenger that there is: give no release and no --share with it.',
    );
  if (share === 0)
    throw new FleetscoreError('INVALID_ARGUMENT', '--share 0 would score nothing: give a share above 0, or --stop.');
  const before = await store.findChallenger();
  if (stop) {
    await store.setChallenger(undefined);
    return {
      data: { challenger: null, ...(before ? { before: before.release } : {}) },
      text: before
        ? `Batches score ${before.release} no more. What they recorded stays: fleetscore models compare ` +
          before.release
        : 'There is no challenger.',
    };
  }
  if (release === undefined) {
    if (share !== undefined)
      throw new FleetscoreError(
        'INVALID_ARGUMENT',
        '--share goes with the name of a release: fleetscore models challenge RELEASE --share 0.1',
      );
    return {
      data: { challenger: before ? challengerData(before) : null },
      text: before
        ? describe(before, await store.currentRelease())
        : 'There is no challenger. Set one: fleetscore models challenge RELEASE --share 0.1',
    };
  }
  requireRelease(await store.listReleases(), release);
  const next = { release, share: share ?? 1, sinceMs: Date.now() };
  await store.setChallenger(next);
  return {
    data: { challenger: challengerData(next), ...(before ? { before: before.release } : {}) },
    text: describe(next, await store.currentRelease()),
  };
}

const challengerData = ({ release, share, sinceMs }: Challenger) => ({ release, share, since: isoTime(sinceMs) });

const describe = ({ release, share, sinceMs }: Challenger, current: string | undefined): string =>
  [
    `Batches planned from ${when(sinceMs)} UTC on score ${release} on ` +
      `${share === 1 ? 'all sensors' : `${formatShare(share, 1)} of the sensors`} beside ` +
      `${current ?? 'the current release'}; what it predicts is counted, not served.`,
    `See how it does: fleetscore models compare ${release}`,
  ].join('\n');

const WEEK_MS = 7 * DAY_MS;

/**
 * The week before the end of the newest batch: what batches recorded in months is much to sum, and tells of old models.
 */
async function lastWeek(store: Store): Promise<Period | undefined> {
  const [newest] = await store.listBatches({ limit: 1 });
  return newest && { fromMs: newest.toMs - WEEK_MS, toMs: newest.toMs };
}

function nothingRecorded(challenger: string, asked: boolean, within: Period | undefined): string {
  const lately = within ? ` in the week before ${when(within.toMs)} UTC` : '';
  return [
    `No batch has recorded anything of ${challenger}${asked ? ' in that period' : lately}. ` +
      `Have the next ones score it: fleetscore models challenge ${challenger}`,
    `Or compare over a past period, here: fleetscore models compare ${challenger} --from TIME --to TIME`,
  ].join('\n');
}

/** `models compare` without a period to score: what batches recorded. @throws FleetscoreError `RELEASE_UNKNOWN` */
export async function recordedComparison(
  store: Store,
  challenger: string,
  base: string | undefined,
  period: Period | undefined,
): Promise<Output> {
  requireRelease(await store.listReleases(), challenger);
  const within = period ?? (await lastWeek(store));
  const filter = { challenger, ...defined({ base }), ...(within ? { within } : {}) };
  const summaries = await store.challengeSummaries(filter);
  const recorded = await Promise.all(
    summaries.map(async (summary) => ({
      ...summary,
      differences: await store.challengeDifferences({ ...filter, base: summary.base }, SHOWN),
    })),
  );
  return {
    data: {
      challenger,
      recorded: recorded.map(({ differences, ...summary }) => ({ ...recordedData(summary), differences })),
    },
    text:
      recorded.length === 0
        ? nothingRecorded(challenger, period !== undefined, within)
        : recorded
            .flatMap((summary) => [
              recordedText(summary),
              ...differenceTable(summary.base, challenger, summary.differences),
            ])
            .concat(`Take it with: fleetscore models promote ${challenger}`)
            .join('\n\n'),
  };
}

/** How the labels agree; the words are those of every comparison. */
export const agreementText = (windows: number, agreed: number, differing: number): string =>
  windows === 0
    ? 'no window was scored by both'
    : `${formatShare(agreed, windows)} of ${plural(windows, 'window')} have the same label; ` +
      `${plural(differing, 'sensor')} ${differing === 1 ? 'differs' : 'differ'}`;

export const causesText = (causes: Readonly<Record<string, number>>): string =>
  Object.entries(causes)
    .map(([cause, sensors]) => `${count(sensors)} x ${cause}`)
    .join(', ');

export function differenceTable(base: string, challenger: string, rows: readonly SensorDifference[]): string[] {
  if (rows.length === 0) return [];
  return [
    table(
      [
        { title: 'Device' },
        { title: 'Sensor' },
        { title: 'Windows', align: 'right' },
        { title: `Only ${base}`, align: 'right' },
        { title: `Only ${challenger}`, align: 'right' },
      ],
      rows.map((d) => [d.device, d.sensor, count(d.windows), count(d.onlyBase), count(d.onlyChallenger)]),
    ),
  ];
}

const recordedText = (s: ChallengeSummary): string =>
  facts([
    ['Base', s.base],
    ['Challenger', s.challenger],
    ['Batches', `${count(s.batches)}, over periods from ${when(s.fromMs)} to ${when(s.toMs)} UTC`],
    ['Sensors', `${count(s.sensors)}; over all batches ${scoringsText(s)}`],
    ['Agreement', agreementText(s.windows, agreedOf(s), s.differing)],
    [
      'Anomaly rate',
      s.windows === 0
        ? undefined
        : `${formatShare(s.both + s.onlyBase, s.windows)} with ${s.base}, ` +
          `${formatShare(s.both + s.onlyChallenger, s.windows)} with ${s.challenger}`,
    ],
  ]);

const scoringsText = (s: ChallengeSummary): string =>
  `${count(s.scored)} scored, ${count(s.skipped)} skipped, ${count(s.failed)} ` +
  `failed${s.failed > 0 ? ` (${causesText(s.causes)})` : ''}`;

/** The challenger of one batch: a line of `batch show`, and its data. */
export async function batchChallenge(store: Store, batch: Batch) {
  const challenger = await challengeOf(store, batch.id, 0);
  if (!challenger) return undefined;
  const { release, share, summary } = challenger;
  return {
    data: { release, share, ...(summary ? { recorded: recordedData(summary) } : {}) },
    text:
      `${release} on ${formatShare(share, 1)} of the sensors: ` +
      (summary
        ? `${scoringsText(summary)}; ${agreementText(summary.windows, agreedOf(summary), summary.differing)}`
        : 'nothing recorded yet'),
  };
}

const recordedData = ({ fromMs, toMs, ...rest }: ChallengeSummary) => ({
  ...rest,
  from: isoTime(fromMs),
  to: isoTime(toMs),
  agreed: agreedOf(rest),
});
