/**
 * Recognises a graph by its exact sequence of operators, the wiring between them, their attributes and
 * their constants. Names of nodes and of values in between are free; anything more or less in the graph is
 * no match, so that a model that merely looks alike is never taken for one of a kind.
 */
import { dimsOf, doubles, integers, type OnnxModel, type OnnxTensor, toNumber } from '../onnx-proto.ts';

/** Where an operand comes from: the input, an earlier operator, a parameter by name, or a constant by value (`index`: a scalar). */
export type Operand =
  | 'input'
  | { readonly step: number }
  | { readonly parameter: string }
  | { readonly int64: number }
  | { readonly index: number }
  | { readonly double: number };

export interface Step {
  readonly op: string;
  readonly operands: readonly Operand[];
  /** Integer attributes, all of them. */
  readonly attributes?: Readonly<Record<string, number>>;
}

export interface GraphPattern {
  readonly steps: readonly Step[];
  /** Steps whose results are the outputs. */
  readonly label: number;
  readonly scores: number;
  /** Element type of the input (ONNX DataType). */
  readonly inputType: number;
}

/** The operators used here mean the same in these versions of the standard operator set. */
const OPSETS = { from: 13, to: 22 };

export interface GraphMatch {
  readonly parameters: ReadonlyMap<string, OnnxTensor>;
}

/** Declared columns of the first input; 0 where none are. */
export const inputWidth = ({ graph }: OnnxModel): number =>
  toNumber(graph?.input?.[0]?.type?.tensorType?.shape?.dim?.[1]?.dimValue);

/** The parameters of a graph that fits the pattern; undefined when it does not. */
export function matchGraph(model: OnnxModel, pattern: GraphPattern): GraphMatch | undefined {
  const { graph, opsetImport = [] } = model;
  if (!graph || (model.functions ?? []).length > 0 || opsetImport.length !== 1) return undefined;
  const version = toNumber(opsetImport[0]!.version);
  if (!isStandard(opsetImport[0]!.domain) || version < OPSETS.from || version > OPSETS.to) return undefined;
  const nodes = graph.node ?? [];
  if (nodes.length !== pattern.steps.length || (graph.sparseInitializer ?? []).length > 0) return undefined;
  const initializers = new Map((graph.initializer ?? []).map((tensor) => [tensor.name ?? '', tensor]));
  const input = onlyInput(model, pattern.inputType, initializers);
  if (!input) return undefined;
  const parameters = new Map<string, OnnxTensor>();
  const used = new Set<string>();
  const results: string[] = [];

  const fits = (operand: Operand, name: string): boolean => {
    if (operand === 'input') return name === input;
    if ('step' in operand) return name === results[operand.step];
    const tensor = initializers.get(name);
    if (!tensor) return false;
    used.add(name);
    if ('parameter' in operand) {
      if (name !== operand.parameter) return false;
      parameters.set(name, tensor);
      return true;
    }
    // More dimensions would change the shape of the result.
    if (dimsOf(tensor).length > ('index' in operand ? 0 : 1)) return false;
    const [values, expected] =
      'double' in operand
        ? [doubles(tensor), operand.double]
        : [integers(tensor), 'index' in operand ? operand.index : operand.int64];
    return values?.length === 1 && values[0] === expected;
  };

  for (const [i, step] of pattern.steps.entries()) {
    const { opType, domain, input: operands = [], output = [], attribute = [] } = nodes[i]!;
    if (opType !== step.op || !isStandard(domain) || output.length !== 1 || operands.length !== step.operands.length)
      return undefined;
    if (!step.operands.every((operand, j) => fits(operand, operands[j]!))) return undefined;
    const expected = Object.entries(step.attributes ?? {});
    if (attribute.length !== expected.length) return undefined;
    for (const [name, value] of expected) {
      const found = attribute.find((a) => a.name === name);
      if (!found || toNumber(found.i) !== value) return undefined;
    }
    // Shadowed names would make the wiring above ambiguous.
    if (output[0] === '' || output[0] === input || results.includes(output[0]!) || initializers.has(output[0]!))
      return undefined;
    results.push(output[0]!);
  }
  const outputs = (graph.output ?? []).map((output) => output.name).sort();
  if (outputs.join('\n') !== ['label', 'scores'].join('\n')) return undefined;
  if (results[pattern.label] !== 'label' || results[pattern.scores] !== 'scores') return undefined;
  if (used.size !== initializers.size || initializers.size !== (graph.initializer ?? []).length) return undefined;
  return { parameters };
}

const isStandard = (domain: string | undefined): boolean =>
  domain === undefined || domain === '' || domain === 'ai.onnx';

/** Name of the input, when it is the only one and has the shape [N, width]. */
function onlyInput(model: OnnxModel, type: number, initializers: ReadonlyMap<string, OnnxTensor>): string | undefined {
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
