/**
 * A model that could not be read when a chunk asked what to read of the store, and could a moment later, must not be
 * scored over a series without its lookback; and where windows that were due have no prediction, the checker says so.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { createScoringEngine, type ScoringEngine } from '../../scoring/engine.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { verifyBatch, type VerifyReport } from '../../verify/verify-batch.ts';
import { putModel } from '../scoring/fleet.ts';
import { svmBytes } from '../scoring/models.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { runBatch } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('due-windows');
const server = useBlobServer(join(dir, 'blob'));
const HOP_MS = 5_000;
const LAG = 3;
const WINDOWS = 12;
const PERIOD = { fromMs: Date.parse('2026-03-02T10:00:00Z'), toMs: Date.parse('2026-03-02T10:01:00Z') };
const FEATURES = ['mean', `mean[-${LAG}]`];
let store: Store;
let batches = 0;
const engines: ScoringEngine[] = [];

beforeAll(async () => {
  store = await openStore(`sqlite:${join(dir, 'fleet.db')}`);
  await store.migrate();
  const ids = await store.registerSensors(['s1', 's2', 's3'].map((sensor) => ({ device: 'plant-1', sensor })));
  const perSensor = WINDOWS + LAG;
  for (const [i, sensorIdFrom] of ids.entries())
    await store.loadWindows({
      sensorIdFrom,
      // The third has nothing before the period: its first windows are rightly left out.
      startMs: i === 2 ? PERIOD.fromMs : PERIOD.fromMs - LAG * HOP_MS,
      stepMs: HOP_MS,
      windowsPerSensor: i === 2 ? WINDOWS : perSensor,
      values: Float64Array.from({ length: i === 2 ? WINDOWS : perSensor }, (_, k) => 10 + (k % 6 === 1 ? 50 : 0.1)),
    });
  const models = await Promise.all(ids.map((_, i) => putModel(server.blobs, svmBytes(10 + i / 1_000, FEATURES))));
  await store.createRelease(
    'lagged',
    PERIOD.fromMs,
    models.map((model, i) => ({ sensorId: ids[i]!, model })),
    models.map((model) => ({ model, bytes: 1, kind: 'onnx', features: FEATURES })),
  );
  await store.setCurrentRelease('lagged');
});
afterAll(async () => {
  await Promise.all(engines.map((engine) => engine.close()));
  await store?.close();
});

async function engineOn(blobs: BlobStore): Promise<ScoringEngine> {
  const engine = await createScoringEngine({ blobs, cacheDir: join(dir, `cache-${engines.length}`), threads: 1 });
  engines.push(engine);
  return engine;
}

async function batch(engine: ScoringEngine): Promise<VerifyReport & { readonly id: string }> {
  const id = `20260302T100100Z-${String(++batches).padStart(8, '0')}`;
  const { end } = await runBatch(
    { blobs: server.blobs, store, engine, hopMs: HOP_MS },
    { batchId: id, ...PERIOD, sensorsPerChild: 1, sensorsPerActivity: 1 },
    100,
  );
  return { id, ...(await verifyBatch({ store, blobs: server.blobs, workflowEnd: async () => end }, id)) };
}

/** The first read of each model finds nothing. */
function lateModels(blobs: BlobStore): BlobStore {
  const asked = new Set<string>();
  return {
    ...blobs,
    async get(container, name) {
      if (container === CONTAINERS.models && !asked.has(name)) {
        asked.add(name);
        throw new FleetscoreError('BLOB_MISSING', `There is no blob ${container}/${name}.`);
      }
      return blobs.get(container, name);
    },
  };
}

test('windows that are rightly left out are no finding', async () => {
  const report = await batch(await engineOn(server.blobs));
  expect(report).toMatchObject({ findings: [], notes: [], rows: 3 * WINDOWS - LAG });
});

test('a model that is there a moment later is not scored over a series that was read without its lookback', async () => {
  const engine = await engineOn(lateModels(server.blobs));
  const first = await batch(engine);
  expect(first).toMatchObject({ findings: [], rows: 0 });
  const outcomes = await store.listOutcomes(first.id);
  expect(outcomes.map(({ status, class: why }) => [status, why])).toEqual(
    Array.from({ length: 3 }, () => ['failed', 'model_missing']),
  );
  // The next batch has them, and all of their windows.
  expect(await batch(engine)).toMatchObject({ findings: [], rows: 3 * WINDOWS - LAG });
});

test('windows that were due and have no prediction are found, and counted', async () => {
  const engine = await engineOn(server.blobs);
  // As if the series had been read by the word of models that could not be read.
  const hasty: ScoringEngine = {
    ...engine,
    seriesNeeds: async (sensors) => ({ ...(await engine.seriesNeeds(sensors)), lookback: 0 }),
  };
  const report = await batch(hasty);
  expect(report.rows).toBe(3 * (WINDOWS - LAG));
  expect(report.found.rows).toBe(2);
  expect(report.findings.map(({ message }) => message)).toEqual(
    ['s1', 's2'].map(
      (name) =>
        `plant-1 / ${name} has 9 predictions, but 12 of its 12 windows have all that its model looks at: 3 are missing`,
    ),
  );
});
