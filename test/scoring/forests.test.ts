/**
 * Packs of isolation forests say what the forests say alone, bit for bit, and take nothing that only looks like one.
 */
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { decodeModel, type OnnxNode } from '../../scoring/onnx-proto.ts';
import { singleUpTo } from '../../scoring/packs/forest-trees.ts';
import { fusable } from '../../scoring/packs/kinds.ts';
import { readPackHeader } from '../../scoring/packs/pack-format.ts';
import { splitTrees } from '../../scoring/packs/packed-trees.ts';
import { newMarks } from '../../scoring/thread-protocol.ts';
import { type ExportedParameters, exportedForestBytes, type ExportedTree } from './exported-models.ts';
import { sha256Of } from './fleet.ts';
import { type ForestParameters, forestBytes, type Tree } from './forest-models.ts';
import { OLD_FEATURES, oldExports, oldForests } from './old-forests.ts';
import { expectEqual, packsOf } from './packing.ts';
import { answer, oneThread, sharedDoubles } from './run-singles.ts';

const threads = oneThread();
afterAll(() => threads.close());

const NAMES = ['mean', 'min', 'max', 'last', 'mean[-1]'];
/** Readings as sensors round them, and splits where they may be. */
const rounded = fc.integer({ min: -80, max: 80 }).map((i) => i / 2);
const split = fc.oneof(rounded, fc.double({ min: -40, max: 40, noNaN: true }), fc.constantFrom(1e300, -1e300, 1e-320));
const depth = fc.double({ min: 0, max: 12, noNaN: true });

function treeOf(width: number): fc.Arbitrary<Tree> {
  const { tree } = fc.letrec<{ tree: Tree; inner: Tree }>((tie) => ({
    tree: fc.oneof({ maxDepth: 5, depthSize: 'small' }, depth, tie('inner')),
    inner: fc.record({
      feature: fc.integer({ min: 0, max: width - 1 }),
      split,
      sides: fc.tuple(tie('tree'), tie('tree')),
    }),
  }));
  return fc.record({ feature: fc.integer({ min: 0, max: width - 1 }), split, sides: fc.tuple(tree, tree) });
}

const perFeature = (width: number, min: number, max: number): fc.Arbitrary<Float64Array> =>
  fc
    .array(fc.double({ min, max, noNaN: true }), { minLength: width, maxLength: width })
    .map((values) => Float64Array.from(values));

/** Forests that go into one pack, or into few: of as many trees and scalers. */
const forests = fc
  .record({
    width: fc.integer({ min: 1, max: 5 }),
    trees: fc.integer({ min: 1, max: 9 }),
    scaler: fc.integer({ min: 0, max: 2 }),
    pyod: fc.boolean(),
  })
  .chain(({ width, trees, scaler, pyod }) =>
    fc.record({
      width: fc.constant(width),
      list: fc.array(
        fc.record({
          trees: fc.array(treeOf(width), { minLength: trees, maxLength: trees }),
          by: perFeature(width, 0.01, 9),
          less: perFeature(width, -50, 50),
          constant: fc.option(depth, { nil: undefined }),
          divisor: fc.double({ min: 0.5, max: 900, noNaN: true }),
          offset: fc.double({ min: -0.9, max: 0, noNaN: true }),
          threshold: fc.double({ min: -0.5, max: 0.5, noNaN: true }),
        }),
        { minLength: 1, maxLength: 6 },
      ),
      scaler: fc.constant(scaler),
      pyod: fc.constant(pyod),
      readings: fc.array(
        fc.oneof(
          rounded,
          split,
          split.map(singleUpTo),
          fc.constantFrom(Number.NaN, Infinity, -Infinity, Number.MAX_VALUE, -Number.MAX_VALUE, -0, 5e-324),
        ),
        { minLength: width * 3, maxLength: width * 40 },
      ),
    }),
  );

test('a pack of forests gives the labels and the very scores of each, for any trees and readings', async () => {
  await fc.assert(
    fc.asyncProperty(forests, async ({ width, list, scaler, pyod, readings }) => {
      const features = NAMES.slice(0, width);
      const bytes = list.map(({ by, less, constant, threshold, ...rest }, i) =>
        forestBytes(
          {
            ...rest,
            width,
            // No two are the same model.
            offset: rest.offset - i / 997,
            scaling:
              scaler === 0
                ? []
                : scaler === 1
                  ? [
                      { op: 'Sub', values: less },
                      { op: 'Div', values: by },
                    ]
                  : [
                      { op: 'Mul', values: by },
                      { op: 'Add', values: less },
                    ],
            ...(constant === undefined ? {} : { constant }),
            ...(pyod ? { threshold } : {}),
          },
          features,
        ),
      );
      fc.pre(new Set(bytes.map(sha256Of)).size === bytes.length);
      const rows = readings.slice(0, readings.length - (readings.length % width));
      await expectEqual(threads, bytes, features, fewerForEach(bytes.length, rows, width));
    }),
    { numRuns: 40 },
  );
}, 120_000);

/** Other numbers of rows for each model: blocks are filled up. */
const fewerForEach = (models: number, rows: readonly number[], width: number): (readonly number[])[] =>
  Array.from({ length: models }, (_, i) => rows.slice(0, Math.max(width, rows.length - i * width)));

function exportedTreeOf(width: number): fc.Arbitrary<ExportedTree> {
  const feature = fc.integer({ min: 0, max: width - 1 });
  // In single precision, as skl2onnx writes them.
  const single = fc.oneof(rounded, fc.float({ min: -40, max: 40, noNaN: true }));
  const leaf = fc.record({ rows: fc.integer({ min: 1, max: 3000 }) });
  const { tree } = fc.letrec<{ tree: ExportedTree; inner: ExportedTree }>((tie) => ({
    tree: fc.oneof({ maxDepth: 5, depthSize: 'small' }, leaf, tie('inner')),
    inner: fc.record({ feature, split: single, sides: fc.tuple(tie('tree'), tie('tree')) }),
  }));
  return tree;
}

const exportedForests = fc
  .record({
    width: fc.integer({ min: 1, max: 5 }),
    trees: fc.integer({ min: 1, max: 9 }),
    scaler: fc.constantFrom(undefined, 'Scaler' as const, 'MinMaxScaler' as const),
    isByColumn: fc.boolean(),
  })
  .chain(({ width, trees, scaler, isByColumn }) =>
    fc.record({
      width: fc.constant(width),
      list: fc.array(
        fc.record({
          width: fc.constant(width),
          trees: fc.array(exportedTreeOf(width), { minLength: trees, maxLength: trees }),
          scaler: fc.constant(scaler),
          by: perFeature(width, 0.01, 9).map((values) => [...values]),
          less: perFeature(width, -50, 50).map((values) => [...values]),
          divisor: fc.double({ min: 0.5, max: 900, noNaN: true }),
          offset: fc.double({ min: 0, max: 0.9, noNaN: true }),
          isByColumn: fc.constant(isByColumn && width > 1),
        }),
        { minLength: 1, maxLength: 6 },
      ),
      readings: fc.array(
        fc.oneof(rounded, split, fc.constantFrom(Number.NaN, Infinity, -Infinity, Number.MAX_VALUE, -0, 5e-324)),
        { minLength: width * 3, maxLength: width * 40 },
      ),
    }),
  );

const hasSplit = ({ trees }: { readonly trees: readonly ExportedTree[] }): boolean =>
  trees.some((tree) => !('rows' in tree));

test('a pack of forests that skl2onnx exported gives the labels and the very scores of each', async () => {
  await fc.assert(
    fc.asyncProperty(exportedForests, async ({ width, list, readings }) => {
      const features = NAMES.slice(0, width);
      // No two are the same model.
      const bytes = list
        .filter(hasSplit)
        .map((p, i) => exportedForestBytes({ ...p, offset: p.offset + i / 997 } as ExportedParameters, features));
      fc.pre(bytes.length > 0 && new Set(bytes.map(sha256Of)).size === bytes.length);
      const rows = readings.slice(0, readings.length - (readings.length % width));
      await expectEqual(threads, bytes, features, fewerForEach(bytes.length, rows, width));
    }),
    { numRuns: 30 },
  );
}, 120_000);

const EXPORTED: ExportedParameters = {
  width: 1,
  trees: [
    { feature: 0, split: 3, sides: [{ rows: 1 }, { feature: 0, split: 9, sides: [{ rows: 2 }, { rows: 30 }] }] },
    { feature: 0, split: 4, sides: [{ rows: 2 }, { rows: 31 }] },
  ],
  divisor: 5,
  offset: 0.6,
};

test('what is not quite a forest that skl2onnx exported is left alone', () => {
  const kind = (change: (nodes: readonly OnnxNode[]) => readonly OnnxNode[], p = EXPORTED): string | undefined =>
    fusable(decodeModel(exportedForestBytes(p, ['mean'], change)))?.fuser.kind;
  expect(kind((nodes) => nodes)).toBe('isolation-forest-skl2onnx');
  expect(kind((nodes) => nodes.toReversed())).toBe('isolation-forest-skl2onnx');
  const attribute = (op: string, name: string, to: object) => (nodes: readonly OnnxNode[]) =>
    nodes.map((each) =>
      each.opType === op
        ? { ...each, attribute: each.attribute!.map((one) => (one.name === name ? { ...one, ...to } : one)) }
        : each,
    );
  const changed = (output: string, to: Partial<OnnxNode>) => (nodes: readonly OnnxNode[]) =>
    nodes.map((each) => (each.output?.[0] === output ? { ...each, ...to } : each));
  const of = 'TreeEnsembleRegressor';
  const others = {
    'a missing number that goes to the left': attribute(of, 'nodes_missing_value_tracks_true', { ints: [1, 0, 0] }),
    'a transform of the sum': attribute(of, 'post_transform', { s: Buffer.from('LOGISTIC') }),
    'several targets': attribute(of, 'n_targets', { i: 2 }),
    'another comparison': attribute(of, 'nodes_modes', { strings: ['BRANCH_LT', 'LEAF', 'LEAF'].map(Buffer.from) }),
    'a loop': attribute(of, 'nodes_truenodeids', { ints: [0, 0, 0] }),
    'another name of an attribute': attribute(of, 'nodes_hitrates', { name: 'base_values' }),
    'a leaf of which nothing is known': attribute('LabelEncoder', 'keys_int64s', { ints: [1, 7] }),
    'trees that make a depth otherwise': changed('whole_1', { opType: 'Sub' }),
    'a sum of something else': changed('sum', { input: ['depth_0', 'whole_1'] }),
    'two trees in one depth': changed('path_1', { input: ['path_list_0', 'COLUMN'] }),
    'another power': changed('odd', { input: ['ONE', 'exponent'] }),
    'another limit': changed('anomaly', { input: ['scores', 'ONE'] }),
    'labels the other way round': changed('taken', { input: ['is_anomaly', 'NORMAL'] }),
    'columns along another axis': attribute('Gather', 'axis', { i: 0 }),
  };
  for (const [name, change] of Object.entries(others)) expect({ name, kind: kind(change) }).toEqual({ name });
  const [leaf] = [{ rows: 7 }];
  expect(kind((nodes) => nodes, { ...EXPORTED, trees: [leaf, leaf] })).toBeUndefined();
});

const ONE: ForestParameters = {
  width: 1,
  trees: [
    { feature: 0, split: 3, sides: [1, { feature: 0, split: 9, sides: [2, 3.5] }] },
    { feature: 0, split: 4, sides: [2, 1] },
  ],
  divisor: 5,
  offset: -0.6,
};

/** A tree with so many distinct leaves. */
function many(leaves: number, from = 0): Tree {
  const half = leaves >> 1;
  if (half === 0) return from / 7;
  return { feature: 0, split: from + half - 0.5, sides: [many(half, from), many(leaves - half, from + half)] };
}

test('a forest may have more distinct leaves than a byte tells apart', async () => {
  const models = [255, 256, 257, 1000].flatMap((leaves) =>
    [0, 1].map((i) => forestBytes({ ...ONE, trees: [many(leaves), many(leaves, 3)], divisor: 99 + i }, ['mean'])),
  );
  const readings = Array.from({ length: 300 }, (_, i) => i * 3.5 - 20);
  await expectEqual(threads, models, ['mean'], fewerForEach(models.length, readings, 1));
});

test.each([
  ['isolation-forest', oldForests()],
  ['isolation-forest-skl2onnx', oldExports()],
])('a pack of format 2 goes on giving what its forests give alone (%s)', async (kind, models) => {
  const bytes = readFileSync(new URL(`../fixtures/packs/${kind}-2.onnx`, import.meta.url));
  expect(readPackHeader(bytes)).not.toHaveProperty('trees');
  const readings = Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 14 + (i % 37) / 3 : 0.5 + (i % 23) / 20));
  const pack = { sha256: sha256Of(bytes), bytes, kind, models: models.map(sha256Of) };
  const rows = fewerForEach(models.length, [...readings, Number.NaN, Infinity, -Infinity, Number.NaN], 2);
  await expectEqual(threads, models, OLD_FEATURES, rows, [pack]);
  await expectEqual(threads, models, OLD_FEATURES, rows);
});

test('the trees of a pack are the same wherever its bytes lie, and ONNX reads its graph', async () => {
  const models = [ONE, { ...ONE, offset: -0.5 }].map((p) => forestBytes(p, ['mean']));
  // The graph before the trees becomes longer byte by byte.
  for (let i = 0; i < 8; i++) {
    const [pack] = await packsOf(models, ['m'.repeat(i + 1)]);
    const { bytes } = pack!;
    const trees = JSON.parse(metadataOf(bytes)) as Parameters<typeof splitTrees>[1];
    const found = splitTrees(bytes, trees);
    expect(found.trees.splits).toEqual(Float32Array.of(3, 9, 4, 3, 9, 4));
    expect(found.trees.counts).toEqual(Uint16Array.of(2, 1, 2, 1));
    expect(decodeModel(bytes)).toEqual(decodeModel(found.graph));
    const elsewhere = Buffer.alloc(bytes.length + i);
    elsewhere.set(bytes, i);
    expect(splitTrees(elsewhere.subarray(i), trees).trees).toEqual(found.trees);
  }
});

const metadataOf = (bytes: Uint8Array): string =>
  decodeModel(bytes).metadataProps!.find(({ key }) => key === 'fleetscore.pack.trees')!.value!;

test('a pack whose trees are not what its index says is corrupt', async () => {
  const [pack] = await packsOf(
    [ONE, { ...ONE, offset: -0.5 }].map((p) => forestBytes(p, ['mean'])),
    ['mean'],
  );
  const { bytes } = pack!;
  const splits = bytes.findLastIndex((byte, at) => byte === 2 && bytes[at + 2] === 1 && bytes[at + 4] === 2);
  const fewer = Uint8Array.from(bytes);
  fewer[splits] = 1;
  for (const damaged of [bytes.subarray(0, 50), bytes.subarray(0, -8), fewer]) {
    const end = await threads.run({
      type: 'pack',
      file: { sha256: sha256Of(damaged), bytes: damaged },
      index: new Int32Array(new SharedArrayBuffer(4)),
      values: sharedDoubles([1]),
      marks: newMarks(),
      ...answer(1),
    });
    expect(end).toMatchObject({ reply: { problem: { class: 'model_corrupt' } } });
  }
});

test('the greatest single that is not above a number is found on both sides of zero', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const found = singleUpTo(value);
      expect(Math.fround(found)).toBe(found);
      expect(found).toBeLessThanOrEqual(value);
      // For singles alone both part the numbers alike.
      for (const x of [found, Math.fround(value), Math.fround(value * 1.0000001), Infinity, -Infinity])
        expect(x <= found).toBe(x <= value);
    }),
  );
  expect([singleUpTo(1e300), singleUpTo(-1e300), singleUpTo(-1e-60)]).toEqual([
    2 ** 128 - 2 ** 104,
    -Infinity,
    -(2 ** -149),
  ]);
});

test('what is not quite a forest of this form is left alone', () => {
  const kind = (change: (nodes: readonly OnnxNode[]) => readonly OnnxNode[], p = ONE): string | undefined =>
    fusable(decodeModel(forestBytes(p, ['mean'], change)))?.fuser.kind;
  expect(kind((nodes) => nodes)).toBe('isolation-forest');
  const attribute = (name: string, to: object) => (nodes: readonly OnnxNode[]) =>
    nodes.map((each) =>
      each.opType === 'TreeEnsemble'
        ? { ...each, attribute: each.attribute!.map((one) => (one.name === name ? { ...one, ...to } : one)) }
        : each,
    );
  const others = {
    'a mean of the trees': attribute('aggregate_function', { i: 0 }),
    'a transform of the sum': attribute('post_transform', { i: 1 }),
    'several targets': attribute('leaf_targetids', { ints: [0, 0, 1, 0, 0] }),
    'a loop': attribute('nodes_falsenodeids', { ints: [0, 2, 1] }),
    'a node that is not there': attribute('nodes_falsenodeids', { ints: [7, 2, 4] }),
    'a feature that is not there': attribute('nodes_featureids', { ints: [0, 1, 0] }),
    'a root that is not there': attribute('tree_roots', { ints: [0, 3] }),
    'another name of an attribute': attribute('nodes_featureids', { name: 'nodes_hitrates' }),
    'an operator left out': (nodes: readonly OnnxNode[]) => nodes.filter(({ opType }) => opType !== 'Neg'),
    'another comparison': (nodes: readonly OnnxNode[]) =>
      nodes.map((each) => (each.opType === 'Less' ? { ...each, opType: 'LessOrEqual' } : each)),
  };
  for (const [name, change] of Object.entries(others)) expect({ name, kind: kind(change) }).toEqual({ name });
  expect(kind((nodes) => nodes, { ...ONE, trees: [{ feature: 0, split: Number.NaN, sides: [1, 2] }] })).toBeUndefined();
});

test('forests of other shapes come into other packs, and a pack that has no room is followed by another', async () => {
  const of = (p: Partial<ForestParameters>): Uint8Array => forestBytes({ ...ONE, ...p }, ['mean']);
  const list = [0, 1, 2, 3, 4].map((i) => of({ offset: -0.1 * i }));
  const [, flat] = ONE.trees as [Tree, Tree];
  const others = [
    of({ trees: [flat, many(300)] }),
    of({ trees: [flat] }),
    of({ threshold: 0.2 }),
    of({ trees: [flat], offset: -0.2 }),
  ];
  expect((await packsOf([...list, ...others], ['mean'])).map(({ models }) => models.length)).toEqual([5, 1, 2, 1]);
  expect((await packsOf(list, ['mean'], { maxRows: 2 })).map(({ models }) => models.length)).toEqual([2, 2, 1]);
  // 33 bytes: three splits of 4, five leaves, two shapes, twice 2 for the trees, 3 x 2 + 4 for the distinct leaves.
  expect((await packsOf(list, ['mean'], { maxBytes: 33 * 3 - 1 })).map(({ models }) => models.length)).toEqual([
    2, 2, 1,
  ]);
  const again = await packsOf(list, ['mean']);
  expect(again.map(({ sha256 }) => sha256)).toEqual((await packsOf(list, ['mean'])).map(({ sha256 }) => sha256));
});
