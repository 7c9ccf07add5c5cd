/**
 * Where a model takes its input and gives its outputs, seen in its graph alone. Known: what skl2onnx, onnxmltools,
 * torch and our own converter write, and what ML.NET writes, which has an input for each column, hands all of them
 * through as outputs, and calls its results `Score.output` and `PredictedLabel.output`.
 */
import { defined } from '../domain/defined.ts';
import { THRESHOLD_FORM } from '../domain/threshold.ts';
import type { Feature } from './features.ts';
import { type ModelMetadata, FEATURES_KEY, SCORE_KEY } from './model-metadata.ts';
import { modelError } from './model-problem.ts';
import { type OnnxGraph, type OnnxModel, type OnnxValueInfo, toNumber } from './onnx-proto.ts';

const LABEL_NAMES = ['label', 'output_label', 'PredictedLabel.output', 'PredictedLabel'];
const SCORE_NAMES = ['scores', 'score', 'decision_function', 'Score.output', 'Score', 'score_samples'];
/** ONNX TensorProto.DataType to the names of onnxruntime. */
const TYPES: Readonly<Record<number, string>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
  16: 'bfloat16',
};
/** What to do about a model without a label. */
export const NO_LABEL_REMEDY =
  `name an output ${LABEL_NAMES.slice(0, 2).join(' or ')}, or publish with --threshold or the column Threshold ` +
  `of manifest.csv: ${THRESHOLD_FORM}`;
const INPUT_TYPES = ['float32', 'float64'];
const LABEL_TYPES = ['int64', 'int32', 'int16', 'int8', 'uint32', 'uint8', 'bool', 'float32', 'float64', 'string'];
const SCORE_TYPES = ['float32', 'float64'];
const EXPECTED =
  'expected one input [N, F] of float32 or float64, or one [N, 1] for each feature, and the outputs label ' +
  '[N] or [N, 1] (1 normal, else anomaly) and scores [N] or [N, 1] (float32 or float64)';

export type FloatType = 'float32' | 'float64';

/** An input or output as the file declares it; a free dimension is ''. */
export interface Port {
  readonly name: string;
  /** As onnxruntime names it; '' when the file does not say. */
  readonly type: string;
  /** Absent when the file does not say. */
  readonly shape?: readonly (number | '')[];
}

export interface ModelPorts {
  /** One input for all features, or one each: `feature` is its place among the declared ones. */
  readonly input:
    | { readonly name: string; readonly type: FloatType }
    | readonly (Port & { readonly type: FloatType; readonly feature: number })[];
  /** Inputs that no result depends on: they get zeros, or empty texts. */
  readonly idle: readonly Port[];
  /** Absent: a threshold on the score has to say what an anomaly is. */
  readonly label?: string;
  readonly scores: string;
}

export interface GraphPorts {
  /** Inputs that the results depend on. */
  readonly needed: readonly Port[];
  readonly idle: readonly Port[];
  readonly outputs: readonly Port[];
  readonly label?: Port;
  readonly scores?: Port;
}

/**
 * Inputs and outputs of a graph by what they are for. @param leastScore the label is then one of several classes, and
 * no verdict
 */
export function graphPorts({ graph = {} }: OnnxModel, leastScore: boolean): GraphPorts {
  const outputs = (graph.output ?? []).map(portOf);
  const named = (names: readonly string[]): Port | undefined => {
    const name = names.find((candidate) => outputs.some((output) => output.name === candidate));
    return outputs.find((output) => output.name === name);
  };
  const scores = named(SCORE_NAMES);
  // Of a mixture of skl2onnx the label is the number of a component.
  const isMixture = scores?.name === 'score_samples' && named(PROBABILITIES) !== undefined;
  const label = leastScore || isMixture ? undefined : named(LABEL_NAMES);
  const weights = new Set((graph.initializer ?? []).map((tensor) => tensor.name ?? ''));
  const inputs = (graph.input ?? []).map(portOf).filter(({ name }) => !weights.has(name));
  const results = [label, scores].flatMap((port) => (port ? [port.name] : []));
  const used = usedFor(graph, results.length > 0 ? results : outputs.map(({ name }) => name));
  return {
    needed: inputs.filter(({ name }) => used.has(name)),
    idle: inputs.filter(({ name }) => !used.has(name)),
    outputs,
    ...defined({ label, scores }),
  };
}

/** @throws FleetscoreError `MODEL_WRONG_SHAPE` that says all that does not fit, what was found and what is expected */
export function modelPorts(model: OnnxModel, { leastScore }: ModelMetadata, features: readonly Feature[]): ModelPorts {
  const found = graphPorts(model, leastScore);
  const { label, scores, idle } = found;
  const problems = [
    inputProblem(found.needed, features),
    ...idle.map(({ name, type }) =>
      type === '' ? `the input ${name}, which no result depends on, has no type` : undefined,
    ),
    label && outputProblem(label, LABEL_TYPES, false),
    scores ? outputProblem(scores, SCORE_TYPES, leastScore) : noScore(found.outputs),
    // Without a label a threshold would do, but not without a score.
    !label && !scores ? `there is no output named ${LABEL_NAMES.slice(0, 2).join(' or ')}` : undefined,
  ].filter((problem) => problem !== undefined);
  if (problems.length > 0 || !scores)
    throw modelError(
      'model_wrong_shape',
      `${problems.join('; ')}; found input ${describe([...found.needed, ...idle])} and output ` +
        `${describe(found.outputs)}; ${EXPECTED}`,
    );
  return { input: inputOf(found.needed, features), idle, scores: scores.name, ...defined({ label: label?.name }) };
}

/** Outputs of skl2onnx and onnxmltools for classifiers, and of what `zipmap` makes of them. */
const PROBABILITIES = ['probabilities', 'output_probability'];
/** The output of theirs for regressors. */
const PREDICTED = 'variable';

function noScore(outputs: readonly Port[]): string {
  const none = `there is no output named ${SCORE_NAMES.slice(0, 3).join(' or ')}`;
  const classes = outputs.find(({ name }) => PROBABILITIES.includes(name));
  if (classes)
    return (
      `${none}, but ${classes.name} of classes: give out the one of the anomalies as scores (docs/models.md, ` +
      "Classifiers); a GaussianMixture has scores with options={'score_samples': True}"
    );
  return outputs.some(({ name }) => name === PREDICTED)
    ? `${none}, but ${PREDICTED}, as regressors have: put what it is wrong by around it (docs/models.md, Residuals)`
    : none;
}

/**
 * Whether this looks like the distances of a clustering: several scores a row, and a label that is the number of one.
 */
export const isClustering = ({ label, scores }: GraphPorts): boolean =>
  (label?.type === 'uint32' || label === undefined) && Number(scores?.shape?.[1] ?? 1) > 1;

function inputOf(needed: readonly Port[], features: readonly Feature[]): ModelPorts['input'] {
  const [first] = needed as readonly [Port, ...Port[]];
  if (needed.length === 1) return { name: first.name, type: first.type as FloatType };
  const byName = needed.map(({ name }) => featureAt(features, name));
  // Inputs whose names say nothing come in the order of the declared features.
  const named = byName.every((at) => at >= 0) && new Set(byName).size === needed.length;
  return needed.map((port, at) => ({ ...port, type: port.type as FloatType, feature: named ? byName[at]! : at }));
}

/**
 * Place of the feature that an input is named after; -1 when it is none of them. Names of columns often begin with a
 * capital.
 */
const featureAt = (features: readonly Feature[], input: string): number =>
  features.findIndex(({ name }) => name.toLowerCase() === input.toLowerCase());

function inputProblem(needed: readonly Port[], features: readonly Feature[]): string | undefined {
  const [input] = needed;
  if (!input) return 'there is no input that its results depend on';
  const other = needed.find(({ type }) => !INPUT_TYPES.includes(type));
  if (other)
    return (
      `the input ${other.name} ${other.type === '' ? 'is not a tensor' : `takes ${other.type}`}; ` +
      'export the model with float32 inputs (converters to float16 have keep_io_types=True; ' +
      'Cast is the operator between types)'
    );
  for (const { name, shape = [] } of needed)
    if (typeof shape[0] === 'number')
      return `the input ${name} takes exactly ${shape[0]} rows; export the model with a free first dimension`;
  if (needed.length === 1) return matrixProblem(input, features.length);
  const wide = needed.find(({ shape = [] }) => shape.length > 2 || (shape.length === 2 && shape[1] !== 1));
  if (wide) return `of several inputs each takes one feature, and ${wide.name} does not have the shape [N, 1]`;
  if (needed.length === features.length) return undefined;
  const known = `${features.length} ${features.length === 1 ? 'feature is' : 'features are'} known`;
  return (
    `it has ${needed.length} inputs, and ${known} (${features.map(({ name }) => name).join()}); ` +
    'say which feature of a window each one takes, with --features or the column Features of manifest.csv, ' +
    `such as mean,min, or in its metadata_props ${FEATURES_KEY}`
  );
}

function matrixProblem({ shape = [] }: Port, features: number): string | undefined {
  if (shape.length !== 2) return `the input has ${shape.length} dimensions instead of 2`;
  return typeof shape[1] === 'number' && shape[1] !== features
    ? `the input takes ${shape[1]} features and its metadata_props ${FEATURES_KEY} name ${features} (the ` +
        `window's mean alone where there are none); declare them, with --features or the column Features of ` +
        'manifest.csv, such as mean,min,max'
    : undefined;
}

function outputProblem({ name, type, shape }: Port, types: readonly string[], several: boolean): string | undefined {
  if (type !== '' && !types.includes(type)) return `the output ${name} is not a tensor of ${types.join(', ')}`;
  const [rows, columns, ...more] = shape ?? [];
  // What run() gives is checked in any case: exporters leave shapes out, or write the one of their example row
  // (onnxmltools: [1] for the labels of LightGBM).
  if (!several && types === SCORE_TYPES && typeof columns === 'number' && columns !== 1)
    return (
      `the output ${name} has ${columns} values for each row; the least of them counts, as of distances to several ` +
      `centres, where its metadata_props say ${SCORE_KEY} = least, and a threshold then decides`
    );
  return (typeof rows === 'number' && rows !== 1) ||
    more.length > 0 ||
    (!several && typeof columns === 'number' && columns !== 1)
    ? `the output ${name} does not have one value for each row`
    : undefined;
}

/**
 * Names of the values that some of the results are computed from. Graphs inside of operators count as inputs of theirs.
 */
function usedFor(graph: OnnxGraph, results: readonly string[]): ReadonlySet<string> {
  const sources = new Map<string, readonly string[]>();
  for (const node of graph.node ?? []) {
    const inputs = [...(node.input ?? []), ...innerInputs(node.attribute ?? [])];
    for (const output of node.output ?? []) sources.set(output, inputs);
  }
  const used = new Set<string>();
  const open = [...results];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (used.has(name)) continue;
    used.add(name);
    open.push(...(sources.get(name) ?? []));
  }
  return used;
}

function innerInputs(
  attributes: readonly { readonly g?: OnnxGraph; readonly graphs?: readonly OnnxGraph[] }[],
): string[] {
  return attributes
    .flatMap(({ g, graphs = [] }) => (g ? [g, ...graphs] : graphs))
    .flatMap((inner) => [
      ...(inner.node ?? []).flatMap((node) => [...(node.input ?? []), ...innerInputs(node.attribute ?? [])]),
      ...(inner.output ?? []).map(({ name }) => name ?? ''),
    ]);
}

function portOf({ name = '', type }: OnnxValueInfo): Port {
  const { elemType, shape } = type?.tensorType ?? {};
  return {
    name,
    type: TYPES[elemType ?? 0] ?? '',
    ...(shape
      ? { shape: (shape.dim ?? []).map(({ dimValue }) => (toNumber(dimValue) > 0 ? toNumber(dimValue) : '')) }
      : {}),
  };
}

/** Inputs or outputs that a message shows. */
const SHOWN = 12;

function describe(ports: readonly Port[]): string {
  if (ports.length === 0) return 'none';
  const more = ports.length > SHOWN ? ` and ${ports.length - SHOWN} more` : '';
  const shown = ports
    .slice(0, SHOWN)
    .map(({ name, type, shape }) =>
      type === ''
        ? `${name} (not a tensor)`
        : `${name} ${type}[${(shape ?? []).map((d) => (d === '' ? '?' : d)).join(', ')}]`,
    )
    .join(' and ');
  return shown + more;
}
