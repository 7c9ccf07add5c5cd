/**
 * An IsolationForest of scikit-learn or PyOD, as the converter writes it (scoring/python/forest.py), behind scalers
 * that take each feature by itself: the depths of a row's leaves are added tree by tree in double precision, so a pack
 * gives the very scores of the single model where it adds them in the same order.
 */
import { DATA_TYPE, type OnnxModel } from '../onnx-proto.ts';
import { type Forest, forestProbes, forestShape, forestTable } from './forest-table.ts';
import { readTrees } from './forest-trees.ts';
import type { Fuser } from './fuser.ts';
import { finiteDoubles, type GraphMatch, type GraphPattern, inputWidth, matchGraph, type Step } from './match-graph.ts';
import { type Scaling, SCALING } from './probe-rows.ts';

const FOREST = 'isolation-forest';

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
  then('Less', { step: scores }, { value: 'limit' });
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
  const [constant, divisor, offset, limit] = ['constant', 'divisor', 'offset', isPyod ? 'threshold' : 'limit'].map(
    number,
  );
  const trees = readTrees(match.nodes[at]!, width);
  if (!trees || constant === undefined || divisor === undefined || offset === undefined || limit === undefined)
    return undefined;
  return {
    width,
    scaling,
    trees,
    arithmetic: { type: 'double', isPyod, numbers: { constant, divisor, offset, limit } },
  };
}

export const forest: Fuser<Forest> = {
  kind: FOREST,
  recognise,
  shape: forestShape,
  table: forestTable,
  probes: forestProbes,
};
