/** The control worker: workflows, and the activities that plan and close batches. */
import type { Client } from '@temporalio/client';
import { pruneBlobs } from '../batches/prune-blobs.ts';
import { sourceFolder } from '../ingest/event.ts';
import { createControlActivities } from '../activities/control.ts';
import { patiently } from '../activities/patience.ts';
import type { BatchDeps } from '../batches/deps.ts';
import { createPoolActivities } from '../activities/pool.ts';
import type { Config } from '../config.ts';
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { CONTROL_QUEUE } from '../domain/queues.ts';
import { parseDuration } from '../domain/time.ts';
import { configuredPools, type ConfiguredPool } from '../pool/configured.ts';
import { withCeiling } from '../pool/ceiling.ts';
import type { Pool } from '../pool/pool.ts';
import { countActivities } from '../pool/worker/activity-count.ts';
import { watchStuck } from '../pool/worker/stuck.ts';
import { poolQueues } from '../pool/queues.ts';
import type { PoolSettings } from '../pool/settings.ts';
import { keepPoolLoop, watchPoolLoop } from './pool-loop.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';
import { machineIdentity } from '../storage/identity.ts';
import { claimDeployment } from '../storage/deployment-id.ts';
import { openStore } from '../storage/open-store.ts';
import { startRetention } from '../storage/retention.ts';
import { CONTROL_ACTIVITY, PATIENCE_MS } from '../workflows/policies.ts';
import { buildId as ownBuildId } from '../version.ts';
import { logActivities, logClosed } from './activity-log.ts';
import { tracedStore } from '../telemetry/store.ts';
import { openSenders } from '../notify/senders.ts';
import { openBlobs } from '../connect/blob-storage.ts';
import { storeMetrics } from './control-metrics.ts';
import { controlTotals, type ControlTotals } from './control-totals.ts';
import { CONTROL_DEPLOYMENT, hasDeployments } from '../connect/deployment/server.ts';
import { watchDeployment, type DeploymentWatch } from '../connect/deployment/watch.ts';
import { watchGaps } from './gap-watch.ts';
import { live, type Life } from './lifecycle.ts';
import type { Metric } from '../telemetry/metric.ts';
import { startMetrics } from '../telemetry/metrics.ts';
import { poolMetrics } from './pool-metrics.ts';
import { installRuntime, nameOfThis, runTemporalWorker } from './run-temporal-worker.ts';
import { seeSchedule } from '../connect/schedule-times.ts';
import { registerSearchAttributes } from '../connect/search-attributes.ts';
import { scheduleMetrics } from './schedule-metrics.ts';
import { watchSchema } from './schema-watch.ts';
import { siteOf } from './site.ts';
import { connectClient, connectWorker } from '../connect/temporal.ts';
import { watchBatches } from './watch-batches.ts';
import { workflowCode } from './workflow-code.ts';

await live('control', run);

async function run(life: Life): Promise<void> {
  const { config, log } = life;
  const warn = (message: string): void => log.warn(message);
  const temporalMetrics = await installRuntime(life);
  const client = await connectClient(process.env);
  await registerSearchAttributes(client, client.options.namespace);

  const store = tracedStore(await openStore(config.sqlUrl), life.telemetry);
  await store.migrate();
  const blobs = openBlobs(config);
  // Containers that are on their way out, a role that is not there yet, an account that is away: it passes.
  await patiently(() => blobs.prepare().then(() => claimDeployment(store, blobs, 'batches')), {
    patienceMs: PATIENCE_MS,
    warn,
  });
  const queues = await poolQueues(config);
  const { pools, poolOf } = await azurePools(config, blobs);
  const ended = new AbortController();
  // A loop that runs already takes its new settings as an update, which needs a running worker.
  const ready = (): void => {
    life.ready();
    for (const { settings } of pools)
      void keepPoolLoop(client, settings, log, ended.signal).then(() =>
        watchPoolLoop(client, settings, log, { everyMs: config.worker.watchEveryMs, ending: ended.signal }),
      );
  };
  const connected = await connectWorker(process.env);
  const totals = controlTotals();
  const told = openSenders(config, warn);
  const deps: BatchDeps = {
    ...batchDeps(life, { store, blobs, client, queues, encrypts: connected.encrypts }),
    senders: told.senders,
    onClosed: (closed) => [totals.record(closed), logClosed(log, closed)],
  };
  const looked = watchBatches(deps, client, config.worker.watchEveryMs);
  const seen = await seeing(life, { client, store, blobs, pools, totals, looked });
  const metrics = await startMetrics(life, seen, temporalMetrics);
  const stopRetention = startRetention(store, config.keep, log, Date.now, async (cut) =>
    config.keep.blobs ? pruneBlobs({ store, blobs }, cut, sourceFolder) : undefined,
  );
  const stopGaps = watchMissed(config, { client, store, warn });
  const versioned = await isVersioned(life, client);
  let watch: DeploymentWatch | undefined;
  const schema = watchSchema(store, life);
  const running = countActivities();
  const stuck = watchStuck({ activities: running, limitMs: parseDuration(CONTROL_ACTIVITY.startToCloseTimeout) });
  const ending = Promise.race([
    life.ending,
    schema.outgrown.then(({ code }) => code),
    stuck.reason.then(({ kind, text }) => `${kind}: ${text}`),
  ]);
  const polls = async (): Promise<void> => {
    if (!versioned || config.worker.versioning !== 'auto') return;
    await (watch = watchDeployment(client, deps.codeVersion, nameOfThis('control', config), log)).settled;
  };
  try {
    const options = await workerOptions(life, connected, { buildId: deps.codeVersion, versioned, running });
    const activities = {
      ...createControlActivities(deps),
      ...(pools.length > 0 ? createPoolActivities({ client, store, blobs, poolOf, now: Date.now }) : {}),
    };
    await runTemporalWorker({ ...life, ready, ending }, 'control', connected, { ...options, activities }, { polls });
    schema.stop();
  } finally {
    stuck.stop();
    ended.abort();
    await watch?.stop();
    await looked.stop();
    await told.close();
    await stopGaps();
    await stopRetention();
    await metrics?.close();
    await client.connection.close();
    await store.close();
  }
}

function watchMissed(
  { alerts, keep }: Config,
  deps: Pick<Parameters<typeof watchGaps>[0], 'client' | 'store' | 'warn'>,
): () => Promise<void> {
  return watchGaps({ ...deps, now: Date.now, ...defined({ alerts, keepBatchesMs: keep.batchesMs }) });
}

/** Pools of Azure ML are looked after from here; those of a laptop by the process that owns them. */
async function azurePools(config: Config, blobs: BlobStore) {
  const pools = config.pool.aml ? await configuredPools(config) : [];
  const opened = pools.length > 0 ? await openAzurePools(config, blobs, pools) : new Map<string, Pool>();
  const poolOf = ({ name }: PoolSettings): Pool => {
    const pool = opened.get(name);
    if (pool) return pool;
    throw new FleetscoreError(
      'POOL_UNKNOWN',
      `pool ${JSON.stringify(name)} is not in the configuration of this worker (it has ${[...opened.keys()].join(', ')}). Add it, or end its loop: temporal workflow terminate.`,
    );
  };
  return { pools, poolOf };
}

/** Loaded when there are some: the client of Azure ML takes a sixth of the start of a worker that has no use for it. */
async function openAzurePools(
  config: Config,
  blobs: BlobStore,
  pools: readonly ConfiguredPool[],
): Promise<Map<string, Pool>> {
  const { azurePool } = await import('../pool/from-config.ts');
  const deps = { config, env: process.env, blobs, credential: machineIdentity() };
  return new Map(pools.map((pool) => [pool.settings.name, withCeiling(azurePool(deps, pool), pool.settings.maxNodes)]));
}

interface Services {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly client: Client;
  readonly queues: NonNullable<BatchDeps['pools']>;
  readonly encrypts: boolean;
}

function batchDeps(
  { config, log }: Life,
  { store, blobs, client, queues, encrypts }: Services,
): Omit<BatchDeps, 'onClosed'> {
  return {
    store,
    blobs,
    codeVersion: config.worker.buildId ?? ownBuildId(),
    worker: nameOfThis('control', config),
    pools: queues,
    now: Date.now,
    seeSchedule: (schedule) => seeSchedule(client, schedule),
    windows: config.ingest,
    unnamedChildren: encrypts,
    filePerSensor: config.scoring.filePerSensor,
    warn: (message) => log.warn(message),
    ...defined({ alerts: config.alerts, appUrl: config.appUrl, publish: siteOf(config, store, blobs) }),
  };
}

interface Watched {
  readonly client: Client;
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly pools: Awaited<ReturnType<typeof configuredPools>>;
  readonly totals: ControlTotals;
  readonly looked: ReturnType<typeof watchBatches>;
}

/** What a scrape is answered with. */
async function seeing(
  { config }: Life,
  { client, store, blobs, pools, totals, looked }: Watched,
): Promise<() => Promise<Metric[]>> {
  const seePools = poolMetrics({
    client,
    blobs,
    pools: (pools.length > 0 ? pools : await configuredPools(config)).map(({ settings }) => settings.name),
    now: Date.now,
  });
  const seeSchedules = scheduleMetrics({ client, store, now: Date.now, keepBatchesMs: config.keep.batchesMs });
  return async () => [
    ...looked.metrics(),
    ...(await storeMetrics(store, Date.now(), totals.know)),
    ...totals.metrics(),
    ...(await seePools()),
    ...(await seeSchedules()),
  ];
}

/** Whether batches are pinned to the version of the worker that began them. */
async function isVersioned({ config, log }: Life, client: Client): Promise<boolean> {
  if (config.worker.versioning === 'off') return false;
  if (await hasDeployments(client)) return true;
  log.warn('this Temporal server knows no worker deployments: batches are not pinned to a version');
  return false;
}

async function workerOptions(
  { telemetry, log }: Life,
  { dataConverter, encrypts }: Awaited<ReturnType<typeof connectWorker>>,
  deployed: {
    readonly buildId: string;
    readonly versioned: boolean;
    readonly running: ReturnType<typeof countActivities>;
  },
): Promise<Parameters<typeof runTemporalWorker>[3]> {
  return {
    taskQueue: CONTROL_QUEUE,
    dataConverter,
    workflowBundle: await workflowCode({ encrypted: encrypts, traced: telemetry !== undefined }),
    ...(deployed.versioned
      ? {
          workerDeploymentOptions: {
            useWorkerVersioning: true,
            version: { deploymentName: CONTROL_DEPLOYMENT, buildId: deployed.buildId },
            defaultVersioningBehavior: 'PINNED',
          },
        }
      : {}),
    interceptors: {
      activity: [deployed.running.interceptor, logActivities(log), ...(telemetry ? [telemetry.activity] : [])],
    },
    ...(telemetry ? { sinks: telemetry.sinks } : {}),
    // Children of a large batch come and go: more would only hold memory.
    maxCachedWorkflows: 1_000,
  };
}
