/** Settings of the pools as configured: limits, queue and price of each. Free of the clients that run them. */
import type { Config } from '../config.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { parseKeepWarm } from './parse-keep-warm.ts';
import type { PoolEntry } from './pools-file.ts';
import { loadPrices, priceOf } from './prices.ts';
import { checkLimits, DEFAULT_AZURE_POOL, DEFAULT_POOL, type PoolSettings } from './settings.ts';
import { defined } from '../domain/defined.ts';

export interface ConfiguredPool {
  readonly settings: PoolSettings;
  /** Cluster of the pool, on Azure. */
  readonly cluster?: string;
  readonly fallback?: PoolFallback;
}

/** Dedicated cluster that is asked when the low-priority one has had nothing for a while; on Azure. */
export interface PoolFallback {
  readonly cluster: string;
  readonly afterMs: number;
  readonly maxNodes?: number;
  /** As the pool's when absent. */
  readonly vmSize?: string;
}

/** @throws FleetscoreError `INVALID_POOLS`, `INVALID_LIMITS`, `PRICES_UNREADABLE`, `PRICE_UNKNOWN` */
export async function configuredPools(config: Config): Promise<ConfiguredPool[]> {
  const { pool } = config;
  const base: PoolSettings = {
    ...(pool.aml ? DEFAULT_AZURE_POOL : DEFAULT_POOL),
    name: pool.name,
    taskQueue: config.scoring.queue,
    vmSize: pool.vmSize,
    priority: pool.priority,
    minNodes: pool.minNodes,
    keepWarm: parseKeepWarm(pool.keepWarm),
    finishWithinMs: pool.finishWithinMs,
    ...defined({ maxNodes: pool.maxNodes, idleMs: pool.idleMs }),
  };
  const { fallbackCluster, fallbackAfterMs } = pool;
  const single: ConfiguredPool = {
    settings: base,
    ...(fallbackCluster === undefined ? {} : { fallback: { cluster: fallbackCluster, afterMs: fallbackAfterMs } }),
  };
  const entries = pool.poolsFile === undefined ? [single] : await readPools(pool.poolsFile, base, fallbackAfterMs);
  for (const { settings, fallback } of entries)
    if (fallback && settings.priority !== 'low-priority')
      throw new FleetscoreError(
        'INVALID_CONFIG',
        `pool ${settings.name} has the fallback cluster ${fallback.cluster}, and its nodes are dedicated: ` +
          'set its priority to low-priority, or leave the fallback out.',
      );
  const prices = pool.pricesFile === undefined ? undefined : await loadPrices(pool.pricesFile);
  return entries.map((entry) => {
    const { vmSize, priority } = entry.settings;
    const pricePerNodeHour = prices === undefined ? 0 : priceOf(prices, vmSize, priority, pool.pricesRegion).perHour;
    return { ...entry, settings: checkLimits({ ...entry.settings, pricePerNodeHour }) };
  });
}

async function readPools(path: string, base: PoolSettings, fallbackAfterMs: number): Promise<ConfiguredPool[]> {
  const { readPoolsFile } = await import('./pools-file.ts');
  return (await readPoolsFile(path)).map(({ cluster, idle, finishWithin, fallback, ...rest }) => {
    const set = Object.fromEntries(
      Object.entries(rest).filter(([, value]) => value !== undefined),
    ) as Partial<PoolSettings>;
    const settings = {
      ...base,
      ...set,
      ...defined({ idleMs: idle, finishWithinMs: finishWithin }),
    };
    return {
      settings,
      ...defined({ cluster }),
      ...(fallback ? { fallback: fallbackOf(fallback, fallbackAfterMs) } : {}),
    };
  });
}

function fallbackOf(
  { cluster, after, maxNodes, vmSize }: NonNullable<PoolEntry['fallback']>,
  afterMs: number,
): PoolFallback {
  return {
    cluster,
    afterMs: after ?? afterMs,
    ...defined({ maxNodes, vmSize }),
  };
}
