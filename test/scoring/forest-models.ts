/** Isolation forests for tests, in the graph that models convert writes (scoring/python/forest.py). */
import {
  DATA_TYPE,
  doubleTensor,
  encodeModel,
  int64Tensor,
  node,
  type OnnxAttribute,
  type OnnxNode,
  tensorInfo,
  tensorOf,
} from '../../scoring/onnx-proto.ts';
import type { Scaling } from '../../scoring/packs/probe-rows.ts';

/** A leaf with its depth, or a split with the sides up to it and above it. */
export type Tree = number | { readonly feature: number; readonly split: number; readonly sides: readonly [Tree, Tree] };

export interface ForestParameters {
  readonly width: number;
  /** None of them a leaf alone. */
  readonly trees: readonly Tree[];
  readonly scaling?: readonly Scaling[];
  readonly constant?: number;
  readonly divisor: number;
  readonly offset: number;
  readonly threshold?: number;
}

const ints = (name: string, values: readonly number[]): OnnxAttribute => ({ name, type: 7, ints: values });
const int = (name: string, i: number): OnnxAttribute => ({ name, type: 2, i });
const tensor = (name: string, values: Float64Array | Uint8Array): OnnxAttribute => ({
  name,
  type: 4,
  t: tensorOf('', [values.length], values),
});

export function ensemble(trees: readonly Tree[], input: string, output: string): OnnxNode {
  const [roots, features, splits, weights]: [number[], number[], number[], number[]] = [[], [], [], []];
  const sides = [0, 1].map(() => ({ ids: [] as number[], isLeaf: [] as number[] }));
  const place = (tree: Tree): { readonly id: number; readonly isLeaf: number } => {
    if (typeof tree === 'number') return { id: weights.push(tree) - 1, isLeaf: 1 };
    const id = splits.push(tree.split) - 1;
    features.push(tree.feature);
    for (const [at, side] of tree.sides.entries()) {
      const found = place(side);
      sides[at]!.ids[id] = found.id;
      sides[at]!.isLeaf[id] = found.isLeaf;
    }
    return { id, isLeaf: 0 };
  };
  for (const tree of trees) roots.push(place(tree).id);
  return {
    opType: 'TreeEnsemble',
    domain: 'ai.onnx.ml',
    input: [input],
    output: [output],
    attribute: [
      int('aggregate_function', 1),
      int('post_transform', 0),
      int('n_targets', 1),
      ints('tree_roots', roots),
      ints('nodes_featureids', features),
      tensor('nodes_modes', new Uint8Array(splits.length)),
      tensor('nodes_splits', Float64Array.from(splits)),
      ints('nodes_truenodeids', sides[0]!.ids),
      ints('nodes_trueleafs', sides[0]!.isLeaf),
      ints('nodes_falsenodeids', sides[1]!.ids),
      ints('nodes_falseleafs', sides[1]!.isLeaf),
      ints(
        'leaf_targetids',
        weights.map(() => 0),
      ),
      tensor('leaf_weights', Float64Array.from(weights)),
    ],
  };
}

/** The forest alone. @param change what is done to its operators, for graphs that are not quite of this kind */
export function forestBytes(
  p: ForestParameters,
  features: readonly string[],
  change: (nodes: readonly OnnxNode[]) => readonly OnnxNode[] = (nodes) => nodes,
): Uint8Array {
  const { scaling = [], constant, threshold } = p;
  const scalar = (name: string, value: number) => doubleTensor(name, [1], Float64Array.of(value));
  const x = (at: number): string => (at === 0 ? 'input' : `scaled_${at - 1}`);
  const pyod = threshold !== undefined;
  const nodes = [
    ...scaling.map(({ op }, at) => node(op, [x(at), `by_${at}`], [`scaled_${at}`])),
    node('Cast', [x(scaling.length)], ['single'], { to: DATA_TYPE.float }),
    node('Cast', ['single'], ['double'], { to: DATA_TYPE.double }),
    ensemble(p.trees, 'double', 'of_trees'),
    ...(constant === undefined ? [] : [node('Add', ['of_trees', 'constant'], ['of_all'])]),
    node('Div', [constant === undefined ? 'of_trees' : 'of_all', 'divisor'], ['mean']),
    node('Neg', ['mean'], ['exponent']),
    node('Pow', ['two', 'exponent'], ['odd']),
    node('Neg', ['odd'], ['even']),
    node('Sub', ['even', 'offset'], ['decision']),
    node('Less', ['decision', 'zero'], ['below']),
    node('Not', ['below'], ['good']),
    ...(pyod
      ? [
          node('Neg', ['decision'], ['raw']),
          node('Greater', ['raw', 'threshold'], ['above']),
          node('Not', ['above'], ['normal']),
          node('Identity', ['raw'], ['scores']),
        ]
      : [node('Identity', ['decision'], ['scores'])]),
    node('Where', [pyod ? 'normal' : 'good', 'one', 'minus_one'], ['label']),
  ];
  return encodeModel({
    irVersion: 8,
    opsetImport: [{ version: 17 }, { domain: 'ai.onnx.ml', version: 5 }],
    metadataProps: [{ key: 'fleetscore.features', value: JSON.stringify(features) }],
    graph: {
      name: 'IsolationForest',
      node: change(nodes),
      initializer: [
        ...scaling.map(({ values }, at) => doubleTensor(`by_${at}`, [p.width], values)),
        ...(constant === undefined ? [] : [scalar('constant', constant)]),
        scalar('divisor', p.divisor),
        scalar('two', 2),
        scalar('offset', p.offset),
        scalar('zero', 0),
        ...(pyod ? [scalar('threshold', threshold)] : []),
        int64Tensor('one', [1], [1]),
        int64Tensor('minus_one', [1], [-1]),
      ],
      input: [tensorInfo('input', DATA_TYPE.double, ['N', p.width])],
      output: [tensorInfo('label', DATA_TYPE.int64, ['N', 1]), tensorInfo('scores', DATA_TYPE.double, ['N', 1])],
    },
  });
}
