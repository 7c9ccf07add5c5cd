/**
 * The graph of a pack of models whose operators take each row by itself (rowwise-model.ts), over a table of their
 * constants.
 */
import {
  DATA_TYPE,
  doubleTensor,
  int64Tensor,
  node,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxNode,
  type OnnxTensor,
} from '../onnx-proto.ts';
import { PACK_PORTS, packPorts } from './pack-format.ts';
import type { Constant, Rowwise } from './rowwise-model.ts';

type Model = Omit<Rowwise, 'structure'>;
type Named = readonly [name: string, constant: Constant];

const own = ({ constants }: Model): Named[] => [...constants].filter(([, { isShared }]) => !isShared);

/** Doubles of a table row: the constants of a model, one after the other. */
export const rowwiseWidth = (model: Model): number =>
  own(model).reduce((sum, [, { values }]) => sum + values.length, 1);

/** Of values and constants in the graph: names of their own, apart from those of the ports. */
const of = (name: string): string => `of_${name}`;

/** @param table rows of {@link rowwiseWidth} doubles */
export function rowwiseGraph(model: Model, table: Float64Array, rows: number): OnnxGraph {
  const { width, input, nodes, constants, normal } = model;
  const rowWidth = rowwiseWidth(model);
  const gathered = own(model);
  return {
    name: 'pack',
    node: [
      node('Gather', ['table', PACK_PORTS.index], ['gathered'], { axis: 0 }),
      node('Split', ['gathered', 'widths'], [...gathered.map(([name]) => `flat_${name}`), 'rest'], { axis: 1 }),
      node('Identity', [PACK_PORTS.features], [of(input)]),
      ...gathered.flatMap(([name, constant]) =>
        constant.use === 'table' ? [] : [node('Reshape', [`flat_${name}`, `shape_${name}`], [of(name)])],
      ),
      ...nodes.flatMap((each, at) => lifted(each, at, constants)),
      node('Squeeze', [of('scores'), 'axis_2'], [PACK_PORTS.scores]),
      node('Not', [of(normal)], ['not_normal']),
      node('Cast', ['not_normal'], ['anomaly_column'], { to: DATA_TYPE.uint8 }),
      node('Squeeze', ['anomaly_column', 'axis_2'], [PACK_PORTS.anomaly]),
    ],
    initializer: [
      doubleTensor('table', [rows, rowWidth], table),
      int64Tensor('widths', [gathered.length + 1], [...gathered.map(([, { values }]) => values.length), 1]),
      int64Tensor('axis_2', [1], [2]),
      int64Tensor('axis_3', [1], [3]),
      ...[...constants].flatMap((named) => constantTensors(named)),
    ],
    ...packPorts(width),
  };
}

function constantTensors([name, { use, dims, values, isShared }]: Named): OnnxTensor[] {
  if (values instanceof Float64Array && isShared) return [doubleTensor(of(name), dims, values)];
  if (!(values instanceof Float64Array)) return [int64Tensor(of(name), dims, values)];
  const columns = dims.at(-1)!;
  return use === 'table' ? [] : [int64Tensor(`shape_${name}`, [3], [-1, use === 'matrix' ? dims[0]! : 1, columns])];
}

/** The same operator over [models, rows, columns]. */
function lifted(each: OnnxNode, at: number, constants: ReadonlyMap<string, Constant>): OnnxNode[] {
  const { opType = '', input = [], output = [], attribute = [] } = each;
  const [first, second] = input as readonly [string, string];
  const names = { input: input.map(of), output: output.map(of) };
  if (opType === 'Gather' && constants.get(first)?.use === 'table')
    // Each row in the table of its model.
    return [
      node('Unsqueeze', [of(second), 'axis_3'], [`at_${at}`]),
      node('GatherND', [`flat_${first}`, `at_${at}`], names.output, { batch_dims: 1 }),
    ];
  return [{ opType, ...names, attribute: attribute.map(columnsAreThird) }];
}

/** Columns are the third axis here. */
function columnsAreThird(attribute: OnnxAttribute): OnnxAttribute {
  if (attribute.name === 'axis') return { ...attribute, i: 2 };
  return attribute.name === 'axes' ? { ...attribute, ints: [2] } : attribute;
}
