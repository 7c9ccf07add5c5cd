/** A scoring worker as a node of a pool: the real activities, named by its node, reporting every second. */
import { hostname } from 'node:os';
import { Runtime } from '@temporalio/worker';
import { createScoringActivities } from '../../activities/scoring.ts';
import { workerIdentity } from '../../pool/settings.ts';
import { countActivities } from '../../pool/worker/activity-count.ts';
import { watchForEnd } from '../../pool/worker/end.ts';
import { createScoringEngine } from '../../scoring/engine.ts';
import { openStore } from '../../storage/open-store.ts';
import { openBlobs } from '../../workers/blob-storage.ts';
import { live } from '../../workers/lifecycle.ts';
import { runTemporalWorker } from '../../workers/run-temporal-worker.ts';
import { connectWorker } from '../../workers/temporal.ts';

await live('scoring', async (life) => {
  const { config, log } = life;
  const { scoring } = config;
  Runtime.install({ workerHeartbeatInterval: '1s', shutdownSignals: [] });
  const store = await openStore(config.sqlUrl);
  const blobs = openBlobs(config);
  const engine = await createScoringEngine({
    blobs, cacheDir: scoring.cacheDir, threads: 1, maxCacheBytes: scoring.cacheBytes, maxModelBytes: scoring.maxModelBytes, modelTimeoutMs: scoring.modelTimeoutMs, warn: (text) => log.warn(text),
  });
  const activities = countActivities();
  const end = watchForEnd({ config, blobs, activities, remote: false });
  const ending = Promise.race([life.ending, end.reason.then((reason) => `${reason.kind}: ${reason.text}`)]);
  const { connection, namespace } = await connectWorker(process.env);
  try {
    await runTemporalWorker({ ...life, ending }, 'scoring', connection, namespace, {
      identity: workerIdentity(config.worker.node, hostname(), process.pid),
      taskQueue: scoring.queue,
      activities: { ...createScoringActivities({ store, blobs, engine, windowMs: config.ingest.windowMs }) },
      interceptors: { activity: [activities.interceptor] },
      maxConcurrentActivityTaskExecutions: 1,
    });
  } finally {
    end.stop();
    await connection.close();
    await engine.close();
    await store.close();
  }
});
