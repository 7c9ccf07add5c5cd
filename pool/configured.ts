/** Settings of the pools as configured: limits, queue and price of each. Free of the clients that run them. */
import type { Config } from '../config.ts';
import { parseKeepWarm, readPoolsFile } from './pools-file.ts';
import { loadPrices, priceOf } from './prices.ts';
import { checkLimits, DEFAULT_AZURE_POOL, DEFAULT_POOL, type PoolSettings } from './settings.ts';

export interface ConfiguredPool {
  readonly settings: PoolSettings;
  /** Cluster of the pool, on Azure. */
  readonly cluster?: string;
}

/** @throws FleetscoreError `INVALID_POOLS`, `INVALID_LIMITS`, `PRICES_UNREADABLE`, `PRICE_UNKNOWN` */
export async function configuredPools(config: Config): Promise<ConfiguredPool[]> {
  const { pool } = config;
  const base: PoolSettings = {
    ...(pool.aml ? DEFAULT_AZURE_POOL : DEFAULT_POOL), name: pool.name, taskQueue: config.scoring.queue, vmSize: pool.vmSize, priority: pool.priority,
    minNodes: pool.minNodes, keepWarm: parseKeepWarm(pool.keepWarm), finishWithinMs: pool.finishWithinMs,
    ...(pool.maxNodes === undefined ? {} : { maxNodes: pool.maxNodes }), ...(pool.idleMs === undefined ? {} : { idleMs: pool.idleMs }),
  };
  const entries = pool.poolsFile === undefined ? [{ settings: base }] : await readPools(pool.poolsFile, base);
  const prices = pool.pricesFile === undefined ? undefined : await loadPrices(pool.pricesFile);
  return entries.map((entry) => {
    const { vmSize, priority } = entry.settings;
    const pricePerNodeHour = prices === undefined ? 0 : priceOf(prices, vmSize, priority, pool.pricesRegion).perHour;
    return { ...entry, settings: checkLimits({ ...entry.settings, pricePerNodeHour }) };
  });
}

async function readPools(path: string, base: PoolSettings): Promise<ConfiguredPool[]> {
  return (await readPoolsFile(path)).map(({ cluster, idle, finishWithin, ...rest }) => {
    const set = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as Partial<PoolSettings>;
    const settings = { ...base, ...set, ...(idle === undefined ? {} : { idleMs: idle }), ...(finishWithin === undefined ? {} : { finishWithinMs: finishWithin }) };
    return { settings, ...(cluster === undefined ? {} : { cluster }) };
  });
}
