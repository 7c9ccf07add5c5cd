/** What a model takes for normal, told from its parameters, against what the model itself answers in onnxruntime. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beyond, isKnown, readNormal, type KnownModel } from '../../scoring/normal-range.ts';
import { encodeModel } from '../../scoring/onnx-proto.ts';
import { zScoreModel } from '../../scoring/packs/z-score.ts';
import { SAMPLE_MODELS_DIR } from '../../samples/fleet.ts';
import { svmBytes } from './models.ts';
import { oneThread, runSingles } from './run-singles.ts';

const folder = fileURLToPath(SAMPLE_MODELS_DIR);
const files = readdirSync(folder).filter((name) => name.endsWith('.onnx'));

const threads = oneThread();
afterAll(() => threads.close());

async function compare(bytes: Uint8Array): Promise<number> {
  const known = readNormal(bytes) as KnownModel;
  expect(isKnown(known)).toBe(true);
  const ranges = known.normal([0], 0);
  expect(ranges.length).toBeGreaterThan(0);
  const low = Math.min(...ranges.map(({ from }) => from));
  const high = Math.max(...ranges.map(({ to }) => to));
  const room = (high - low) / 2;
  const values = Array.from({ length: 2_000 }, (_, i) => low - room + ((high - low + 2 * room) * i) / 1_999);
  // The very ends, a hair on either side of them.
  for (const { from, to } of ranges) for (const end of [from, to]) values.push(end - room * 1e-9, end + room * 1e-9);
  const said = await runSingles(threads, [bytes], [values], 1);
  values.forEach((value, i) => {
    expect([value, known.score([value])]).toEqual([value, expect.closeTo(said.score[i]!, 9)]);
    const inside = ranges.some(({ from, to }) => value >= from && value <= to);
    expect([value, inside]).toEqual([value, said.anomaly[i] === 0]);
  });
  return said.anomaly.filter((label) => label === 1).length;
}

test('the normal values of the sample models are those that onnxruntime calls normal', async () => {
  for (const name of files.filter((_, i) => i % 6 === 0)) {
    const anomalies = await compare(readFileSync(`${folder}/${name}`));
    expect(anomalies).toBeGreaterThan(100);
  }
});

test('those of a control chart end exactly at its threshold', async () => {
  const bytes = encodeModel(zScoreModel({ mean: 20, scale: 0.5, threshold: 4 }, 'max'));
  const known = readNormal(bytes) as KnownModel;
  expect(known.features).toEqual(['max']);
  expect(known.normal([0], 0)).toEqual([{ from: 18, to: 22 }]);
  await compare(bytes);
  expect(readNormal(encodeModel(zScoreModel({ mean: 20, scale: 0.5, threshold: -1 }))) as KnownModel).toMatchObject({
    kind: 'zscore',
  });
});

test('of several features, what is normal of one depends on where the others are', async () => {
  const bytes = svmBytes(10, ['mean', 'max'], 3);
  const known = readNormal(bytes) as KnownModel;
  for (const other of [9.5, 10, 10.5, 300]) {
    const ranges = known.normal([0, other], 0);
    const rows = Array.from({ length: 400 }, (_, i) => [i / 20, other]);
    const said = await runSingles(threads, [bytes], [rows.flat()], 2);
    const inside = rows.map(([value]) => ranges.some(({ from, to }) => value! >= from && value! <= to));
    expect(inside).toEqual(rows.map((_, i) => said.anomaly[i] === 0));
    expect(ranges.length > 0).toBe(other < 300);
  }
});

test('how far beyond is the distance from the nearest normal value', () => {
  const ranges = [
    { from: 1, to: 2 },
    { from: 5, to: Number.POSITIVE_INFINITY },
  ];
  expect([0.5, 1, 1.5, 2.5, 4, 100].map((value) => beyond(value, ranges))).toEqual([0.5, 0, 0, 0.5, 1, 0]);
  expect(beyond(1, [])).toBeUndefined();
});
