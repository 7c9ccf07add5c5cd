/**
 * A scoring worker: runs scoring activities of one task queue on the cores of one machine of the pool. It ends
 * when asked to, and by itself: idle for long, released by its pool, evicted by Azure, or grown too large.
 */
import { createScoringActivities } from '../activities/scoring.ts';
import type { FleetscoreError } from '../domain/errors.ts';
import { countActivities } from '../pool/worker/activity-count.ts';
import { watchForEnd } from '../pool/worker/end.ts';
import { checkWindows } from '../ingest/settings.ts';
import { createBudget } from '../scoring/concurrency.ts';
import { createScoringEngine, type ScoringEngine } from '../scoring/engine.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';
import { checkDeployment } from '../storage/deployment-id.ts';
import { openStore } from '../storage/open-store.ts';
import { parseDuration } from '../domain/time.ts';
import { SCORE_ACTIVITY } from '../workflows/policies.ts';
import { buildId } from '../version.ts';
import { tracedStore } from '../telemetry/store.ts';
import { logActivities, logChunk } from './activity-log.ts';
import { openBlobs } from '../connect/blob-storage.ts';
import { SCORING_DEPLOYMENT } from '../connect/deployment/server.ts';
import { live, type Life } from './lifecycle.ts';
import { watchSchema } from './schema-watch.ts';
import { startMetrics } from '../telemetry/metrics.ts';
import { installRuntime, nameOfThis, runTemporalWorker } from './run-temporal-worker.ts';
import { scoringTotals } from './scoring-metrics.ts';
import { connectWorker } from '../connect/temporal.ts';
import { engineSettings } from '../scoring/settings.ts';

/** It reads the windows of a chunk once, and adds outcomes at the end of their table. */
const CACHE_MIB = 8;

await live('scoring', run);

async function run(life: Life): Promise<void> {
  const { config, log } = life;
  const { scoring } = config;
  const temporalMetrics = await installRuntime(life);
  const store = tracedStore(await openStore(config.sqlUrl, { cacheMiB: CACHE_MIB }), life.telemetry);
  await store.checkSchema();
  const schema = watchSchema(store, life);
  await checkWindows(store, config.ingest);
  const blobs = openBlobs(config);
  await checkDeployment(store, blobs);
  const engine = await openEngine(life, blobs);
  const activities = countActivities();
  const end = watchForEnd({
    config,
    blobs,
    activities,
    activityLimitMs: parseDuration(SCORE_ACTIVITY.startToCloseTimeout),
    trouble: (error) => log.warn({ err: error }, 'cannot ask whether this worker should end'),
    remote: config.worker.node !== undefined && config.blob !== undefined && 'accountUrl' in config.blob,
  });
  const connected = await connectWorker(process.env);
  const { dataConverter, blind } = connected;
  let without: FleetscoreError | undefined;
  // A worker without the key of its work must not take more of it: each task costs an attempt.
  const keyless = blind.then((error) => (without = error).code);
  const ending = Promise.race([
    life.ending,
    end.reason.then(({ kind, text }) => `${kind}: ${text}`),
    keyless,
    schema.outgrown.then(({ code }) => code),
  ]);
  const totals = scoringTotals({
    labels: { queue: scoring.queue },
    running: activities.running,
    longestMs: activities.longestMs,
    slots: scoring.concurrency,
  });
  const metrics = await startMetrics(life, async () => totals.metrics(), temporalMetrics);
  try {
    await runTemporalWorker({ ...life, ending }, 'scoring', connected, {
      interceptors: {
        activity: [activities.interceptor, logActivities(log), ...(life.telemetry ? [life.telemetry.activity] : [])],
      },
      taskQueue: scoring.queue,
      dataConverter,
      activities: activitiesOf(life, { store, blobs, engine, totals }),
      maxConcurrentActivityTaskExecutions: scoring.concurrency,
      // Shown by `workers status` only: any scoring worker serves batches of any version.
      workerDeploymentOptions: {
        useWorkerVersioning: false,
        version: { deploymentName: SCORING_DEPLOYMENT, buildId: config.worker.buildId ?? buildId() },
      },
    });
    if (without) throw without;
    schema.stop();
  } finally {
    end.stop();
    await metrics?.close();
    await engine.close();
    await store.close();
  }
}

function openEngine({ config: { scoring }, log }: Life, blobs: BlobStore): Promise<ScoringEngine> {
  return createScoringEngine({
    blobs,
    ...engineSettings(scoring),
    warn: (message) => log.warn(message),
  });
}

interface Parts {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly engine: ScoringEngine;
  readonly totals: ReturnType<typeof scoringTotals>;
}

function activitiesOf(
  { config, log, telemetry }: Life,
  { store, blobs, engine, totals }: Parts,
): ReturnType<typeof createScoringActivities> {
  const { scoring } = config;
  return createScoringActivities({
    store,
    blobs,
    engine: telemetry?.spans(engine, { prefix: 'onnxruntime', methods: ['score'] }) ?? engine,
    hopMs: config.ingest.hopMs,
    windowMs: config.ingest.windowMs,
    worker: nameOfThis('scoring', config),
    format: scoring.predictionsFormat,
    budget: createBudget(scoring.windows),
    warn: (message) => log.warn(message),
    onChunk(chunk) {
      totals.record(chunk);
      logChunk(log, chunk);
    },
  });
}
