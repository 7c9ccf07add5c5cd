/**
 * A small fleet on a real SQLite store and a real Blob server, without Temporal: what a worker's activities need.
 * A few sensors with models in a pack, one with none, one without readings.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publishModels } from '../../scoring/publish.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { svmBytes } from '../scoring/models.ts';

export const WINDOW_MS = 5_000;
export const WINDOWS = 12;
export const SMALL_PERIOD = { fromMs: Date.parse('2026-03-02T10:00:00Z'), toMs: Date.parse('2026-03-02T10:01:00Z') };

export interface SmallStore {
  readonly store: Store;
  /** The same file: another connection, as another process would have. */
  open(): Promise<Store>;
}

/** @param sensors with a model each; one more has no model, and the last of these has no readings */
export async function smallStore(dir: string, blobs: BlobStore, sensors = 4): Promise<SmallStore> {
  mkdirSync(dir, { recursive: true });
  const url = `sqlite:${join(dir, 'fleet.db')}`;
  const store = await openStore(url);
  await store.migrate();
  const names = Array.from({ length: sensors }, (_, i) => `s${i + 1}`);
  const [first] = await store.registerSensors([...names, 'no-model'].map((sensor) => ({ device: 'plant-1', sensor })));
  const values = Float64Array.from({ length: WINDOWS * sensors }, (_, i) => 10 + (i % WINDOWS === 5 ? 50 : 0.1));
  // The last sensor with a model stays silent, the one without a model has readings.
  await store.loadWindows({
    sensorIdFrom: first!,
    startMs: SMALL_PERIOD.fromMs,
    stepMs: WINDOW_MS,
    windowsPerSensor: WINDOWS,
    values: values.subarray(0, WINDOWS * (sensors - 1)),
  });
  await store.loadWindows({
    sensorIdFrom: first! + sensors,
    startMs: SMALL_PERIOD.fromMs,
    stepMs: WINDOW_MS,
    windowsPerSensor: WINDOWS,
    values: values.subarray(0, WINDOWS),
  });
  const models = join(dir, 'models');
  mkdirSync(models, { recursive: true });
  for (const [i, name] of names.entries())
    writeFileSync(join(models, `model_plant-1_${name}.onnx`), svmBytes(10 + i / 1_000));
  await publishModels(models, { store, blobs, nowMs: SMALL_PERIOD.fromMs });
  return { store, open: () => openStore(url) };
}
