/**
 * An IsolationForest of scikit-learn as skl2onnx writes it, bare or behind scalers: some thirty operators for each
 * tree, all in single precision. A pack walks the trees as it does those of converted forests (forest-table.ts) and
 * computes the depth of each distinct leaf with the very operators of the export, so that its scores have the same
 * bits. The form is the same in skl2onnx 1.14 to 1.20 and opsets 9 to 22.
 */
import { graphPorts } from '../model-ports.ts';
import { DATA_TYPE, integers, type OnnxModel, toNumber } from '../onnx-proto.ts';
import { type ExportedGraph, exportedGraph, mlNode, numberOf, operandsOf } from './exported-graph.ts';
import { exportedInputs, exportedRows, type ExportedRows, scalingByFeature } from './exported-rows.ts';
import { ensembleOf, type ExportedTree } from './exported-trees.ts';
import { createDepthReader } from './exported-depth.ts';
import type { Term } from './forest-scores.ts';
import { type Forest, forestProbes, forestShape, forestTable } from './forest-table.ts';
import { treesOf } from './forest-trees.ts';
import type { Fuser } from './fuser.ts';

export const exportedForest: Fuser<Forest> = {
  kind: 'isolation-forest-skl2onnx',
  recognise,
  shape: forestShape,
  table: forestTable,
  probes: forestProbes,
};

function recognise(model: OnnxModel): Forest | undefined {
  if (!model.graph?.node?.some(({ opType }) => opType === 'TreeEnsembleRegressor')) return undefined;
  const graph = exportedGraph(model);
  const { label, scores } = graphPorts(model, false);
  const found = graph && label && scores && verdictOf(graph, label.name, scores.name);
  const inputs = found && exportedInputs(model);
  if (!inputs) return undefined;
  const { depths, divisor, offset } = found;
  const trees = readTrees(graph, depths);
  const rows = trees && sameRows(graph, inputs, trees);
  const ensemble = rows && ensembleOf(trees.list.map((tree) => inFeatures(tree, rows)));
  const walked = ensemble && treesOf(ensemble, rows.columns.length);
  if (!walked) return undefined;
  return {
    width: rows.columns.length,
    scaling: scalingByFeature(rows),
    trees: walked,
    arithmetic: { type: 'single', terms: trees.terms, numbers: { divisor, offset } },
  };
}

interface VerdictNodes {
  /** Names of the depths, in the order in which they are added. */
  readonly depths: readonly string[];
  readonly divisor: number;
  readonly offset: number;
}

/** From both results back to the depths of the trees: score = offset - 2 ** -(sum / divisor), normal from zero on. */
function verdictOf(graph: ExportedGraph, label: string, scores: string): VerdictNodes | undefined {
  const constant = (name: string | undefined, value: number): boolean => numberOf(graph, name) === value;
  const [product, one] = operandsOf(graph, label, 'Add') ?? [];
  const [cast, minusTwo] = operandsOf(graph, product, 'Mul') ?? [];
  const [below] = operandsOf(graph, cast, 'Cast', DATA_TYPE.int64) ?? [];
  const [score, zero] = operandsOf(graph, below, 'Less') ?? [];
  if (score !== scores || !constant(one, 1) || !constant(minusTwo, -2) || !constant(zero, 0)) return undefined;
  const [negated, offsetName] = operandsOf(graph, scores, 'Add') ?? [];
  const [power] = operandsOf(graph, negated, 'Neg') ?? [];
  const [two, exponent] = operandsOf(graph, power, 'Pow') ?? [];
  const [mean] = operandsOf(graph, exponent, 'Neg') ?? [];
  const [sum, divisorName] = operandsOf(graph, mean, 'Div') ?? [];
  const depths = operandsOf(graph, sum, 'Sum');
  const [divisor, offset] = [numberOf(graph, divisorName), numberOf(graph, offsetName)];
  if (!depths || !constant(two, 2) || !Number.isFinite(divisor) || !Number.isFinite(offset)) return undefined;
  return { depths, divisor: divisor!, offset: offset! };
}

interface ReadTree extends Omit<ExportedTree, 'columns'> {
  readonly input: string;
}

/** The trees, and how all of them make a depth of what is known of a leaf. */
function readTrees(
  graph: ExportedGraph,
  depths: readonly string[],
): { readonly list: readonly ReadTree[]; readonly terms: readonly Term[] } | undefined {
  const reader = createDepthReader(graph);
  const list: ReadTree[] = [];
  for (const name of depths) {
    const depth = reader.read(name);
    const regressor = depth && mlNode(graph, depth.leaf, 'TreeEnsembleRegressor');
    const [input, ...more] = regressor?.input ?? [];
    if (!regressor || input === undefined || more.length > 0) return undefined;
    list.push({ regressor, encoders: depth.encoders, input });
  }
  return list.length > 0 && reader.isOneForm() ? { list, terms: reader.terms } : undefined;
}

/** The rows that all trees take, or take columns of. */
function sameRows(
  graph: ExportedGraph,
  inputs: ReadonlyMap<string, readonly number[]>,
  trees: { readonly list: readonly ReadTree[] },
): (ExportedRows & { readonly gathered: ReadonlyMap<string, readonly number[]> }) | undefined {
  const gathered = new Map<string, readonly number[]>();
  const names = new Set<string>();
  for (const { input } of trees.list) {
    const [from, which] = operandsOf(graph, input, 'Gather') ?? [];
    const tensor = graph.constants.get(which ?? '');
    const axis = graph.sources.get(input)?.attribute?.find(({ name }) => name === 'axis');
    const columns = tensor && integers(tensor);
    if (from !== undefined && (!columns || toNumber(axis?.i) !== 1)) return undefined;
    if (columns) gathered.set(input, columns);
    names.add(from ?? input);
  }
  const [name, ...others] = names;
  const rows = name === undefined || others.length > 0 ? undefined : exportedRows(graph, inputs, name);
  return rows && { ...rows, gathered };
}

function inFeatures(
  { regressor, encoders, input }: ReadTree,
  { columns, gathered }: ExportedRows & { readonly gathered: ReadonlyMap<string, readonly number[]> },
): ExportedTree {
  const own = gathered.get(input);
  return { regressor, encoders, columns: own ? own.map((at) => columns[at] ?? -1) : columns };
}
