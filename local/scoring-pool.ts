/**
 * The scoring workers of the laptop stack as pools that start at zero: the same policy and the same durable
 * loop as on Azure, with processes of this machine as nodes. Served by the process that runs the stack.
 */
import type { Client } from '@temporalio/client';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { loadConfig, type Config, type Env } from '../config.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { configuredPools } from '../pool/configured.ts';
import { createLocalPool, type LocalPool, type WorkerProcess } from '../pool/local/pool.ts';
import { servePools } from '../workers/pool.ts';
import { poolWorkflowId, type PoolSettings } from '../pool/settings.ts';
import { ensurePoolLoop, SCALE_POOL, watchPoolLoop } from '../workers/pool-loop.ts';
import { openBlobs } from '../connect/blob-storage.ts';
import { openStore } from '../storage/open-store.ts';
import { connectClient, connectWorker } from '../connect/temporal.ts';
import type { StackChild } from './child.ts';

export interface ScoringPoolOptions {
  readonly env: Env;
  readonly log: (line: string) => void;
  readonly start: (variables: Readonly<Record<string, string>>) => StackChild;
  readonly ready: (worker: StackChild) => Promise<void>;
  /** Ends the start. */
  readonly signal: AbortSignal;
  /** Longest wait for the loops to take their settings. */
  readonly timeoutMs: number;
}

export interface ScoringPools {
  /** Drains the workers, then lets go of the loops; they go on with the next start. */
  stop(): Promise<void>;
}

/** More than this many processes help no laptop. */
const MAX_WORKERS = 8;

/**
 * What it opened is closed again when it fails: a worker that still polls would keep the process alive.
 * @throws FleetscoreError `POOL_START`, and what configuration and connections throw
 */
export async function startScoringPools(options: ScoringPoolOptions): Promise<ScoringPools> {
  const opened: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of opened.splice(0).reverse()) await close();
  };
  try {
    await open(options, (close) => opened.push(close));
    return { stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function open(options: ScoringPoolOptions, keep: (close: () => Promise<unknown>) => void): Promise<void> {
  const { env, log } = options;
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
  installRuntime();
  const store = await openStore(config.sqlUrl);
  keep(() => store.close());
  const client = await connectClient(env);
  keep(() => client.connection.close());
  const { connection, namespace, dataConverter } = await connectWorker(env);
  keep(() => connection.close());
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
  // Drains the workers, then lets go of the loops; they go on with the next start.
  keep(() => Promise.all([served.stop(), ...[...pools.values()].map((pool) => pool.close())]));
  served.done.catch((error: unknown) =>
    log(`the pool of scoring workers is not scaled any more: ${messageOf(error)}. Start again with \`fleetscore up\`.`),
  );
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  try {
    await client.withAbortSignal(signal, async () => {
      for (const id of await endForgotten(client, pools)) log(`${id} is not configured any more: its loop is ended`);
      for (const settings of all) await ensurePoolLoop(client, settings);
    });
  } catch (error) {
    const why = signal.aborted ? `no answer within ${options.timeoutMs / 1000} s` : messageOf(error);
    throw new FleetscoreError(
      'POOL_START',
      `the loop of the pool did not take its settings (${why}). The log of the control worker may say more; ` +
        `\`fleetscore up --scoring-workers 1\` starts without a pool.`,
      { cause: error },
    );
  }
  const ended = new AbortController();
  keep(async () => ended.abort());
  const watched = { everyMs: config.worker.watchEveryMs, ending: ended.signal };
  for (const settings of all)
    void watchPoolLoop(client, settings, { info: () => {}, error: (_, message) => log(message) }, watched);
}

/** Ctrl-C is the stack's to handle, and its terminal is no place for logs: not for those of the native side either. */
function installRuntime(): void {
  Runtime.install({
    logger: new DefaultLogger('ERROR', () => {}),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' }, forward: {} } },
    shutdownSignals: [],
  });
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
