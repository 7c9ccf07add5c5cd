/**
 * The scoring workers of the laptop stack as pools that start at zero: the same policy and the same durable
 * loop as on Azure, with processes of this machine as nodes. Served by the process that runs the stack.
 */
import type { Client } from '@temporalio/client';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { loadConfig, type Config, type Env } from '../config.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { configuredPools } from '../pool/configured.ts';
import { createLocalPool, type LocalPool, type WorkerProcess } from '../pool/local/pool.ts';
import { servePools } from '../workers/pool.ts';
import { poolWorkflowId, type PoolSettings } from '../pool/settings.ts';
import { ensurePoolLoop, SCALE_POOL } from '../workers/pool-loop.ts';
import { openBlobs } from '../connect/blob-storage.ts';
import { openStore } from '../storage/open-store.ts';
import { connectClient, connectWorker } from '../connect/temporal.ts';
import type { StackChild } from './child.ts';

export interface ScoringPoolOptions {
  readonly env: Env;
  readonly log: (line: string) => void;
  readonly start: (variables: Readonly<Record<string, string>>) => StackChild;
  readonly ready: (worker: StackChild) => Promise<void>;
}

export interface ScoringPools {
  /** Drains the workers, then lets go of the loops; they go on with the next start. */
  stop(): Promise<void>;
}

/** More than this many processes help no laptop. */
const MAX_WORKERS = 8;

export async function startScoringPools(options: ScoringPoolOptions): Promise<ScoringPools> {
  const { env } = options;
  const config: Config = loadConfig(env);
  const all = (await configuredPools(config)).map(({ settings }) => settings);
  const pools = new Map(all.map((settings) => [settings.name, openPool(options, settings)]));
  const poolOf = ({ name }: PoolSettings): LocalPool => {
    const pool = pools.get(name);
    if (pool) return pool;
    throw new FleetscoreError(
      'POOL_UNKNOWN',
      `pool ${JSON.stringify(name)} is not configured on this stack (it has ${[...pools.keys()].join(', ')}).`,
    );
  };
  // Ctrl-C is the stack's to handle, and its terminal is not a place for logs.
  Runtime.install({ logger: new DefaultLogger('ERROR', () => {}), shutdownSignals: [] });
  const [client, { connection, namespace, dataConverter }, store] = [
    await connectClient(env),
    await connectWorker(env),
    await openStore(config.sqlUrl),
  ];
  const served = await servePools({
    connection,
    namespace,
    dataConverter,
    taskQueue: all[0]!.activityQueue,
    client,
    store,
    blobs: openBlobs(config),
    poolOf,
    now: Date.now,
  });
  for (const id of await endForgotten(client, pools))
    options.log(`${id} is not configured any more: its loop is ended`);
  for (const settings of all) await ensurePoolLoop(client, settings);
  return {
    async stop() {
      await Promise.all([served.stop(), ...[...pools.values()].map((pool) => pool.close())]);
      await connection.close();
      await client.connection.close();
      await store.close();
    },
  };
}

function openPool({ log, start, ready }: ScoringPoolOptions, settings: PoolSettings): LocalPool {
  const workers = new Map<WorkerProcess, StackChild>();
  return createLocalPool({
    name: settings.name,
    maxWorkers: Math.max(settings.maxNodes, MAX_WORKERS),
    log,
    start(node) {
      const child = start({
        FLEETSCORE_NODE: node,
        FLEETSCORE_POOL: settings.name,
        FLEETSCORE_SCORING_QUEUE: settings.taskQueue,
      });
      workers.set(child, child);
      void child.ended.then(() => workers.delete(child));
      return child;
    },
    ready: (worker) => ready(workers.get(worker)!),
  });
}

/** Loops of pools that were configured at an earlier start: nobody serves them now, as this stack has all there are. */
async function endForgotten(client: Client, pools: ReadonlyMap<string, LocalPool>): Promise<string[]> {
  const known = new Set([...pools.keys()].map(poolWorkflowId));
  const ended: string[] = [];
  for await (const { workflowId } of client.workflow.list({
    query: `WorkflowType = '${SCALE_POOL}' AND ExecutionStatus = 'Running'`,
  })) {
    if (known.has(workflowId)) continue;
    await client.workflow.getHandle(workflowId).terminate('this pool is not configured any more');
    ended.push(workflowId);
  }
  return ended;
}
