/**
 * Isolation forests for tests, in the graph that skl2onnx writes: for each tree a TreeEnsembleRegressor with the number
 * of a leaf, two LabelEncoders, and the operators that make a depth of what they give.
 */
import {
  DATA_TYPE,
  encodeModel,
  int64Tensor,
  node,
  type OnnxAttribute,
  type OnnxNode,
  tensorInfo,
  tensorOf,
} from '../../scoring/onnx-proto.ts';

/** A leaf with the rows of the training that ended there, or a split with the sides up to it and above it. */
export type ExportedTree =
  | { readonly rows: number }
  | { readonly feature: number; readonly split: number; readonly sides: readonly [ExportedTree, ExportedTree] };

export interface ExportedParameters {
  readonly width: number;
  readonly trees: readonly ExportedTree[];
  readonly scaler?: 'Scaler' | 'MinMaxScaler';
  readonly by?: readonly number[];
  readonly less?: readonly number[];
  readonly divisor: number;
  readonly offset: number;
  /** An input for each feature, as for a DataFrame. */
  readonly isByColumn?: boolean;
}

const FLOAT = DATA_TYPE.float;
const attribute = {
  ints: (name: string, ints: readonly number[]): OnnxAttribute => ({ name, type: 7, ints }),
  floats: (name: string, floats: readonly number[]): OnnxAttribute => ({ name, type: 6, floats }),
  int: (name: string, i: number): OnnxAttribute => ({ name, type: 2, i }),
  text: (name: string, text: string): OnnxAttribute => ({ name, type: 3, s: Buffer.from(text) }),
  texts: (name: string, texts: readonly string[]): OnnxAttribute => ({
    name,
    type: 8,
    strings: texts.map((text) => Buffer.from(text)),
  }),
};
const ml = (opType: string, input: string, output: string, list: readonly OnnxAttribute[]): OnnxNode => ({
  opType,
  domain: 'ai.onnx.ml',
  input: [input],
  output: [output],
  attribute: list,
});

/** The operators of one tree, from the columns of its rows to `depth_<at>`. */
function treeNodes(tree: ExportedTree, at: number): OnnxNode[] {
  const nodes: { mode: string; feature: number; split: number; yes: number; no: number }[] = [];
  const leaves: { id: number; rows: number; path: number }[] = [];
  const place = (one: ExportedTree, path: number): number => {
    const id = nodes.push({ mode: 'LEAF', feature: 0, split: 0, yes: 0, no: 0 }) - 1;
    if ('rows' in one) leaves.push({ id, rows: one.rows, path });
    else {
      const [yes, no] = [place(one.sides[0], path + 1), place(one.sides[1], path + 1)];
      nodes[id] = { mode: 'BRANCH_LEQ', feature: one.feature, split: one.split, yes, no };
    }
    return id;
  };
  place(tree, 1);
  const zeros = nodes.map(() => 0);
  const regressor = ml('TreeEnsembleRegressor', `columns_${at}`, `y_${at}`, [
    attribute.int('n_targets', 1),
    attribute.ints(
      'nodes_falsenodeids',
      nodes.map(({ no }) => no),
    ),
    attribute.ints(
      'nodes_featureids',
      nodes.map(({ feature }) => feature),
    ),
    attribute.floats(
      'nodes_hitrates',
      nodes.map(() => 1),
    ),
    attribute.ints('nodes_missing_value_tracks_true', zeros),
    attribute.texts(
      'nodes_modes',
      nodes.map(({ mode }) => mode),
    ),
    attribute.ints(
      'nodes_nodeids',
      nodes.map((_, id) => id),
    ),
    attribute.ints('nodes_treeids', zeros),
    attribute.ints(
      'nodes_truenodeids',
      nodes.map(({ yes }) => yes),
    ),
    attribute.floats(
      'nodes_values',
      nodes.map(({ split }) => split),
    ),
    attribute.text('post_transform', 'NONE'),
    attribute.ints(
      'target_ids',
      leaves.map(() => 0),
    ),
    attribute.ints(
      'target_nodeids',
      leaves.map(({ id }) => id),
    ),
    attribute.ints(
      'target_treeids',
      leaves.map(() => 0),
    ),
    attribute.floats(
      'target_weights',
      leaves.map(({ id }) => id),
    ),
  ]);
  const encoder = (input: string, output: string, values: readonly number[]): OnnxNode =>
    ml('LabelEncoder', `${input}_${at}`, `${output}_${at}`, [
      attribute.ints(
        'keys_int64s',
        leaves.map(({ id }) => id),
      ),
      attribute.floats('values_floats', values),
    ]);
  return [
    node('Gather', ['rows_of_all', 'ALL'], [`columns_${at}`], { axis: 1 }),
    regressor,
    ...DEPTH.slice(0, 2).map((line) => operator(line, at)),
    encoder(
      'leaf',
      'rows_list',
      leaves.map(({ rows }) => rows),
    ),
    encoder(
      'leaf_again',
      'path_list',
      leaves.map(({ path }) => path),
    ),
    ...DEPTH.slice(2).map((line) => operator(line, at)),
  ];
}

/** Result = operator operands; those in capitals are constants of all trees. */
const DEPTH = [
  'leaf = Cast y int64',
  'leaf_again = Cast y int64',
  'rows = Reshape rows_list COLUMN',
  'path = Reshape path_list COLUMN',
  'two_said = Equal rows TWO',
  'many_said = Greater rows TWO',
  'two = Cast two_said float',
  'many = Cast many_said float',
  'n = Mul many rows',
  'less_one = Add n MINUS_ONE',
  'size = Max n ONE',
  'most = Max less_one ONE',
  'least = Max less_one ZERO',
  'share = Div least size',
  'log = Log most',
  'shifted = Add log EULER',
  'doubled = Mul share MINUS_TWO',
  'twice = Mul shifted TWO',
  'average = Add twice doubled',
  'of_many = Mul average many',
  'below = Add two of_many',
  'whole = Add path below',
  'depth = Add whole MINUS_ONE',
] as const;

function operator(line: string, at: number): OnnxNode {
  const [result, , op = '', ...operands] = line.split(' ');
  const [to] = op === 'Cast' ? operands.splice(1) : [];
  const of = (name: string): string => (/^[A-Z_]+$/.test(name) ? name : `${name}_${at}`);
  const attributes = to === undefined ? {} : { to: to === 'float' ? FLOAT : DATA_TYPE.int64 };
  return node(op, operands.map(of), [`${result}_${at}`], attributes);
}

/** @param change what is done to its operators, for graphs that are not quite of this kind */
export function exportedForestBytes(
  p: ExportedParameters,
  features: readonly string[],
  change: (nodes: readonly OnnxNode[]) => readonly OnnxNode[] = (nodes) => nodes,
): Uint8Array {
  const { width, trees, scaler, by = [], less = [], isByColumn = false } = p;
  const single = (name: string, dims: readonly number[], ...values: readonly number[]) =>
    tensorOf(name, dims, Float32Array.from(values));
  const before: OnnxNode[] = isByColumn ? [node('Concat', features, ['input'], { axis: 1 })] : [];
  if (scaler === 'Scaler')
    before.push(
      ml('Scaler', 'input', 'rows_of_all', [attribute.floats('offset', less), attribute.floats('scale', by)]),
    );
  else if (scaler === 'MinMaxScaler')
    before.push(
      node('Cast', ['input'], ['cast'], { to: FLOAT }),
      node('Mul', ['cast', 'BY'], ['times']),
      node('Add', ['times', 'LESS'], ['rows_of_all']),
    );
  else before.push(node('Identity', ['input'], ['rows_of_all']));
  const score = [
    node(
      'Sum',
      trees.map((_, at) => `depth_${at}`),
      ['sum'],
    ),
    node('Div', ['sum', 'DIVISOR'], ['mean_path']),
    node('Neg', ['mean_path'], ['exponent']),
    node('Pow', ['TWO', 'exponent'], ['odd']),
    node('Neg', ['odd'], ['even']),
    node('Add', ['even', 'OFFSET'], ['scores']),
    node('Less', ['scores', 'ZERO'], ['anomaly']),
    node('Cast', ['anomaly'], ['is_anomaly'], { to: DATA_TYPE.int64 }),
    node('Mul', ['is_anomaly', 'LESS_TWO'], ['taken']),
    node('Add', ['taken', 'NORMAL'], ['label']),
  ];
  return encodeModel({
    irVersion: 8,
    opsetImport: [{ domain: 'ai.onnx.ml', version: 3 }, { version: 15 }],
    metadataProps: [{ key: 'fleetscore.features', value: JSON.stringify(features) }],
    graph: {
      name: 'IsolationForest',
      node: change([...before, ...trees.flatMap(treeNodes), ...score]),
      initializer: [
        int64Tensor(
          'ALL',
          [width],
          features.map((_, at) => at),
        ),
        int64Tensor('COLUMN', [2], [-1, 1]),
        int64Tensor('LESS_TWO', [1], [-2]),
        int64Tensor('NORMAL', [1], [1]),
        ...Object.entries({ TWO: 2, ONE: 1, ZERO: 0, MINUS_ONE: -1, MINUS_TWO: -2, EULER: 0.5772157 }).map(
          ([name, value]) => single(name, [1], value),
        ),
        single('DIVISOR', [1, 1], p.divisor),
        single('OFFSET', [1], p.offset),
        ...(scaler === 'MinMaxScaler' ? [single('BY', [width], ...by), single('LESS', [width], ...less)] : []),
      ],
      input: isByColumn
        ? features.map((name) => tensorInfo(name, FLOAT, ['N', 1]))
        : [tensorInfo('input', FLOAT, ['N', width])],
      output: [tensorInfo('label', DATA_TYPE.int64, ['N', 1]), tensorInfo('scores', FLOAT, ['N', 1])],
    },
  });
}
