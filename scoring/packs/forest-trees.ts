/**
 * The trees of a TreeEnsemble (ai.onnx.ml 5) in a ninth of its bytes. The nodes of a tree lie level by level, leaves
 * among them, so that both sides of a node follow from its place: a bit tells whether a node splits, and then there is
 * nothing but splits in single precision, features and the numbers of leaves.
 */
import { dimsOf, doubles, type Int64, type OnnxAttribute, type OnnxNode, toNumber } from '../onnx-proto.ts';

/** All trees one behind the other. */
export interface Trees {
  /** Nodes that split, of each tree. */
  readonly counts: Uint16Array;
  /** A bit for each node of a tree, the lowest one first: 1 where it splits. Each tree begins with a new byte. */
  readonly shape: Uint8Array;
  /**
   * Of each node that splits the greatest single precision number up to its split: of numbers in single precision the
   * same ones lie below it. Rows up to it go on at the first side, all others at the second.
   */
  readonly splits: Float32Array;
  readonly features: Uint8Array;
  /** The number of each leaf among {@link leaves}. */
  readonly codes: Uint16Array;
  /** Distinct values of the leaves. */
  readonly leaves: Float64Array;
}

/** Nodes of a tree that split, and distinct leaves: 16 bits hold their numbers. */
const MOST = 65_535;
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
  const isEmpty = ensemble.splits.length === 0;
  if (width > MOST_FEATURES || isEmpty || !isSound(ensemble, width) || !areTrees(ensemble)) return undefined;
  const codes = new Map<number, number>();
  /** Code of each leaf. */
  const codeOf = new Int32Array(ensemble.weights.length);
  for (let leaf = 0; leaf < codeOf.length; leaf++) {
    const weight = ensemble.weights[leaf]!;
    const known = codes.get(weight);
    codeOf[leaf] = known ?? codes.size;
    if (known === undefined) codes.set(weight, codes.size);
  }
  if (codes.size > MOST) return undefined;
  const nodes: Nodes = { counts: [], shape: [], splits: [], features: [], codes: [] };
  for (const root of Array.from(ensemble.roots)) {
    const before = nodes.splits.length;
    layOut(ensemble, root, codeOf, nodes);
    if (nodes.splits.length - before > MOST) return undefined;
    nodes.counts.push(nodes.splits.length - before);
  }
  return {
    // Not by from(), which goes over a list by its iterator.
    counts: new Uint16Array(nodes.counts),
    shape: new Uint8Array(nodes.shape),
    splits: new Float32Array(nodes.splits),
    features: new Uint8Array(nodes.features),
    codes: new Uint16Array(nodes.codes),
    leaves: Float64Array.from(codes.keys()),
  };
}

type Nodes = { readonly [name in Exclude<keyof Trees, 'leaves'>]: number[] };

/** Appends the nodes of one tree, level by level. @param root a node, or `~leaf` */
function layOut({ splits, features, sides }: Ensemble, root: number, codeOf: Int32Array, to: Nodes): void {
  const queue = [root];
  let bits = 0;
  for (let at = 0; at < queue.length; at++) {
    const what = queue[at]!;
    if (what < 0) to.codes.push(codeOf[~what]!);
    else {
      bits |= 1 << (at % 8);
      to.splits.push(singleUpTo(splits[what]!));
      to.features.push(features[what]!);
      for (const { ids, isLeaf } of sides) queue.push(isLeaf[what] === 0 ? ids[what]! : ~ids[what]!);
    }
    if (at % 8 === 7 || at === queue.length - 1) {
      to.shape.push(bits);
      bits = 0;
    }
  }
}

/** Whether every node is met once at the most on the way down from the roots. */
function areTrees({ roots, sides, splits }: Ensemble): boolean {
  const queue = Array.from(roots).filter((root) => root >= 0);
  for (let i = 0; i < queue.length; i++) {
    if (queue.length > splits.length) return false;
    const at = queue[i]!;
    if (sides[0].isLeaf[at] === 0) queue.push(sides[0].ids[at]!);
    if (sides[1].isLeaf[at] === 0) queue.push(sides[1].ids[at]!);
  }
  return true;
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
