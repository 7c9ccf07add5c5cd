/** The ingest worker: readings from Event Hubs into windows and raw capture. */
import { startIngest } from '../ingest/ingest-worker.ts';
import { openStore } from '../storage/open-store.ts';
import { checkpointContainer, openBlobs } from './blob-storage.ts';
import { eventHubTarget } from './event-hubs.ts';
import { ingestMetrics, logIngest, lookAtIngest } from './ingest-metrics.ts';
import { ingestSettings } from './ingest-settings.ts';
import { live } from './lifecycle.ts';
import { startMetrics } from './metrics.ts';
import { openHubReader } from './partitions.ts';

await live('ingest', async (life) => {
  const { config, log, ready, ending } = life;
  const hub = openHubReader(config);
  const store = await openStore(config.sqlUrl);
  try {
    await store.migrate();
    const blobs = openBlobs(config);
    await blobs.prepare();
    let draining = false;
    const look = () => lookAtIngest(worker, store, hub);
    const logStats = logIngest(log, look);
    const worker = await startIngest({
      eventHubs: eventHubTarget(config), store, blobs, checkpoints: checkpointContainer(config), log, settings: ingestSettings(config),
      onStats: (stats) => (draining ? log.info({ stats }, 'ingest') : logStats(stats)),
    });
    const labels = { hub: `${hub.hub.namespace}/${hub.hub.hub}`, consumer_group: config.eventHubs.consumerGroup };
    const metrics = await startMetrics(life, async () => ingestMetrics(worker.stats(), await look(), labels));
    ready();
    const failure = await Promise.race([ending.then(() => undefined), worker.failed]);
    if (failure === undefined) log.info({ reason: await ending }, 'draining');
    draining = true;
    await Promise.all([worker.stop(), metrics?.close()]);
    if (failure) throw failure;
  } finally {
    await Promise.allSettled([store.close(), hub.close()]);
  }
});
