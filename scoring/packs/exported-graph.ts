/**
 * Values of a graph by their names, looked at from the results backwards: what skl2onnx writes has the same operators
 * in any order, and names that count up. Only what is asked for by operator, wiring and constant is found.
 */
import {
  DATA_TYPE,
  dimsOf,
  integers,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  singles,
  toNumber,
} from '../onnx-proto.ts';
import { isStandard } from './match-graph.ts';

export interface ExportedGraph {
  /** Operators by the name of their result; one that gives several is not among them. */
  readonly sources: ReadonlyMap<string, OnnxNode>;
  readonly constants: ReadonlyMap<string, OnnxTensor>;
}

/** Versions of the sets of operators that were compared: in these the operators of a forest mean the same. */
const OPSETS = { from: 9, to: 22 };
const ML_OPSETS = { from: 2, to: 3 };
const ML = 'ai.onnx.ml';

/** Undefined: other sets of operators, functions, or a name that is there twice. */
export function exportedGraph({ graph = {}, functions = [], opsetImport = [] }: OnnxModel): ExportedGraph | undefined {
  const isKnown = opsetImport.every(({ domain, version }) => {
    const { from, to } = isStandard(domain) ? OPSETS : ML_OPSETS;
    return (isStandard(domain) || domain === ML) && toNumber(version) >= from && toNumber(version) <= to;
  });
  const { node = [], initializer = [], sparseInitializer = [] } = graph;
  if (!isKnown || functions.length > 0 || sparseInitializer.length > 0) return undefined;
  const constants = new Map(initializer.map((tensor) => [tensor.name ?? '', tensor]));
  const sources = new Map<string, OnnxNode>();
  const outputs = node.flatMap(({ output = [] }) => output);
  for (const each of node) if (each.output?.length === 1) sources.set(each.output[0]!, each);
  const names = [...outputs, ...constants.keys(), ...(graph.input ?? []).map(({ name = '' }) => name)];
  // Weights that are inputs as well could be replaced by whoever runs the graph.
  return new Set(names).size === names.length && constants.size === initializer.length
    ? { sources, constants }
    : undefined;
}

/** Operands of the value, where an operator of this name makes it. @param to element type that a Cast has */
export function operandsOf(
  { sources }: ExportedGraph,
  name: string | undefined,
  op: string,
  to?: number,
): readonly string[] | undefined {
  const source = sources.get(name ?? '');
  if (source?.opType !== op || !isStandard(source.domain)) return undefined;
  if (to !== undefined && toNumber(source.attribute?.find((each) => each.name === 'to')?.i) !== to) return undefined;
  return source.input ?? [];
}

/** The one node of the value, where it is this one of ONNX's for machine learning. */
export function mlNode({ sources }: ExportedGraph, name: string | undefined, op: string): OnnxNode | undefined {
  const source = sources.get(name ?? '');
  return source?.opType === op && source.domain === ML ? source : undefined;
}

/** A constant that is one number, of single precision or an integer. */
export function numberOf({ constants }: ExportedGraph, name: string | undefined): number | undefined {
  const tensor = constants.get(name ?? '');
  const values = tensor && (tensor.dataType === DATA_TYPE.float ? singles(tensor) : integers(tensor));
  return tensor && values?.length === 1 && dimsOf(tensor).length <= 2 ? values[0] : undefined;
}
