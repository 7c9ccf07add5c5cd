/** Every single call to SQL and to Blob of a batch fails once, before or after it was done: nothing is lost. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { createScoringEngine, type ScoringEngine } from '../../scoring/engine.ts';
import { CONTAINERS, modelBlob, packBlob } from '../../domain/blob-names.ts';
import { readPredictions } from '../../scoring/read-predictions.ts';
import { verifyBatch } from '../../verify/verify-batch.ts';
import { smallStore, SMALL_PERIOD, WINDOW_MS, WINDOWS, type SmallStore } from '../support/batch-fixture.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { faultyPorts, type FaultMode, type FaultyPorts } from '../support/faulty-ports.ts';
import { runBatch, type BatchRun } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('every-call');
const server = useBlobServer(join(dir, 'blob'));
let small: SmallStore;
let engine: ScoringEngine;

beforeAll(async () => {
  small = await smallStore(dir, server.blobs);
  // One model is gone from Blob and from its pack: its sensor fails, so that failures are written too.
  const { store } = small;
  const models = await store.listReleaseModels((await store.currentRelease())!);
  for (const pack of new Set(models.map((model) => model.pack)))
    if (pack !== undefined) await server.blobs.delete(CONTAINERS.models, packBlob(pack));
  await server.blobs.delete(CONTAINERS.models, modelBlob(models[1]!.model));
  engine = await createScoringEngine({ blobs: server.blobs, cacheDir: join(dir, 'cache'), threads: 1 });
});
afterAll(async () => {
  await engine?.close();
  await small?.store.close();
});

let batches = 0;

async function run(ports: FaultyPorts, by: ScoringEngine): Promise<BatchRun & { readonly id: string }> {
  const id = `20260302T100100Z-${String(++batches).padStart(8, '0')}`;
  const done = await runBatch(
    { ...ports, engine: by, hopMs: WINDOW_MS },
    { batchId: id, ...SMALL_PERIOD, sensorsPerChild: 5, sensorsPerActivity: 2 },
    50,
  );
  const { findings, planned, rows } = await verifyBatch(
    { store: small.store, blobs: server.blobs, workflowEnd: async () => done.end },
    id,
  );
  expect({ call: ports.calls.at(-1), findings, planned, rows }).toEqual({
    call: ports.calls.at(-1),
    findings: [],
    planned: 5,
    rows: 2 * WINDOWS,
  });
  expect(done.result.counts).toEqual({
    scored: 2,
    skipped: 2,
    failed: 1,
    cancelled: 0,
    windows: expect.any(Number),
    anomalies: 2,
  });
  const [failed] = await small.store.listOutcomes(id, { status: 'failed' });
  expect(failed).toMatchObject({ device: 'plant-1', sensor: 's2', class: 'model_missing' });
  return { ...done, id };
}

const served = async (): Promise<string[]> => {
  const [first] = await small.store.listSensors({ limit: 1 });
  return (await readPredictions({ store: small.store, blobs: server.blobs }, first!, SMALL_PERIOD)).map(
    (row) => `${row.tsMs} ${row.value} ${row.prediction} ${row.score}`,
  );
};

test.each<FaultMode>(['request lost', 'answer lost'])(
  'the Nth call fails, for every N: %s',
  async (mode) => {
    const { id, retries } = await run(faultyPorts({ store: small.store, blobs: server.blobs }, 0, mode), engine);
    expect(retries).toBe(0);
    const before = await served();
    expect(before).toHaveLength(WINDOWS);

    const met = new Set<string>();
    let retried = 0;
    for (let n = 1; ; n++) {
      const ports = faultyPorts({ store: small.store, blobs: server.blobs }, n, mode);
      const done = await run(ports, engine);
      if (ports.calls.length < n) break;
      met.add(ports.calls[n - 1]!);
      retried += done.retries;
    }
    expect([...met]).toEqual(
      expect.arrayContaining([
        'store.createBatch',
        'store.planRanges',
        'store.plannedSensors',
        'store.readSeries',
        'store.commitChunk',
        'store.finishBatch',
        'store.listOutcomes',
        'blobs.putIfAbsent',
      ]),
    );
    expect(retried).toBeGreaterThan(met.size / 2);
    expect(id).not.toBe('');
    expect(await served()).toEqual(before);
  },
  120_000,
);

test('every call of the engine to Blob fails once: a model that is there is never called missing', async () => {
  for (let n = 1; ; n++) {
    const ports = faultyPorts({ store: small.store, blobs: server.blobs }, n, 'request lost');
    const own = await createScoringEngine({ blobs: ports.blobs, cacheDir: join(dir, `cache-${n}`), threads: 1 });
    try {
      const whole = faultyPorts({ store: small.store, blobs: server.blobs }, 0, 'request lost');
      await run(whole, own);
    } finally {
      await own.close();
    }
    if (ports.calls.length < n) break;
    expect(n).toBeLessThan(50);
  }
}, 120_000);
