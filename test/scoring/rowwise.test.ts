/** Packs of models whose operators take each row by itself say what the models say alone, bit for bit. */
import fc from 'fast-check';
import { decodeModel, node, type OnnxNode } from '../../scoring/onnx-proto.ts';
import { fusable } from '../../scoring/packs/kinds.ts';
import { sha256Of } from './fleet.ts';
import { expectEqual, packsOf } from './packing.ts';
import { drawFrom, KINDS, rowwiseBytes } from './rowwise-models.ts';
import { oneThread } from './run-singles.ts';

const threads = oneThread();
afterAll(() => threads.close());

const NAMES = ['mean', 'min', 'max', 'last', 'mean[-1]'];

const reading = fc.oneof(
  fc.integer({ min: -300, max: 300 }).map((i) => i / 10),
  fc.integer({ min: -60, max: 60 }).map((i) => i / 2),
  fc.double({ min: -40, max: 40, noNaN: true }),
  fc.constantFrom(1e300, -1e300, 0, -0, 5e-324),
);

test.each(Object.keys(KINDS))(
  '%s',
  async (kind) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 1, max: 7 }),
        fc.array(reading, { minLength: 10, maxLength: 120 }),
        async (width, seed, models, readings) => {
          const features = NAMES.slice(0, width);
          const bytes = Array.from({ length: models }, (_, i) => rowwiseBytes(kind, drawFrom(seed + i), features));
          fc.pre(new Set(bytes.map(sha256Of)).size === bytes.length);
          const rows = readings.slice(0, readings.length - (readings.length % width));
          const values = bytes.map((_, i) => rows.slice(0, Math.max(width, rows.length - i * width)));
          await expectEqual(threads, bytes, features, values);
        },
      ),
      { numRuns: 10 },
    );
  },
  120_000,
);

test('an operator that mixes rows, or is of another form, makes a model that runs by itself', () => {
  const kind = (change: (nodes: readonly OnnxNode[]) => readonly OnnxNode[]): string | undefined =>
    fusable(decodeModel(rowwiseBytes('a mixture', drawFrom(1), ['mean', 'max'], change)))?.fuser.kind;
  const instead = (op: string, by: OnnxNode) => (nodes: readonly OnnxNode[]) =>
    nodes.map((each) => (each.opType === op ? by : each));
  expect(kind((nodes) => nodes)).toBe('rowwise');
  const others = {
    'the most of all rows': instead('ReduceMax', node('ReduceMax', ['logs'], ['most'], { axes: [0], keepdims: 1 })),
    'a sum of no order': instead('MatMul', node('ReduceSum', ['shares'], ['sum'], { keepdims: 1 })),
    'rows one after the other': instead('Exp', node('CumSum', ['less', 'zero'], ['shares'])),
    'another domain': instead('Exp', { ...node('Exp', ['less'], ['shares']), domain: 'com.example' }),
    'a value that is not there': instead('Exp', node('Exp', ['nothing'], ['shares'])),
  };
  for (const [name, change] of Object.entries(others)) expect({ name, kind: kind(change) }).toEqual({ name });
});

test('models that differ in more than their constants come into packs of their own', async () => {
  const of = (kind: string, seed: number): Uint8Array => rowwiseBytes(kind, drawFrom(seed), ['mean']);
  const [kernel, mixture] = ['a kernel of products', 'a mixture'];
  const models = [of(kernel, 5), of(mixture, 6), of(kernel, 7), of(mixture, 8)];
  expect((await packsOf(models, ['mean'])).map((pack) => pack.models.length)).toEqual([2, 2]);
});
