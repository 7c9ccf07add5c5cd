/**
 * StandardScaler and OneClassSVM with RBF kernel, as the converter writes them (scoring/python/onnx_model.py):
 * z = (x - mean) / scale; score = sum(dual * exp(-gamma * |z - sv|^2)) + intercept; normal when score > 0.
 * The pack computes with the same operators in the same order, for the rows of a model at once, so that its parameters
 * are gathered once: even the last bit agrees, which readings that equal a support vector need. The squares of several
 * features are added one after the other: the order in which onnxruntime's ReduceSum adds them depends on where the row
 * lies in memory, so a model with it would not agree even with itself.
 */
import {
  DATA_TYPE,
  dimsOf,
  doubleTensor,
  int64Tensor,
  node,
  type OnnxGraph,
  type OnnxModel,
  tensorInfo,
} from '../onnx-proto.ts';
import type { Fuser } from './fuser.ts';
import { finiteDoubles, type GraphPattern, inputWidth, matchGraph, type Step } from './match-graph.ts';
import { normalAboveZero, PACK_PORTS, packPorts } from './pack-format.ts';
import { rowTable } from './row-table.ts';
import { paddedSize } from './sizes.ts';

export interface ScalerOcsvmRbf {
  /** [F] */
  readonly mean: Float64Array;
  /** [F] */
  readonly scale: Float64Array;
  /** [K, F], in units of z. */
  readonly supportVectors: Float64Array;
  /** -gamma, below 0. */
  readonly negGamma: number;
  /** [K] */
  readonly dualCoef: Float64Array;
  readonly intercept: number;
}

export const SCALER_OCSVM_RBF = 'scaler+ocsvm-rbf';

/** A row with more doubles of support vectors gains nothing from a pack. */
const MAX_VALUES = 4096;
/** The graph has operators for each feature. */
const MAX_FEATURES = 64;
/**
 * Up to so many support vectors the rows of a model are the last axis, so that operators which broadcast go through 16
 * rows at once, not through a few vectors. onnxruntime's product of matrices adds in one go over 128 terms whatever
 * their shape, and in parts over more, which would show in the last bit.
 */
const MOST_VECTORS_ACROSS = 128;

/** The graph of a model with `width` features. */
function pattern(width: number): GraphPattern {
  const before: Step[] = [
    { op: 'Sub', operands: ['input', { parameter: 'mean' }] },
    { op: 'Div', operands: [{ step: 0 }, { parameter: 'scale' }] },
    { op: 'Unsqueeze', operands: [{ step: 1 }, { int64: 1 }] },
    { op: 'Sub', operands: [{ step: 2 }, { parameter: 'support_vectors' }] },
    { op: 'Mul', operands: [{ step: 3 }, { step: 3 }] },
  ];
  const distances: Step[] =
    width === 1
      ? [{ op: 'ReduceSum', operands: [{ step: 4 }, { int64: 2 }], attributes: { keepdims: 0 } }]
      : [
          ...range(width).map((f): Step => ({
            op: 'Gather',
            operands: [{ step: 4 }, { index: f }],
            attributes: { axis: 2 },
          })),
          ...range(width - 1).map((f): Step => ({
            op: 'Add',
            operands: [{ step: f === 0 ? 5 : 4 + width + f }, { step: 6 + f }],
          })),
        ];
  const at = before.length + distances.length;
  return {
    inputType: DATA_TYPE.double,
    scores: at + 3,
    label: at + 5,
    steps: [
      ...before,
      ...distances,
      { op: 'Mul', operands: [{ step: at - 1 }, { parameter: 'neg_gamma' }] },
      { op: 'Exp', operands: [{ step: at }] },
      { op: 'MatMul', operands: [{ step: at + 1 }, { parameter: 'dual_coef' }] },
      { op: 'Add', operands: [{ step: at + 2 }, { parameter: 'intercept' }] },
      { op: 'Greater', operands: [{ step: at + 3 }, { double: 0 }] },
      { op: 'Where', operands: [{ step: at + 4 }, { int64: 1 }, { int64: -1 }] },
    ],
  };
}

const range = (count: number): readonly number[] => Array.from({ length: Math.max(0, count) }, (_, i) => i);

export const scalerOcsvmRbf: Fuser<ScalerOcsvmRbf> = {
  kind: SCALER_OCSVM_RBF,

  recognise(model) {
    const width = inputWidth(model);
    if (width < 1 || width > MAX_FEATURES) return undefined;
    const match = matchGraph(model, pattern(width));
    if (!match) return undefined;
    const count = dimsOf(match.parameters.get('support_vectors')!)[1] ?? 0;
    if (count < 1 || count * width > MAX_VALUES) return undefined;
    const mean = finiteDoubles(match, 'mean', [width]);
    const scale = finiteDoubles(match, 'scale', [width]);
    const supportVectors = finiteDoubles(match, 'support_vectors', [1, count, width]);
    const negGamma = finiteDoubles(match, 'neg_gamma', [1])?.[0];
    const dualCoef = finiteDoubles(match, 'dual_coef', [count, 1]);
    const intercept = finiteDoubles(match, 'intercept', [1])?.[0];
    // The zeros that rows are padded with add nothing only while the kernel stays finite.
    if (
      !mean ||
      !scale ||
      !supportVectors ||
      !dualCoef ||
      negGamma === undefined ||
      !(negGamma < 0) ||
      intercept === undefined
    )
      return undefined;
    return { mean, scale, supportVectors, negGamma, dualCoef, intercept };
  },

  shape: (p) => `${paddedSize(p.dualCoef.length)}`,
  table(p, limits) {
    const width = p.mean.length;
    const size = paddedSize(p.dualCoef.length);
    return rowTable(
      {
        rowWidth: rowWidth(width, size),
        write: (other, row) => writeRow(other, size, row),
        graph: (table, rows) => graphOf(table, rows, width, size),
      },
      limits,
    );
  },

  probes(p) {
    const width = p.mean.length;
    const at = (z: (f: number) => number): number[] =>
      Array.from({ length: width }, (_, f) => p.mean[f]! + p.scale[f]! * z(f));
    const vectors = [...new Set([0, p.dualCoef.length >> 1, p.dualCoef.length - 1])];
    return Float64Array.from(
      [
        ...vectors.map((k) => at((f) => p.supportVectors[k * width + f]!)),
        ...[0, 1, -2.5, 40].map((z) => at(() => z)),
        ...[0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((value) =>
          Array.from({ length: width }, () => value),
        ),
      ].flat(),
    );
  },
};

const rowWidth = (width: number, size: number): number => 2 * width + 2 + size + size * width;

function writeRow(p: ScalerOcsvmRbf, size: number, row: Float64Array): void {
  const width = p.mean.length;
  row.set(p.mean, 0);
  row.set(p.scale, width);
  row[2 * width] = p.negGamma;
  row[2 * width + 1] = p.intercept;
  row.set(p.dualCoef, 2 * width + 2);
  // Feature by feature, so that the graph takes each one's column of support vectors as it lies.
  for (let f = 0; f < width; f++)
    for (let k = 0; k < p.dualCoef.length; k++)
      row[2 * width + 2 + size * (1 + f) + k] = p.supportVectors[k * width + f]!;
}

function graphOf(table: Float64Array, rows: number, width: number, size: number): OnnxGraph {
  const columns = range(width);
  const of = (name: string): string[] => columns.map((f) => `${name}_${f}`);
  const isAcross = size <= MOST_VECTORS_ACROSS;
  const [scaled, vectors] = isAcross ? ['rows', 'vector_rows'] : ['scaled', 'support_vectors'];
  return {
    name: 'pack',
    node: [
      node('Gather', ['table', PACK_PORTS.index], ['gathered'], { axis: 0 }),
      node('Unsqueeze', ['gathered', 'axis_1'], ['parameters']),
      node(
        'Split',
        ['parameters', 'widths'],
        ['mean', 'scale', 'neg_gamma', 'intercept', 'dual_coef', ...of('support_vectors')],
        { axis: 2 },
      ),
      node('Sub', [PACK_PORTS.features, 'mean'], ['centered']),
      ...(width === 1
        ? [node('Div', ['centered', 'scale'], of('scaled'))]
        : [
            node('Div', ['centered', 'scale'], ['scaled']),
            node('Split', ['scaled', 'ones'], of('scaled'), { axis: 2 }),
          ]),
      ...(isAcross ? columns : []).flatMap((f) => [
        node('Reshape', [`scaled_${f}`, 'a_row_each'], [`rows_${f}`]),
        node('Reshape', [`support_vectors_${f}`, 'a_column_each'], [`vector_rows_${f}`]),
      ]),
      ...columns.flatMap((f) => [
        node('Sub', [`${scaled}_${f}`, `${vectors}_${f}`], [`differences_${f}`]),
        node('Mul', [`differences_${f}`, `differences_${f}`], [f === 0 ? 'distances_0' : `squares_${f}`]),
        ...(f === 0 ? [] : [node('Add', [`distances_${f - 1}`, `squares_${f}`], [`distances_${f}`])]),
      ]),
      node('Mul', [`distances_${width - 1}`, 'neg_gamma'], ['exponents']),
      node('Exp', ['exponents'], ['kernel']),
      ...(isAcross
        ? [node('MatMul', ['dual_coef', 'kernel'], ['weighted'])]
        : [
            node('Reshape', ['dual_coef', 'a_column_each'], ['dual_columns']),
            node('MatMul', ['kernel', 'dual_columns'], ['weighted']),
          ]),
      node('Add', ['weighted', 'intercept'], ['score_column']),
      ...normalAboveZero(isAcross ? 'axis_1' : 'axis_2'),
    ],
    initializer: [
      doubleTensor('table', [rows, rowWidth(width, size)], table),
      int64Tensor('widths', [5 + width], [width, width, 1, 1, size, ...columns.map(() => size)]),
      ...(width === 1
        ? []
        : [
            int64Tensor(
              'ones',
              [width],
              columns.map(() => 1),
            ),
          ]),
      int64Tensor('axis_1', [1], [1]),
      isAcross ? int64Tensor('a_row_each', [3], [0, 1, -1]) : int64Tensor('axis_2', [1], [2]),
      int64Tensor('a_column_each', [3], [-1, size, 1]),
      doubleTensor('zero', [], Float64Array.of(0)),
    ],
    ...packPorts(width),
  };
}

/** A single model with these parameters, as the converter writes it. */
export function scalerOcsvmRbfModel(p: ScalerOcsvmRbf, features: readonly string[]): OnnxModel {
  const count = p.dualCoef.length;
  const width = p.mean.length;
  const sums = ['square_0', ...range(width - 2).map((f) => `sum_${f + 1}`), 'distances'];
  return {
    irVersion: 8,
    producerName: 'fleetscore',
    opsetImport: [{ version: 17 }],
    metadataProps: [
      { key: 'fleetscore.kind', value: SCALER_OCSVM_RBF },
      { key: 'fleetscore.features', value: JSON.stringify(features) },
    ],
    graph: {
      name: 'scaler_ocsvm_rbf',
      node: [
        node('Sub', ['input', 'mean'], ['centered']),
        node('Div', ['centered', 'scale'], ['scaled']),
        node('Unsqueeze', ['scaled', 'axis_1'], ['scaled_rows']),
        node('Sub', ['scaled_rows', 'support_vectors'], ['differences']),
        node('Mul', ['differences', 'differences'], ['squares']),
        ...(width === 1
          ? [node('ReduceSum', ['squares', 'axis_2'], ['distances'], { keepdims: 0 })]
          : [
              ...range(width).map((f) => node('Gather', ['squares', `feature_${f}`], [`square_${f}`], { axis: 2 })),
              ...range(width - 1).map((f) => node('Add', [sums[f]!, `square_${f + 1}`], [sums[f + 1]!])),
            ]),
        node('Mul', ['distances', 'neg_gamma'], ['exponents']),
        node('Exp', ['exponents'], ['kernel']),
        node('MatMul', ['kernel', 'dual_coef'], ['weighted']),
        node('Add', ['weighted', 'intercept'], ['scores']),
        node('Greater', ['scores', 'zero'], ['is_normal']),
        node('Where', ['is_normal', 'normal', 'anomaly'], ['label']),
      ],
      initializer: [
        doubleTensor('mean', [width], p.mean),
        doubleTensor('scale', [width], p.scale),
        doubleTensor('support_vectors', [1, count, width], p.supportVectors),
        doubleTensor('neg_gamma', [1], Float64Array.of(p.negGamma)),
        doubleTensor('dual_coef', [count, 1], p.dualCoef),
        doubleTensor('intercept', [1], Float64Array.of(p.intercept)),
        int64Tensor('axis_1', [1], [1]),
        ...(width === 1
          ? [int64Tensor('axis_2', [1], [2])]
          : range(width).map((f) => int64Tensor(`feature_${f}`, [], [f]))),
        doubleTensor('zero', [1], Float64Array.of(0)),
        int64Tensor('normal', [1], [1]),
        int64Tensor('anomaly', [1], [-1]),
      ],
      input: [tensorInfo('input', DATA_TYPE.double, ['N', width])],
      output: [tensorInfo('label', DATA_TYPE.int64, ['N', 1]), tensorInfo('scores', DATA_TYPE.double, ['N', 1])],
    },
  };
}
