/** What publishing says of models that others exported, of forms that are not taken: each with its reason and a way. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  DATA_TYPE,
  doubleTensor,
  encodeModel,
  int64Tensor,
  node,
  type OnnxGraph,
  type OnnxNode,
  tensorInfo,
} from '../../scoring/onnx-proto.ts';
import { normalLabels, readLabelMeaning } from '../../scoring/model-metadata.ts';
import { newMarks } from '../../scoring/thread-protocol.ts';
import { createThreads } from '../../scoring/threads.ts';
import { tempDir } from '../support/temp.ts';
import { modelOf, plainBytes } from './models.ts';

const FLOAT16 = 10;
const dir = tempDir('check-model');
const threads = createThreads({
  threads: 1,
  timeoutMs: 60_000,
  maxModelBytes: 100_000,
  maxCacheBytes: 1_000_000,
  executionProvider: 'cpu',
});
let files = 0;
afterAll(() => threads.close());

async function check(bytes: Uint8Array): Promise<string> {
  const path = join(dir, `${++files}.onnx`);
  writeFileSync(path, bytes);
  const end = await threads.run({ type: 'check', files: [{ path, declared: {} }], marks: newMarks() });
  if (end.type !== 'reply') return `the thread ended: ${end.type}`;
  const [result] = end.reply.results;
  return 'problem' in result! ? result.problem.message : 'taken';
}

const double = (name: string, columns: number | string = 1): ReturnType<typeof tensorInfo> =>
  tensorInfo(name, DATA_TYPE.double, ['N', columns]);
const label = tensorInfo('label', DATA_TYPE.int64, ['N', 1]);
const verdict = [node('Less', ['scores', 'zero'], ['odd']), node('Where', ['odd', 'bad', 'good'], ['label'])];
const constants = [
  doubleTensor('zero', [1], Float64Array.of(0)),
  int64Tensor('good', [1], [1]),
  int64Tensor('bad', [1], [-1]),
];

/** score = what `nodes` make of `input`; the label is -1 below 0. */
const scored = (
  nodes: readonly OnnxNode[],
  { input, output, domain }: Pick<OnnxGraph, 'input' | 'output'> & { readonly domain?: string } = {},
): Uint8Array =>
  encodeModel({
    ...modelOf({
      node: [...nodes, ...verdict],
      initializer: constants,
      input: input ?? [double('input')],
      output: output ?? [label, double('scores')],
    }),
    opsetImport: [{ version: 17 }, ...(domain === undefined ? [] : [{ domain, version: 1 }])],
  });

test('a score that depends on the rows beside it is refused: batches of other sizes would give others', async () => {
  const quantized = scored([
    node('Cast', ['input'], ['single'], { to: DATA_TYPE.float }),
    node('DynamicQuantizeLinear', ['single'], ['bytes', 'scale', 'point']),
    node('DequantizeLinear', ['bytes', 'scale', 'point'], ['rounded']),
    node('Cast', ['rounded'], ['scores'], { to: DATA_TYPE.double }),
  ]);
  expect(await check(quantized)).toMatch(
    /score of a row depends on the rows beside it: the input 20 gives 20 alone and 0 beside .*quantize_static/,
  );
  const centred = scored([
    node('ReduceMean', ['input'], ['mean'], { axes: [0], keepdims: 1 }),
    node('Sub', ['input', 'mean'], ['scores']),
  ]);
  expect(await check(centred)).toMatch(/depends on the rows beside it.*means and deviations of its training/);
  expect(await check(plainBytes(50))).toBe('taken');
});

test('a label whose declared shape is that of an example row is taken as what it is when it runs', async () => {
  const rows = tensorInfo('label', DATA_TYPE.int64, [1]);
  expect(await check(scored([node('Identity', ['input'], ['scores'])], { output: [rows, double('scores')] }))).toBe(
    'taken',
  );
});

const score = node('Identity', ['input'], ['scores']);

/** The label is 1 below 0 and 0 else, as `type`; `meaning` is what its metadata says of it. */
const declared = (meaning: string, type: number = DATA_TYPE.bool): Uint8Array =>
  encodeModel({
    ...modelOf({
      node: [score, node('Less', ['scores', 'zero'], ['odd']), node('Cast', ['odd'], ['label'], { to: type })],
      initializer: [constants[0]!],
      input: [double('input')],
      output: [tensorInfo('label', type, ['N', 1]), double('scores')],
    }),
    metadataProps: [{ key: 'fleetscore.label', value: meaning }],
  });

test('a meaning of labels that none of them has is refused, and True is what Python calls true', async () => {
  const taken = ['anomaly=true', 'anomaly=True', 'normal=FALSE', 'anomaly=1'];
  expect(await Promise.all(taken.map((meaning) => check(declared(meaning))))).toEqual(taken.map(() => 'taken'));
  const read = (meaning: string): boolean[] => [true, false].map(normalLabels(readLabelMeaning(meaning)));
  expect(taken.map(read)).toEqual(taken.map(() => [false, true]));
  const refused = await Promise.all([
    check(declared('anomaly=7', DATA_TYPE.int64)),
    check(declared('anomaly=fault')),
    check(declared('normal=ok', DATA_TYPE.int64)),
  ]);
  expect(refused[0]).toMatch(
    /its label is 0 and 1 for the inputs .* and never 7, of which fleetscore.label = anomaly=7/,
  );
  expect(refused[1]).toMatch(/and never fault, of which .*; name one of them/);
  expect(refused[2]).toMatch(/and never ok/);
});

test('a model that calls all probes normal is taken where models convert wrote it, and else asked for', async () => {
  const bounded = modelOf({
    node: [node('Clip', ['input', 'zero', 'zero'], ['scores']), ...verdict],
    initializer: [doubleTensor('zero', [], Float64Array.of(0)), ...constants.slice(1)],
    input: [double('input')],
    output: [label, double('scores')],
  });
  expect(await check(encodeModel({ ...bounded, producerName: 'fleetscore' }))).toBe('taken');
  expect(await check(encodeModel(bounded))).toMatch(/its label is 1 for the inputs .* and never -1/);
});

test('the score_samples of a mixture are its score, and the number of its component is no label', async () => {
  const mixture = encodeModel(
    modelOf({
      node: [
        node('Identity', ['input'], ['score_samples']),
        node('Concat', ['input', 'input'], ['probabilities'], { axis: 1 }),
        node('ArgMax', ['probabilities'], ['label'], { axis: 1, keepdims: 1 }),
      ],
      input: [double('input')],
      output: [label, double('probabilities', 2), double('score_samples')],
    }),
  );
  expect(await check(mixture)).toBe('taken');
});

test.each<[string, Uint8Array, RegExp]>([
  [
    'half precision',
    scored([score], { input: [tensorInfo('input', FLOAT16, ['N', 1])] }),
    /the input input takes float16; export the model with float32 inputs .*keep_io_types=True/,
  ],
  [
    'whole numbers',
    scored([score], { input: [tensorInfo('input', DATA_TYPE.int64, ['N', 1])] }),
    /the input input takes int64; export the model with float32 inputs/,
  ],
  [
    'probabilities of classes',
    encodeModel(
      modelOf({
        node: [node('Identity', ['input'], ['probabilities'])],
        input: [double('input')],
        output: [double('probabilities', 2)],
      }),
    ),
    /probabilities of classes: give out the one of the anomalies as scores \(docs\/models\.md, Classifiers\)/,
  ],
  [
    'distances to centres',
    scored([score], { output: [label, double('scores', 3)] }),
    /has 3 values for each row; the least of them counts.*fleetscore\.score = least/,
  ],
  [
    'inputs by names of their own',
    scored([node('Add', ['temp_mean', 'temp_min'], ['scores'])], { input: [double('temp_mean'), double('temp_min')] }),
    /it has 2 inputs, and 1 feature is known \(mean\); say which feature of a window each one takes, with --features/,
  ],
  [
    'an operator of a library of its own',
    scored([{ ...score, domain: 'com.acme', opType: 'Mine' }], { domain: 'com.acme' }),
    /onnxruntime cannot load it.*export the model with standard ones/,
  ],
  [
    'a regressor',
    encodeModel(
      modelOf({
        node: [node('Identity', ['input'], ['variable'])],
        input: [double('input')],
        output: [double('variable')],
      }),
    ),
    /but variable, as regressors have: put what it is wrong by around it \(docs\/models\.md, Residuals\)/,
  ],
  ['a zip file', Buffer.from('PK\x03\x04'), /a zip file, not an ONNX file; unpack it/],
  ['a gzip file', Buffer.of(0x1f, 0x8b, 8, 0), /compressed with gzip; unpack it/],
  ['a pickle', Buffer.of(0x80, 4, 0x95), /a pickle, not an ONNX file; hand it to fleetscore models convert/],
  [
    'a pointer of Git LFS',
    Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n'),
    /a pointer of Git LFS, not the model itself; fetch the models with git lfs pull/,
  ],
])('%s: refused with the reason and a way', async (_, bytes, message) => {
  expect(await check(bytes)).toMatch(message);
});
