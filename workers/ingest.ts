/** The ingest worker: readings from Event Hubs into windows and raw capture. */
import { patiently } from '../activities/patience.ts';
import { CONTAINERS } from '../domain/blob-names.ts';
import { INGEST_DEFAULTS } from '../ingest/settings.ts';
import { startIngest } from '../ingest/ingest-worker.ts';
import { claimDeployment } from '../storage/deployment-id.ts';
import { openStore } from '../storage/open-store.ts';
import { checkpointContainer, openBlobs } from '../connect/blob-storage.ts';
import { eventHubTarget } from '../connect/event-hubs.ts';
import { dropMetrics, startDropOf } from './drop.ts';
import { ingestMetrics, logIngest, lookAtIngest } from './ingest-metrics.ts';
import { ingestSettings } from '../connect/ingest-settings.ts';
import { hubMetrics, openHubLook } from './hub-metrics.ts';
import { stalledMetric, watchIngest } from './ingest-stall.ts';
import { live, SUPERVISOR_GONE } from './lifecycle.ts';
import { watchSchema } from './schema-watch.ts';
import { startMetrics } from '../telemetry/metrics.ts';
import { openHubReader } from '../connect/partitions.ts';
import { PATIENCE_MS } from '../workflows/policies.ts';

/** Without the servers there is nothing to wait for; what was not committed is read again at the next start. */
const ABANDONED_MS = 2_000;

await live('ingest', async (life) => {
  const { config, log, ready, ending } = life;
  const hub = openHubReader(config);
  const store = await openStore(config.sqlUrl);
  try {
    await store.migrate();
    const blobs = openBlobs(config);
    // Containers that are on their way out, a role that is not there yet, an account that is away: it passes.
    await patiently(() => blobs.prepare().then(() => claimDeployment(store, blobs, 'ingest')), {
      patienceMs: PATIENCE_MS,
      warn: (message) => log.warn(message),
    });
    let draining = false;
    const look = () => lookAtIngest(worker, store, hub);
    const logStats = logIngest(log, look);
    const worker = await startIngest({
      eventHubs: eventHubTarget(config),
      store,
      blobs,
      checkpoints: checkpointContainer(config),
      log,
      settings: ingestSettings(config),
      onStats: (stats) => (draining ? log.info({ stats }, 'ingest') : logStats(stats)),
    });
    const drop = startDropOf(config, { store, blobs, log });
    const labels = { hub: `${hub.hub.namespace}/${hub.hub.hub}`, consumer_group: config.eventHubs.consumerGroup };
    const stall = watchIngest(worker, store, hub, log, { answers: () => blobs.exists(CONTAINERS.raw, 'status') });
    const lookAtHub = openHubLook({ worker, store, hub, log });
    const metrics = await startMetrics(life, async () => [
      ...ingestMetrics(worker.stats(), await look(), labels),
      stalledMetric(stall.count(), labels),
      ...hubMetrics(await lookAtHub(), labels),
      ...dropMetrics(drop?.stats()),
    ]);
    ready();
    const schema = watchSchema(store, life);
    const reason = await Promise.race([ending, worker.failed, schema.outgrown, stall.stalled]);
    stall.stop();
    if (typeof reason === 'string') log.info({ reason }, 'draining');
    draining = true;
    const withinMs = reason === SUPERVISOR_GONE ? ABANDONED_MS : INGEST_DEFAULTS.stopTimeoutMs;
    await Promise.all([worker.stop(withinMs), drop?.stop(withinMs * 0.75)]);
    await metrics?.close();
    if (typeof reason !== 'string') throw reason;
    schema.stop();
  } finally {
    await Promise.allSettled([store.close(), hub.close()]);
  }
});
