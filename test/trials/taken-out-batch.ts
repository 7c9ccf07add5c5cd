/** Predictions that are missing without a word, where the mend is taken out (taken-out.ts). */
import { join } from 'node:path';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { createScoringEngine } from '../../scoring/engine.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { openStore } from '../../storage/open-store.ts';
import { verifyBatch } from '../../verify/verify-batch.ts';
import { putModel } from '../scoring/fleet.ts';
import { svmBytes } from '../scoring/models.ts';
import { startBlobServer } from '../support/own-blob-server.ts';
import { runBatch } from '../support/run-activities.ts';
import type { Outcome } from './taken-out-outcome.ts';

const HOP_MS = 5_000;
const LAG = 3;
const WINDOWS = 12;
const PERIOD = { fromMs: Date.UTC(2026, 2, 2, 10), toMs: Date.UTC(2026, 2, 2, 10, 1) };
const FEATURES = ['mean', `mean[-${LAG}]`];

/** The first read of each model finds nothing, as with a blob that is published at that moment. */
function lateModels(blobs: BlobStore): BlobStore {
  const asked = new Set<string>();
  return {
    ...blobs,
    async get(container, name) {
      if (container !== CONTAINERS.models || asked.has(name)) return blobs.get(container, name);
      asked.add(name);
      throw new FleetscoreError('BLOB_MISSING', `There is no blob ${container}/${name}.`);
    },
  };
}

/** A model that looks back cannot be read when a chunk asks what to read of the store, and can be a moment later. */
async function modelLater(dir: string): Promise<Outcome> {
  const server = await startBlobServer(dir);
  const store = await openStore(`sqlite:${join(dir, 'fleet.db')}`, { create: true });
  const blobs = lateModels(server.blobs);
  const engine = await createScoringEngine({ blobs, cacheDir: join(dir, 'cache'), threads: 1 });
  try {
    await store.migrate();
    const [sensorId] = await store.registerSensors([{ device: 'pump', sensor: 's' }]);
    await store.loadWindows({
      sensorIdFrom: sensorId!,
      startMs: PERIOD.fromMs - LAG * HOP_MS,
      stepMs: HOP_MS,
      windowsPerSensor: WINDOWS + LAG,
      values: new Float64Array(WINDOWS + LAG).fill(10),
    });
    const model = await putModel(server.blobs, svmBytes(10, FEATURES));
    await store.createRelease(
      'lagged',
      0,
      [{ sensorId: sensorId!, model }],
      [{ model, bytes: 1, kind: 'onnx', features: FEATURES }],
    );
    await store.setCurrentRelease('lagged');
    const batchId = '20260302T100100Z-00000001';
    const plan = { batchId, ...PERIOD, sensorsPerChild: 1, sensorsPerActivity: 1 };
    const { end } = await runBatch({ store, blobs: server.blobs, engine, hopMs: HOP_MS }, plan, 100);
    const report = await verifyBatch({ store, blobs: server.blobs, workflowEnd: async () => end }, batchId);
    const told = (await store.listOutcomes(batchId)).flatMap(({ class: why }) => (why === undefined ? [] : [why]));
    return {
      lost: told.length > 0 ? 0 : WINDOWS - report.rows,
      of: WINDOWS,
      what: 'predictions',
      told,
      found: report.findings.map(({ message }) => message),
    };
  } finally {
    await engine.close();
    await store.close();
    await server.stop();
  }
}

export const BATCH_CASES = { 'one look at models': modelLater } as const;
