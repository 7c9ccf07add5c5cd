/**
 * Dense networks of one structure, such as autoencoders: each constant of the models becomes a table, and a product of
 * every row with the weights of its model one of matrices in a stack. onnxruntime's float32 kernels give a row other
 * last bits by where it lies in memory and by whether it comes alone, so the rows of a model are filled up to whole
 * blocks, as those of a single model are (row-block.ts): then every row lies as it does there, and scores are
 * bit-equal.
 */
import {
  DATA_TYPE,
  int64Tensor,
  node,
  type OnnxGraph,
  type OnnxNode,
  type OnnxTensor,
  tensorOf,
} from '../onnx-proto.ts';
import { ROW_BLOCK } from '../row-block.ts';
import type { Fuser, PackLimits, PackTable } from './fuser.ts';
import { type Network, readNetwork } from './network-model.ts';
import { NETWORK_INPUT, type Slot } from './network-reading.ts';
import { PACK_PORTS, packPorts } from './pack-format.ts';
import { probeRows, some } from './probe-rows.ts';

const NETWORK = 'network';

/** A model with more numbers gains nothing from a pack. */
const MOST_NUMBERS = 65_536;

const numbersOf = ({ slots }: Network): number => slots.reduce((sum, { values }) => sum + values.length, 0);
const bytesOf = ({ slots }: Network): number => slots.reduce((sum, { values }) => sum + values.byteLength, 0);

const STEPS = [0, 0.1, -0.1, 0.5, -0.5, 1, -1, 2, -2, 3, -3, 10, 20, 100];
const PROBES = 24;

export const network: Fuser<Network> = {
  kind: NETWORK,
  recognise(model) {
    const found = readNetwork(model);
    return found && numbersOf(found) <= MOST_NUMBERS ? found : undefined;
  },
  shape: ({ structure }) => structure,
  table: networkTable,
  probes({ width, slots, scaling }) {
    const numbers = slots.flatMap(({ values }) => some([...values], 2));
    const scaled = [...STEPS, ...some(numbers, PROBES)];
    return probeRows(
      scaling,
      Array.from({ length: width }, () => scaled),
    );
  },
};

function networkTable(first: Network, limits: PackLimits): PackTable<Network> {
  const models: (readonly Slot[])[] = [];
  const maxRows = Math.max(1, Math.min(limits.maxRows, Math.floor(limits.maxBytes / bytesOf(first))));
  return {
    // Of a model with one row the weights, and a whole block of rows.
    rowWidth: Math.ceil((numbersOf(first) + ROW_BLOCK * first.held) * (first.inputType === DATA_TYPE.float ? 0.5 : 1)),
    opset: first.opset,
    add({ slots }) {
      if (models.length === maxRows) return false;
      models.push(slots);
      return true;
    },
    graph: () => graphOf(first, models),
  };
}

function graphOf(
  { width, inputType, nodes, slots, shared, scores, anomaly }: Network,
  models: readonly (readonly Slot[])[],
): OnnxGraph {
  return {
    name: 'pack',
    node: [
      ...rowNodes(inputType),
      ...slots.map(({ name }) => node('Gather', [`table_${name}`, PACK_PORTS.index], [name], { axis: 0 })),
      ...nodes,
      ...resultNodes(scores.name, scores.rank, PACK_PORTS.scores, DATA_TYPE.double),
      ...(anomaly
        ? resultNodes(anomaly.name, anomaly.rank, PACK_PORTS.anomaly, DATA_TYPE.uint8)
        : // A threshold decides, as it does of the single model.
          [
            node('IsNaN', [PACK_PORTS.scores], ['no_number']),
            node('And', ['no_number', 'never'], ['no_anomaly']),
            node('Cast', ['no_anomaly'], [PACK_PORTS.anomaly], { to: DATA_TYPE.uint8 }),
          ]),
    ],
    initializer: [...slots.map((_, at) => tableOf(models, at)), ...shared, ...CONSTANTS, ...(anomaly ? [] : [NEVER])],
    ...packPorts(width),
  };
}

/** From features [M, R, F] to rows in whole blocks, the last one again and again. */
function rowNodes(inputType: number): OnnxNode[] {
  return [
    node('Shape', [PACK_PORTS.features], ['shape']),
    node('Gather', ['shape', 'one'], ['count'], { axis: 0 }),
    node('Sub', ['count', 'one'], ['last']),
    node('Div', ['last', 'block'], ['blocks_before']),
    node('Add', ['blocks_before', 'one'], ['blocks']),
    node('Mul', ['blocks', 'block'], ['whole']),
    node('Range', ['zero', 'whole', 'one'], ['places']),
    node('Min', ['places', 'last'], ['rows']),
    node('Gather', [PACK_PORTS.features, 'rows'], ['filled'], { axis: 1 }),
    node('Cast', ['filled'], [NETWORK_INPUT], { to: inputType }),
  ];
}

/** From a value of the network to an output [M, R] without the rows that were filled up. */
function resultNodes(name: string, rank: 1 | 2, output: string, to: number): OnnxNode[] {
  const flat = `flat_${output}`;
  return [
    rank === 2 ? node('Squeeze', [name, 'axis_2'], [flat]) : node('Identity', [name], [flat]),
    node('Unsqueeze', ['count', 'axis_0'], [`end_${output}`]),
    node('Slice', [flat, 'from_0', `end_${output}`, 'axis_1'], [`own_${output}`]),
    node('Cast', [`own_${output}`], [output], { to }),
  ];
}

const CONSTANTS: readonly OnnxTensor[] = [
  int64Tensor('zero', [], [0]),
  int64Tensor('one', [], [1]),
  int64Tensor('block', [], [ROW_BLOCK]),
  int64Tensor('from_0', [1], [0]),
  int64Tensor('axis_0', [1], [0]),
  int64Tensor('axis_1', [1], [1]),
  int64Tensor('axis_2', [1], [2]),
];
const NEVER: OnnxTensor = { name: 'never', dims: [], dataType: DATA_TYPE.bool, rawData: Uint8Array.of(0) };

/** The numbers of a slot of all models: [models, ...dims]. */
function tableOf(models: readonly (readonly Slot[])[], at: number): OnnxTensor {
  const { name, dims, values } = models[0]![at]!;
  const length = models.length * values.length;
  const table = values instanceof Float32Array ? new Float32Array(length) : new Float64Array(length);
  for (const [row, slots] of models.entries()) table.set(slots[at]!.values, row * values.length);
  return tensorOf(`table_${name}`, [models.length, ...dims], table);
}
