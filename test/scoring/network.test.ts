/** Packs of dense networks say what the networks say alone, bit for bit, also in single precision. */
import fc from 'fast-check';
import { decodeModel, node, type OnnxNode } from '../../scoring/onnx-proto.ts';
import { fusable } from '../../scoring/packs/kinds.ts';
import { sha256Of } from './fleet.ts';
import { type NetworkForm, networkBytes } from './network-models.ts';
import { expectEqual, packsOf } from './packing.ts';
import { drawFrom } from './rowwise-models.ts';
import { oneThread } from './run-singles.ts';

const threads = oneThread();
afterAll(() => threads.close());

const NAMES = ['mean', 'min', 'max', 'last', 'count', 'min[-1]', 'last[-1]', 'min[-2]'];
const LAGGED = ['mean', 'max', 'last'];
const namesOf = (width: number): string[] =>
  Array.from({ length: width }, (_, at) => NAMES[at] ?? `${LAGGED[at % 3]!}[-${Math.floor(at / 3) + 1}]`);

const ACTIVATIONS = 'Relu Tanh Sigmoid Elu Selu LeakyRelu Softplus Gelu Mish HardSwish Softsign'.split(' ');
/** Those that are in opset 15. */
const OLD = ACTIVATIONS.filter((name) => name !== 'Gelu' && name !== 'Mish');

const forms: fc.Arbitrary<NetworkForm> = fc
  .record({
    width: fc.oneof(fc.integer({ min: 1, max: 7 }), fc.constantFrom(12, 128)),
    hidden: fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(16, 33, 128)), {
      minLength: 1,
      maxLength: 3,
    }),
    exporter: fc.constantFrom('dynamo', 'torchscript', 'keras'),
    activation: fc.integer({ min: 0, max: 100 }),
    isDouble: fc.integer({ min: 0, max: 3 }).map((i) => i === 0),
    isFlat: fc.boolean(),
    isScaled: fc.boolean(),
    label: fc.constantFrom('scikit-learn', 'outlier', 'boolean', undefined),
  })
  .map(({ width, hidden, activation, label, isDouble, ...rest }) => {
    const known = rest.exporter === 'keras' ? OLD : ACTIVATIONS;
    return {
      ...rest,
      isDouble,
      // onnxruntime has some activations in single precision alone.
      activation: isDouble ? ['Relu', 'Tanh', 'Sigmoid'][activation % 3]! : known[activation % known.length]!,
      layers: [width, ...hidden, width],
      ...(label ? { label } : {}),
    };
  });

const usual = fc.oneof(
  fc.integer({ min: -30, max: 30 }).map((i) => i / 10),
  fc.integer({ min: -6, max: 6 }).map((i) => i / 2),
  fc.double({ min: -4, max: 4, noNaN: true }),
);
/** Rare: whatever they meet in a sum is lost. */
const far = fc.constantFrom(1e300, -1e6, 0, -0, 5e-324, Number.NaN, Number.POSITIVE_INFINITY);
const reading = fc.oneof({ weight: 200, arbitrary: usual }, { weight: 1, arbitrary: far });

test('packs of networks of every form give the labels and the very scores of each, for any readings', async () => {
  await fc.assert(
    fc.asyncProperty(
      forms,
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(reading, { minLength: 130, maxLength: 300 }),
      async (form, seed, models, readings) => {
        const width = form.layers[0]!;
        const features = namesOf(width);
        const bytes = Array.from({ length: models }, (_, i) => networkBytes(form, drawFrom(seed + i), features));
        const rows = readings.slice(0, readings.length - (readings.length % width));
        // Other numbers of rows for each: one alone, and blocks that are full or not.
        const values = bytes.map((_, i) =>
          rows.slice(0, i === 1 ? width : Math.max(width, rows.length - i * 5 * width)),
        );
        expect(await packsOf(bytes, features)).toHaveLength(1);
        await expectEqual(threads, bytes, features, values);
      },
    ),
    { numRuns: 20 },
  );
}, 120_000);

const FORM: NetworkForm = {
  layers: [3, 2, 3],
  activation: 'Tanh',
  exporter: 'dynamo',
  isDouble: false,
  isFlat: false,
  isScaled: false,
  label: 'scikit-learn',
};

test.each([1, 3, 15, 16, 33])('so do %d rows of each of many networks', async (rows) => {
  const form: NetworkForm = { ...FORM, layers: [20, 5, 1, 33, 20], isFlat: rows === 3 };
  const features = namesOf(20);
  const bytes = Array.from({ length: 20 }, (_, i) => networkBytes(form, drawFrom(i + 1), features));
  const draw = drawFrom(77);
  const values = bytes.map(() => Array.from({ length: rows * 20 }, () => 3 * draw()));
  await expectEqual(threads, bytes, features, values);
});

test('networks of other structures come into other packs, whatever the order and names of parts', async () => {
  const of = (seed: number, form: Partial<NetworkForm> = {}): Uint8Array =>
    networkBytes({ ...FORM, ...form }, drawFrom(seed), NAMES.slice(0, 3));
  const ordered = networkBytes(FORM, drawFrom(9), NAMES.slice(0, 3), (nodes) => [...nodes].reverse());
  const models = [of(1), of(2, { activation: 'Relu' }), of(3), of(4, { layers: [3, 4, 3] }), ordered];
  const keras = [of(5, { exporter: 'keras' }), of(6, { exporter: 'keras' })];
  const packs = await packsOf([...models, ...keras], NAMES.slice(0, 3));
  expect(packs.map((pack) => pack.models)).toEqual([
    [models[0]!, models[2]!, ordered].map(sha256Of),
    [sha256Of(models[1]!)],
    [sha256Of(models[3]!)],
    keras.map(sha256Of),
  ]);
});

test('a network that mixes rows, or that onnxruntime would add up in another order, runs by itself', () => {
  const kind = (form: NetworkForm, change?: (nodes: readonly OnnxNode[]) => readonly OnnxNode[]): string | undefined =>
    fusable(decodeModel(networkBytes(form, drawFrom(1), namesOf(form.layers[0]!), change)))?.fuser.kind;
  const instead = (op: string, by: (found: OnnxNode) => OnnxNode) => (nodes: readonly OnnxNode[]) =>
    nodes.map((each) => (each.opType === op ? by(each) : each));
  expect(kind(FORM)).toBe('network');
  // More terms than onnxruntime adds in one go.
  expect(kind({ ...FORM, layers: [128, 3, 128] })).toBe('network');
  expect(kind({ ...FORM, layers: [129, 3, 129] })).toBeUndefined();
  const others = {
    'a mean over all rows': instead('ReduceMean', (found) => node('ReduceMean', [found.input![0]!], found.output!)),
    'shares of a row': instead('Tanh', (found) => node('Softmax', found.input!, found.output!, { axis: 0 })),
    'transposed rows': instead('Tanh', (found) => node('Transpose', found.input!, found.output!)),
    'another domain': instead('Tanh', (found) => ({ ...found, domain: 'com.microsoft' })),
    'weights of the row': instead('Gemm', (found) =>
      node('MatMul', [found.input![0]!, found.input![0]!], found.output!),
    ),
    'two outputs': instead('Tanh', (found) => ({ ...found, output: [...found.output!, 'more'] })),
  };
  for (const [name, change] of Object.entries(others)) expect({ name, kind: kind(FORM, change) }).toEqual({ name });
});
