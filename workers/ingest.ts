/** The ingest worker: readings from Event Hubs into windows and raw capture. */
import { startIngest } from '../ingest/ingest-worker.ts';
import { openStore } from '../storage/open-store.ts';
import { checkpointContainer, eventHubTarget, openBlobs } from './azure.ts';
import { live } from './lifecycle.ts';

await live('ingest', async ({ config, log, ready, ending }) => {
  const { ingest } = config;
  const store = await openStore(config.sqlUrl);
  try {
    await store.migrate();
    const blobs = openBlobs(config);
    await blobs.prepare();
    const worker = await startIngest({
      eventHubs: eventHubTarget(config), store, blobs, checkpoints: checkpointContainer(config), log,
      settings: {
        windowMs: ingest.windowMs, outOfOrderMs: ingest.outOfOrderMs, clockSkewMs: ingest.clockSkewMs,
        captureIntervalMs: ingest.captureIntervalMs, captureBytes: ingest.captureBytes,
        ...(ingest.workerName === undefined ? {} : { workerName: ingest.workerName }),
      },
      onStats: (stats) => log.info({ stats }, 'ingest'),
    });
    ready();
    const failure = await Promise.race([ending.then(() => undefined), worker.failed]);
    if (failure === undefined) log.info({ reason: await ending }, 'draining');
    await worker.stop();
    if (failure) throw failure;
  } finally {
    await store.close();
  }
});
