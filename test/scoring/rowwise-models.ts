/** Graphs of the kinds that are packed row by row, in the form that models convert gives them. */
import {
  DATA_TYPE,
  doubleTensor,
  encodeModel,
  int64Tensor,
  node,
  type OnnxNode,
  type OnnxTensor,
  tensorInfo,
} from '../../scoring/onnx-proto.ts';

/** Numbers of a model, drawn one after the other. */
export type Draw = () => number;

/** Numbers between -1 and 1 that follow from a seed; every third is one that readings are rounded to. */
export function drawFrom(seed: number): Draw {
  let at = 0;
  return () => {
    const value = Math.sin(seed * 1_000 + ++at * 12.9898) * 43_758.5453;
    const between = 2 * (value - Math.floor(value)) - 1;
    return at % 3 === 0 ? Math.round(between * 10) / 10 : between;
  };
}

interface Parts {
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly OnnxTensor[];
}

type Kind = (draw: Draw, width: number) => Parts;

const doubles = (name: string, dims: readonly number[], of: () => number): OnnxTensor =>
  doubleTensor(name, dims, Float64Array.from({ length: dims.reduce((a, b) => a * b, 1) }, of));

const columns = (width: number): number[] => Array.from({ length: width }, (_, f) => f);

const scaler = (draw: Draw, width: number): Parts => ({
  nodes: [node('Sub', ['input', 'mean'], ['away']), node('Div', ['away', 'scale'], ['x'])],
  constants: [doubles('mean', [width], () => draw() * 10), doubles('scale', [width], () => 0.2 + Math.abs(draw()))],
});

/** Columns added from left to right: [N, 1]. */
const total = (values: string, width: number, to: string): Parts => ({
  nodes: [
    ...columns(width).map((f) => node('Gather', [values, `at_${f}`], [`${to}_${f}`], { axis: 1 })),
    ...columns(width - 1).map((f) =>
      node('Add', [f === 0 ? `${to}_0` : `${to}_sum_${f}`, `${to}_${f + 1}`], [`${to}_sum_${f + 1}`]),
    ),
    node('Identity', [width === 1 ? `${to}_0` : `${to}_sum_${width - 1}`], [to]),
  ],
  constants: [],
});

const distances = (draw: Draw, width: number, points: number): Parts => ({
  nodes: columns(width).flatMap((f) => [
    node('Gather', ['x', `at_${f}`], [`x_${f}`], { axis: 1 }),
    node('Sub', [`x_${f}`, `points_${f}`], [`from_${f}`]),
    node('Mul', [`from_${f}`, `from_${f}`], [f === 0 ? 'squares_0' : `square_${f}`]),
    ...(f === 0 ? [] : [node('Add', [`squares_${f - 1}`, `square_${f}`], [`squares_${f}`])]),
  ]),
  constants: columns(width).map((f) => doubles(`points_${f}`, [1, points], () => draw() * 3)),
});

const merge = (...parts: readonly Parts[]): Parts => ({
  nodes: parts.flatMap(({ nodes }) => nodes),
  constants: parts.flatMap(({ constants }) => constants),
});

export const KINDS: Readonly<Record<string, Kind>> = {
  'a linear machine': (draw, width) =>
    merge(scaler(draw, width), {
      nodes: [node('MatMul', ['x', 'weights'], ['sum']), node('Sub', ['sum', 'offset'], ['scores'])],
      constants: [doubles('weights', [width, 1], draw)],
    }),
  'a kernel of products': (draw, width) =>
    merge(scaler(draw, width), {
      nodes: [
        node('MatMul', ['x', 'vectors'], ['products']),
        node('Mul', ['products', 'gamma'], ['small']),
        node('Tanh', ['small'], ['kernel']),
        node('MatMul', ['kernel', 'weights'], ['sum']),
        node('Add', ['sum', 'offset'], ['scores']),
      ],
      constants: [
        doubles('vectors', [width, 13], draw),
        doubles('gamma', [1], draw),
        doubles('weights', [13, 1], draw),
      ],
    }),
  'an envelope': (draw, width) =>
    merge(
      scaler(draw, width),
      {
        nodes: [node('MatMul', ['x', 'precision'], ['turned']), node('Mul', ['turned', 'x'], ['parts'])],
        constants: [doubles('precision', [width, width], draw)],
      },
      total('parts', width, 'distance'),
      {
        nodes: [
          node('Max', ['distance', 'zero'], ['positive']),
          node('Sqrt', ['positive'], ['root']),
          node('Sub', ['offset', 'root'], ['scores']),
        ],
        constants: [],
      },
    ),
  'the nearest of training rows': (draw, width) =>
    merge(scaler(draw, width), distances(draw, width, 20), {
      nodes: [
        node('TopK', [`squares_${width - 1}`, 'three'], ['near', 'which'], { axis: 1, largest: 0, sorted: 1 }),
        node('Gather', ['densities', 'which'], ['density'], { axis: 0 }),
        node('Sqrt', ['near'], ['far']),
        node('Mul', ['far', 'density'], ['weighed']),
        node('Gather', ['weighed', 'third_one'], ['third'], { axis: 1 }),
        node('Sub', ['offset', 'third'], ['scores']),
      ],
      constants: [doubles('densities', [20], draw), int64Tensor('three', [1], [3]), int64Tensor('third_one', [1], [2])],
    }),
  'a mixture': (draw, width) =>
    merge(scaler(draw, width), distances(draw, width, 5), {
      nodes: [
        node('Mul', [`squares_${width - 1}`, 'minus_half'], ['logs']),
        node('ReduceMax', ['logs'], ['most'], { axes: [1], keepdims: 1 }),
        node('Sub', ['logs', 'most'], ['less']),
        node('Exp', ['less'], ['shares']),
        node('MatMul', ['shares', 'ones'], ['sum']),
        node('Log', ['sum'], ['log']),
        node('Add', ['log', 'most'], ['all']),
        node('Add', ['all', 'offset'], ['scores']),
      ],
      constants: [doubles('minus_half', [1], () => -0.5), doubles('ones', [5, 1], () => 1)],
    }),
  'a histogram of the first feature': (draw, width) =>
    merge(scaler(draw, width), {
      nodes: [
        node('Gather', ['x', 'at_0'], ['first'], { axis: 1 }),
        node('Less', ['edges', 'first'], ['above']),
        node('Cast', ['above'], ['hits'], { to: DATA_TYPE.double }),
        node('MatMul', ['hits', 'ones'], ['count']),
        node('Cast', ['count'], ['bin'], { to: DATA_TYPE.int64 }),
        node('Gather', ['heights', 'bin'], ['height'], { axis: 0 }),
        node('Add', ['height', 'offset'], ['scores']),
      ],
      constants: [
        doubleTensor('edges', [1, 6], Float64Array.from({ length: 6 }, draw).sort()),
        doubles('ones', [6, 1], () => 1),
        doubles('heights', [7], draw),
      ],
    }),
};

/** @param change what is done to the operators, for graphs that are not quite of this form */
export function rowwiseBytes(
  kind: string,
  draw: Draw,
  features: readonly string[],
  change: (nodes: readonly OnnxNode[]) => readonly OnnxNode[] = (nodes) => nodes,
): Uint8Array {
  const width = features.length;
  const { nodes, constants } = KINDS[kind]!(draw, width);
  const used = new Set(nodes.flatMap(({ input = [] }) => input));
  const indices = columns(width).map((f) => int64Tensor(`at_${f}`, [1], [f]));
  return encodeModel({
    irVersion: 8,
    opsetImport: [{ version: 17 }],
    metadataProps: [{ key: 'fleetscore.features', value: JSON.stringify(features) }],
    graph: {
      name: 'rowwise',
      node: [
        ...change(nodes),
        node('GreaterOrEqual', ['scores', 'zero'], ['normal']),
        node('Where', ['normal', 'one', 'minus_one'], ['label']),
      ],
      initializer: [
        ...constants,
        ...indices.filter(({ name = '' }) => used.has(name)),
        doubles('offset', [1], draw),
        doubles('zero', [1], () => 0),
        int64Tensor('one', [1], [1]),
        int64Tensor('minus_one', [1], [-1]),
      ],
      input: [tensorInfo('input', DATA_TYPE.double, ['N', width])],
      output: [tensorInfo('label', DATA_TYPE.int64, ['N', 1]), tensorInfo('scores', DATA_TYPE.double, ['N', 1])],
    },
  });
}
