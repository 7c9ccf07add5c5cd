/** What a planned batch will cost, pool by pool: from what each pool has measured, or its first guesses. */
import { configuredPools } from '../../pool/configured.ts';
import { expectCost } from '../../pool/cost.ts';
import { loadPrices } from '../../pool/prices.ts';
import { poolWorkflowId, type PoolSettings } from '../../pool/settings.ts';
import { SCORING_QUEUE } from '../../domain/queues.ts';
import type { PoolPlan } from '../../batches/dry-run.ts';
import { poolQuery, type PoolState } from '../../workflows/pool-messages.ts';
import type { Context } from '../frame/context.ts';
import { defined } from '../../domain/defined.ts';

export interface ExpectedCost {
  /** As configured; '' where the model's pool is not configured here. */
  readonly pool: string;
  readonly taskQueue?: string;
  readonly sensors: number;
  readonly nodes: number;
  readonly nodeSeconds: number;
  /** Absent without prices. */
  readonly money?: number;
  readonly currency?: string;
  readonly vmSize: string;
  readonly spinUpSeconds: number;
  readonly sensorsPerSecond: number;
  /** False while spin-up and speed are first guesses. */
  readonly measured: boolean;
  /** What its model names, when no such pool is configured: its sensors would fail. */
  readonly unknown?: string;
}

/** @param pricesFile in place of the configured one */
export async function expectedCosts(
  context: Context,
  plans: readonly PoolPlan[],
  pricesFile?: string,
): Promise<ExpectedCost[]> {
  const { config } = context;
  const pools = (
    await configuredPools(pricesFile === undefined ? config : { ...config, pool: { ...config.pool, pricesFile } })
  ).map(({ settings }) => settings);
  const file = pricesFile ?? config.pool.pricesFile;
  const currency = file === undefined ? undefined : (await loadPrices(file))[0]?.currency;
  const found: ExpectedCost[] = [];
  for (const plan of plans) {
    const settings =
      pools.find((pool) => (plan.pool === '' ? pool.taskQueue === SCORING_QUEUE : pool.name === plan.pool)) ??
      (plan.pool === '' ? pools[0] : undefined);
    found.push(
      settings
        ? await costOf(context, plan, settings, currency)
        : {
            pool: '',
            unknown: plan.pool,
            sensors: plan.wouldScore,
            nodes: 0,
            nodeSeconds: 0,
            vmSize: '',
            spinUpSeconds: 0,
            sensorsPerSecond: 0,
            measured: false,
          },
    );
  }
  return found;
}

async function costOf(
  context: Context,
  plan: PoolPlan,
  settings: PoolSettings,
  currency: string | undefined,
): Promise<ExpectedCost> {
  const state = await stateOf(context, settings.name);
  // Limits may have been set by hand since.
  const live: PoolSettings = state ? { ...state.settings, pricePerNodeHour: settings.pricePerNodeHour } : settings;
  const measured = state?.measured ?? settings;
  const cost = expectCost(plan.wouldScore, live, measured);
  return {
    pool: settings.name,
    taskQueue: settings.taskQueue,
    sensors: plan.wouldScore,
    nodes: cost.nodes,
    nodeSeconds: cost.nodeMs / 1_000,
    vmSize: settings.vmSize,
    ...(settings.pricePerNodeHour > 0 ? { money: cost.money, ...defined({ currency }) } : {}),
    spinUpSeconds: measured.spinUpMs / 1_000,
    sensorsPerSecond: measured.sensorsPerSecond,
    measured: state !== undefined && state.measured.spinUps > 0 && state.measured.speeds > 0,
  };
}

/** What the loop knows; undefined where it does not run, or Temporal does not answer: the plan does without. */
async function stateOf(context: Context, pool: string): Promise<PoolState | undefined> {
  try {
    return await (await context.client()).workflow.getHandle(poolWorkflowId(pool)).query(poolQuery);
  } catch {
    return undefined;
  }
}
