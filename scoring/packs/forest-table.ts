/**
 * Many forests in one graph: the nodes of all trees lie one behind the other, and every row walks all trees of its
 * forest at once, a step of the graph for a step of the trees. GatherElements over flat tensors costs a third of
 * Gather. The depths are added by CumSum over the first axis, which adds in the order of the trees, as TreeEnsemble
 * does.
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
import { depthNodes, depthTensors, type Arithmetic, numberNames, scoreNodes } from './forest-scores.ts';
import type { Trees } from './forest-trees.ts';
import type { PackLimits, PackTable } from './fuser.ts';
import { PACK_PORTS, packPorts } from './pack-format.ts';
import { probeRows, type Scaling, some } from './probe-rows.ts';

export interface Forest {
  readonly width: number;
  readonly scaling: readonly Scaling[];
  readonly trees: Trees;
  /** From the leaves of a row to its score. */
  readonly arithmetic: Arithmetic;
}

/** Distinct leaves of a pack: numbered in 16 bits. */
const MOST_LEAVES = 32_768;
/**
 * Runs of some 30,000 walks: what one step of them holds stays in the cache of a core, where 100,000 walks take twice
 * as long each.
 */
const ROW_WIDTH_PER_TREE = 128;

/** @param first a forest of the shape of all that are added */
export function forestTable(first: Forest, limits: PackLimits): PackTable<Forest> {
  const forests: Forest[] = [];
  const codes = new Map<number, number>();
  let bytes = 0;
  return {
    rowWidth: ROW_WIDTH_PER_TREE * first.trees.roots.length,
    add(forest) {
      const own = bytesOf(forest);
      const fresh = forest.trees.leaves.reduce((count, leaf) => count + (codes.has(leaf) ? 0 : 1), 0);
      const fits = bytes + own <= limits.maxBytes && codes.size + fresh <= MOST_LEAVES;
      if (forests.length > 0 && (!fits || forests.length === limits.maxRows)) return false;
      for (const leaf of forest.trees.leaves) if (!codes.has(leaf)) codes.set(leaf, codes.size);
      forests.push(forest);
      bytes += own;
      return true;
    },
    graph: () => graphOf(forests, codes),
  };
}

function bytesOf({ width, trees }: Forest): number {
  const { splits, features, children, roots } = trees;
  return splits.byteLength + children.byteLength + roots.byteLength + (width > 1 ? features.byteLength : 0);
}

/** Numbers of a forest that are not in its trees, in the order of their columns. */
function numbersOf({ scaling, arithmetic }: Forest): number[] {
  const { numbers }: { readonly numbers: Readonly<Record<string, number>> } = arithmetic;
  return [...scaling.flatMap(({ values }) => [...values]), ...numberNames(arithmetic).map((name) => numbers[name]!)];
}

function graphOf(forests: readonly Forest[], codes: ReadonlyMap<number, number>): OnnxGraph {
  const [{ width, scaling, trees, arithmetic }] = forests as readonly [Forest, ...Forest[]];
  const scaled = scaling.map((_, i) => `scaling_${i}`);
  const isSingle = arithmetic.type === 'single';
  const input = isSingle ? 'single_features' : PACK_PORTS.features;
  return {
    name: 'pack',
    node: [
      node('Gather', ['numbers', PACK_PORTS.index], ['gathered'], { axis: 0 }),
      node('Unsqueeze', ['gathered', 'axis_1'], ['parameters']),
      node('Split', ['parameters', 'widths'], [...scaled, ...numberNames(arithmetic)], { axis: 2 }),
      ...(isSingle ? [node('Cast', [PACK_PORTS.features], [input], { to: DATA_TYPE.float })] : []),
      ...scaling.map(({ op }, i) => node(op, [i === 0 ? input : `scaled_${i - 1}`, `scaling_${i}`], [`scaled_${i}`])),
      ...walkNodes(scaling.length === 0 ? input : `scaled_${scaling.length - 1}`, width, trees.steps),
      ...depthNodes(arithmetic),
      ...sumNodes(),
      ...scoreNodes(arithmetic, 'sum_of_trees'),
    ],
    initializer: [
      ...tablesOf(forests, codes),
      ...depthTensors(arithmetic, [...codes.keys()]),
      ...constantsOf(forests[0]!),
    ],
    ...packPorts(width),
  };
}

/** From features [M, R, F] to `leaf`, the number of the leaf of each walk: int32, trees x models x rows, flat. */
function walkNodes(features: string, width: number, steps: number): OnnxNode[] {
  const nodes = [
    // A split in single precision: what is no number goes where the largest one goes, as in TreeEnsemble.
    node('Cast', [features], ['single'], { to: DATA_TYPE.float }),
    node('IsNaN', ['single'], ['is_nan']),
    node('Where', ['is_nan', 'infinity', 'single'], ['numbers_only']),
    node('Reshape', ['numbers_only', 'flat'], ['x_flat']),
    node('Shape', [PACK_PORTS.features], ['shape'], { end: 2 }),
    node('Concat', ['trees', 'shape'], ['walks'], { axis: 0 }),
    node('Gather', ['roots', PACK_PORTS.index], ['roots_of_model'], { axis: 0 }),
    node('Transpose', ['roots_of_model'], ['roots_of_tree'], { perm: [1, 0] }),
    node('Unsqueeze', ['roots_of_tree', 'axis_2'], ['roots_by_tree']),
    node('Expand', ['roots_by_tree', 'walks'], ['roots_of_walk']),
    node('Reshape', ['roots_of_walk', 'flat'], ['root']),
  ];
  if (width === 1)
    nodes.push(
      node('Reshape', ['numbers_only', 'shape'], ['x_of_row']),
      node('Expand', ['x_of_row', 'walks'], ['x_of_walk']),
      node('Reshape', ['x_of_walk', 'flat'], ['x']),
    );
  else
    nodes.push(
      // Where the features of a row begin.
      node('Size', ['x_flat'], ['count']),
      node('Range', ['zero', 'count', 'width'], ['begin_long']),
      node('Cast', ['begin_long'], ['begin_flat'], { to: DATA_TYPE.int32 }),
      node('Reshape', ['begin_flat', 'shape'], ['begin_of_row']),
      node('Expand', ['begin_of_row', 'walks'], ['begin_of_walk']),
      node('Reshape', ['begin_of_walk', 'flat'], ['begin']),
    );
  for (let step = 0; step < steps; step++) {
    const at = step === 0 ? 'root' : `node_${step}`;
    const [isLast, of] = [step === steps - 1, (name: string): string => `${name}_${step}`];
    const x = width === 1 ? 'x' : of('x');
    nodes.push(node('GatherElements', ['splits', at], [of('split')], { axis: 0 }));
    if (width > 1)
      nodes.push(
        node('GatherElements', ['features_of_nodes', at], [of('feature_short')], { axis: 0 }),
        node('Cast', [of('feature_short')], [of('feature')], { to: DATA_TYPE.int32 }),
        node('Add', ['begin', of('feature')], [of('place')]),
        node('GatherElements', ['x_flat', of('place')], [x], { axis: 0 }),
      );
    // Beside a split that is no number a walk waits, but goes on in the last step.
    if (isLast)
      nodes.push(node('LessOrEqual', [x, of('split')], [of('up_to')]), node('Not', [of('up_to')], [of('above')]));
    else nodes.push(node('Greater', [x, of('split')], [of('above')]));
    nodes.push(
      node('Cast', [of('above')], [of('side')], { to: DATA_TYPE.int32 }),
      node('Add', [at, at], [of('twice')]),
      node('Add', [of('twice'), of('side')], [of('way')]),
      node('GatherElements', ['children', of('way')], [of('child_short')], { axis: 0 }),
      node('Cast', [of('child_short')], [isLast ? 'leaf' : of('child')], { to: DATA_TYPE.int32 }),
    );
    if (!isLast) nodes.push(node('Add', ['root', of('child')], [`node_${step + 1}`]));
  }
  return nodes;
}

/** From the leaf of each walk to `sum_of_trees` [M, R, 1], the sum of its depths in the order of the trees. */
function sumNodes(): OnnxNode[] {
  return [
    node('GatherElements', ['leaves', 'leaf'], ['depth'], { axis: 0 }),
    node('Reshape', ['depth', 'a_row_each'], ['depths']),
    node('CumSum', ['depths', 'first_axis'], ['sums']),
    node('Gather', ['sums', 'last_tree'], ['sum'], { axis: 0 }),
    node('Concat', ['shape', 'one'], ['column'], { axis: 0 }),
    node('Reshape', ['sum', 'column'], ['sum_of_trees']),
  ];
}

/** The nodes of all trees, and the other numbers of the forests. */
function tablesOf(forests: readonly Forest[], codes: ReadonlyMap<number, number>): OnnxTensor[] {
  const nodes = forests.reduce((sum, { trees }) => sum + trees.splits.length, 0);
  const treeCount = forests[0]!.trees.roots.length;
  const splits = new Float32Array(nodes);
  const features = new Uint8Array(nodes);
  const children = new Int16Array(2 * nodes);
  const roots = new Int32Array(forests.length * treeCount);
  let at = 0;
  for (const [i, { trees }] of forests.entries()) {
    splits.set(trees.splits, at);
    features.set(trees.features, at);
    const numbers = Int16Array.from(trees.leaves, (leaf) => codes.get(leaf)!);
    // Plain loops: they go over all nodes of a release.
    for (let k = 0; k < trees.children.length; k++) {
      const child = trees.children[k]!;
      children[2 * at + k] = child < 0 ? numbers[~child]! : child;
    }
    for (let k = 0; k < treeCount; k++) roots[i * treeCount + k] = at + trees.roots[k]!;
    at += trees.splits.length;
  }
  const numbers = forests.map(numbersOf);
  return [
    tensorOf('splits', [nodes], splits),
    ...(forests[0]!.width > 1 ? [tensorOf('features_of_nodes', [nodes], features)] : []),
    tensorOf('children', [2 * nodes], children),
    tensorOf('roots', [forests.length, treeCount], roots),
    tensorOf(
      'numbers',
      [forests.length, numbers[0]!.length],
      forests[0]!.arithmetic.type === 'single' ? Float32Array.from(numbers.flat()) : Float64Array.from(numbers.flat()),
    ),
  ];
}

function constantsOf({ width, scaling, trees, arithmetic }: Forest): OnnxTensor[] {
  const treeCount = trees.roots.length;
  const widths = [...scaling.map(() => width), ...numberNames(arithmetic).map(() => 1)];
  return [
    int64Tensor('widths', [widths.length], widths),
    int64Tensor('axis_1', [1], [1]),
    int64Tensor('axis_2', [1], [2]),
    int64Tensor('flat', [1], [-1]),
    int64Tensor('trees', [1], [treeCount]),
    int64Tensor('one', [1], [1]),
    ...(width === 1 ? [] : [int64Tensor('zero', [], [0]), int64Tensor('width', [], [width])]),
    int64Tensor('a_row_each', [2], [treeCount, -1]),
    int64Tensor('first_axis', [], [0]),
    int64Tensor('last_tree', [], [treeCount - 1]),
    tensorOf('infinity', [], Float32Array.of(Number.POSITIVE_INFINITY)),
  ];
}

const PROBES = 24;

/** Rows at the splits of the trees, of each feature. */
export function forestProbes({ width, scaling, trees }: Forest): Float64Array {
  const splits = Array.from({ length: width }, (_, f) => {
    const own = [...trees.splits].filter((split, at) => trees.features[at] === f && !Number.isNaN(split));
    return own.length > 0 ? some(own, PROBES) : [f];
  });
  return probeRows(scaling, splits);
}

/** Forests of one shape share a pack. */
export const forestShape = ({ scaling, trees, arithmetic }: Forest): string =>
  JSON.stringify([scaling.map(({ op }) => op), trees.roots.length, trees.steps, { ...arithmetic, numbers: 0 }]);
