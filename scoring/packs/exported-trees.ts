/**
 * The trees of a forest as skl2onnx writes them: each a TreeEnsembleRegressor that gives the number of a leaf, and
 * LabelEncoders that say of that number how many rows ended there and how deep it lies.
 */
import { type OnnxAttribute, type OnnxNode, toNumber } from '../onnx-proto.ts';
import { leafKey, MOST_OF_LEAF } from './forest-scores.ts';
import type { Ensemble } from './forest-trees.ts';

export interface ExportedTree {
  /** TreeEnsembleRegressor. */
  readonly regressor: OnnxNode;
  /** One or two LabelEncoders, in the order of {@link leafKey}. */
  readonly encoders: readonly OnnxNode[];
  /** Columns of the rows that the tree looks at. */
  readonly columns: readonly number[];
}

/** All trees as one ensemble, whose leaves are keys. Undefined: not of this form. */
export function ensembleOf(trees: readonly ExportedTree[]): Ensemble | undefined {
  const all = {
    roots: [] as number[],
    features: [] as number[],
    splits: [] as number[],
    sides: [0, 1].map(() => ({ ids: [] as number[], isLeaf: [] as number[] })) as [Sides, Sides],
    weights: [] as number[],
  };
  return trees.every((tree) => addTree(tree, all))
    ? { ...all, splits: Float64Array.from(all.splits), weights: Float64Array.from(all.weights) }
    : undefined;
}

interface Sides {
  readonly ids: number[];
  readonly isLeaf: number[];
}

interface Growing {
  readonly roots: number[];
  readonly features: number[];
  readonly splits: number[];
  readonly sides: readonly [Sides, Sides];
  readonly weights: number[];
}

const SPLIT = 'BRANCH_LEQ';
const LEAF = 'LEAF';

function addTree({ regressor, encoders, columns }: ExportedTree, to: Growing): boolean {
  const tree = readRegressor(regressor);
  const tables = encoders.map(readEncoder);
  if (!tree || !tables.every((table) => table !== undefined)) return false;
  const { modes, features, values, sides, leaves } = tree;
  // Numbers of nodes among those that split, and of leaves among the leaves, over all trees.
  let [inner, leaf] = [to.splits.length, to.weights.length];
  const numbers = modes.map((mode) => (mode === LEAF ? leaf++ : inner++));
  to.roots.push(modes[0] === LEAF ? ~numbers[0]! : numbers[0]!);
  for (const [at, mode] of modes.entries()) {
    if (mode === LEAF) {
      const parts = tables.map((table) => table.get(leaves.get(at) ?? Number.NaN) ?? Number.NaN);
      if (!parts.every((part) => Number.isInteger(part) && part >= 0 && part < MOST_OF_LEAF)) return false;
      to.weights.push(leafKey(parts[0]!, parts[1] ?? 0));
      continue;
    }
    const column = columns[features[at]!];
    if (mode !== SPLIT || column === undefined) return false;
    to.features.push(column);
    to.splits.push(values[at]!);
    for (const [side, ids] of sides.entries()) {
      const target = ids[at]!;
      if (!(target > 0 && target < modes.length)) return false;
      to.sides[side]!.ids.push(numbers[target]!);
      to.sides[side]!.isLeaf.push(modes[target] === LEAF ? 1 : 0);
    }
  }
  return true;
}

interface Regressor {
  readonly modes: readonly string[];
  readonly features: readonly number[];
  readonly values: readonly number[];
  /** Where a row up to the split goes on, and where any other does. */
  readonly sides: readonly [readonly number[], readonly number[]];
  /** What a leaf gives, by its node. */
  readonly leaves: ReadonlyMap<number, number>;
}

/** Attributes that are looked at here, and those that mean nothing where they are all zero or left out. */
const KNOWN = new Set(
  (
    'n_targets post_transform aggregate_function nodes_falsenodeids nodes_featureids nodes_hitrates nodes_modes ' +
    'nodes_missing_value_tracks_true nodes_nodeids nodes_treeids nodes_truenodeids nodes_values ' +
    'target_ids target_nodeids target_treeids target_weights'
  ).split(' '),
);

/** One tree with one leaf number a row. Where a number is missing is not said: it goes where the largest one does. */
function readRegressor({ attribute = [] }: OnnxNode): Regressor | undefined {
  const found = attributesOf(attribute);
  const ints = (name: string): number[] => (found.get(name)?.ints ?? []).map(toNumber);
  const modes = (found.get('nodes_modes')?.strings ?? []).map((text) => Buffer.from(text).toString('latin1'));
  const values = found.get('nodes_values')?.floats ?? [];
  const [features, yes, no] = [ints('nodes_featureids'), ints('nodes_truenodeids'), ints('nodes_falsenodeids')];
  const targets = ints('target_nodeids');
  const weights = found.get('target_weights')?.floats ?? [];
  const zeros = ['nodes_treeids', 'nodes_missing_value_tracks_true', 'target_ids', 'target_treeids'];
  const isOne =
    [...found.keys()].every((name) => KNOWN.has(name)) &&
    toNumber(found.get('n_targets')?.i) === 1 &&
    textOf(found.get('post_transform'), 'NONE') === 'NONE' &&
    textOf(found.get('aggregate_function'), 'SUM') === 'SUM' &&
    zeros.every((name) => ints(name).every((value) => value === 0)) &&
    ints('nodes_nodeids').every((id, at) => id === at) &&
    modes.length > 0 &&
    [features, yes, no, values, ints('nodes_nodeids')].every((list) => list.length === modes.length) &&
    targets.length === weights.length &&
    new Set(targets).size === targets.length;
  if (!isOne) return undefined;
  return { modes, features, values, sides: [yes, no], leaves: new Map(targets.map((id, at) => [id, weights[at]!])) };
}

/** What a LabelEncoder makes of whole numbers. */
function readEncoder({ attribute = [] }: OnnxNode): ReadonlyMap<number, number> | undefined {
  const found = attributesOf(attribute);
  const keys = (found.get('keys_int64s')?.ints ?? []).map(toNumber);
  const values = found.get('values_floats')?.floats ?? [];
  const isKnown = [...found.keys()].every((name) => ['keys_int64s', 'values_floats', 'default_float'].includes(name));
  const table = new Map(keys.map((key, at) => [key, values[at]!]));
  return isKnown && keys.length === values.length && table.size === keys.length ? table : undefined;
}

const attributesOf = (attribute: readonly OnnxAttribute[]): ReadonlyMap<string, OnnxAttribute> =>
  new Map(attribute.map((each) => [each.name ?? '', each]));

const textOf = (attribute: OnnxAttribute | undefined, absent: string): string =>
  attribute?.s ? Buffer.from(attribute.s).toString('latin1') : absent;
