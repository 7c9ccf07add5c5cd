/** An ingest worker as a process: says `ready` on stdout, sends its stats over IPC, ends on SIGTERM. */
import { ContainerClient } from '@azure/storage-blob';
import { pino } from 'pino';
import { startIngest } from '../../ingest/ingest-worker.ts';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import { openStore } from '../../storage/open-store.ts';
import type { WorkerSpec } from './ingest-servers.ts';

// Before anyone hears of us: an end that is asked for at once is a clean one, too.
const asked = new Promise<undefined>((resolve) =>
  process.on('SIGTERM', () => resolve(undefined)).on('disconnect', () => resolve(undefined)),
);
const spec = JSON.parse(process.env.INGEST_SPEC ?? '') as WorkerSpec;
const log = pino({ level: 'debug' }, pino.destination(2));
const store = await openStore(spec.sqlUrl);
await store.migrate();
const worker = await startIngest({
  eventHubs: { connection: { connectionString: spec.eventHubs }, hub: spec.hub, consumerGroup: spec.consumerGroup },
  store,
  blobs: createBlobStore({ connectionString: spec.blob }),
  checkpoints: new ContainerClient(spec.blob, 'checkpoints'),
  settings: { statsIntervalMs: 100, ...spec.settings },
  log,
  onStats: (stats) => {
    if (!process.connected) return;
    process.send?.({ kind: 'stats', ...stats });
    process.send?.({ kind: 'cpu', ...process.cpuUsage(), rss: process.memoryUsage.rss() });
  },
});
process.stdout.write('ready\n');
const reason = await Promise.race([asked, worker.failed]);
await worker.stop();
await store.close();
if (reason) log.error({ code: reason.code }, reason.message);
process.exit(reason ? 1 : 0);
