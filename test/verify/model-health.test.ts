/** Health of models: the index itself, and the signs on a fleet with one of each. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createScoringEngine } from '../../scoring/engine.ts';
import { publishModels } from '../../scoring/publish.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { fleetHealth, populationStability, PSI_DRIFTED } from '../../verify/model-health.ts';
import { WINDOW_MS } from '../support/batch-fixture.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { runBatch } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';
import { svmBytes } from '../scoring/models.ts';

const values = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), {
  minLength: 100,
  maxLength: 400,
});

test('the index is never negative, 0 for the same values in any order, and blind to the scale', () => {
  fc.assert(
    fc.property(values, values, (a, b) => {
      expect(populationStability(a, b)!).toBeGreaterThanOrEqual(-1e-9);
      expect(populationStability(a, a.toReversed())!).toBeCloseTo(0, 9);
    }),
  );
  const base = Array.from({ length: 1_000 }, (_, i) => Math.sin(i));
  const moved = base.map((value) => value + 0.5);
  expect(populationStability(base, moved)!).toBeGreaterThan(PSI_DRIFTED);
  expect(
    populationStability(
      base.map((v) => v * 8),
      moved.map((v) => v * 8),
    )!,
  ).toBeCloseTo(populationStability(base, moved)!, 9);
});

test('small moves of many values stay below the limit; a constant that moves is above; few values say nothing', () => {
  const wave = (shift: number): number[] => Array.from({ length: 2_000 }, (_, i) => Math.sin(i * 1.7) + shift);
  expect(populationStability(wave(0), wave(0.02))!).toBeLessThan(0.1);
  const constant = Array.from({ length: 200 }, () => 7);
  expect(populationStability(constant, constant)!).toBeCloseTo(0, 9);
  expect(
    populationStability(
      constant,
      constant.map(() => 8),
    )!,
  ).toBeGreaterThan(PSI_DRIFTED);
  expect(populationStability(constant.slice(0, 99), constant)).toBeUndefined();
});

const dir = tempDir('drift');
const server = useBlobServer(join(dir, 'blob'));
const BASELINE = { fromMs: Date.parse('2026-03-01T00:00:00Z'), toMs: Date.parse('2026-03-01T14:00:00Z') };
const NOW = { fromMs: BASELINE.toMs, toMs: Date.parse('2026-03-02T04:00:00Z') };
const EACH = (BASELINE.toMs - BASELINE.fromMs) / WINDOW_MS;
let store: Store;

beforeAll(async () => {
  store = await openStore(`sqlite:${join(dir, 'fleet.db')}`);
  await store.migrate();
  // Values by time: normal is within about one unit of the model's center, 10.
  const fleet: Record<string, (i: number) => number> = {
    steady: (i) => 10 + 0.3 * Math.sin(i) + (i % 50 === 0 ? 40 : 0),
    everything: (i) => 90 + Math.sin(i),
    nothing: (i) => 10 + 0.3 * Math.sin(i),
    drifted: (i) => 10 + 0.3 * Math.sin(i) + (i >= EACH ? 0.4 : 0) + (i % 50 === 0 ? 40 : 0),
    moved: (i) => 10 + 0.3 * Math.sin(i) + (i % (i >= EACH ? 5 : 50) === 0 ? 40 : 0),
  };
  const names = Object.keys(fleet);
  const ids = await store.registerSensors(names.map((sensor) => ({ device: 'd', sensor })));
  const all = Float64Array.from({ length: names.length * 2 * EACH }, (_, at) =>
    Object.values(fleet)[Math.floor(at / (2 * EACH))]!(at % (2 * EACH)),
  );
  await store.loadWindows({
    sensorIdFrom: ids[0]!,
    startMs: BASELINE.fromMs,
    stepMs: WINDOW_MS,
    windowsPerSensor: 2 * EACH,
    values: all,
  });
  const models = join(dir, 'models');
  mkdirSync(models);
  for (const [i, name] of names.entries())
    writeFileSync(join(models, `model_d_${name}.onnx`), svmBytes(10 + i / 1_000));
  await publishModels(models, { store, blobs: server.blobs, nowMs: 1 });
  const engine = await createScoringEngine({ blobs: server.blobs, cacheDir: join(dir, 'cache'), threads: 1 });
  try {
    for (const [i, period] of [BASELINE, NOW].entries())
      await runBatch(
        { store, blobs: server.blobs, engine, hopMs: WINDOW_MS },
        { batchId: `batch-${i}`, ...period, sensorsPerChild: 5, sensorsPerActivity: 5 },
      );
  } finally {
    await engine.close();
  }
}, 60_000);
afterAll(() => store?.close());

test('each kind of trouble is seen, a steady sensor shows none', async () => {
  const health = await fleetHealth(store, NOW, BASELINE);
  const signs = Object.fromEntries(health.worst.map(({ sensor, signs }) => [sensor, signs]));
  expect(signs).toEqual({
    everything: ['flags_everything'],
    nothing: ['flags_nothing'],
    drifted: ['readings_drifted'],
    moved: ['anomaly_rate_moved'],
  });
  expect(health).toMatchObject({
    sensors: 5,
    signs: { flags_everything: 1, flags_nothing: 1, readings_drifted: 1, anomaly_rate_moved: 1 },
  });
  // A sensor at a time, as over very long periods: the same.
  expect(await fleetHealth(store, NOW, BASELINE, { hopMs: 1e-3 })).toEqual(health);
  expect(health.worst[0]).toMatchObject({ sensor: 'drifted', windows: EACH, psi: expect.any(Number) });
});

test('a window counts once, however many batches scored it', async () => {
  const hour = 3_600_000;
  const before = await fleetHealth(store, NOW, BASELINE);
  const engine = await createScoringEngine({ blobs: server.blobs, cacheDir: join(dir, 'cache'), threads: 1 });
  try {
    // The whole time again, parts of it, and a part that begins in the baseline.
    for (const [i, [from, to]] of (
      [
        [0, 14],
        [3, 4],
        [3.5, 5],
        [-1, 1],
      ] as const
    ).entries())
      await runBatch(
        { store, blobs: server.blobs, engine, hopMs: WINDOW_MS },
        {
          batchId: `again-${i}`,
          fromMs: NOW.fromMs + from * hour,
          toMs: NOW.fromMs + to * hour,
          sensorsPerChild: 5,
          sensorsPerActivity: 5,
        },
      );
  } finally {
    await engine.close();
  }
  expect(await fleetHealth(store, NOW, BASELINE)).toEqual(before);
  // Without the long ones each part counts, but where it overlaps with a longer one.
  const parts = await fleetHealth(store, { fromMs: NOW.fromMs + 2 * hour, toMs: NOW.fromMs + 6 * hour }, undefined);
  expect(parts.worst.find(({ sensor }) => sensor === 'everything')).toMatchObject({
    windows: (1.5 * hour) / WINDOW_MS,
    anomalyRate: 1,
  });
});

test('without a baseline only the models are judged', async () => {
  const { worst } = await fleetHealth(store, NOW, undefined);
  expect(worst.map(({ sensor }) => sensor).sort()).toEqual(['everything', 'nothing']);
  expect(worst.every(({ psi }) => psi === undefined)).toBe(true);
});
