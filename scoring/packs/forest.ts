/**
 * An IsolationForest of scikit-learn or PyOD, as the converter writes it (scoring/python/forest.py), behind scalers that
 * take each feature by itself: the depths of a row's leaves are added tree by tree in double precision, so a pack gives
 * the very scores of the single model where it adds them in the same order.
 */
import { DATA_TYPE, type OnnxModel } from '../onnx-proto.ts';
import { type Forest, forestTable, type Scaling, SCALING } from './forest-table.ts';
import { readTrees } from './forest-trees.ts';
import type { Fuser } from './fuser.ts';
import { finiteDoubles, type GraphMatch, type GraphPattern, inputWidth, matchGraph, type Step } from './match-graph.ts';

export const FOREST = 'isolation-forest';

const MOST_SCALING = 8;

function pattern(scaling: readonly Scaling['op'][], hasConstant: boolean, isPyod: boolean): GraphPattern {
  const steps: Step[] = scaling.map((op, i) => ({
    op,
    operands: [i === 0 ? 'input' : { step: i - 1 }, { value: `scaling_${i}` }],
  }));
  const last = (): number => steps.length - 1;
  const then = (op: string, ...operands: Step['operands']): number => steps.push({ op, operands });
  steps.push({
    op: 'Cast',
    operands: [scaling.length === 0 ? 'input' : { step: last() }],
    attributes: { to: DATA_TYPE.float },
  });
  steps.push({ op: 'Cast', operands: [{ step: last() }], attributes: { to: DATA_TYPE.double } });
  steps.push({ op: 'TreeEnsemble', domain: 'ai.onnx.ml', operands: [{ step: last() }], attributes: 'free' });
  if (hasConstant) then('Add', { step: last() }, { value: 'constant' });
  then('Div', { step: last() }, { value: 'divisor' });
  then('Neg', { step: last() });
  then('Pow', { double: 2 }, { step: last() });
  then('Neg', { step: last() });
  then('Sub', { step: last() }, { value: 'offset' });
  const scores = last();
  then('Less', { step: scores }, { double: 0 });
  then('Not', { step: last() });
  if (isPyod) {
    then('Neg', { step: scores });
    then('Greater', { step: last() }, { value: 'threshold' });
    then('Not', { step: last() });
    then('Identity', { step: last() - 2 });
  } else then('Identity', { step: scores });
  const named = last();
  then('Where', { step: named - 1 }, { int64: 1 }, { int64: -1 });
  return { inputType: DATA_TYPE.double, scores: named, label: last(), steps, domains: { 'ai.onnx.ml': 5 } };
}

function recognise(model: OnnxModel): Forest | undefined {
  const nodes = model.graph?.node ?? [];
  const at = nodes.findIndex(({ opType }) => opType === 'TreeEnsemble');
  const width = inputWidth(model);
  if (at < 2 || at > MOST_SCALING + 2 || width < 1) return undefined;
  const scaling = nodes.slice(0, at - 2).map(({ opType }) => SCALING.find((op) => op === opType));
  if (!scaling.every((op) => op !== undefined)) return undefined;
  const ops = nodes.slice(at + 1).map(({ opType }) => opType);
  const isPyod = ops.includes('Greater');
  const match = matchGraph(model, pattern(scaling, ops[0] === 'Add', isPyod));
  return match && forestOf(match, width, at, scaling, isPyod);
}

function forestOf(
  match: GraphMatch,
  width: number,
  at: number,
  ops: readonly Scaling['op'][],
  isPyod: boolean,
): Forest | undefined {
  const scaling: Scaling[] = [];
  for (const [i, op] of ops.entries()) {
    const values = finiteDoubles(match, `scaling_${i}`, [width]);
    if (!values) return undefined;
    scaling.push({ op, values });
  }
  const number = (name: string): number | undefined =>
    match.parameters.has(name) ? finiteDoubles(match, name, [1])?.[0] : 0;
  const [constant, divisor, offset, threshold] = ['constant', 'divisor', 'offset', 'threshold'].map(number);
  const trees = readTrees(match.nodes[at]!, width);
  if (!trees || constant === undefined || divisor === undefined || offset === undefined || threshold === undefined)
    return undefined;
  return { width, scaling, trees, constant, divisor, offset, ...(isPyod ? { threshold } : {}) };
}

/** Rows at which a tree may part otherwise: at splits, beside them, and at numbers that readings are rounded to. */
const PROBES = 24;
const EXTREMES = [0, 1e6, -1e6, 1e300, -1e300, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

function probes({ width, scaling, trees }: Forest): Float64Array {
  const splits = Array.from({ length: width }, (_, f): number[] => {
    const own = [...trees.splits].filter((split, at) => trees.features[at] === f && !Number.isNaN(split));
    const step = Math.max(1, Math.floor(own.length / PROBES));
    const some = Array.from({ length: PROBES }, (__, i) => own[(i * step) % Math.max(1, own.length)] ?? i);
    return some.flatMap((split, i) => {
      const before = unscaled(scaling, f, split);
      const rounded = i % 2 === 0 ? Math.round(before * 10) / 10 : Math.round(before * 2) / 2;
      return [before, before + Math.abs(before) * 2e-7, rounded];
    });
  });
  const rows = Array.from({ length: 3 * PROBES }, (_, row) =>
    // Features part ways: each begins at another of its probes.
    splits.map((own, f) => own[(row + f * 7) % own.length]!),
  );
  const extremes = EXTREMES.flatMap((value) =>
    width === 1 ? [[value]] : [splits.map(() => value), splits.map((own, f) => (f === 0 ? value : own[0]!))],
  );
  return Float64Array.from([...rows, ...extremes].flat());
}

/** The reading that the scalers make this number of. */
function unscaled(scaling: readonly Scaling[], feature: number, value: number): number {
  return scaling.reduceRight((x, { op, values }) => {
    const by = values[feature]!;
    if (op === 'Sub') return x + by;
    if (op === 'Add') return x - by;
    return op === 'Div' ? x * by : x / (by || 1);
  }, value);
}

export const forest: Fuser<Forest> = {
  kind: FOREST,
  recognise,
  shape: ({ scaling, trees, threshold }) =>
    JSON.stringify([scaling.map(({ op }) => op), trees.roots.length, trees.steps, threshold !== undefined]),
  table: forestTable,
  probes,
};
