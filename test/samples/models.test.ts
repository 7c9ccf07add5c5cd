import { readdirSync, readFileSync, statSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { faultsIn } from '../../samples/faults.ts';
import { SAMPLE_FLEET, SAMPLE_MODELS_DIR } from '../../samples/fleet.ts';
import { READING_INTERVAL_MS, sampleReadings } from '../../samples/readings.ts';
import type { SensorKey } from '../../domain/sensor.ts';
import { openScorer } from './scored.ts';

const HOUR_MS = 3_600_000;
const scorer = openScorer();
const modelOf = ({ device, sensor }: SensorKey): URL => new URL(`model_${device}_${sensor}.onnx`, SAMPLE_MODELS_DIR);
afterAll(() => scorer.close());

function rowsOf(url: URL): readonly Record<string, string>[] {
  return parse<Record<string, string>>(readFileSync(url), { columns: true });
}

test('there is one small model for every sensor, and the manifest lists exactly them', () => {
  const expected = SAMPLE_FLEET.map(({ device, sensor }) => ({
    Device: device,
    Sensor: sensor,
    Model: `model_${device}_${sensor}.onnx`,
  }));
  expect(rowsOf(new URL('manifest.csv', SAMPLE_MODELS_DIR))).toEqual(expected);
  expect(readdirSync(SAMPLE_MODELS_DIR).sort()).toEqual([...expected.map((row) => row.Model), 'manifest.csv'].sort());
  for (const { Model } of expected) expect(statSync(new URL(Model, SAMPLE_MODELS_DIR)).size).toBeLessThanOrEqual(4096);
});

test('the models give the labels and scores that scikit-learn gives', async () => {
  const rows = rowsOf(new URL('../fixtures/sample-predictions.csv', import.meta.url));
  const bySensor = Map.groupBy(rows, (row) => `${row['Device']} ${row['Sensor']}`);
  expect(bySensor.size).toBe(SAMPLE_FLEET.length);
  let worst = 0;
  for (const group of bySensor.values()) {
    const key = { device: group[0]!['Device']!, sensor: group[0]!['Sensor']! };
    const { labels, scores } = await scorer.score(
      modelOf(key),
      group.map((row) => Number(row['Value'])),
    );
    expect({ ...key, labels }).toEqual({ ...key, labels: group.map((row) => Number(row['Label'])) });
    group.forEach((row, at) => (worst = Math.max(worst, Math.abs(scores[at]! - Number(row['Score'])))));
  }
  expect(worst).toBeLessThan(1e-12);
});

test('a value that is not a finite number is an anomaly', async () => {
  for (const key of SAMPLE_FLEET) {
    const { labels } = await scorer.score(modelOf(key), [
      Number.NaN,
      Infinity,
      -Infinity,
      Number.MAX_VALUE,
      -Number.MAX_VALUE,
    ]);
    expect({ sensor: key.index, labels }).toEqual({ sensor: key.index, labels: [-1, -1, -1, -1, -1] });
  }
});

const START = Date.parse('2026-06-17T00:00:00Z');
const hours = [
  { seed: undefined, fromMs: START + 9 * HOUR_MS },
  { seed: undefined, fromMs: START + 400 * 24 * HOUR_MS + 19 * HOUR_MS },
  { seed: 1, fromMs: START + 2 * HOUR_MS },
  { seed: 987_654_321, fromMs: START + 14 * HOUR_MS },
];

test.each(hours)(
  'seed $seed, hour $fromMs: every findable fault is found, false alarms are rare',
  async ({ seed, fromMs }) => {
    const toMs = fromMs + HOUR_MS;
    const options = seed === undefined ? {} : { seed };
    const faults = faultsIn(fromMs, toMs, seed);
    expect(faults).toHaveLength(10);
    const missed = [];
    const falselyFlagged = [];
    let normalWindows = 0;
    for (const sensor of SAMPLE_FLEET) {
      // One reading in a window: the window's mean is the reading.
      const readings = sampleReadings(sensor.index, fromMs, toMs, options);
      expect(readings).toHaveLength(HOUR_MS / READING_INTERVAL_MS);
      const { labels } = await scorer.score(
        modelOf(sensor),
        readings.map((reading) => reading.value),
      );
      const own = faults.filter((fault) => fault.sensor.index === sensor.index);
      for (const fault of own) {
        const inside = readings.flatMap(({ tsMs }, at) =>
          tsMs >= fault.fromMs && tsMs < fault.toMs ? [labels[at]!] : [],
        );
        if (fault.findable && !inside.includes(-1)) missed.push(fault);
      }
      readings.forEach(({ tsMs, value }, at) => {
        if (own.some((fault) => tsMs >= fault.fromMs && tsMs < fault.toMs)) return;
        normalWindows += 1;
        if (labels[at] !== 1) falselyFlagged.push({ sensor: sensor.index, value });
      });
    }
    expect(missed).toEqual([]);
    expect(falselyFlagged.length / normalWindows).toBeLessThan(0.002);
  },
);
