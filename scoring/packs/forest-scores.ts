/**
 * From the leaves that a row ends in to its score and label, with the operators of the single model in their order: in
 * double precision where `models convert` wrote it, in single precision where skl2onnx did, whose operators make the
 * depth of a leaf out of what is known of it. A pack does that for each leaf, and not for each row.
 */
import { DATA_TYPE, node, type OnnxNode, type OnnxTensor, tensorOf } from '../onnx-proto.ts';
import { paddedRows } from '../row-block.ts';
import { PACK_PORTS } from './pack-format.ts';

export type Arithmetic = DoubleArithmetic | SingleArithmetic;

/** scikit-learn or PyOD, as scoring/python/forest.py writes it. The leaves of its trees are depths. */
export interface DoubleArithmetic {
  readonly type: 'double';
  /** Whether its scores are PyOD's, which rise with how odd a row is, or scikit-learn's, which fall. */
  readonly isPyod: boolean;
  /**
   * `constant`: depths of trees without a split, all together. `divisor`: what the sum of the depths is divided by.
   * `offset`: scikit-learn's `offset_`. `limit`: scores above it, of PyOD, or below it, of scikit-learn, are anomalies.
   */
  readonly numbers: Readonly<Record<(typeof DOUBLE_NUMBERS)[number], number>>;
}

/** scikit-learn as skl2onnx writes it. The leaves of its trees are {@link leafKey}. */
export interface SingleArithmetic {
  readonly type: 'single';
  /** How the depth of a leaf is made, each term out of earlier ones. The last one is the depth. */
  readonly terms: readonly Term[];
  /** `offset` is less scikit-learn's `offset_`. */
  readonly numbers: Readonly<Record<(typeof SINGLE_NUMBERS)[number], number>>;
}

/** Something known of a leaf (`at`: first or second number of its key), a number, or an operator on earlier terms. */
export type Term =
  | { readonly kind: 'leaf'; readonly at: number }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'operator'; readonly op: string; readonly operands: readonly number[] };

const DOUBLE_NUMBERS = ['constant', 'divisor', 'offset', 'limit'] as const;
const SINGLE_NUMBERS = ['divisor', 'offset'] as const;

/** Names of the numbers of a forest, in the order of their columns in the table. */
export const numberNames = ({ type }: Arithmetic): readonly string[] =>
  type === 'double' ? DOUBLE_NUMBERS : SINGLE_NUMBERS;

/** The two numbers of a leaf are whole ones below it: a double holds both. */
export const MOST_OF_LEAF = 2 ** 26;

export const leafKey = (first: number, second: number): number => first * MOST_OF_LEAF + second;

/** Makes `leaves`, the depth of each leaf, where it is not a constant. */
export function depthNodes(arithmetic: Arithmetic): OnnxNode[] {
  if (arithmetic.type === 'double') return [];
  const { terms } = arithmetic;
  const nodes = terms.flatMap((term, at) =>
    term.kind === 'operator'
      ? [
          node(
            term.op,
            term.operands.map((operand) => `term_${operand}`),
            [`term_${at}`],
            term.op === 'Cast' ? { to: DATA_TYPE.float } : {},
          ),
        ]
      : [],
  );
  return [...nodes, node('Identity', [`term_${terms.length - 1}`], ['leaves'])];
}

/** @param leaves distinct ones of the pack. Whole blocks of them, as single models have whole blocks of rows */
export function depthTensors(arithmetic: Arithmetic, leaves: readonly number[]): OnnxTensor[] {
  if (arithmetic.type === 'double')
    return [tensorOf('two', [1], Float64Array.of(2)), tensorOf('leaves', [leaves.length], Float64Array.from(leaves))];
  const padded = Float64Array.from(
    { length: paddedRows(leaves.length) },
    (_, at) => leaves[Math.min(at, leaves.length - 1)]!,
  );
  const parts = [
    Float32Array.from(padded, (key) => Math.floor(key / MOST_OF_LEAF)),
    Float32Array.from(padded, (key) => key % MOST_OF_LEAF),
  ];
  return [
    tensorOf('two', [1], Float32Array.of(2)),
    tensorOf('nothing', [], Float32Array.of(0)),
    ...arithmetic.terms.flatMap((term, at) => {
      if (term.kind === 'operator') return [];
      return term.kind === 'leaf'
        ? [tensorOf(`term_${at}`, [padded.length], parts[term.at]!)]
        : [tensorOf(`term_${at}`, [1], Float32Array.of(term.value))];
    }),
  ];
}

/** From the sum of the depths [M, R, 1] to the outputs. */
export function scoreNodes(arithmetic: Arithmetic, sum: string): OnnxNode[] {
  const isDouble = arithmetic.type === 'double';
  return [
    ...(isDouble ? [node('Add', [sum, 'constant'], ['sum_of_all'])] : []),
    node('Div', [isDouble ? 'sum_of_all' : sum, 'divisor'], ['mean_depth']),
    node('Neg', ['mean_depth'], ['exponent']),
    node('Pow', ['two', 'exponent'], ['oddness']),
    node('Neg', ['oddness'], ['evenness']),
    node(isDouble ? 'Sub' : 'Add', ['evenness', 'offset'], ['decision']),
    ...verdictNodes(arithmetic),
    node('Squeeze', ['score_column', 'axis_2'], [PACK_PORTS.scores]),
    node('Cast', ['is_anomaly'], ['anomaly_column'], { to: DATA_TYPE.uint8 }),
    node('Squeeze', ['anomaly_column', 'axis_2'], [PACK_PORTS.anomaly]),
  ];
}

/** From `decision` to `score_column` and `is_anomaly`. */
function verdictNodes(arithmetic: Arithmetic): OnnxNode[] {
  if (arithmetic.type === 'single')
    return [
      node('Less', ['decision', 'nothing'], ['is_anomaly']),
      node('Cast', ['decision'], ['score_column'], { to: DATA_TYPE.double }),
    ];
  return arithmetic.isPyod
    ? [node('Neg', ['decision'], ['score_column']), node('Greater', ['score_column', 'limit'], ['is_anomaly'])]
    : [node('Identity', ['decision'], ['score_column']), node('Less', ['decision', 'limit'], ['is_anomaly'])];
}
