/**
 * The trees of a TreeEnsemble (ai.onnx.ml 5) in a form of a quarter of the bytes that is walked level by level: for
 * each node of a tree its split in single precision, its feature, and where both of its sides lead. All walks take as
 * many steps as the deepest leaf lies below its root: one that ends before waits in a node whose split is no number.
 */
import { dimsOf, doubles, type Int64, type OnnxAttribute, type OnnxNode, toNumber } from '../onnx-proto.ts';

export interface Trees {
  /** First node of each tree among those of the model. */
  readonly roots: Int32Array;
  /**
   * The greatest single precision number up to the split: of numbers in single precision the same ones lie below it.
   */
  readonly splits: Float32Array;
  readonly features: Uint8Array;
  /**
   * Of each node where a row up to the split goes on, and where any other does: a node of the same tree, counted from
   * its root, or below zero, after the last step, the leaf `~child`.
   */
  readonly children: Int16Array;
  /** Distinct values of the leaves. */
  readonly leaves: Float64Array;
  /** Steps from a root to any leaf, waiting included. */
  readonly steps: number;
}

/** Largest number of a node or of a leaf: 16 bits hold it. */
const MOST = 32_767;
const MOST_STEPS = 32;
const MOST_FEATURES = 255;

/** Trees as ONNX has them: nodes that split and leaves are numbered apart, over all trees. */
export interface Ensemble {
  /** First node of each tree; of one without a split `~leaf`. */
  readonly roots: ArrayLike<number>;
  readonly features: ArrayLike<number>;
  readonly splits: Float64Array;
  readonly sides: readonly [Side, Side];
  readonly weights: Float64Array;
}

interface Side {
  readonly ids: ArrayLike<number>;
  readonly isLeaf: ArrayLike<number>;
}

/**
 * The trees of an ensemble as scoring/python/forest.py writes it.
 * @param width columns of the input. Undefined: not of this form, damaged, or too large for it
 */
export function readTrees(node: OnnxNode, width: number): Trees | undefined {
  const ensemble = readEnsemble(node);
  return ensemble && all(ensemble.roots, (root) => root >= 0) ? treesOf(ensemble, width) : undefined;
}

/** @param width columns of the input. Undefined: damaged, without a split, or too large for this form */
export function treesOf(ensemble: Ensemble, width: number): Trees | undefined {
  if (width > MOST_FEATURES || !isSound(ensemble, width)) return undefined;
  const steps = depthOf(ensemble);
  if (steps === undefined || steps === 0 || steps > MOST_STEPS) return undefined;
  const codes = new Map<number, number>();
  /** Code of each leaf. */
  const codeOf = new Int32Array(ensemble.weights.length);
  for (let leaf = 0; leaf < codeOf.length; leaf++) {
    const weight = ensemble.weights[leaf]!;
    const known = codes.get(weight);
    codeOf[leaf] = known ?? codes.size;
    if (known === undefined) codes.set(weight, codes.size);
  }
  const nodes: Nodes = { splits: [], features: [], children: [] };
  const roots: number[] = [];
  for (const root of Array.from(ensemble.roots)) {
    const first = nodes.splits.length;
    roots.push(first);
    layOut(ensemble, root < 0 ? ~codeOf[~root]! : root, steps, codeOf, nodes);
    if (nodes.splits.length - first > MOST) return undefined;
  }
  if (codes.size > MOST) return undefined;
  return {
    // Not by from(), which goes over a list by its iterator.
    roots: new Int32Array(roots),
    splits: new Float32Array(nodes.splits),
    features: new Uint8Array(nodes.features),
    children: new Int16Array(nodes.children),
    leaves: Float64Array.from(codes.keys()),
    steps,
  };
}

interface Nodes {
  readonly splits: number[];
  readonly features: number[];
  readonly children: number[];
}

/** Appends the nodes of one tree, level by level. @param root a node, or `~code` of a leaf */
function layOut(ensemble: Ensemble, root: number, steps: number, codeOf: Int32Array, to: Nodes): void {
  const { splits, features, sides } = ensemble;
  /** Nodes of the ensemble, or ~code of a leaf that is waited for. */
  const queue = [root];
  const depths = [0];
  const waits = new Map<number, number>();
  const sideOf = ({ ids, isLeaf }: Side, what: number, below: number): number => {
    const target = ids[what]!;
    if (isLeaf[what] === 0) {
      depths.push(below);
      return queue.push(target) - 1;
    }
    const code = codeOf[target]!;
    if (below === steps) return ~code;
    const known = waits.get(code);
    if (known !== undefined) return known;
    waits.set(code, queue.length);
    depths.push(below);
    return queue.push(~code) - 1;
  };
  for (let at = 0; at < queue.length; at++) {
    const what = queue[at]!;
    if (what < 0) {
      to.splits.push(Number.NaN);
      to.features.push(0);
      to.children.push(at, what);
      continue;
    }
    to.splits.push(singleUpTo(splits[what]!));
    to.features.push(features[what]!);
    const below = depths[at]! + 1;
    const first = sideOf(sides[0], what, below);
    to.children.push(first, sideOf(sides[1], what, below));
  }
}

/** Steps to the deepest leaf; undefined where the nodes are no trees. */
function depthOf({ roots, sides, splits }: Ensemble): number | undefined {
  let level = Array.from(roots).filter((root) => root >= 0);
  let seen = 0;
  for (let depth = 0; ; depth++) {
    if (level.length === 0) return depth;
    seen += level.length;
    if (seen > splits.length) return undefined;
    const next: number[] = [];
    for (const at of level) {
      if (sides[0].isLeaf[at] === 0) next.push(sides[0].ids[at]!);
      if (sides[1].isLeaf[at] === 0) next.push(sides[1].ids[at]!);
    }
    level = next;
  }
}

const cell = new Float32Array(1);
const bits = new Int32Array(cell.buffer);

/** The greatest number of single precision that is not above this one. */
export function singleUpTo(value: number): number {
  cell[0] = value;
  if (cell[0] <= value) return cell[0];
  // Rounded up: the next one below. Of zero that is the least one below it.
  if (cell[0] === 0) return -(2 ** -149);
  bits[0]! += cell[0] > 0 ? -1 : 1;
  return cell[0];
}

function isSound({ roots, features, splits, sides, weights }: Ensemble, width: number): boolean {
  const count = splits.length;
  return (
    roots.length > 0 &&
    features.length === count &&
    all(roots, (root) => root < count && ~root < weights.length) &&
    all(features, (feature) => feature >= 0 && feature < width) &&
    splits.every(Number.isFinite) &&
    weights.every(Number.isFinite) &&
    sides.every(
      ({ ids, isLeaf }) =>
        ids.length === count &&
        isLeaf.length === count &&
        all(isLeaf, (leaf) => leaf === 0 || leaf === 1) &&
        all(ids, (id, at) => id >= 0 && id < (isLeaf[at] === 0 ? count : weights.length)),
    )
  );
}

function all(numbers: ArrayLike<number>, is: (number: number, at: number) => boolean): boolean {
  for (let at = 0; at < numbers.length; at++) if (!is(numbers[at]!, at)) return false;
  return true;
}

/** TreeEnsemble attributes: one sum of the leaves, every split "less or equal", nothing said of missing numbers. */
const NUMBERS = { aggregate_function: 1, post_transform: 0, n_targets: 1 };
const LISTS = [
  'tree_roots',
  'nodes_featureids',
  'nodes_truenodeids',
  'nodes_trueleafs',
  'nodes_falsenodeids',
  'nodes_falseleafs',
  'leaf_targetids',
] as const;
const TENSORS = ['nodes_modes', 'nodes_splits', 'leaf_weights'];

function readEnsemble({ attribute = [] }: OnnxNode): Ensemble | undefined {
  const found = new Map(attribute.map((each) => [each.name ?? '', each]));
  if (found.size !== attribute.length) return undefined;
  if (attribute.length !== Object.keys(NUMBERS).length + LISTS.length + TENSORS.length) return undefined;
  for (const [name, value] of Object.entries(NUMBERS)) if (toNumber(found.get(name)?.i) !== value) return undefined;
  const list = (name: (typeof LISTS)[number]): Float64Array => numbersIn(found.get(name)?.ints ?? []);
  const [splits, weights] = [numbersOf(found.get('nodes_splits')), numbersOf(found.get('leaf_weights'))];
  const modes = found.get('nodes_modes')?.t?.rawData;
  if (!splits || !weights || modes?.length !== splits.length || !all(modes, (mode) => mode === 0)) return undefined;
  const targets = list('leaf_targetids');
  if (targets.length !== weights.length || !all(targets, (target) => target === 0)) return undefined;
  return {
    roots: list('tree_roots'),
    features: list('nodes_featureids'),
    splits,
    sides: [
      { ids: list('nodes_truenodeids'), isLeaf: list('nodes_trueleafs') },
      { ids: list('nodes_falsenodeids'), isLeaf: list('nodes_falseleafs') },
    ],
    weights,
  };
}

/** In a loop of its own: a forest has seven lists of some thousand integers. */
function numbersIn(integers: readonly Int64[]): Float64Array {
  const numbers = new Float64Array(integers.length);
  for (let at = 0; at < numbers.length; at++) numbers[at] = toNumber(integers[at]);
  return numbers;
}

const numbersOf = (attribute: OnnxAttribute | undefined): Float64Array | undefined =>
  attribute?.t && dimsOf(attribute.t).length === 1 ? doubles(attribute.t) : undefined;
