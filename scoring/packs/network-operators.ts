/**
 * What each operator of a network becomes over [models, rows, columns]. One that is not here, or that does more than
 * take each row by itself, makes a model that runs by itself.
 */
import {
  DATA_TYPE,
  dimsOf,
  doubles,
  int64Tensor,
  integers,
  node as nodeOf,
  type OnnxAttribute,
  type OnnxNode,
  type OnnxTensor,
  singles,
  toNumber,
} from '../onnx-proto.ts';
import {
  append,
  constantOf,
  type Reading,
  type Row,
  rowOf,
  share,
  slot,
  type Value,
  withoutDefaults,
} from './network-reading.ts';

/** Undefined: not in this form. */
type Operator = (reading: Reading, node: OnnxNode) => Value | undefined;

/**
 * Most terms of a product's sums. onnxruntime adds up to so many in one go, and more in parts, which are other ones
 * where the weights are packed before, as those of a single model are.
 */
const MOST_TERMS = 128;

/** Elementwise operators, and places of operands that are a part of the structure: a scalar that they treat apart. */
const ELEMENTWISE: Readonly<Record<string, readonly number[]>> = {
  ...Object.fromEntries(
    (
      'Add Sub Mul Div Max Min Sum PRelu Greater GreaterOrEqual Less LessOrEqual Equal And Or Xor Not Where ' +
      'Abs Neg Sign Sqrt Reciprocal Exp Log Erf Sin Cos Floor Ceil IsNaN Cast ' +
      'Relu LeakyRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish Tanh Softplus Softsign ThresholdedRelu Gelu Mish'
    )
      .split(' ')
      .map((name) => [name, []]),
  ),
  Pow: [1],
  Clip: [1, 2],
};

const operandsOf = ({ values }: Reading, { input = [] }: OnnxNode): (Value | undefined)[] =>
  input.map((name) => values.get(name));

const attributeOf = ({ attribute = [] }: OnnxNode, name: string): OnnxAttribute | undefined =>
  attribute.find((each) => each.name === name);

const ATTRIBUTE_FIELDS = ['name', 'type', 'f', 'i', 's', 'ints', 't'] as const;

const attributesOf = ({ attribute = [] }: OnnxNode): OnnxAttribute[] =>
  attribute.map((each) => withoutDefaults(each, ATTRIBUTE_FIELDS));

/** Numbers that each model has of its own. Undefined: not numbers, or not finite ones. */
function slotOf(reading: Reading, tensor: OnnxTensor, dims: readonly number[]): string | undefined {
  const values = singles(tensor) ?? doubles(tensor);
  if (!values?.every(Number.isFinite)) return undefined;
  return slot(reading, values, dims);
}

/** A scalar that is the same in all models. */
function sharedScalar(reading: Reading, tensor: OnnxTensor, rank: number): string | undefined {
  const dims = dimsOf(tensor);
  if (dims.length > rank || dims.some((size) => size !== 1)) return undefined;
  return share(reading, tensor);
}

/** A number for each column, or one for all. Undefined: its shape does not fit rows of this rank. */
function columnsSlot(
  reading: Reading,
  tensor: OnnxTensor,
  rank: 1 | 2,
): { readonly name: string; readonly columns: number } | undefined {
  const dims = dimsOf(tensor);
  const columns = dims.at(-1) ?? 1;
  if (dims.length > rank || (dims.length === 2 && dims[0] !== 1) || (rank === 1 && columns !== 1)) return undefined;
  const isFloating = tensor.dataType === DATA_TYPE.float || tensor.dataType === DATA_TYPE.double;
  const name = isFloating
    ? slotOf(reading, tensor, rank === 2 ? [1, columns] : [1])
    : sharedScalar(reading, tensor, rank);
  return name === undefined ? undefined : { name, columns };
}

const elementwise: Operator = (reading, node) => {
  const operands = operandsOf(reading, node);
  const rows = operands.map(rowOf).filter((row) => row !== undefined);
  const [first] = rows;
  if (!first || rows.some(({ rank }) => rank !== first.rank)) return undefined;
  let columns = 1;
  const input: string[] = [];
  const fits = (more: number): boolean => {
    if (more !== 1 && columns !== 1 && more !== columns) return false;
    columns = Math.max(columns, more);
    return true;
  };
  const fixed = ELEMENTWISE[node.opType!]!;
  for (const [at, operand] of operands.entries()) {
    const row = rowOf(operand);
    const tensor = constantOf(operand);
    if (row) {
      if (!fits(row.columns)) return undefined;
      input.push(row.name);
    } else if (tensor && fixed.includes(at)) {
      const name = sharedScalar(reading, tensor, node.opType === 'Clip' ? 0 : first.rank);
      if (name === undefined) return undefined;
      input.push(name);
    } else if (tensor) {
      const found = columnsSlot(reading, tensor, first.rank);
      if (!found || !fits(found.columns)) return undefined;
      input.push(found.name);
    } else if (node.input![at] === '') input.push('');
    else return undefined;
  }
  return append(reading, { opType: node.opType!, attribute: attributesOf(node) }, input, { rank: first.rank, columns });
};

/** The product of rows with weights [terms, columns]. */
function product(
  reading: Reading,
  row: Row | undefined,
  weights: OnnxTensor | undefined,
  isTransposed: boolean,
): { readonly row: Row } | undefined {
  const values = weights && (singles(weights) ?? doubles(weights));
  const dims = weights ? dimsOf(weights) : [];
  if (!row || row.rank !== 2 || dims.length !== 2 || !values?.every(Number.isFinite)) return undefined;
  const [terms, columns] = (isTransposed ? dims.toReversed() : dims) as [number, number];
  if (terms !== row.columns || terms > MOST_TERMS) return undefined;
  // One column is added up otherwise than several, unless the weights are packed before: it gets another one beside it.
  const width = Math.max(2, columns);
  const ordered = values instanceof Float32Array ? new Float32Array(terms * width) : new Float64Array(terms * width);
  for (let term = 0; term < terms; term++)
    for (let column = 0; column < columns; column++)
      ordered[term * width + column] = values[isTransposed ? column * terms + term : term * columns + column]!;
  const operands = [row.name, slot(reading, ordered, [terms, width])];
  const found = append(reading, nodeOf('MatMul', [], []), operands, { rank: 2, columns: width });
  if (width === columns) return found;
  const first = share(reading, int64Tensor('', [1], [0]));
  return append(reading, nodeOf('Gather', [], [], { axis: 2 }), [found.row.name, first], { rank: 2, columns });
}

const matMul: Operator = (reading, node) => {
  const [rows, weights] = operandsOf(reading, node);
  return product(reading, rowOf(rows), constantOf(weights), false);
};

const gemm: Operator = (reading, node) => {
  const [rows, weights, bias] = operandsOf(reading, node);
  const isOne = (name: string): boolean => (attributeOf(node, name)?.f ?? 1) === 1;
  if (!isOne('alpha') || !isOne('beta') || toNumber(attributeOf(node, 'transA')?.i) !== 0) return undefined;
  const isTransposed = toNumber(attributeOf(node, 'transB')?.i) !== 0;
  const found = product(reading, rowOf(rows), constantOf(weights), isTransposed);
  if (!found || (node.input ?? []).length < 3) return found;
  const added = constantOf(bias) && columnsSlot(reading, constantOf(bias)!, 2);
  return added && (added.columns === 1 || added.columns === found.row.columns)
    ? append(reading, nodeOf('Add', [], []), [found.row.name, added.name], found.row)
    : undefined;
};

/** Of inference: the numbers that onnxruntime makes of its constants, in single precision step by step. */
const batchNormalization: Operator = (reading, node) => {
  const [rows, ...constants] = operandsOf(reading, node);
  const row = rowOf(rows);
  const values = constants.map((value) => constantOf(value) && singles(constantOf(value)!));
  const [scale, bias, mean, variance] = values;
  const epsilon = attributeOf(node, 'epsilon')?.f ?? 1e-5;
  if (!row || row.rank !== 2 || toNumber(attributeOf(node, 'training_mode')?.i) !== 0) return undefined;
  if (!scale || !bias || !mean || !variance || values.some((each) => each!.length !== row.columns)) return undefined;
  const round = Math.fround;
  const factor = scale.map((by, f) => round(round(1 / round(Math.sqrt(round(variance[f]! + round(epsilon))))) * by));
  const shift = bias.map((by, f) => round(by - round(mean[f]! * factor[f]!)));
  if (![...factor, ...shift].every(Number.isFinite)) return undefined;
  const dims = [1, row.columns];
  const { row: scaled } = append(reading, nodeOf('Mul', [], []), [row.name, slot(reading, factor, dims)], row);
  return append(reading, nodeOf('Add', [], []), [scaled.name, slot(reading, shift, dims)], row);
};

/** The axes of an operator: an attribute, or a constant. */
function axesOf(reading: Reading, node: OnnxNode): readonly number[] | undefined {
  const named = attributeOf(node, 'axes') ?? attributeOf(node, 'axis');
  if (named) return named.ints ? named.ints.map(toNumber) : [toNumber(named.i)];
  const tensor = constantOf(operandsOf(reading, node)[1]);
  return tensor && integers(tensor);
}

/** Whether an operator works along the columns of a value of this rank, and nothing else. */
const isAlongColumns = (axes: readonly number[] | undefined, rank: number): boolean =>
  axes?.length === 1 && (axes[0] === 1 || axes[0] === (rank === 2 ? -1 : 1));

const reduce: Operator = (reading, node) => {
  const row = rowOf(operandsOf(reading, node)[0]);
  if (!row || row.rank !== 2 || !isAlongColumns(axesOf(reading, node), 2)) return undefined;
  const attribute = attributesOf(node).map((each) => (each.name === 'axes' ? { ...each, ints: [2] } : each));
  const isKept = attributeOf(node, 'keepdims') === undefined || toNumber(attributeOf(node, 'keepdims')!.i) !== 0;
  const input = attributeOf(node, 'axes') ? [row.name] : [row.name, share(reading, int64Tensor('', [1], [2]))];
  return append(reading, { opType: node.opType!, attribute }, input, { rank: isKept ? 2 : 1, columns: 1 });
};

/** Columns by their numbers. */
const gather: Operator = (reading, node) => {
  const [rows, which] = operandsOf(reading, node);
  const row = rowOf(rows);
  const tensor = constantOf(which);
  const numbers = tensor && integers(tensor);
  const dims = tensor ? dimsOf(tensor) : [];
  if (!row || row.rank !== 2 || !numbers || dims.length > 1 || !isAlongColumns(axesOf(reading, node), 2))
    return undefined;
  const name = share(reading, int64Tensor('', dims, numbers));
  return append(reading, nodeOf('Gather', [], [], { axis: 2 }), [row.name, name], {
    rank: dims.length === 0 ? 1 : 2,
    columns: numbers.length,
  });
};

const concat: Operator = (reading, node) => {
  const rows = operandsOf(reading, node).map(rowOf);
  if (rows.some((row) => row?.rank !== 2) || !isAlongColumns(axesOf(reading, node), 2)) return undefined;
  const columns = rows.reduce((sum, row) => sum + row!.columns, 0);
  const names = rows.map((row) => row!.name);
  return append(reading, nodeOf('Concat', [], [], { axis: 2 }), names, { rank: 2, columns });
};

/** One column as a value of the other rank. */
function withRank(reading: Reading, row: Row, rank: 1 | 2): Value | undefined {
  if (row.rank === rank) return { row };
  if (row.columns !== 1) return undefined;
  const axis = share(reading, int64Tensor('', [1], [2]));
  return append(reading, nodeOf(rank === 1 ? 'Squeeze' : 'Unsqueeze', [], []), [row.name, axis], { rank, columns: 1 });
}

const squeeze: Operator = (reading, node) => {
  const row = rowOf(operandsOf(reading, node)[0]);
  return row?.rank === 2 && isAlongColumns(axesOf(reading, node), 2) ? withRank(reading, row, 1) : undefined;
};

const unsqueeze: Operator = (reading, node) => {
  const row = rowOf(operandsOf(reading, node)[0]);
  const axes = axesOf(reading, node);
  return row?.rank === 1 && axes?.length === 1 && (axes[0] === 1 || axes[0] === -1)
    ? withRank(reading, row, 2)
    : undefined;
};

/** To a column, to a list, or to what it is already. */
const reshape: Operator = (reading, node) => {
  const [rows, to] = operandsOf(reading, node);
  const row = rowOf(rows);
  const tensor = constantOf(to);
  const shape = tensor && integers(tensor);
  if (!row || shape?.[0] !== -1 || shape.length > 2) return undefined;
  if (shape.length === 2 && shape[1] !== row.columns) return undefined;
  return withRank(reading, row, shape.length as 1 | 2);
};

const flatten: Operator = (reading, node) => {
  const row = rowOf(operandsOf(reading, node)[0]);
  return row?.rank === 2 && toNumber(attributeOf(node, 'axis')?.i ?? 1) === 1 ? { row } : undefined;
};

const same: Operator = (reading, node) => operandsOf(reading, node)[0];

const constant: Operator = (_, node) => {
  const tensor = attributeOf(node, 'value')?.t;
  return tensor && { constant: tensor };
};

const shape: Operator = (reading, node) => {
  const row = rowOf(operandsOf(reading, node)[0]);
  const isWhole = attributeOf(node, 'end') === undefined && toNumber(attributeOf(node, 'start')?.i) === 0;
  return row && isWhole ? { shapeOf: row } : undefined;
};

const shapeNode = (reading: Reading, row: Row): string => {
  const { row: found } = append(reading, nodeOf('Shape', [], []), [row.name], { rank: 1, columns: 0 });
  return found.name;
};

/** To the shape of other rows. */
const expand: Operator = (reading, node) => {
  const [value, to] = operandsOf(reading, node);
  if (!to || !('shapeOf' in to)) return undefined;
  const target = to.shapeOf;
  const row = rowOf(value);
  if (row) return row.rank === target.rank && row.columns === target.columns ? { row } : undefined;
  const found = constantOf(value) && columnsSlot(reading, constantOf(value)!, target.rank);
  if (!found || (found.columns !== 1 && found.columns !== target.columns)) return undefined;
  return append(reading, nodeOf('Expand', [], []), [found.name, shapeNode(reading, target)], target);
};

const constantOfShape: Operator = (reading, node) => {
  const [to] = operandsOf(reading, node);
  if (!to || !('shapeOf' in to)) return undefined;
  const { shapeOf } = to;
  const whole = { opType: 'ConstantOfShape', attribute: attributesOf(node) };
  return append(reading, whole, [shapeNode(reading, shapeOf)], shapeOf);
};

export const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ...Object.keys(ELEMENTWISE).map((name): [string, Operator] => [name, elementwise]),
  ...'ReduceMean ReduceSum ReduceSumSquare ReduceL1 ReduceL2 ReduceMax ReduceMin'
    .split(' ')
    .map((name): [string, Operator] => [name, reduce]),
  ['MatMul', matMul],
  ['Gemm', gemm],
  ['BatchNormalization', batchNormalization],
  ['Gather', gather],
  ['Concat', concat],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Reshape', reshape],
  ['Flatten', flatten],
  ['Identity', same],
  ['Dropout', same],
  ['Constant', constant],
  ['Shape', shape],
  ['Expand', expand],
  ['ConstantOfShape', constantOfShape],
]);
