/**
 * The classic control chart for one feature: z = (x - mean) / scale; score = threshold - |z|; normal when
 * score > 0. The graph of a single model is what {@link zScoreModel} writes; a pack does the same arithmetic.
 */
import {
  DATA_TYPE,
  doubleTensor,
  int64Tensor,
  node,
  type OnnxGraph,
  type OnnxModel,
  tensorInfo,
} from '../onnx-proto.ts';
import type { Fuser } from './fuser.ts';
import { finiteDoubles, type GraphPattern, inputWidth, matchGraph } from './match-graph.ts';
import { normalAboveZero, PACK_PORTS, packPorts } from './pack-format.ts';
import { rowTable } from './row-table.ts';

export interface ZScore {
  readonly mean: number;
  readonly scale: number;
  /** In units of z. */
  readonly threshold: number;
}

export const Z_SCORE = 'zscore';

const PATTERN: GraphPattern = {
  inputType: DATA_TYPE.double,
  scores: 3,
  label: 5,
  steps: [
    { op: 'Sub', operands: ['input', { parameter: 'mean' }] },
    { op: 'Div', operands: [{ step: 0 }, { parameter: 'scale' }] },
    { op: 'Abs', operands: [{ step: 1 }] },
    { op: 'Sub', operands: [{ parameter: 'threshold' }, { step: 2 }] },
    { op: 'Greater', operands: [{ step: 3 }, { double: 0 }] },
    { op: 'Where', operands: [{ step: 4 }, { int64: 1 }, { int64: -1 }] },
  ],
};

export const zScore: Fuser<ZScore> = {
  kind: Z_SCORE,

  recognise(model) {
    const match = matchGraph(model, PATTERN);
    if (!match || inputWidth(model) !== 1) return undefined;
    const [mean, scale, threshold] = ['mean', 'scale', 'threshold'].map((name) => finiteDoubles(match, name, [1])?.[0]);
    return mean === undefined || scale === undefined || threshold === undefined
      ? undefined
      : { mean, scale, threshold };
  },

  shape: () => '',
  table: (_, limits) => rowTable({ rowWidth: 3, write: writeRow, graph: graphOf }, limits),

  probes: (p) =>
    Float64Array.of(
      p.mean,
      p.mean + p.scale * p.threshold,
      p.mean - p.scale * p.threshold,
      p.mean + p.scale,
      p.mean + 40 * p.scale,
      0,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ),
};

const writeRow = (p: ZScore, row: Float64Array): void => row.set([p.mean, p.scale, p.threshold]);

const graphOf = (table: Float64Array, rows: number): OnnxGraph => ({
  name: 'pack',
  node: [
    node('Gather', ['table', PACK_PORTS.index], ['gathered'], { axis: 0 }),
    node('Unsqueeze', ['gathered', 'axis_1'], ['parameters']),
    node('Split', ['parameters', 'widths'], ['mean', 'scale', 'threshold'], { axis: 2 }),
    node('Sub', [PACK_PORTS.features, 'mean'], ['centered']),
    node('Div', ['centered', 'scale'], ['scaled']),
    node('Abs', ['scaled'], ['distance']),
    node('Sub', ['threshold', 'distance'], ['score_column']),
    ...normalAboveZero(),
  ],
  initializer: [
    doubleTensor('table', [rows, 3], table),
    int64Tensor('widths', [3], [1, 1, 1]),
    int64Tensor('axis_1', [1], [1]),
    int64Tensor('axis_2', [1], [2]),
    doubleTensor('zero', [], Float64Array.of(0)),
  ],
  ...packPorts(1),
});

/** A single model with these parameters. `feature` names its input, `mean` by default. */
export function zScoreModel(p: ZScore, feature = 'mean'): OnnxModel {
  return {
    irVersion: 8,
    producerName: 'fleetscore',
    opsetImport: [{ version: 17 }],
    metadataProps: [
      { key: 'fleetscore.kind', value: Z_SCORE },
      { key: 'fleetscore.features', value: JSON.stringify([feature]) },
    ],
    graph: {
      name: 'z_score',
      node: [
        node('Sub', ['input', 'mean'], ['centered']),
        node('Div', ['centered', 'scale'], ['scaled']),
        node('Abs', ['scaled'], ['distance']),
        node('Sub', ['threshold', 'distance'], ['scores']),
        node('Greater', ['scores', 'zero'], ['is_normal']),
        node('Where', ['is_normal', 'normal', 'anomaly'], ['label']),
      ],
      initializer: [
        doubleTensor('mean', [1], Float64Array.of(p.mean)),
        doubleTensor('scale', [1], Float64Array.of(p.scale)),
        doubleTensor('threshold', [1], Float64Array.of(p.threshold)),
        doubleTensor('zero', [1], Float64Array.of(0)),
        int64Tensor('normal', [1], [1]),
        int64Tensor('anomaly', [1], [-1]),
      ],
      input: [tensorInfo('input', DATA_TYPE.double, ['N', 1])],
      output: [tensorInfo('label', DATA_TYPE.int64, ['N', 1]), tensorInfo('scores', DATA_TYPE.double, ['N', 1])],
    },
  };
}
