/**
 * How an exported forest makes the depth of a leaf out of the two numbers that its LabelEncoders give: by operators on
 * one number each. They are the same for all trees, or the forest is not of this form.
 */
import { DATA_TYPE, integers, type OnnxNode } from '../onnx-proto.ts';
import { type ExportedGraph, mlNode, numberOf, operandsOf } from './exported-graph.ts';
import type { Term } from './forest-scores.ts';

export interface Depth {
  /** Name of what gives the number of the leaf. */
  readonly leaf: string;
  /** In the order of the two numbers of a leaf. */
  readonly encoders: readonly OnnxNode[];
}

export interface DepthReader {
  /** Of all trees together, each once. */
  readonly terms: readonly Term[];
  /** Undefined: the value is made in another way. */
  read(name: string): Depth | undefined;
  /** Whether the depths that were read are all the last term, and each was made of all terms. */
  isOneForm(): boolean;
}

/** Operators that give one number for one number or two. */
const OPERATORS = ['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Log', 'Neg', 'Abs', 'Equal', 'Greater', 'Less'];
const MOST_TERMS = 64;
const MOST_ENCODERS = 2;

interface OpenTree {
  leaf?: string;
  readonly encoders: OnnxNode[];
  /** Terms by the names of values. */
  readonly known: Map<string, number>;
}

export function createDepthReader(graph: ExportedGraph): DepthReader {
  const terms: Term[] = [];
  const places = new Map<string, number>();
  const depths = new Set<number>();
  const sizes = new Set<number>();

  const place = (term: Term): number | undefined => {
    const key = JSON.stringify(term);
    const at = places.get(key) ?? terms.length;
    if (at === MOST_TERMS) return undefined;
    if (at === terms.length) terms.push(term);
    places.set(key, at);
    return at;
  };

  function read(name: string, tree: OpenTree, depth: number): number | undefined {
    const known = tree.known.get(name);
    if (known !== undefined || depth > MOST_TERMS) return known;
    const at = termOf(name, tree, depth);
    if (at !== undefined) tree.known.set(name, at);
    return at;
  }

  function termOf(name: string, tree: OpenTree, depth: number): number | undefined {
    const value = singleNumber(graph, name);
    if (value !== undefined) return Number.isFinite(value) ? place({ kind: 'number', value }) : undefined;
    const encoder = mlNode(graph, name, 'LabelEncoder');
    if (encoder) return leafTerm(encoder, tree);
    const [column, to] = operandsOf(graph, name, 'Reshape') ?? [];
    if (column !== undefined)
      return isColumn(graph, to) && !graph.constants.has(column) ? read(column, tree, depth + 1) : undefined;
    const cast = operandsOf(graph, name, 'Cast', DATA_TYPE.float);
    const op = cast ? 'Cast' : OPERATORS.find((each) => operandsOf(graph, name, each) !== undefined);
    if (op === undefined) return undefined;
    const operands = operandsOf(graph, name, op)!.map((operand) => read(operand, tree, depth + 1));
    return operands.every((operand) => operand !== undefined) ? place({ kind: 'operator', op, operands }) : undefined;
  }

  function leafTerm(encoder: OnnxNode, tree: OpenTree): number | undefined {
    const [leaf] = operandsOf(graph, encoder.input?.[0], 'Cast', DATA_TYPE.int64) ?? [];
    if (leaf === undefined || leaf !== (tree.leaf ?? leaf) || tree.encoders.length === MOST_ENCODERS) return undefined;
    tree.leaf = leaf;
    return place({ kind: 'leaf', at: tree.encoders.push(encoder) - 1 });
  }

  return {
    terms,
    read(name) {
      const tree: OpenTree = { encoders: [], known: new Map() };
      const depth = read(name, tree, 0);
      if (depth === undefined || tree.leaf === undefined) return undefined;
      depths.add(depth);
      sizes.add(new Set(tree.known.values()).size);
      return { leaf: tree.leaf, encoders: tree.encoders };
    },
    isOneForm: () => depths.size === 1 && depths.has(terms.length - 1) && sizes.size === 1 && sizes.has(terms.length),
  };
}

/** A constant of single precision: of all numbers of this form. */
function singleNumber(graph: ExportedGraph, name: string): number | undefined {
  return graph.constants.get(name)?.dataType === DATA_TYPE.float ? numberOf(graph, name) : undefined;
}

/** Whether a value of one number a row, in this shape, is the same again. */
function isColumn({ constants }: ExportedGraph, shape: string | undefined): boolean {
  const tensor = constants.get(shape ?? '');
  return tensor !== undefined && integers(tensor)?.join() === '-1,1';
}
