import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { join } from 'node:path';
import { CONTAINERS, modelBlob } from '../../domain/blob-names.ts';
import { failuresOf, parseFailures } from '../../samples/simulate-failures.ts';
import { createModelWriter, simulatedParameters, SIMULATED_FEATURES } from '../../samples/simulate-models.ts';
import { createScoringEngine } from '../../scoring/engine.ts';
import { encodeModel } from '../../scoring/onnx-proto.ts';
import { scalerOcsvmRbfModel } from '../../scoring/packs/scaler-ocsvm-rbf.ts';
import type { PlannedSensor, Store } from '../../storage/store.ts';
import { openStore } from '../../storage/open-store.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { runCli, type CliResult } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const FROM = '2026-03-02T10:00:00.000Z';
const PERIOD = { fromMs: Date.parse(FROM), toMs: Date.parse(FROM) + 4 * 60_000 };
const home = tempDir('simulate');
let server: BlobServer;
beforeAll(async () => void (server = await startBlobServer(join(home, 'blob'))));
afterAll(() => server.stop());

const cli = (name: string, ...args: string[]): Promise<CliResult> =>
  runCli(join(home, name), ['--json', ...args], { FLEETSCORE_BLOB_CONNECTION_STRING: server.connectionString });
const storeOf = (name: string): Promise<Store> =>
  openStore(`sqlite:${join(home, name, 'data', 'fleet.db')}`, { create: false });

test(
  'a simulated fleet scores the same in packs and model by model, repeated it adds nothing, and its ' +
    'failures are real',
  async () => {
    const args = [
      'simulate',
      '--sensors',
      '400',
      '--windows',
      '4',
      '--interval',
      '1m',
      '--from',
      FROM,
      '--failures',
      'no_data=10,no_model=1.5%,model_missing=3,model_corrupt=2',
    ];
    const first = await cli('fleet', ...args);
    expect(first.stderr).toBe('');
    expect(first.json()).toMatchObject({
      sensors: 400,
      windowsAdded: 390 * 4,
      models: 394,
      packs: 1,
      modelFiles: 391,
      from: FROM,
      to: '2026-03-02T10:04:00.000Z',
    });
    const again = await cli('fleet', ...args);
    expect(again.json()).toMatchObject({ windowsAdded: 0, models: 394, packs: 1 });

    const store = await storeOf('fleet');
    const engine = await createScoringEngine({ blobs: server.blobs, cacheDir: join(home, 'cache'), threads: 1 });
    try {
      expect(await store.countSensors()).toBe(400);
      await store.createBatch({
        id: 'b',
        workflowId: 'w',
        runId: 'r',
        kind: 'score',
        release: (await store.currentRelease())!,
        codeVersion: 'test',
        startedAtMs: 0,
        ...PERIOD,
      });
      const range = { from: 0, to: 401 };
      const sensors = await store.plannedSensors('b', range);
      const series = await store.readSeries(range, PERIOD);
      const score = (planned: readonly PlannedSensor[]) =>
        engine.score({ sensors: planned, series, period: PERIOD, hopMs: 5_000 });
      const packed = await score(sensors);
      const single = await score(
        sensors.map(({ id, device, sensor, unit, model }) => ({
          id,
          device,
          sensor,
          unit,
          ...(model === undefined ? {} : { model }),
        })),
      );
      expect([...single.score]).toEqual([...packed.score]);
      expect([...single.anomaly]).toEqual([...packed.anomaly]);
      expect(single.verdicts).toEqual(packed.verdicts);

      const classes: Record<string, number> = {};
      for (const verdict of packed.verdicts)
        classes[verdict.class ?? verdict.status] = (classes[verdict.class ?? verdict.status] ?? 0) + 1;
      expect(classes).toEqual({ scored: 379, no_data: 10, no_model: 6, model_missing: 3, model_corrupt: 2 });
      const anomalies = packed.verdicts.reduce((sum, verdict) => sum + verdict.anomalies, 0);
      expect(anomalies / series.length).toBeGreaterThan(0.001);
      expect(anomalies / series.length).toBeLessThan(0.02);
    } finally {
      await engine.close();
      await store.close();
    }
  },
);

test('large fleets keep models in packs alone; a model alone in its pack is stored as a file', async () => {
  expect((await cli('large', 'simulate', '--sensors', '1001', '--windows', '1')).json()).toMatchObject({
    models: 1001,
    packs: 1,
    modelFiles: 0,
  });
  expect(
    (await cli('one', 'simulate', '--sensors', '1', '--windows', '1', '--model-files', 'none')).json(),
  ).toMatchObject({ packs: 0, modelFiles: 1 });
  const store = await storeOf('one');
  const [model] = await store.listReleaseModels((await store.currentRelease())!);
  await store.close();
  expect(model).not.toHaveProperty('pack');
  expect(await server.blobs.exists(CONTAINERS.models, modelBlob(model!.model))).toBe(true);
});

test('a store with real sensors, and settings that do not fit, are refused', async () => {
  const store = await openStore(`sqlite:${join(home, 'real', 'data', 'fleet.db')}`);
  await store.migrate();
  await store.registerSensors([{ device: 'pump-1', sensor: 'flow' }]);
  await store.close();
  const refused = await cli('real', 'simulate', '--sensors', '10');
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/FLEET_EXISTS.*pump-1 \/ flow/) });
  const uneven = await cli('fresh', 'simulate', '--sensors', '10', '--interval', '7s');
  expect(uneven).toMatchObject({ code: 2, stderr: expect.stringMatching(/multiple of the aggregation interval, 5s/) });
  expect(() => parseFailures('no_luck=3', 10)).toThrow(/kinds: no_data, no_model, model_missing, model_corrupt/);
  expect(() => parseFailures('no_data=99%,no_model=1', 10)).toThrow(/asks for 11 sensors, the fleet has 10/);
});

test('every model file is what the converter would write for its parameters', () => {
  const write = createModelWriter();
  fc.assert(
    fc.property(fc.nat(10_000_000), (index) => {
      const parameters = simulatedParameters(index);
      expect(
        Buffer.from(write(parameters).bytes).equals(encodeModel(scalerOcsvmRbfModel(parameters, SIMULATED_FEATURES))),
      ).toBe(true);
    }),
  );
});

test('failures are exact in number for any fleet', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(100), fc.nat(100), (sensors, a, b) => {
      const counts = { no_data: Math.min(a, sensors >> 1), model_corrupt: Math.min(b, sensors >> 1) };
      const kindOf = failuresOf(counts, sensors);
      const found = { no_data: 0, no_model: 0, model_missing: 0, model_corrupt: 0 };
      for (let i = 0; i < sensors; i++) {
        const kind = kindOf(i);
        if (kind) found[kind]++;
      }
      expect(found).toMatchObject(counts);
    }),
  );
  expect(parseFailures('no_data=0.5%, model_missing=2', 1_000)).toEqual({ no_data: 5, model_missing: 2 });
});
