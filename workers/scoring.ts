/** A scoring worker: runs scoring activities of one task queue on the cores of one machine of the pool. */
import { createScoringActivities } from '../activities/scoring.ts';
import { createScoringEngine } from '../scoring/engine.ts';
import { openStore } from '../storage/open-store.ts';
import { openBlobs } from './blob-storage.ts';
import { live } from './lifecycle.ts';
import { installRuntime, runTemporalWorker } from './run-temporal-worker.ts';
import { connectWorker } from './temporal.ts';

await live('scoring', async (life) => {
  const { config, log } = life;
  const { scoring } = config;
  await installRuntime(life);
  const store = await openStore(config.sqlUrl);
  const blobs = openBlobs(config);
  const engine = await createScoringEngine({
    blobs, cacheDir: scoring.cacheDir, threads: scoring.threads, maxCacheBytes: scoring.cacheBytes,
    maxModelBytes: scoring.maxModelBytes, modelTimeoutMs: scoring.modelTimeoutMs, warn: (message) => log.warn(message),
  });
  const { connection, namespace } = await connectWorker(process.env);
  try {
    await runTemporalWorker(life, 'scoring', connection, namespace, {
      taskQueue: scoring.queue,
      activities: { ...createScoringActivities({ store, blobs, engine, windowMs: config.ingest.windowMs }) },
      maxConcurrentActivityTaskExecutions: scoring.concurrency,
    });
  } finally {
    await connection.close();
    await engine.close();
    await store.close();
  }
});
