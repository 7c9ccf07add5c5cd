/** The site in an outage of Blob: it is given up after its time, and never holds a batch. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { blobTarget, publishSite } from '../../report/index.ts';
import { createScoringEngine, type ScoringEngine } from '../../scoring/engine.ts';
import { decodePredictions } from '../../scoring/predictions-file.ts';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { smallStore, SMALL_PERIOD, WINDOW_MS, type SmallStore } from '../support/batch-fixture.ts';
import { startBlobProxy, type BlobProxy } from '../support/blob-proxy.ts';
import { runBatch } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('outage-site');
const batchId = '20260302T100100Z-00000001';
let server: BlobServer;
let proxy: BlobProxy;
let small: SmallStore;
let engine: ScoringEngine;

beforeAll(async () => {
  server = await startBlobServer(join(dir, 'azurite'));
  proxy = await startBlobProxy(Number(/127\.0\.0\.1:(\d+)/.exec(server.connectionString)![1]));
  small = await smallStore(dir, server.blobs);
  engine = await createScoringEngine({ blobs: server.blobs, cacheDir: join(dir, 'cache'), threads: 1 });
  await runBatch(
    { store: small.store, blobs: server.blobs, engine, hopMs: WINDOW_MS },
    { batchId, ...SMALL_PERIOD, sensorsPerChild: 5, sensorsPerActivity: 5 },
  );
});
afterAll(async () => {
  await engine?.close();
  await small?.store.close();
  await proxy?.stop();
  await server?.stop();
});

test.each(['GET', 'PUT'])(
  'a %s that is never answered ends with the time of the site',
  async (kind) => {
    const blobs = createBlobStore({
      connectionString: server.connectionString.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${proxy.port}`),
      retry: { tries: 4, tryTimeoutMs: 300_000 },
    });
    proxy.plan(({ method, path }) => (method === kind && path.includes('/site/') ? { kind: 'black hole' } : undefined));
    const source = { store: small.store, blobs, decodePredictions, now: Date.now };
    const publish = (): Promise<unknown> =>
      publishSite(source, blobTarget(blobs), [batchId], { maxSensors: 10, giveUpMs: 1_000 });
    await expect(publish()).rejects.toMatchObject({ code: 'SITE_TOO_SLOW' });
    proxy.plan();
    await publishSite(source, blobTarget(blobs), [batchId], { maxSensors: 10 });
  },
  60_000,
);
