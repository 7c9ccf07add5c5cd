/** Packs give the labels and scores of their models, bit for bit, and are checked before they are used. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { decodeModel, encodeModel } from '../../scoring/onnx-proto.ts';
import type { Fusable } from '../../scoring/packs/fuser.ts';
import { fusable } from '../../scoring/packs/kinds.ts';
import { createPackBuilder, type Pack } from '../../scoring/packs/pack-builder.ts';
import { isModelInRow, readPackHeader } from '../../scoring/packs/pack-format.ts';
import { type ScalerOcsvmRbf, scalerOcsvmRbfModel } from '../../scoring/packs/scaler-ocsvm-rbf.ts';
import { zScoreModel } from '../../scoring/packs/z-score.ts';
import { verifyPack } from '../../scoring/packs/verify-pack.ts';
import { newMarks } from '../../scoring/thread-protocol.ts';
import { sha256Of } from './fleet.ts';
import { svm } from './models.ts';
import { expectEqual, packsOf } from './packing.ts';
import { answer, oneThread, runSingles, sharedDoubles } from './run-singles.ts';

const threads = oneThread();
afterAll(() => threads.close());

/** Any double of the range, or one of its size: numbers of like size are what rounding shows at. */
const within = (min: number, max: number): fc.Arbitrary<number> =>
  fc.oneof(
    fc.double({ min, max, noNaN: true }),
    fc.integer({ min: 1, max: 996 }).map((i) => min + ((max - min) * i) / 997),
  );
const number = within(-100, 100);
const NAMES = ['mean', 'min', 'max', 'last', 'mean[-1]'];

const parameters = (width: number): fc.Arbitrary<ScalerOcsvmRbf> =>
  fc.integer({ min: 1, max: 20 }).chain((count) =>
    fc.record({
      mean: fc.array(number, { minLength: width, maxLength: width }).map((v) => Float64Array.from(v)),
      scale: fc.array(within(0.01, 50), { minLength: width, maxLength: width }).map((v) => Float64Array.from(v)),
      supportVectors: fc
        .array(within(-3, 3), { minLength: width * count, maxLength: width * count })
        .map((v) => Float64Array.from(v)),
      negGamma: within(-5, -1e-3),
      dualCoef: fc.array(within(-1, 1), { minLength: count, maxLength: count }).map((v) => Float64Array.from(v)),
      intercept: within(-2, 2),
    }),
  );

const fleet = fc.integer({ min: 1, max: NAMES.length }).chain((width) =>
  fc.record({
    width: fc.constant(width),
    models: fc.uniqueArray(parameters(width), {
      minLength: 1,
      maxLength: 12,
      selector: (p) => sha256Of(encodeModel(scalerOcsvmRbfModel(p, NAMES.slice(0, width)))),
    }),
    extra: fc.array(fc.oneof(number, fc.constantFrom(Number.NaN, Infinity, -Infinity, Number.MAX_VALUE, 5e-324, 0)), {
      minLength: 0,
      maxLength: 40,
    }),
  }),
);

/** Every support vector as a reading, its neighbours, and what comes as `extra`. */
function readingsFor(p: ScalerOcsvmRbf, width: number, extra: readonly number[]): number[] {
  const at = (z: (f: number) => number): number[] =>
    Array.from({ length: width }, (_, f) => p.mean[f]! + p.scale[f]! * z(f));
  const vectors = Array.from({ length: p.dualCoef.length }, (_, k) => at((f) => p.supportVectors[k * width + f]!));
  const rest = extra.slice(0, extra.length - (extra.length % width));
  return [...vectors.flat(), ...at(() => 0), ...at(() => 1.5), ...rest];
}

test('a pack gives the labels and the very scores of the single models, for any parameters and readings', async () => {
  await fc.assert(
    fc.asyncProperty(fleet, async ({ width, models, extra }) => {
      const features = NAMES.slice(0, width);
      await expectEqual(
        threads,
        models.map((p) => encodeModel(scalerOcsvmRbfModel(p, features))),
        features,
        models.map((p) => readingsFor(p, width, extra)),
      );
    }),
    { numRuns: 40 },
  );
});

test('readings exactly on the boundary are anomalies in packs as in single models', async () => {
  await fc.assert(
    fc.asyncProperty(fleet, async ({ width, models }) => {
      const features = NAMES.slice(0, width);
      const readings = models.map((p) => readingsFor(p, width, []));
      const encode = (list: readonly ScalerOcsvmRbf[]): Uint8Array[] =>
        list.map((p) => encodeModel(scalerOcsvmRbfModel(p, features)));
      // The score at the first support vector without intercept, taken away: exactly 0 there.
      const centred = models.map((p) => ({ ...p, intercept: 0 }));
      const { score } = await runSingles(threads, encode(centred), readings, width);
      let row = 0;
      const tied = centred.map((p, i) => {
        const intercept = -score[row]!;
        row += readings[i]!.length / width;
        return { ...p, intercept };
      });
      const bytes = encode(tied);
      fc.pre(new Set(bytes.map(sha256Of)).size === bytes.length);
      const singles = await runSingles(threads, bytes, readings, width);
      row = 0;
      for (const list of readings) {
        expect([singles.score[row]! + 0, singles.anomaly[row]]).toEqual([0, 1]);
        row += list.length / width;
      }
      await expectEqual(threads, bytes, features, readings);
    }),
    { numRuns: 15 },
  );
});

test.each([1, 2, 3, 5])(
  'a score of %i features does not depend on the rows beside it, nor on how many come before',
  async (width) => {
    const features = NAMES.slice(0, width);
    // One kernel far from the reading makes the score: no other sum hides the last bit of its distance.
    const p = {
      ...svm(3, features, 7),
      supportVectors: Float64Array.from({ length: 7 * width }, (_, i) => Math.cos(i * 2.7) * 2),
      dualCoef: Float64Array.of(0, 0, 0, 1, 0, 0, 0),
      intercept: 0,
    };
    const bytes = encodeModel(scalerOcsvmRbfModel(p, features));
    const readings = Array.from({ length: 50 }, (_, i) =>
      Array.from({ length: width }, (_, f) => 3 + Math.sin(i + f / 3) * 2),
    );
    const together = await runSingles(threads, [bytes], [readings.flat()], width);
    const alone = await Promise.all(readings.map((values) => runSingles(threads, [bytes], [values], width)));
    expect(alone.map(({ score }) => score[0])).toEqual([...together.score]);
  },
);

test('z-score models are packed too, with the same labels and scores', async () => {
  const z = fc.record({
    mean: number,
    scale: fc.double({ min: 1e-3, max: 30, noNaN: true }),
    threshold: fc.double({ min: 0, max: 6, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(z, { minLength: 1, maxLength: 10, selector: (p) => JSON.stringify(p) }),
      async (list) => {
        const values = list.map((p) => [
          p.mean,
          p.mean + p.scale * p.threshold,
          p.mean - p.scale * p.threshold,
          0,
          Number.NaN,
          Infinity,
          -Infinity,
        ]);
        await expectEqual(
          threads,
          list.map((p) => encodeModel(zScoreModel(p))),
          ['mean'],
          values,
        );
      },
    ),
    { numRuns: 20 },
  );
});

test('the same models in the same order give the same bytes, and a pack says which model is in which row', async () => {
  const models = [1, 2, 3, 4].map((center) => encodeModel(scalerOcsvmRbfModel(svm(center), ['mean'])));
  const [first] = await packsOf(models, ['mean']);
  const [second] = await packsOf(models, ['mean']);
  expect(Buffer.from(first!.bytes).equals(Buffer.from(second!.bytes))).toBe(true);
  expect(first!.sha256).toBe(createHash('sha256').update(first!.bytes).digest('hex'));
  const header = readPackHeader(first!.bytes);
  expect(header).toMatchObject({ kind: 'scaler+ocsvm-rbf', rows: 4, features: [{ name: 'mean' }] });
  const digests = models.map(sha256Of);
  const rowsOf = (digest: string): number[] =>
    [-1, 0, 0.5, 1, 2, 3, 4].filter((row) => isModelInRow(header, row, digest));
  expect(digests.map(rowsOf)).toEqual([[0], [1], [2], [3]]);
});

test('packs are closed when full, and models of other sizes and features go into others', async () => {
  const models = Array.from({ length: 7 }, (_, i) => encodeModel(scalerOcsvmRbfModel(svm(i), ['mean'])));
  expect((await packsOf(models, ['mean'], { maxRows: 3 })).map((pack) => pack.models.length)).toEqual([3, 3, 1]);
  expect((await packsOf(models, ['mean'], { maxRows: 3, minRows: 2 })).map((pack) => pack.models.length)).toEqual([
    3, 3,
  ]);
  expect((await packsOf(models, ['mean'], { maxBytes: 6 * 8 * 2 })).map((pack) => pack.models.length)).toEqual([
    2, 2, 2, 1,
  ]);
  const packs: Pack[] = [];
  const builder = createPackBuilder(async (pack) => void packs.push(pack));
  for (const [i, count] of [1, 5, 6, 1, 17].entries()) {
    const bytes = encodeModel(scalerOcsvmRbfModel(svm(i, ['mean'], count), ['mean']));
    await builder.add(sha256Of(bytes), fusable(decodeModel(bytes))!, ['mean']);
  }
  await builder.finish();
  expect(packs.map((pack) => pack.models.length)).toEqual([2, 2]);
});

test('a row that a pack does not have fails the run instead of reading another model', async () => {
  const models = [1, 2].map((center) => encodeModel(scalerOcsvmRbfModel(svm(center), ['mean'])));
  const [pack] = await packsOf(models, ['mean']);
  for (const row of [-1, 2]) {
    const index = new Int32Array(new SharedArrayBuffer(4)).fill(row);
    const end = await threads.run({
      type: 'pack',
      file: { sha256: pack!.sha256, bytes: pack!.bytes },
      index,
      values: sharedDoubles([1]),
      marks: newMarks(),
      ...answer(1),
    });
    expect(end).toMatchObject({
      reply: { problem: { class: 'model_failed', message: expect.stringContaining(`row ${row}`) as unknown } },
    });
  }
});

test('verification finds the rows of a pack that do not score as their models', async () => {
  const models = [1, 2, 3].map((center) => encodeModel(scalerOcsvmRbfModel(svm(center), ['mean'])));
  const [pack] = await packsOf(models, ['mean']);
  const checked = await Promise.all(
    models.map(async (bytes) => {
      const { fuser, parameters: p } = fusable(decodeModel(bytes)) as Fusable<ScalerOcsvmRbf>;
      const values = fuser.probes(p);
      const said = await runSingles(threads, [bytes], [[...values]], 1);
      return [
        sha256Of(bytes),
        {
          path: '',
          sha256: sha256Of(bytes),
          bytes: 1,
          kind: fuser.kind,
          features: ['mean'],
          labels: true,
          probed: { values, ...said },
        },
      ] as const;
    }),
  );
  expect(await verifyPack(pack!, new Map(checked), threads)).toEqual({ agree: [0, 1, 2] });
  // As if the rows of two models had been exchanged.
  const swapped = { ...pack!, models: [pack!.models[1]!, pack!.models[0]!, pack!.models[2]!] };
  expect(await verifyPack(swapped, new Map(checked), threads)).toEqual({ agree: [2] });
});
