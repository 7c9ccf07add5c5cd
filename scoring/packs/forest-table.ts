/**
 * Many forests in one pack: their trees in a form of their own (packed-trees.ts), which is walked outside of
 * onnxruntime, and a graph that makes depths of leaves, and scores of sums of depths, with the operators of the single
 * models. onnxruntime copies every table when it loads a graph, and takes a step of all walks at a time.
 */
import { DATA_TYPE, int64Tensor, node, type OnnxGraph, tensorInfo, tensorOf } from '../onnx-proto.ts';
import { depthNodes, depthTensors, type Arithmetic, numberNames, scoreNodes } from './forest-scores.ts';
import type { PackLimits, PackTable } from './fuser.ts';
import { PACK_PORTS } from './pack-format.ts';
import { codeBytesOf, packedBytes, packTrees, type ScaledTrees } from './packed-trees.ts';
import { probeRows, some } from './probe-rows.ts';

export interface Forest extends ScaledTrees {
  /** From the leaves of a row to its score. */
  readonly arithmetic: Arithmetic;
}

/** Distinct leaves of a pack: numbered in 16 bits. */
const MOST_LEAVES = 65_536;
/** Doubles: a run of a thousand trees has two thousand rows, so that it tells soon enough that it gets on. */
const ROW_WIDTH_PER_TREE = 2;

/** @param first a forest of the shape of all that are added */
export function forestTable(first: Forest, limits: PackLimits): PackTable<Forest> {
  const forests: Forest[] = [];
  const numbers = new Map<number, number>();
  let bytes = 0;
  return {
    rowWidth: ROW_WIDTH_PER_TREE * first.trees.counts.length,
    add(forest) {
      const own = packedBytes(forest);
      const fresh = forest.trees.leaves.reduce((count, leaf) => count + (numbers.has(leaf) ? 0 : 1), 0);
      const fits = bytes + own <= limits.maxBytes && numbers.size + fresh <= MOST_LEAVES;
      if (forests.length > 0 && (!fits || forests.length === limits.maxRows)) return false;
      for (const leaf of forest.trees.leaves) if (!numbers.has(leaf)) numbers.set(leaf, numbers.size);
      forests.push(forest);
      bytes += own;
      return true;
    },
    graph: () => graphOf(forests, [...numbers.keys()]),
    trees: () => packTrees(forests, first.arithmetic.type === 'single', numbers),
  };
}

/** @param leaves distinct ones of the pack */
function graphOf(forests: readonly Forest[], leaves: readonly number[]): OnnxGraph {
  const { arithmetic } = forests[0]!;
  const names = numberNames(arithmetic);
  const isSingle = arithmetic.type === 'single';
  const numbers = forests.flatMap(({ arithmetic: own }) => {
    const of: Readonly<Record<string, number>> = own.numbers;
    return names.map((name) => of[name]!);
  });
  return {
    name: 'pack',
    node: [
      node('Gather', ['numbers', PACK_PORTS.index], ['gathered'], { axis: 0 }),
      node('Unsqueeze', ['gathered', 'axis_1'], ['parameters']),
      node('Split', ['parameters', 'widths'], names, { axis: 2 }),
      node('Unsqueeze', [PACK_PORTS.sums, 'axis_2'], ['sums_column']),
      ...(isSingle ? [node('Cast', ['sums_column'], ['single_sums'], { to: DATA_TYPE.float })] : []),
      ...depthNodes(arithmetic),
      node('Cast', ['leaves'], [PACK_PORTS.depths], { to: DATA_TYPE.double }),
      ...scoreNodes(arithmetic, isSingle ? 'single_sums' : 'sums_column'),
    ],
    initializer: [
      tensorOf(
        'numbers',
        [forests.length, names.length],
        isSingle ? Float32Array.from(numbers) : Float64Array.from(numbers),
      ),
      ...depthTensors(arithmetic, leaves),
      int64Tensor(
        'widths',
        [names.length],
        names.map(() => 1),
      ),
      int64Tensor('axis_1', [1], [1]),
      int64Tensor('axis_2', [1], [2]),
    ],
    input: [
      tensorInfo(PACK_PORTS.index, DATA_TYPE.int32, ['M']),
      tensorInfo(PACK_PORTS.sums, DATA_TYPE.double, ['M', 'R']),
    ],
    output: [
      tensorInfo(PACK_PORTS.anomaly, DATA_TYPE.uint8, ['M', 'R']),
      tensorInfo(PACK_PORTS.scores, DATA_TYPE.double, ['M', 'R']),
      tensorInfo(PACK_PORTS.depths, DATA_TYPE.double, ['L']),
    ],
  };
}

const PROBES = 24;

/** Rows at the splits of the trees, of each feature. */
export function forestProbes({ width, scaling, trees }: Forest): Float64Array {
  const splits = Array.from({ length: width }, (_, f) => {
    const own = [...trees.splits].filter((_, at) => trees.features[at] === f);
    return own.length > 0 ? some(own, PROBES) : [f];
  });
  return probeRows(scaling, splits);
}

/** Forests of one shape share a pack. */
export const forestShape = ({ scaling, trees, arithmetic }: Forest): string =>
  JSON.stringify([
    scaling.map(({ op }) => op),
    trees.counts.length,
    codeBytesOf(trees.leaves.length),
    { ...arithmetic, numbers: 0 },
  ]);
