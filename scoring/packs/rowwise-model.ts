/**
 * Reads models of the converter (scoring/python) whose operators take each row by itself: values are [N, K] throughout,
 * and each constant is a number for every column, the right side of a product, or a table that rows look something up
 * in.
 */
import {
  DATA_TYPE,
  dimsOf,
  doubles,
  integers,
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  toNumber,
} from '../onnx-proto.ts';
import { inputWidth, isPlain, isStandard, onlyInput } from './match-graph.ts';
import { type Scaling, SCALING } from './probe-rows.ts';

/** A constant of the graph. */
export interface Constant {
  /**
   * What an operator does with it: a number for each column, the right side of a product, a table, or whole numbers.
   */
  readonly use: 'columns' | 'matrix' | 'table' | 'integers';
  readonly dims: readonly number[];
  readonly values: Float64Array | readonly number[];
  /** The same in every model of the structure: part of the graph, not of a row. */
  readonly isShared: boolean;
}

export interface Rowwise {
  readonly width: number;
  readonly input: string;
  /** Without the one that makes the label. */
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, Constant>;
  /** Value that says that a row is normal. */
  readonly normal: string;
  readonly scaling: readonly Scaling[];
  /** What models of one pack have in common, as text. */
  readonly structure: string;
}

const MOST_NODES = 400;
/** Operators of columns: one value each, constants have a number for every column. */
const COLUMNWISE = new Set(
  (
    'Add Sub Mul Div Pow Max Min Neg Abs Sqrt Exp Log Sign Sin Tanh Identity Cast ' +
    'Greater GreaterOrEqual Less LessOrEqual Equal Not And Or Where'
  ).split(' '),
);

/** Undefined: not of this form. */
export function readRowwise(model: OnnxModel): Rowwise | undefined {
  const width = inputWidth(model);
  const nodes = model.graph?.node ?? [];
  if (width < 1 || nodes.length < 2 || nodes.length > MOST_NODES || !isPlain(model)) return undefined;
  const initializers = model.graph?.initializer ?? [];
  const tensors = new Map(initializers.map((tensor) => [tensor.name ?? '', tensor]));
  const input = onlyInput(model, DATA_TYPE.double, tensors);
  if (input === undefined || tensors.size !== initializers.length) return undefined;
  const kept = nodes.slice(0, -1);
  const normal = normalOf(nodes.at(-1)!, tensors);
  const constants = constantsOf(kept, input, tensors);
  if (normal === undefined || !constants || !hasResults(model, kept, normal)) return undefined;
  const found = { width, input, nodes: kept, constants, normal, scaling: scalingOf(kept, input, width, constants) };
  return { ...found, structure: structureOf(found) };
}

/** What the label is made of, where it is 1 for normal rows and -1 for others. */
function normalOf(
  { opType, input: [normal, one = '', minusOne = ''] = [], output = [] }: OnnxNode,
  tensors: ReadonlyMap<string, OnnxTensor>,
): string | undefined {
  const isOnly = (name: string, value: number): boolean => {
    const tensor = tensors.get(name);
    return tensor !== undefined && dimsOf(tensor).join() === '1' && integers(tensor)?.[0] === value;
  };
  return opType === 'Where' && output.join() === 'label' && isOnly(one, 1) && isOnly(minusOne, -1) ? normal : undefined;
}

function hasResults({ graph }: OnnxModel, nodes: readonly OnnxNode[], normal: string): boolean {
  const outputs = (graph?.output ?? []).map(({ name }) => name ?? '').sort();
  const made = nodes.flatMap(({ output = [] }) => output);
  return (
    outputs.join() === 'label,scores' &&
    made.includes('scores') &&
    made.includes(normal) &&
    new Set(made).size === made.length
  );
}

/** Constants by name; undefined where one, or an operator, is not of a form that is known. */
function constantsOf(
  nodes: readonly OnnxNode[],
  input: string,
  tensors: ReadonlyMap<string, OnnxTensor>,
): ReadonlyMap<string, Constant> | undefined {
  const constants = new Map<string, Constant>();
  const rows = new Set([input]);
  for (const node of nodes) {
    const { input: operands = [], output = [], domain } = node;
    if (!isStandard(domain) || output.includes('') || output.some((name) => tensors.has(name))) return undefined;
    for (const [at, name] of operands.entries()) {
      const tensor = tensors.get(name);
      if (!tensor && !rows.has(name)) return undefined;
      const use = useOf(node, at, tensor);
      if (use === undefined) return undefined;
      if (!tensor || use === 'row') continue;
      const constant = constantOf(tensor, use);
      if (!constant || (constants.get(name)?.use ?? use) !== use) return undefined;
      constants.set(name, constant);
    }
    // Something of a row is needed: what comes of constants alone has another shape.
    if (!operands.some((name) => rows.has(name))) return undefined;
    for (const name of output) rows.add(name);
  }
  return constants;
}

/** What an operator takes as this operand; undefined where it is not one that is known. */
function useOf(node: OnnxNode, at: number, tensor: OnnxTensor | undefined): Constant['use'] | 'row' | undefined {
  const { opType = '' } = node;
  if (COLUMNWISE.has(opType)) return tensor ? 'columns' : 'row';
  const second = SECOND[opType];
  // A table that each row looks something up in, or columns that are taken by their numbers.
  if (opType === 'Gather' && axisOf(node) === 0)
    return (at === 0) === (tensor !== undefined) ? tableOrRow(at) : undefined;
  if (opType !== 'MatMul' && axisOf(node) !== 1) return undefined;
  if (at === 0 || opType === 'Concat') return tensor ? undefined : 'row';
  return tensor && second;
}

/** What operators that take a value of the row first take second. */
const SECOND: Readonly<Record<string, Constant['use']>> = { MatMul: 'matrix', TopK: 'integers', Gather: 'integers' };
const WITH_AXIS = new Set(['Gather', 'Concat', 'TopK', 'ReduceMax']);

const tableOrRow = (at: number): 'table' | 'row' => (at === 0 ? 'table' : 'row');

/** The axis that an operator works along; undefined where it has none, or several. */
function axisOf({ opType = '', attribute = [] }: OnnxNode): number | undefined {
  if (!WITH_AXIS.has(opType)) return undefined;
  const named = (name: string): OnnxAttribute | undefined => attribute.find((each) => each.name === name);
  if (opType !== 'ReduceMax') return named('axis') && toNumber(named('axis')!.i);
  const axes = (named('axes')?.ints ?? []).map(toNumber);
  return axes.length === 1 && toNumber(named('keepdims')?.i) === 1 ? axes[0] : undefined;
}

function constantOf(tensor: OnnxTensor, use: Constant['use']): Constant | undefined {
  const dims = dimsOf(tensor);
  if (use === 'integers') {
    const values = integers(tensor);
    return values && dims.length === 1 ? { use, dims, values, isShared: true } : undefined;
  }
  const values = doubles(tensor);
  if (!values?.every(Number.isFinite) || values.length === 0) return undefined;
  const fits = {
    matrix: dims.length === 2,
    table: dims.length === 1,
    columns: dims.length === 1 || (dims.length === 2 && dims[0] === 1),
  };
  // Ones that add up columns are the same in all models. A single number may be one by chance.
  const isShared = use === 'matrix' && values.length > 1 && values.every((value) => value === 1);
  return fits[use] ? { use, dims, values, isShared } : undefined;
}

/** The scalers that the input goes through first. */
function scalingOf(
  nodes: readonly OnnxNode[],
  input: string,
  width: number,
  constants: ReadonlyMap<string, Constant>,
): Scaling[] {
  const scaling: Scaling[] = [];
  let x = input;
  for (const { opType, input: [first, second] = [], output: [result] = [] } of nodes) {
    const op = SCALING.find((known) => known === opType);
    const values = constants.get(second ?? '')?.values;
    if (!op || first !== x || !(values instanceof Float64Array) || values.length !== width) break;
    scaling.push({ op, values });
    x = result!;
  }
  return scaling;
}

function structureOf({ width, input, nodes, constants, normal }: Omit<Rowwise, 'structure'>): string {
  const attributes = ({ attribute = [] }: OnnxNode): unknown[] =>
    attribute.map(({ name, i, ints = [] }) => [name, toNumber(i), ints.map(toNumber)]);
  return JSON.stringify([
    [width, input, normal],
    nodes.map((node) => [node.opType, node.input, node.output, attributes(node)]),
    [...constants].map(([name, { use, dims, values, isShared }]) => [name, use, dims, isShared ? [...values] : 0]),
  ]);
}
