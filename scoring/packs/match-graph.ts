/**
 * Recognises a graph by its exact sequence of operators, the wiring between them, their attributes and
 * their constants. Names of nodes and of values in between are free; anything more or less in the graph is
 * no match, so that a model that merely looks alike is never taken for one of a kind.
 */
import { dimsOf, doubles, integers, type OnnxModel, type OnnxNode, type OnnxTensor, toNumber } from '../onnx-proto.ts';

/**
 * Where an operand comes from: the input, an earlier operator, a parameter (`parameter`: of this name; `value`: of any
 * name, and more than one operand may be the same), or a constant by value (`index`: a scalar).
 */
export type Operand =
  | 'input'
  | { readonly step: number }
  | { readonly parameter: string }
  | { readonly value: string }
  | { readonly int64: number }
  | { readonly index: number }
  | { readonly double: number };

export interface Step {
  readonly op: string;
  readonly operands: readonly Operand[];
  /** Integer attributes, all of them. `free`: whoever asked looks at them in {@link GraphMatch.nodes}. */
  readonly attributes?: Readonly<Record<string, number>> | 'free';
  /** Of a set of operators other than the standard one. */
  readonly domain?: string;
}

export interface GraphPattern {
  readonly steps: readonly Step[];
  /** Steps whose results are the outputs. */
  readonly label: number;
  readonly scores: number;
  /** Element type of the input (ONNX DataType). */
  readonly inputType: number;
  /** Sets of operators beside the standard one, with their versions. */
  readonly domains?: Readonly<Record<string, number>>;
}

/** The operators used here mean the same in these versions of the standard operator set. */
const OPSETS = { from: 13, to: 22 };

export interface GraphMatch {
  readonly parameters: ReadonlyMap<string, OnnxTensor>;
  /** By step. */
  readonly nodes: readonly OnnxNode[];
}

/** Declared columns of the first input; 0 where none are. */
export const inputWidth = ({ graph }: OnnxModel): number =>
  toNumber(graph?.input?.[0]?.type?.tensorType?.shape?.dim?.[1]?.dimValue);

/** The parameters of a graph that fits the pattern; undefined when it does not. */
export function matchGraph(model: OnnxModel, pattern: GraphPattern): GraphMatch | undefined {
  const { graph } = model;
  if (!graph || !isPlain(model, pattern.domains) || (graph.node ?? []).length !== pattern.steps.length)
    return undefined;
  const initializers = new Map((graph.initializer ?? []).map((tensor) => [tensor.name ?? '', tensor]));
  if (initializers.size !== (graph.initializer ?? []).length) return undefined;
  const input = onlyInput(model, pattern.inputType, initializers);
  if (!input) return undefined;
  const wiring: Wiring = { input, initializers, parameters: new Map(), used: new Set(), results: [] };
  const fits = pattern.steps.every((step, i) => takeStep(wiring, step, graph.node![i]!));
  if (!fits || wiring.used.size !== initializers.size) return undefined;
  const outputs = (graph.output ?? []).map((output) => output.name ?? '').sort();
  if (outputs.join('\n') !== ['label', 'scores'].join('\n')) return undefined;
  const { results, parameters } = wiring;
  return results[pattern.label] === 'label' && results[pattern.scores] === 'scores'
    ? { parameters, nodes: graph.node! }
    : undefined;
}

/** The standard operator set of a version that is known, the others asked for, no functions, no sparse constants. */
export function isPlain(
  { graph, functions = [], opsetImport = [] }: OnnxModel,
  domains: Readonly<Record<string, number>> = {},
): boolean {
  const opset = opsetImport.find(({ domain }) => isStandard(domain));
  const others = opsetImport.filter((other) => other !== opset);
  if (!opset || functions.length > 0 || (graph?.sparseInitializer ?? []).length > 0) return false;
  if (others.length !== Object.keys(domains).length) return false;
  if (!others.every(({ domain = '', version }) => domains[domain] === toNumber(version))) return false;
  const version = toNumber(opset.version);
  return version >= OPSETS.from && version <= OPSETS.to;
}

/** What is known of a graph while its operators are gone through in order. */
interface Wiring {
  readonly input: string;
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  /** Found so far, by name. */
  readonly parameters: Map<string, OnnxTensor>;
  /** Constants that an operator has taken. */
  readonly used: Set<string>;
  /** Names of the results, by step. */
  readonly results: string[];
}

/** Goes one operator on; false when it is not the one that the pattern has there. */
function takeStep(wiring: Wiring, step: Step, node: OnnxNode): boolean {
  const { opType, domain, input: operands = [], output = [] } = node;
  if (opType !== step.op || output.length !== 1) return false;
  if (step.domain === undefined ? !isStandard(domain) : domain !== step.domain) return false;
  if (operands.length !== step.operands.length || !sameAttributes(step, node)) return false;
  if (!step.operands.every((operand, i) => takeOperand(wiring, operand, operands[i]!))) return false;
  const name = output[0]!;
  // Shadowed names would make the wiring ambiguous.
  const taken = name === '' || name === wiring.input || wiring.results.includes(name) || wiring.initializers.has(name);
  if (!taken) wiring.results.push(name);
  return !taken;
}

function sameAttributes({ attributes = {} }: Step, { attribute = [] }: OnnxNode): boolean {
  if (attributes === 'free') return true;
  const expected = Object.entries(attributes);
  return (
    attribute.length === expected.length &&
    expected.every(([name, value]) => attribute.some((found) => found.name === name && toNumber(found.i) === value))
  );
}

function takeOperand(wiring: Wiring, operand: Operand, name: string): boolean {
  if (operand === 'input') return name === wiring.input;
  if ('step' in operand) return name === wiring.results[operand.step];
  const tensor = wiring.initializers.get(name);
  if (!tensor) return false;
  wiring.used.add(name);
  if ('value' in operand) wiring.parameters.set(operand.value, tensor);
  else if (!('parameter' in operand)) return isConstant(tensor, operand);
  else if (name !== operand.parameter) return false;
  else wiring.parameters.set(name, tensor);
  return true;
}

type Constant = Extract<Operand, { int64: number } | { index: number } | { double: number }>;

function isConstant(tensor: OnnxTensor, constant: Constant): boolean {
  // More dimensions would change the shape of the result.
  if (dimsOf(tensor).length > ('index' in constant ? 0 : 1)) return false;
  if ('double' in constant) return isOnly(doubles(tensor), constant.double);
  return isOnly(integers(tensor), 'index' in constant ? constant.index : constant.int64);
}

const isOnly = (values: ArrayLike<number> | undefined, expected: number): boolean =>
  values?.length === 1 && values[0] === expected;

export const isStandard = (domain: string | undefined): boolean =>
  domain === undefined || domain === '' || domain === 'ai.onnx';

/** Name of the input, when it is the only one and has the shape [N, width]. */
export function onlyInput(
  model: OnnxModel,
  type: number,
  initializers: ReadonlyMap<string, OnnxTensor>,
): string | undefined {
  const [input, ...more] = model.graph?.input ?? [];
  const tensor = input?.type?.tensorType;
  const dims = tensor?.shape?.dim ?? [];
  const name = input?.name ?? '';
  if (more.length > 0 || name === '' || initializers.has(name)) return undefined;
  return tensor?.elemType === type && dims.length === 2 && inputWidth(model) > 0 && !toNumber(dims[0]!.dimValue)
    ? name
    : undefined;
}

/** Values of a double parameter of exactly these dimensions, all finite. */
export function finiteDoubles(match: GraphMatch, name: string, dims: readonly number[]): Float64Array | undefined {
  const tensor = match.parameters.get(name);
  if (!tensor || dimsOf(tensor).join() !== dims.join()) return undefined;
  const values = doubles(tensor);
  return values?.every(Number.isFinite) ? values : undefined;
}
