/** Ingest whose Blob does not answer: no partition stands still for good, nothing is lost, and it can be ended. */
import { latestEventPosition } from '@azure/event-hubs';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { openConsumer } from '../../ingest/connect.ts';
import { deadLetterName } from '../../ingest/dead-letters.ts';
import { startIngest } from '../../ingest/ingest-worker.ts';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import { blobService, type BlobRetry } from '../../storage/blob-service.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { hubMetrics } from '../../workers/hub-metrics.ts';
import { openStore } from '../../storage/open-store.ts';
import { capturedSeqs, openStage, SOURCE, T0, toEvents, type Stage } from '../ingest/pipeline-stage.ts';
import { startBlobProxy, type BlobFault, type BlobProxy, type ProxiedRequest } from '../support/blob-proxy.ts';
import { QUICK, startIngestServers, type IngestServers } from '../support/ingest-servers.ts';
import { until } from '../support/until.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('outage-ingest');
const RETRY: BlobRetry = { tries: 2, delayMs: 20, tryTimeoutMs: 500 };
const PATIENT: BlobRetry = { tries: 4, tryTimeoutMs: 300_000 };
const EVENTS = 60;
let servers: IngestServers;
let proxy: BlobProxy;
let through: string;

beforeAll(async () => {
  servers = await startIngestServers(dir);
  proxy = await startBlobProxy(Number(/127\.0\.0\.1:(\d+)/.exec(servers.blob)![1]));
  through = servers.blob.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${proxy.port}`);
}, 60_000);
afterEach(() => proxy.plan());
afterAll(async () => {
  await proxy?.stop();
  await servers?.stop();
});

const blobsWith = (retry: BlobRetry): BlobStore => createBlobStore({ connectionString: through, retry });
/** Some of the events cannot be taken. */
const events = toEvents(
  Array.from({ length: EVENTS }, (_, i) =>
    i % 10 === 3 ? { nonsense: i } : { device: 'd', sensor: 's', ts: T0 + i * 1_000, value: i },
  ),
);
const writesTo =
  (container: string) =>
  (request: ProxiedRequest): boolean =>
    request.method === 'PUT' && request.path.startsWith(`/devstoreaccount1/${container}/`);

async function onStage(retry: BlobRetry, work: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = await openStage(dir, blobsWith(retry));
  try {
    await work(stage);
  } finally {
    await stage.close();
  }
}

const FAULTS: readonly [string, BlobFault][] = [
  ['is never answered', { kind: 'black hole' }],
  ['is refused', { kind: 'status', status: 503 }],
  ['is not allowed yet', { kind: 'status', status: 403, code: 'AuthorizationPermissionMismatch' }],
  ['has its answers lost', { kind: 'answer lost' }],
];

test.each(
  ['raw', 'deadletters'].flatMap((container) => FAULTS.map(([what, fault]) => [container, what, fault] as const)),
)(
  'a write to %s that %s for a while costs the partition time, no event',
  async (container, _, fault) => {
    await onStage(RETRY, async (stage) => {
      const pipeline = await stage.open({ captureBytes: 4_000 });
      const isWrite = writesTo(container);
      let met = 0;
      proxy.plan((request) => (isWrite(request) && met++ < 5 ? fault : undefined));
      for (let i = 0; i < EVENTS; i += 20) await pipeline.process(events.slice(i, i + 20));
      await pipeline.close(true);
      expect(met).toBeGreaterThanOrEqual(5);
      const [progress] = await stage.store.listProgress(SOURCE);
      expect(progress).toMatchObject({ appliedSeq: EVENTS - 1, capturedSeq: EVENTS - 1, dead: 6 });
      expect(await capturedSeqs(servers.blobs, stage.folder)).toEqual(events.map(({ seq }) => seq));
      for (const event of events.filter((__, i) => i % 10 === 3))
        expect(await servers.blobs.exists('deadletters', deadLetterName(stage.folder, '0', event))).toBe(true);
      // Files whose answer was lost count as well: they are recorded by this worker.
      expect(stage.totals.capturedEvents).toBe(EVENTS);
    });
  },
  60_000,
);

test('a pause that the service asks for is kept by the partition', async () => {
  await onStage({ ...RETRY, tries: 1 }, async (stage) => {
    const pipeline = await stage.open({ captureBytes: 1 });
    const isWrite = writesTo('raw');
    let first = 0;
    proxy.plan((request) => {
      if (!isWrite(request) || first > 0) return undefined;
      first = performance.now();
      return { kind: 'status', status: 503, retryAfterSeconds: 2 };
    });
    await pipeline.process(events.slice(0, 1));
    expect(performance.now() - first).toBeGreaterThanOrEqual(1_950);
    await pipeline.close(false);
  });
});

test('a write that is under way ends when the worker gives up', async () => {
  const stage = await openStage(dir, blobsWith(PATIENT));
  const pipeline = await stage.open({ captureBytes: 1 });
  const isWrite = writesTo('raw');
  proxy.plan((request) => (isWrite(request) ? { kind: 'black hole' } : undefined));
  const before = proxy.faults.get('black hole') ?? 0;
  const processing = pipeline.process(events.slice(0, 1));
  const outcome = processing.then(
    () => 'done',
    (error: unknown) => (error as { code?: string }).code,
  );
  await until(() => (proxy.faults.get('black hole') ?? 0) > before);
  await stage.close();
  expect(await outcome).toBe('INGEST_STOPPED');
});

test('a list of owners that is never answered does not end the sharing out of partitions; a stranger is told', async () => {
  const store = await openStore(`sqlite:${join(dir, 'owners.db')}`);
  await store.migrate();
  const warnings: string[] = [];
  const quiet = (): void => {};
  const worker = await startIngest({
    eventHubs: { connection: { connectionString: servers.eventHubs }, hub: 'readings', consumerGroup: '$Default' },
    store,
    blobs: blobsWith(RETRY),
    checkpoints: blobService({ connectionString: through }, RETRY).getContainerClient('checkpoints'),
    settings: QUICK,
    log: { debug: quiet, info: quiet, error: quiet, warn: (_, message) => void warnings.push(message) },
  });
  try {
    await until(() => worker.stats().partitions.length === 4);
    let swallowed = 0;
    proxy.plan(({ path }) =>
      path.includes('/checkpoints?') && path.includes('comp=list') && swallowed++ < 4
        ? { kind: 'black hole' }
        : undefined,
    );
    await until(() => swallowed > 4);
    // It renews what it holds, as before.
    const from = proxy.requests.length;
    await until(() =>
      proxy.requests.slice(from).some(({ method, path }) => method === 'PUT' && path.includes('/ownership/')),
    );
    const producer = servers.producer();
    await producer.sendBatch(
      Array.from({ length: 20 }, (_, i) => ({ body: { device: 'd', sensor: `s${i}`, ts: Date.now(), value: i } })),
    );
    await producer.close();
    await until(() => worker.stats().readings >= 20);

    // A program with a higher priority on the same consumer group: no service reports that.
    const all = ['0', '1', '2', '3'];
    // On a slow machine one may be renewed later than it lasts.
    await until(async () => [...(await worker.holders(all)).values()].every((holder) => holder === 'worker'));
    const foreign = openConsumer({
      connection: { connectionString: servers.eventHubs },
      hub: 'readings',
      consumerGroup: '$Default',
    });
    const reading = foreign.subscribe(
      '1',
      { processEvents: async () => {}, processError: async () => {} },
      { ownerLevel: 5, startPosition: latestEventPosition },
    );
    try {
      await until(async () => (await worker.holders(all)).get('1') === 'stranger');
      expect(warnings.join('\n')).toMatch(/another program reads this partition.*FLEETSCORE_CONSUMER_GROUP/);
      const metrics = hubMetrics({ states: [], holders: await worker.holders(all) }, {});
      expect(metrics.find(({ name }) => name.endsWith('hub_partitions'))!.samples).toContainEqual({
        labels: { held_by: 'stranger' },
        value: 1,
      });
    } finally {
      await reading.close();
      await foreign.close();
    }
  } finally {
    await worker.stop();
    await store.close();
  }
}, 120_000);
