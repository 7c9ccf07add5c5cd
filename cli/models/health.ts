/** `fleetscore models compare` and `models health`: is a challenger better, and are the models still right. */
import { FleetscoreError } from '../../domain/errors.ts';
import { isoTime } from '../../domain/time.ts';
import { storedWindows } from '../../ingest/settings.ts';
import { formatCount as count, formatShare } from '../../report/format.ts';
import { compareReleases, type ReleaseSummary } from '../../verify/compare-releases.ts';
import { fleetHealth, PSI_DRIFTED } from '../../verify/model-health.ts';
import type { Output } from '../frame/command.ts';
import { agreementText, causesText, differenceTable, recordedComparison } from './challenge.ts';
import { openEngine } from './engine.ts';
import type { Context } from '../frame/context.ts';
import { periodOf } from '../frame/period.ts';
import { startBar } from '../batch/progress.ts';
import { facts, table, when } from '../frame/text.ts';
import { defined } from '../../domain/defined.ts';

interface CompareOptions {
  readonly from?: number;
  readonly to?: number;
  readonly base?: string;
  readonly share?: number;
  readonly recorded?: boolean;
}
interface HealthOptions {
  readonly from: number;
  readonly to: number;
  readonly baselineFrom?: number;
  readonly baselineTo?: number;
}

export async function compare(context: Context, options: CompareOptions, challenger: string): Promise<Output> {
  const { from, to, share, recorded } = options;
  if ((from === undefined) !== (to === undefined))
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      '--from and --to go together: without them, `models compare` shows what batches recorded.',
    );
  const period = from === undefined ? undefined : periodOf({ from, to: to! });
  const store = await context.store();
  if (recorded || !period) {
    if (share !== undefined)
      throw new FleetscoreError(
        'INVALID_ARGUMENT',
        '--share is for scoring here, with --from and --to. Batches take the share of `fleetscore models challenge`.',
      );
    return recordedComparison(store, challenger, options.base, period);
  }
  const base = options.base ?? (await store.currentRelease());
  if (base === undefined) throw new FleetscoreError('NO_RELEASE', 'no release is current: give one with --base.');
  const shape = await storedWindows(store, context.config.ingest);
  const engine = await openEngine(context);
  const bar = context.json ? undefined : startBar('comparing', 'sensors');
  try {
    const result = await compareReleases(
      { store, engine },
      {
        base,
        challenger,
        period,
        ...defined({ share }),
        shape,
        onProgress: (done, total) => bar?.set(done, total),
      },
    );
    const row = (name: string, of: (summary: ReleaseSummary) => string): string[] => [
      name,
      of(result.base),
      of(result.challenger),
    ];
    return {
      data: { from: isoTime(period.fromMs), to: isoTime(period.toMs), ...result },
      text: [
        facts([
          ['Period', `${when(period.fromMs)} to ${when(period.toMs)} UTC`],
          ['Sensors', count(result.sensors)],
          ['Agreement', agreementText(result.windows, result.agreed, result.differing)],
        ]),
        table(
          [{ title: '' }, { title: base, align: 'right' }, { title: challenger, align: 'right' }],
          [
            row('scored', (s) => count(s.scored)),
            row('skipped', (s) => count(s.skipped)),
            row('failed', (s) => `${count(s.failed)}${s.failed > 0 ? ` (${causesText(s.causes)})` : ''}`),
            row('anomaly rate', (s) => formatShare(s.anomalies, s.windows)),
          ],
        ),
        ...differenceTable(base, challenger, result.differences),
        `Nothing was written. Take it with: fleetscore models promote ${challenger}`,
      ].join('\n\n'),
    };
  } finally {
    bar?.end();
    await engine.close();
  }
}

export async function health(context: Context, options: HealthOptions): Promise<Output> {
  const period = periodOf(options);
  if ((options.baselineFrom === undefined) !== (options.baselineTo === undefined))
    throw new FleetscoreError('INVALID_ARGUMENT', '--baseline-from and --baseline-to go together.');
  const baseline =
    options.baselineFrom === undefined
      ? undefined
      : periodOf({ from: options.baselineFrom, to: options.baselineTo! }, 'baseline-');
  const store = await context.store();
  const { hopMs } = await storedWindows(store, context.config.ingest);
  const result = await fleetHealth(store, period, baseline, { hopMs });
  const share = (value: number | undefined): string =>
    value === undefined ? '-' : `${Math.round(value * 1_000) / 10} %`;
  return {
    data: { from: isoTime(period.fromMs), to: isoTime(period.toMs), ...result },
    text: [
      facts([
        ['Period', `${when(period.fromMs)} to ${when(period.toMs)} UTC`],
        [
          'Baseline',
          baseline
            ? `${when(baseline.fromMs)} to ${when(baseline.toMs)} UTC`
            : 'none: give --baseline-from and --baseline-to to see drift',
        ],
        [
          'Sensors',
          `${count(result.sensors)}: ${count(result.signs.flags_everything)} flag nearly everything, ` +
            `${count(result.signs.flags_nothing)} nothing` +
            (baseline
              ? `, readings of ${count(result.signs.readings_drifted)} drifted (PSI above ${PSI_DRIFTED}), ` +
                `anomaly rate of ${count(result.signs.anomaly_rate_moved)} moved`
              : ''),
        ],
      ]),
      table(
        [
          { title: 'Device' },
          { title: 'Sensor' },
          { title: 'Anomalies', align: 'right' },
          { title: 'Baseline', align: 'right' },
          { title: 'PSI', align: 'right' },
          { title: 'Signs' },
        ],
        result.worst
          .slice(0, 20)
          .map((s) => [
            s.device,
            s.sensor,
            share(s.anomalyRate),
            share(s.baselineAnomalyRate),
            s.psi === undefined ? '-' : s.psi.toFixed(2),
            s.signs.join(', ').replaceAll('_', ' '),
          ]),
        'No sensor shows a sign of trouble.',
      ),
      ...(result.worst.length > 20 ? [`and ${count(result.worst.length - 20)} more: --json lists them.`] : []),
    ].join('\n\n'),
  };
}
