/** Models for tests, good and bad, written with the product's own ONNX writer. */
import {
  DATA_TYPE,
  doubleTensor,
  encodeModel,
  int64Tensor,
  node,
  type OnnxGraph,
  type OnnxModel,
  type OnnxTensor,
  tensorInfo,
} from '../../scoring/onnx-proto.ts';
import { type ScalerOcsvmRbf, scalerOcsvmRbfModel } from '../../scoring/packs/scaler-ocsvm-rbf.ts';

/** A one-class SVM around `center`: normal within about one unit of it. */
export function svm(center: number, features: readonly string[] = ['mean'], supportVectors = 1): ScalerOcsvmRbf {
  const width = features.length;
  return {
    mean: new Float64Array(width).fill(center),
    scale: new Float64Array(width).fill(1),
    supportVectors: Float64Array.from({ length: supportVectors * width }, (_, i) => ((i % 3) - 1) * 0.01),
    negGamma: -1,
    dualCoef: new Float64Array(supportVectors).fill(1 / supportVectors),
    intercept: -0.4,
  };
}

export const svmBytes = (center: number, features: readonly string[] = ['mean'], supportVectors = 1): Uint8Array =>
  encodeModel(scalerOcsvmRbfModel(svm(center, features, supportVectors), features));

/** A model around any graph. */
export function modelOf(graph: OnnxGraph, features?: readonly string[]): OnnxModel {
  return {
    irVersion: 8,
    opsetImport: [{ version: 17 }],
    graph: { name: 'test', ...graph },
    ...(features ? { metadataProps: [{ key: 'fleetscore.features', value: JSON.stringify(features) }] } : {}),
  };
}

const label = tensorInfo('label', DATA_TYPE.int64, ['N', 1]);
const scores = tensorInfo('scores', DATA_TYPE.double, ['N', 1]);
const input = tensorInfo('input', DATA_TYPE.double, ['N', 1]);
const scalar = (name: string, value: number): OnnxTensor => doubleTensor(name, [], Float64Array.of(value));
const LABELS: readonly OnnxTensor[] = [
  int64Tensor('normal', [1], [1]),
  int64Tensor('bad', [1], [-1]),
  scalar('zero', 0),
];
const labelNodes = [node('Greater', ['scores', 'zero'], ['good']), node('Where', ['good', 'normal', 'bad'], ['label'])];

/** Not a kind that is packed: score = limit - input, so values at `limit` and above are anomalies. */
export const plainBytes = (limit: number): Uint8Array =>
  encodeModel(
    modelOf({
      node: [node('Sub', ['limit', 'input'], ['scores']), ...labelNodes],
      initializer: [scalar('limit', limit), ...LABELS],
      input: [input],
      output: [label, scores],
    }),
  );

/**
 * As ML.NET writes classifiers: label 1 for inputs above `limit`, and a Binarizer, which refuses NaN. `meaning`: what
 * it declares.
 */
export function binarizerBytes(limit: number, meaning?: string): Uint8Array {
  const model = modelOf({
    node: [
      node('Sub', ['input', 'limit'], ['scores']),
      node('Cast', ['scores'], ['single'], { to: DATA_TYPE.float }),
      { ...node('Binarizer', ['single'], ['is_above']), domain: 'ai.onnx.ml' },
      node('Cast', ['is_above'], ['label'], { to: DATA_TYPE.int64 }),
    ],
    initializer: [scalar('limit', limit)],
    input: [input],
    output: [label, scores],
  });
  return encodeModel({
    ...model,
    opsetImport: [{ version: 17 }, { domain: 'ai.onnx.ml', version: 3 }],
    ...(meaning === undefined ? {} : { metadataProps: [{ key: 'fleetscore.label', value: meaning }] }),
  });
}

/** Runs for a time that grows with `rounds`, for inputs above 100 only: it passes its check and hangs on data. */
export const slowBytes = (rounds: number, above = 100): Uint8Array => {
  const body: OnnxGraph = {
    name: 'body',
    node: [node('Identity', ['go'], ['go_on']), node('Sin', ['x'], ['x_next'])],
    input: [
      tensorInfo('i', DATA_TYPE.int64, []),
      tensorInfo('go', DATA_TYPE.bool, []),
      tensorInfo('x', DATA_TYPE.double, ['N', 1]),
    ],
    output: [tensorInfo('go_on', DATA_TYPE.bool, []), tensorInfo('x_next', DATA_TYPE.double, ['N', 1])],
  };
  const ATTRIBUTE_GRAPH = 5;
  return encodeModel(
    modelOf({
      node: [
        node('ReduceMax', ['input'], ['largest'], { keepdims: 0 }),
        node('Greater', ['largest', 'above'], ['is_above']),
        node('Where', ['is_above', 'many', 'one'], ['rounds']),
        {
          ...node('Loop', ['rounds', '', 'input'], ['looped']),
          attribute: [{ name: 'body', type: ATTRIBUTE_GRAPH, g: body }],
        },
        node('Sub', ['limit', 'input'], ['scores']),
        ...labelNodes,
      ],
      initializer: [
        scalar('above', above),
        int64Tensor('many', [], [rounds]),
        int64Tensor('one', [], [1]),
        scalar('limit', 50),
        ...LABELS,
      ],
      input: [input],
      output: [label, scores],
    }),
  );
};

/** Takes `mib` MiB while it runs, for inputs above 100 only: it passes its check and is hungry on data. */
export const hungryBytes = (mib: number, above = 100): Uint8Array =>
  encodeModel(
    modelOf({
      node: [
        node('ReduceMax', ['input'], ['largest'], { keepdims: 0 }),
        node('Greater', ['largest', 'above'], ['is_above']),
        node('Where', ['is_above', 'many', 'one'], ['shape']),
        node('Expand', ['zero', 'shape'], ['big']),
        node('Sin', ['big'], ['bigger']),
        node('ReduceSum', ['bigger'], ['sum'], { keepdims: 0 }),
        node('Sub', ['limit', 'input'], ['plain']),
        node('Add', ['plain', 'sum'], ['scores']),
        ...labelNodes,
      ],
      initializer: [
        scalar('above', above),
        int64Tensor('many', [1], [(mib * 1024 * 1024) / 8]),
        int64Tensor('one', [1], [1]),
        scalar('limit', 50),
        ...LABELS,
      ],
      input: [input],
      output: [label, scores],
    }),
  );

/** Bad models by name, each with the class it must be refused with. */
export function poison(maxBytes: number): Record<string, { readonly bytes: Uint8Array; readonly class: string }> {
  const good = plainBytes(50);
  const graph = (change: Partial<OnnxGraph>): Uint8Array =>
    encodeModel(
      modelOf({
        node: [node('Sub', ['limit', 'input'], ['scores']), ...labelNodes],
        initializer: [scalar('limit', 50), ...LABELS],
        input: [input],
        output: [label, scores],
        ...change,
      }),
    );
  const external: OnnxTensor = {
    name: 'limit',
    dataType: DATA_TYPE.double,
    dims: [1],
    dataLocation: 1,
    externalData: [{ key: 'location', value: '/etc/hostname' }],
  };
  return {
    empty: { bytes: new Uint8Array(0), class: 'model_corrupt' },
    truncated: { bytes: good.slice(0, good.length >> 1), class: 'model_corrupt' },
    text: { bytes: Buffer.from('this is not a model, it is a sentence\n'), class: 'model_corrupt' },
    pickle: {
      bytes: Buffer.from('800363736b6c6561726e2e706970656c696e650a506970656c696e650a', 'hex'),
      class: 'model_corrupt',
    },
    huge: { bytes: new Uint8Array(maxBytes + 1), class: 'model_too_large' },
    'two features, one declared': {
      bytes: graph({ input: [tensorInfo('input', DATA_TYPE.double, ['N', 2])] }),
      class: 'model_wrong_shape',
    },
    'fixed rows': {
      bytes: graph({ input: [tensorInfo('input', DATA_TYPE.double, [1, 1])] }),
      class: 'model_wrong_shape',
    },
    'integer input': {
      bytes: graph({
        input: [tensorInfo('input', DATA_TYPE.int64, ['N', 1])],
        initializer: [int64Tensor('limit', [], [5]), ...LABELS.slice(0, 2), int64Tensor('zero', [], [0])],
        output: [label, tensorInfo('scores', DATA_TYPE.int64, ['N', 1])],
      }),
      class: 'model_wrong_shape',
    },
    'no label': { bytes: graph({ output: [scores] }), class: 'model_wrong_shape' },
    'two inputs': {
      bytes: graph({ input: [input, tensorInfo('limit', DATA_TYPE.double, ['N', 1])], initializer: LABELS }),
      class: 'model_wrong_shape',
    },
    'one score for all rows': {
      bytes: graph({
        node: [
          node('ReduceSum', ['input'], ['sum'], { keepdims: 0 }),
          node('Sub', ['limit', 'sum'], ['scores']),
          ...labelNodes,
        ],
        output: [tensorInfo('label', DATA_TYPE.int64, ['M']), tensorInfo('scores', DATA_TYPE.double, ['K'])],
      }),
      class: 'model_wrong_shape',
    },
    'never a number': { bytes: graph({ initializer: [scalar('limit', Number.NaN), ...LABELS] }), class: 'not_finite' },
    'fails when it runs': {
      bytes: graph({
        node: [
          node('Gather', ['input', 'column'], ['gathered'], { axis: 1 }),
          node('Sub', ['limit', 'gathered'], ['scores']),
          ...labelNodes,
        ],
        initializer: [int64Tensor('column', [1], [5]), scalar('limit', 50), ...LABELS],
      }),
      class: 'model_failed',
    },
    'weights elsewhere': { bytes: graph({ initializer: [external, ...LABELS] }), class: 'model_wrong_shape' },
    'weights elsewhere, in a constant': {
      bytes: graph({
        node: [
          { ...node('Constant', [], ['limit']), attribute: [{ name: 'value', type: 4, t: external }] },
          node('Sub', ['limit', 'input'], ['scores']),
          ...labelNodes,
        ],
        initializer: LABELS,
      }),
      class: 'model_wrong_shape',
    },
    'unknown operator': {
      bytes: graph({ node: [node('Frobnicate', ['limit', 'input'], ['scores']), ...labelNodes] }),
      class: 'model_corrupt',
    },
    'unknown feature': {
      bytes: encodeModel(
        modelOf(
          {
            node: [node('Sub', ['limit', 'input'], ['scores']), ...labelNodes],
            initializer: [scalar('limit', 50), ...LABELS],
            input: [input],
            output: [label, scores],
          },
          ['median'],
        ),
      ),
      class: 'model_wrong_shape',
    },
  };
}
