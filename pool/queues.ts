/**
 * Which pools there are: one from FLEETSCORE_POOL_*, or several from a file, each with a task queue of its own. One
 * has the queue `scoring`: sensors whose model names no pool are scored there.
 */
import type { Config } from '../config.ts';

/** Task queue of each pool that is configured here, by name. @throws FleetscoreError `INVALID_POOLS` */
export async function poolQueues(config: Pick<Config, 'pool' | 'scoring'>): Promise<ReadonlyMap<string, string>> {
  const { name, poolsFile } = config.pool;
  if (poolsFile === undefined) return new Map([[name, config.scoring.queue]]);
  const { readPoolsFile } = await import('./pools-file.ts'); // a file is rare, and its checks take long to load
  return new Map((await readPoolsFile(poolsFile)).map((pool) => [pool.name, pool.taskQueue]));
}
