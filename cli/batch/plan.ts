/** `fleetscore batch plan`: what a batch over a period would do. */
import pc from 'picocolors';
import { LEFT_OUT } from '../../domain/outcome.ts';
import { poolUnknown } from '../../domain/queues.ts';
import { sensorName } from '../../domain/sensor.ts';
import { windowsOf } from '../../domain/sizing.ts';
import { storedWindows } from '../../ingest/settings.ts';
import { isoTime } from '../../domain/time.ts';
import { formatCount as count, formatMs, formatNumberOf as plural, formatShare } from '../../report/format.ts';
import { dryRun, type PoolPlan } from '../../batches/dry-run.ts';
import type { Output } from '../frame/command.ts';
import { periodOf } from '../frame/period.ts';
import type { Context } from '../frame/context.ts';
import { expectedCosts, type ExpectedCost } from './expected-cost.ts';
import { facts, table, when } from '../frame/text.ts';

interface PlanOptions {
  readonly from: number;
  readonly to: number;
  readonly release?: string;
  readonly sensorsPerChild?: number;
  readonly sensorsPerActivity?: number;
  readonly prices?: string;
}

export async function plan(
  context: Context,
  { from, to, release, sensorsPerChild, sensorsPerActivity, prices }: PlanOptions,
): Promise<Output> {
  const asked = Object.fromEntries(
    Object.entries({ release, sensorsPerChild, sensorsPerActivity }).filter(([, value]) => value !== undefined),
  );
  const period = periodOf({ from, to });
  const store = await context.store();
  const fleet = await storedWindows(store, context.config.ingest);
  const run = await dryRun(store, period, { ...asked, windows: windowsOf(period, fleet) }, fleet);
  const challenger = await store.findChallenger();
  const challenged =
    challenger && challenger.release !== run.release
      ? { release: challenger.release, share: challenger.share }
      : undefined;
  const costs = await expectedCosts(context, run.pools, prices);
  return {
    data: {
      from: isoTime(from),
      to: isoTime(to),
      ...run,
      ...(challenged ? { challenger: challenged } : {}),
      cost: costs,
    },
    text: [
      planFacts(period, run, challenged, costs),
      ...(costs.length > 1 || costs.some((one) => one.unknown !== undefined) ? [poolTable(run.pools, costs)] : []),
      ...costs.flatMap((one) => (one.unknown === undefined ? [] : [unknownNote(one, one.unknown, costs)])),
      ...skippedExamples(run),
      ...costs.flatMap(nodesNote),
      'Nothing was started.',
    ].join('\n\n'),
  };
}

type DryRun = Awaited<ReturnType<typeof dryRun>>;

function planFacts(
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  run: DryRun,
  challenger: { readonly release: string; readonly share: number } | undefined,
  costs: readonly ExpectedCost[],
): string {
  const { no_data, no_model } = run.skipped;
  const skipped = `${count(no_data)} skipped without data, ${count(no_model)} without a model`;
  const scored = `${count(run.wouldScore)} would be scored (${plural(run.windows, 'window')})`;
  const children = `${plural(run.groups, 'child workflow')} of up to ${plural(run.sensorsPerChild, 'sensor')}`;
  const activities = plural(run.chunks, 'scoring activity', 'scoring activities');
  const past = run.expected && plural(run.expected.batches, 'past batch', 'past batches');
  return facts([
    ['Period', `${when(fromMs)} to ${when(toMs)} UTC`],
    ['Release', run.release],
    [
      'Challenger',
      challenger &&
        `${challenger.release} on ${formatShare(challenger.share, 1)} of the sensors, counted and not served`,
    ],
    ['Sensors', `${count(run.planned)} planned: ${scored}, ${skipped}`],
    ['Left out', run.leftOut === 0 ? undefined : `${plural(run.leftOut, 'sensor')} ${LEFT_OUT}`],
    ['Children', `${children}, ${activities} of up to ${plural(run.sensorsPerActivity, 'sensor')}`],
    [
      'Time',
      run.expected ? `about ${formatMs(run.expected.ms)}, as ${past} took` : 'unknown: no batch has completed yet',
    ],
    ['Cost', costText(costs)],
  ]);
}

function unknownNote({ sensors }: ExpectedCost, unknown: string, costs: readonly ExpectedCost[]): string {
  const known = costs.map((other) => other.pool).filter((name) => name !== '');
  return `${pc.yellow('note')} ${plural(sensors, 'sensor')} would fail: ${poolUnknown(unknown, known)}.`;
}

function nodesNote({ pool, sensors, nodes, unknown }: ExpectedCost): string[] {
  if (sensors === 0 || nodes !== 0 || unknown !== undefined) return [];
  const remedy = `\`fleetscore pool set --pool ${pool} --max N\``;
  return [
    `${pc.yellow('note')} pool ${pool} may have no nodes: ${plural(sensors, 'sensor')} would wait until ${remedy}.`,
  ];
}

function skippedExamples({ examples, skipped }: DryRun): string[] {
  const more = skipped.no_data + skipped.no_model - examples.length;
  const columns = [{ title: 'Sensor' }, { title: 'Would be skipped', whole: true }];
  return [
    ...(examples.length === 0
      ? []
      : [
          table(
            columns,
            examples.map((e) => [sensorName(e), e.class]),
          ),
        ]),
    ...(more > 0 ? [`and ${count(more)} more.`] : []),
  ];
}

const nodeTime = (seconds: number): string => `${formatMs(seconds * 1_000)} of node time`;
const cash = (amount: number): string => amount.toFixed(amount < 1 ? 4 : 2);

/** All pools together, and what it was reckoned from. */
function costText(costs: readonly ExpectedCost[]): string | undefined {
  const known = costs.filter((one) => one.unknown === undefined);
  const first = known[0];
  if (!first) return undefined;
  const seconds = known.reduce((sum, one) => sum + one.nodeSeconds, 0);
  const total = known.every((one) => one.money !== undefined)
    ? known.reduce((sum, one) => sum + one.money!, 0)
    : undefined;
  const what =
    known.length === 1 ? `${plural(first.nodes, 'node')} of ${first.vmSize}, ${nodeTime(seconds)}` : nodeTime(seconds);
  const fromZero = `${what} from zero and back (${basisOf(known)})`;
  if (total === undefined) return `${fromZero}; no prices: give --prices FILE or set FLEETSCORE_PRICES_FILE`;
  return `about ${cash(total)}${first.currency === undefined ? '' : ` ${first.currency}`}: ${fromZero}`;
}

function basisOf(known: readonly ExpectedCost[]): string {
  const [first] = known;
  if (known.length > 1 || !first)
    return known.every((one) => one.measured)
      ? 'spin-up and speed as measured'
      : 'spin-up and speed are first guesses in part';
  const speed = `spin-up ${first.spinUpSeconds.toFixed(1)} s, ${count(Math.round(first.sensorsPerSecond))} sensors/s a worker`;
  return `${speed}, ${first.measured ? 'as measured' : 'first guesses'}`;
}

function poolTable(pools: readonly PoolPlan[], costs: readonly ExpectedCost[]): string {
  return table(
    [
      { title: 'Pool' },
      { title: 'Queue', leave: 1 },
      { title: 'Machine', leave: 2 },
      { title: 'Sensors', align: 'right' },
      { title: 'Children', align: 'right', leave: 4 },
      { title: 'Chunks', align: 'right', leave: 3 },
      { title: 'Nodes', align: 'right' },
      { title: 'Node time', align: 'right' },
      { title: 'Cost', align: 'right' },
    ],
    pools.map((pool, i) => {
      const cost = costs[i]!;
      if (cost.unknown !== undefined)
        return [`${pool.pool} (not configured)`, '-', '-', count(pool.planned), '-', '-', '-', '-', '-'];
      return [
        cost.pool,
        cost.taskQueue ?? '',
        cost.vmSize,
        count(pool.planned),
        count(pool.groups),
        count(pool.chunks),
        String(cost.nodes),
        formatMs(cost.nodeSeconds * 1_000),
        cost.money === undefined ? '-' : cash(cost.money),
      ];
    }),
  );
}
