/** The models and predictions of the reference implementation, where they are at hand beside the repository. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { convertModels } from '../../scoring/convert.ts';
import { createScoringEngine } from '../../scoring/engine.ts';
import { publishModels } from '../../scoring/publish.ts';
import { openStore } from '../../storage/open-store.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { CONVERTER_TOOLS } from '../support/python-packages.ts';
import { REFERENCE, referenceTest } from '../support/reference.ts';
import { tempDir } from '../support/temp.ts';
import { INTERVAL_MS, planned, seriesOf } from './fleet.ts';

const dir = tempDir('reference');
const server = useBlobServer(join(dir, 'blob'));

referenceTest(
  'its models, converted, published and packed, give its own predictions, label for label',
  async () => {
    const converted = join(dir, 'onnx');
    await convertModels(join(REFERENCE, 'models'), converted, {
      toolsDir: CONVERTER_TOOLS,
      log: () => {},
    });
    const store = await openStore(`sqlite:${join(dir, 'fleet.db')}`);
    await store.migrate();
    const engine = await createScoringEngine({ blobs: server.blobs, cacheDir: join(dir, 'cache'), threads: 1 });
    try {
      const summary = await publishModels(converted, { store, blobs: server.blobs, nowMs: Date.now(), threads: 1 });
      expect(summary).toMatchObject({ models: 10, packed: 10, kinds: { 'scaler+ocsvm-rbf': 10 }, bad: [] });
      const models = await store.listReleaseModels(summary.release);
      const expected = models.map(({ device, sensor }) =>
        parse<Record<string, string>>(readFileSync(join(REFERENCE, 'predictions', `preds_${device}_${sensor}.csv`)), {
          columns: true,
        }),
      );
      const series = seriesOf(
        Object.fromEntries(models.map(({ sensorId }, i) => [sensorId, expected[i]!.map((row) => Number(row['Val']))])),
      );
      const period = { fromMs: 0, toMs: 100_000 * INTERVAL_MS };
      const sensors = models.map(({ sensorId, model, pack, packRow }) =>
        planned(sensorId, model, { pack: pack!, packRow: packRow! }),
      );
      const packed = await engine.score({ sensors, series, period, hopMs: INTERVAL_MS });
      const single = await engine.score({
        sensors: sensors.map(({ id, model }) => planned(id, model)),
        series,
        period,
        hopMs: INTERVAL_MS,
      });
      expect(single).toEqual(packed);
      const rows = expected.flat();
      expect(rows.length).toBeGreaterThan(10_000);
      expect([...packed.anomaly]).toEqual(rows.map((row) => Number(row['Prediction'])));
      expect(Math.max(...rows.map((row, i) => Math.abs(Number(row['Score']) - packed.score[i]!)))).toBeLessThan(1e-12);
    } finally {
      await engine.close();
      await store.close();
    }
  },
  300_000,
);
