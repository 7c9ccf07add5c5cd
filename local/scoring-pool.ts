/**
 * The scoring workers of the laptop stack as a pool that starts at zero: the same policy and the same durable
 * loop as on Azure, with processes of this machine as its nodes. Served by the process that runs the stack.
 */
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { loadConfig, type Config, type Env } from '../config.ts';
import { configuredPools } from '../pool/from-config.ts';
import { createLocalPool, type WorkerProcess } from '../pool/local/pool.ts';
import { servePools } from '../pool/local/serve.ts';
import { ensurePoolLoop } from '../pool/start.ts';
import { openBlobs } from '../workers/blob-storage.ts';
import { openStore } from '../storage/open-store.ts';
import { connectClient, connectWorker } from '../workers/temporal.ts';
import type { StackChild } from './child.ts';

export interface ScoringPoolOptions {
  readonly env: Env;
  readonly log: (line: string) => void;
  readonly start: (variables: Readonly<Record<string, string>>) => StackChild;
  readonly ready: (worker: StackChild) => Promise<void>;
}

export interface ScoringPool {
  /** Drains the workers, then lets go of the loop; it goes on with the next start. */
  stop(): Promise<void>;
}

/** More than this many processes help no laptop. */
const MAX_WORKERS = 8;

export async function startScoringPool(options: ScoringPoolOptions): Promise<ScoringPool> {
  const { env, log } = options;
  const config: Config = loadConfig(env);
  const { settings } = (await configuredPools(config))[0]!;
  const workers = new Map<WorkerProcess, StackChild>();
  const pool = createLocalPool({
    name: settings.name, maxWorkers: Math.max(settings.maxNodes, MAX_WORKERS), log,
    start(node) {
      const child = options.start({ FLEETSCORE_NODE: node, FLEETSCORE_POOL: settings.name });
      workers.set(child, child);
      void child.ended.then(() => workers.delete(child));
      return child;
    },
    ready: (worker) => options.ready(workers.get(worker)!),
  });
  // Ctrl-C is the stack's to handle, and its terminal is not a place for logs.
  Runtime.install({ logger: new DefaultLogger('ERROR', () => {}), shutdownSignals: [] });
  const [client, { connection, namespace }, store] = [await connectClient(env), await connectWorker(env), await openStore(config.sqlUrl)];
  const served = await servePools({
    connection, namespace, taskQueue: settings.activityQueue, client, store, blobs: openBlobs(config), poolOf: () => pool, now: Date.now,
  });
  await ensurePoolLoop(client, settings);
  return {
    async stop() {
      await Promise.all([served.stop(), pool.close()]);
      await connection.close();
      await client.connection.close();
      await store.close();
    },
  };
}
