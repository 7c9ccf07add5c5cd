/**
 * Settings of one pool, as plain data that a workflow can carry: defaults and limits in one place. Times are
 * milliseconds, money is in the currency of the price file. Pure.
 */
import { FleetscoreError } from '../domain/errors.ts';
import { SCORING_QUEUE } from '../domain/queues.ts';

/**
 * When idle nodes stay for the next batch: `break-even` while that is cheaper than going down and up again,
 * `never`, `always` while any batch is scheduled, or a number: while the next batch is due within that time (ms).
 */
export type KeepWarm = 'break-even' | 'never' | 'always' | number;

export type NodePriority = 'dedicated' | 'low-priority';

/** What an operator may change while the pool runs. */
export interface PoolLimits {
  /** Nodes that are always kept, work or not. */
  readonly minNodes: number;
  readonly maxNodes: number;
  /** A node without work is let go after this time, not before: it damps flapping. */
  readonly idleMs: number;
  readonly keepWarm: KeepWarm;
  /** A batch is to be scored within this time; decides how many nodes it gets. */
  readonly finishWithinMs: number;
  /** Nodes are to be ready this long before a batch is due. */
  readonly marginMs: number;
}

export interface PoolSettings extends PoolLimits {
  readonly name: string;
  readonly kind: 'local' | 'azure-ml';
  /** Task queue of the pool's scoring workers. */
  readonly taskQueue: string;
  /** Task queue of the activities that observe and act on this pool. */
  readonly activityQueue: string;
  readonly priority: NodePriority;
  /** Machine size, for example Standard_D2s_v5: names the price. */
  readonly vmSize: string;
  /** Price of a node; 0 when it is not known. */
  readonly pricePerNodeHour: number;
  /** What going down and up costs besides the time of the node (image pulls), money a node. */
  readonly wakeCost: number;
  /** First guesses, until there are measurements. */
  readonly spinUpMs: number;
  readonly spinDownMs: number;
  readonly sensorsPerSecond: number;
  /** Between two looks while nodes run or work waits, and while nothing happens. */
  readonly pollMs: number;
  readonly quietPollMs: number;
  /** Looks of one run of the loop, which then goes on with a new history. Default: see {@link looksARun}. */
  readonly looks?: number;
}

/** A look is about 15 events: 250 are far below the limit of a history. */
export const looksARun = ({ looks = 250 }: Pick<PoolSettings, 'looks'>): number => looks;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

export const DEFAULT_POOL: PoolSettings = {
  name: 'scoring',
  kind: 'local',
  taskQueue: SCORING_QUEUE,
  activityQueue: 'pool-local',
  priority: 'dedicated',
  vmSize: 'Standard_D2s_v5',
  pricePerNodeHour: 0,
  wakeCost: 0,
  minNodes: 0,
  maxNodes: 2,
  idleMs: 30 * SECOND,
  keepWarm: 'break-even',
  finishWithinMs: 5 * MINUTE,
  marginMs: 5 * SECOND,
  spinUpMs: 10 * SECOND,
  spinDownMs: 5 * SECOND,
  sensorsPerSecond: 500,
  pollMs: 2 * SECOND,
  quietPollMs: 5 * SECOND,
};

/** Azure takes minutes to bring a node, and as long again bills one that has nothing to do. */
export const DEFAULT_AZURE_POOL: PoolSettings = {
  ...DEFAULT_POOL,
  kind: 'azure-ml',
  activityQueue: 'control',
  maxNodes: 4,
  idleMs: 2 * MINUTE,
  marginMs: 30 * SECOND,
  spinUpMs: 6 * MINUTE,
  spinDownMs: 2 * MINUTE,
  sensorsPerSecond: 1_000,
  pollMs: 15 * SECOND,
  quietPollMs: 30 * SECOND,
};

/** Most nodes a pool may have: what a cluster of Azure Machine Learning takes without a special request. */
const MAX_NODES = 1_000;

/** @throws FleetscoreError `INVALID_LIMITS` that names the limit, its value and what it takes */
export function checkLimits<T extends PoolLimits>(limits: T): T {
  const fail = (what: string): never => {
    throw new FleetscoreError('INVALID_LIMITS', `${what}.`);
  };
  const { minNodes, maxNodes, keepWarm } = limits;
  for (const [name, value] of [
    ['minNodes', minNodes],
    ['maxNodes', maxNodes],
  ] as const)
    if (!Number.isInteger(value) || value < 0 || value > MAX_NODES)
      fail(`${name} must be a whole number from 0 to ${MAX_NODES}, got ${JSON.stringify(value)}`);
  if (minNodes > maxNodes) fail(`minNodes (${minNodes}) is above maxNodes (${maxNodes})`);
  for (const name of ['idleMs', 'marginMs'] as const)
    if (!(Number.isFinite(limits[name]) && limits[name] >= 0))
      fail(`${name} must be a time of at least 0 ms, got ${JSON.stringify(limits[name])}`);
  if (!(Number.isFinite(limits.finishWithinMs) && limits.finishWithinMs >= SECOND))
    fail(`finishWithinMs must be a time of at least 1 s, got ${JSON.stringify(limits.finishWithinMs)}`);
  const known =
    keepWarm === 'break-even' ||
    keepWarm === 'never' ||
    keepWarm === 'always' ||
    (typeof keepWarm === 'number' && keepWarm >= 0);
  if (!known) fail(`keepWarm must be break-even, never, always or a time, got ${JSON.stringify(keepWarm)}`);
  return limits;
}

/** Id of the workflow that scales a pool: one a pool, whatever starts it. */
export const poolWorkflowId = (pool: string): string => `pool-${pool}`;
