/**
 * Reads networks as torch, Keras and the like export them: products with weights, and operators that take each row by
 * itself. What comes out is the graph for many models of one structure: values [N, K] become [models, rows, K], values
 * [N] become [models, rows], and every floating constant a slot that each model fills with numbers of its own. Names
 * are given anew, since exporters count them up from model to model.
 */
import { metadataOf, readMetadata } from '../model-metadata.ts';
import { graphPorts, type Port } from '../model-ports.ts';
import {
  DATA_TYPE,
  dimsOf,
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  toNumber,
} from '../onnx-proto.ts';
import { isStandard } from './match-graph.ts';
import { labelNodes } from './network-label.ts';
import { OPERATORS } from './network-operators.ts';
import { NETWORK_INPUT, type Reading, type Row, type Slot, type Value } from './network-reading.ts';
import { type Scaling, SCALING } from './probe-rows.ts';

export interface Network {
  readonly width: number;
  /** ONNX DataType of the input. */
  readonly inputType: number;
  /** Of the standard operators: they mean what they meant in the model. */
  readonly opset: number;
  readonly nodes: readonly OnnxNode[];
  readonly slots: readonly Slot[];
  readonly shared: readonly OnnxTensor[];
  /** Name of the scores, and of what is true of an anomaly; absent where a threshold decides. */
  readonly scores: Row;
  readonly anomaly?: Row;
  /** Doubles that the values of one row take. */
  readonly held: number;
  readonly scaling: readonly Scaling[];
  /** What models of one pack have in common, as text. */
  readonly structure: string;
}

/** The operators of networks are those of these versions. */
const OPSETS = { from: 13, to: 22 };
const MOST_NODES = 1_000;
const TYPES: Readonly<Record<string, number>> = { float32: DATA_TYPE.float, float64: DATA_TYPE.double };

/** Undefined: not of this form. */
export function readNetwork(model: OnnxModel): Network | undefined {
  const { label: meaning, leastScore } = readMetadata(metadataOf(model));
  const { label, scores } = graphPorts(model, leastScore);
  const opset = opsetOf(model);
  const input = inputOf(model);
  if (opset === undefined || leastScore || !input || !scores) return undefined;
  const reading = read(model, input, [scores, ...(label ? [label] : [])]);
  const score = reading && columnOf(reading, scores);
  // A network has weights: what has none is of another kind.
  if (!reading?.nodes.some(({ opType }) => opType === 'MatMul') || !score) return undefined;
  const verdict = label && columnOf(reading, label);
  const anomaly = verdict && labelNodes(reading, verdict, label.type, meaning);
  if (label && !anomaly) return undefined;
  const { nodes, slots, shared, held } = reading;
  const { width, type: inputType } = input;
  const found = { width, inputType, opset, nodes, slots, shared, scores: score, ...(anomaly ? { anomaly } : {}) };
  return { ...found, held, scaling: scalingOf(found), structure: structureOf(found) };
}

interface Input {
  readonly name: string;
  readonly width: number;
  /** ONNX DataType. */
  readonly type: number;
}

/** The one input [N, width] of floating numbers. */
function inputOf(model: OnnxModel): Input | undefined {
  const { needed, idle } = graphPorts(model, false);
  const [input, ...more] = [...needed, ...idle];
  const [rows, width, ...others] = input?.shape ?? [];
  const type = TYPES[input?.type ?? ''];
  if (!input || more.length > 0 || others.length > 0 || rows !== '' || type === undefined) return undefined;
  return typeof width === 'number' && width > 0 ? { name: input.name, width, type } : undefined;
}

function opsetOf({ opsetImport = [], functions = [], graph }: OnnxModel): number | undefined {
  const version = toNumber(opsetImport.find(({ domain }) => isStandard(domain))?.version);
  const isPlain = functions.length === 0 && (graph?.sparseInitializer ?? []).length === 0;
  return isPlain && version >= OPSETS.from && version <= OPSETS.to ? version : undefined;
}

/** Goes through the operators that the results need, in their order. */
function read({ graph = {} }: OnnxModel, { name: input, width }: Input, results: readonly Port[]): Reading | undefined {
  const reading: Reading = {
    values: new Map<string, Value>(
      (graph.initializer ?? []).map((tensor) => [tensor.name ?? '', { constant: tensor }]),
    ),
    nodes: [],
    slots: [],
    shared: [],
    held: width,
  };
  if (reading.values.size !== (graph.initializer ?? []).length || reading.values.has(input)) return undefined;
  reading.values.set(input, { row: { name: NETWORK_INPUT, rank: 2, columns: width } });
  if ((graph.node ?? []).length > MOST_NODES) return undefined;
  for (const node of inOrder(graph.node ?? [], results)) {
    const operator = isStandard(node.domain) ? OPERATORS.get(node.opType ?? '') : undefined;
    const [output, ...more] = node.output ?? [];
    if (!operator || output === undefined || more.length > 0 || reading.values.has(output)) return undefined;
    const value = operator(reading, node);
    if (!value) return undefined;
    reading.values.set(output, value);
  }
  return reading;
}

/**
 * The operators that the results need, each after those that it needs: the same order for all graphs of one form, since
 * exporters write operators that do not need each other in any order.
 */
function inOrder(nodes: readonly OnnxNode[], results: readonly Port[]): OnnxNode[] {
  const sources = new Map(nodes.flatMap((node) => (node.output ?? []).map((name) => [name, node])));
  const ordered = new Set<OnnxNode>();
  const seen = new Set<OnnxNode>();
  const visit = (name: string): void => {
    const node = sources.get(name);
    if (!node || seen.has(node)) return;
    seen.add(node);
    for (const operand of node.input ?? []) visit(operand);
    ordered.add(node);
  };
  for (const { name } of results) visit(name);
  return [...ordered];
}

/** An output, where it has one value for each row. */
function columnOf({ values }: Reading, { name }: Port): Row | undefined {
  const value = values.get(name);
  return value && 'row' in value && value.row.columns === 1 ? value.row : undefined;
}

/** The scalers that the input goes through first. */
function scalingOf({ width, nodes, slots }: Pick<Network, 'width' | 'nodes' | 'slots'>): Scaling[] {
  const scaling: Scaling[] = [];
  let x = NETWORK_INPUT;
  for (const { opType, input: [first, second] = [], output: [result] = [] } of nodes) {
    const op = SCALING.find((known) => known === opType);
    const slot = slots.find(({ name }) => name === second);
    if (!op || first !== x || !slot) break;
    const values = slot.values.length === 1 ? new Float64Array(width).fill(slot.values[0]!) : slot.values;
    if (values.length !== width) break;
    scaling.push({ op, values: Float64Array.from(values) });
    x = result!;
  }
  return scaling;
}

const bytesText = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('base64');

const tensorText = (tensor: OnnxTensor): unknown[] => [
  [tensor.dataType, dimsOf(tensor), bytesText(tensor.rawData), tensor.floatData, tensor.doubleData],
  [tensor.int32Data, tensor.int64Data?.map(toNumber)],
];

const attributeText = ({ name, f, i, s, ints = [], t }: OnnxAttribute): unknown[] => [
  [name, f, toNumber(i), bytesText(s), ints.map(toNumber)],
  t ? tensorText(t) : 0,
];

function structureOf({
  width,
  inputType,
  opset,
  nodes,
  slots,
  shared,
  scores,
  anomaly,
}: Omit<Network, 'held' | 'scaling' | 'structure'>): string {
  return JSON.stringify([
    [width, inputType, opset, scores, anomaly],
    nodes.map(({ opType, input, output, attribute = [] }) => [opType, input, output, attribute.map(attributeText)]),
    slots.map(({ dims, values }) => [dims, values.BYTES_PER_ELEMENT]),
    shared.map(tensorText),
  ]);
}
