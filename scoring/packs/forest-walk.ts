/**
 * Walks the trees of a pack (packed-trees.ts): from rows of features to the sums of the depths that they end at, added
 * in the order of the trees, as a TreeEnsemble alone adds them. Each tree is unfolded once for all rows of its model,
 * in memory that stays in the cache of a core: that costs less than to fetch and keep unfolded trees. Most of what
 * scoring a forest takes is in these loops, so they are plain ones over flat arrays.
 */
import { modelError } from '../model-problem.ts';
import type { PackedTrees, TreesHeader } from './packed-trees.ts';

/** Rows of features of some models, as many of each (pack-blocks.ts). */
export interface WalkedRows {
  /** Forest of each model. */
  readonly models: Int32Array;
  readonly rows: number;
  /** [models, rows, width] */
  readonly features: Float64Array;
}

/** @returns sums of depths [models, rows]; they stand until the next call */
export type ForestWalk = (rows: WalkedRows) => Float64Array;

/**
 * @param depths of the leaves, by their number in the pack
 * @throws FleetscoreError `MODEL_CORRUPT` where the trees do not fit what is said of them
 */
export function createForestWalk(header: TreesHeader, trees: PackedTrees, depths: Float64Array): ForestWalk {
  const { width } = header;
  const places = placesOf(header, trees);
  const sides = new Int32Array(2 * trees.counts.reduce((most, count) => Math.max(most, count), 0));
  let x = new Float32Array(0);
  let sums = new Float64Array(0);
  return ({ models, rows, features }) => {
    const perModel = rows * width;
    if (x.length < perModel) x = new Float32Array(perModel);
    if (sums.length < models.length * rows) sums = new Float64Array(models.length * rows);
    sums.fill(0, 0, models.length * rows);
    const walk = { trees, sides, x, sums, rows };
    for (let i = 0; i < models.length; i++) {
      scale(header, trees.scales, models[i]!, features.subarray(i * perModel, (i + 1) * perModel), x);
      walkForest(header, walk, { ...places(models[i]!), depths, firstRow: i * rows });
    }
    return sums.subarray(0, models.length * rows);
  };
}

/** Where the parts of a forest begin, and its leaves. */
interface Place {
  readonly tree: number;
  readonly split: number;
  readonly shape: number;
  readonly code: number;
  /** Numbers in the pack of its distinct leaves. */
  readonly leaves: Uint16Array;
}

function placesOf({ forests, ...header }: TreesHeader, trees: PackedTrees): (forest: number) => Place {
  const starts = new Int32Array(3 * (forests + 1));
  let [split, shape, leaf] = [0, 0, 0];
  for (let forest = 0; forest < forests; forest++) {
    starts.set([split, shape, leaf], 3 * forest);
    for (let tree = forest * header.trees, last = tree + header.trees; tree < last; tree++) {
      split += trees.counts[tree]!;
      shape += bytesOfShape(trees.counts[tree]!);
    }
    leaf += trees.leafCounts[forest]!;
  }
  starts.set([split, shape, leaf], 3 * forests);
  if (split !== header.splits || shape !== header.shape || leaf !== header.leaves)
    throw modelError('model_corrupt', 'not a pack: its trees do not fit its index');
  return (forest) => {
    const tree = forest * header.trees;
    const at = starts[3 * forest]!;
    return {
      tree,
      split: at,
      shape: starts[3 * forest + 1]!,
      // A tree has a leaf more than it has splits.
      code: at + tree,
      leaves: trees.leaves.subarray(starts[3 * forest + 2], starts[3 * forest + 5]),
    };
  };
}

/** Bytes of the bits of a tree with so many splits: each splits one leaf into two. */
const bytesOfShape = (splits: number): number => ((2 * splits) >> 3) + 1;

/** The rows of a model behind its scalers, in single precision, as trees compare them. */
function scale(
  { scaling, width, isSingle }: TreesHeader,
  scales: Float64Array,
  forest: number,
  features: Float64Array,
  to: Float32Array,
): void {
  const round = isSingle ? Math.fround : (value: number) => value;
  for (let i = 0; i < features.length; i++) {
    let value = round(features[i]!);
    for (let k = 0; k < scaling.length; k++) {
      const by = scales[(forest * scaling.length + k) * width + (i % width)]!;
      const op = scaling[k];
      if (op === 'Sub') value -= by;
      else if (op === 'Add') value += by;
      else if (op === 'Mul') value *= by;
      else value /= by;
      value = round(value);
    }
    to[i] = value;
  }
}

interface Walk {
  readonly trees: PackedTrees;
  /** Of a tree: where both sides of each split lead, to another split or to `~code` of a leaf. */
  readonly sides: Int32Array;
  readonly x: Float32Array;
  readonly sums: Float64Array;
  readonly rows: number;
}

/** Adds the depths of one forest to the sums of its rows. */
function walkForest(
  { trees: treesOfForest, width, isSingle }: TreesHeader,
  { trees, sides, x, sums, rows }: Walk,
  { tree, split, shape, code, leaves, depths, firstRow }: Place & { depths: Float64Array; firstRow: number },
): void {
  const { splits, features, counts } = trees;
  const own = new Float64Array(leaves.length);
  for (let i = 0; i < own.length; i++) own[i] = depths[leaves[i]!]!;
  let [at, bits, leaf] = [split, shape, code];
  for (let t = tree; t < tree + treesOfForest; t++) {
    const count = counts[t]!;
    unfold(trees, { count, bits, leaf }, sides);
    for (let row = 0; row < rows; row++) {
      // Of a tree without a split the only leaf.
      let node = count === 0 ? ~trees.codes[leaf]! : 0;
      // What is no number goes where the largest one goes, as in TreeEnsemble.
      if (width === 1) {
        const value = x[row]!;
        while (node >= 0) node = sides[2 * node + Number(!(value <= splits[at + node]!))]!;
      } else
        while (node >= 0)
          node = sides[2 * node + Number(!(x[row * width + features[at + node]!]! <= splits[at + node]!))]!;
      const sum = sums[firstRow + row]! + own[~node]!;
      sums[firstRow + row] = isSingle ? Math.fround(sum) : sum;
    }
    at += count;
    bits += bytesOfShape(count);
    leaf += count + 1;
  }
}

/** Without a branch for each node: which nodes split cannot be foretold. */
function unfold(
  { shape, codes }: PackedTrees,
  { count, bits, leaf }: { readonly count: number; readonly bits: number; readonly leaf: number },
  sides: Int32Array,
): void {
  const last = 2 * count;
  for (let node = 1, split = 1; node <= last; node++) {
    const splits = (shape[bits + (node >> 3)]! >> (node & 7)) & 1;
    const code = ~codes[leaf + node - split]!;
    sides[node - 1] = code ^ ((code ^ split) & -splits);
    split += splits;
  }
}
