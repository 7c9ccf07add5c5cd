/**
 * The contract every model keeps, checked when it is published and again whenever it is loaded:
 * - one ONNX file within the size cap, its weights inside (no external data);
 * - one input [N, F], float32 or float64, N free, F the features declared in `metadata_props` under
 *   `fleetscore.features` (JSON array, see features.ts), or the window's mean alone when nothing is declared;
 * - output `label` (or `output_label`) [N] or [N, 1]: 1 is normal, anything else an anomaly; with `fleetscore.label` =
 *   `anomaly=1` in the metadata 0 is normal, and anything else an anomaly;
 * - output `scores` (or `score`, `decision_function`) [N] or [N, 1], float32 or float64.
 */
import type { InferenceSession } from 'onnxruntime-node';
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { FailureClass } from '../domain/outcome.ts';
import { type Feature, parseFeatures } from './features.ts';
import { decodeMetadata, decodeModel, type OnnxModel } from './onnx-proto.ts';
import { outsideOf } from './onnx-outside.ts';

/** Default of the size cap. */
export const MAX_MODEL_BYTES = 64 * 1024 * 1024;

const FEATURES_KEY = 'fleetscore.features';
/** Key of the metadata that says what a label of 1 means. */
export const LABEL_KEY = 'fleetscore.label';
const LABEL_MEANINGS = ['normal=1', 'anomaly=1'] as const;
export type LabelMeaning = (typeof LABEL_MEANINGS)[number];
const LABEL_NAMES = ['label', 'output_label'];
const SCORE_NAMES = ['scores', 'score', 'decision_function'];
const INPUT_TYPES = ['float32', 'float64'];
const LABEL_TYPES = ['int64', 'int32', 'int8', 'uint8', 'bool', 'float32', 'float64'];
const SCORE_TYPES = ['float32', 'float64'];
const EXPECTED =
  'expected one input [N, F] of float32 or float64 and the outputs label [N] or [N, 1] (1 normal, else anomaly) and scores [N] or [N, 1] (float32 or float64)';

/** Failure classes that tell of a model rather than of the machinery around it. */
export type ModelFailureClass = Extract<
  FailureClass,
  | 'model_missing'
  | 'model_corrupt'
  | 'model_wrong_shape'
  | 'model_too_large'
  | 'model_failed'
  | 'not_finite'
  | 'timeout'
>;

/** What is wrong with one model: data, so that it can cross threads. */
export interface ModelProblem {
  readonly class: ModelFailureClass;
  readonly message: string;
}

/** A problem as an error: its code is the class in capitals, `MODEL_CORRUPT` for `model_corrupt`. */
export function modelError(failure: ModelFailureClass, message: string): FleetscoreError {
  return new FleetscoreError(
    failure.toUpperCase() as Uppercase<ModelFailureClass>,
    message.length > 1000 ? `${message.slice(0, 997)}...` : message,
  );
}

const MODEL_CLASSES: readonly ModelFailureClass[] = [
  'model_missing',
  'model_corrupt',
  'model_wrong_shape',
  'model_too_large',
  'model_failed',
  'not_finite',
  'timeout',
];

/** The problem behind an error made by {@link modelError}; undefined for any other error. */
export function modelProblem(error: unknown): ModelProblem | undefined {
  if (!(error instanceof FleetscoreError)) return undefined;
  const found = MODEL_CLASSES.find((name) => name === error.code.toLowerCase());
  return found && { class: found, message: error.message };
}

/** As {@link modelProblem}; any other error is thrown on. */
export function orProblem(error: unknown): ModelProblem {
  const problem = modelProblem(error);
  if (!problem) throw error;
  return problem;
}

/** @throws FleetscoreError `MODEL_TOO_LARGE`, `MODEL_CORRUPT` when empty */
export function checkModelSize(bytes: number, maxBytes: number): void {
  if (bytes === 0) throw modelError('model_corrupt', 'the file is empty; export the model again');
  if (bytes > maxBytes)
    throw modelError(
      'model_too_large',
      `the file has ${bytes} bytes, at most ${maxBytes} are allowed; export a smaller model or raise FLEETSCORE_MAX_MODEL_BYTES`,
    );
}

export interface InspectedModel {
  readonly model: OnnxModel;
  readonly features: readonly Feature[];
  /** What it says that a label of 1 means; absent when it says nothing. */
  readonly label?: LabelMeaning;
}

/**
 * Reads a model file without running it.
 * @throws FleetscoreError `MODEL_TOO_LARGE`, `MODEL_CORRUPT`, `MODEL_WRONG_SHAPE`
 */
export function inspectModel(bytes: Uint8Array, maxBytes: number): InspectedModel {
  checkModelSize(bytes.byteLength, maxBytes);
  let model: OnnxModel;
  let outside: string | undefined;
  try {
    outside = outsideOf(bytes);
    model = decodeModel(bytes);
  } catch (cause) {
    throw modelError(
      'model_corrupt',
      `not an ONNX file, or a damaged one (${String(cause).slice(0, 120)}); export it again`,
    );
  }
  if (!model.graph || (model.graph.node ?? []).length === 0)
    throw modelError('model_corrupt', 'not an ONNX file: it holds no graph with nodes; export it again');
  if (outside !== undefined)
    throw modelError(
      'model_wrong_shape',
      `${outside}; save the model in one file (onnx.save without save_as_external_data), with ONNX 1.23 or older`,
    );
  const metadata = new Map((model.metadataProps ?? []).map((entry) => [entry.key ?? '', entry.value ?? '']));
  return { model, features: featuresOf(metadata), ...defined({ label: labelOf(metadata) }) };
}

function labelOf(metadata: ReadonlyMap<string, string>): LabelMeaning | undefined {
  const said = metadata.get(LABEL_KEY);
  const known = LABEL_MEANINGS.find((meaning) => meaning === said?.replaceAll(' ', ''));
  if (said !== undefined && known === undefined)
    throw modelError(
      'model_wrong_shape',
      `metadata_props ${LABEL_KEY} is ${JSON.stringify(said)}; expected ${LABEL_MEANINGS.join(' or ')}`,
    );
  return known;
}

/** Declared features of a model or pack, without building its graph. @throws as {@link inspectModel} */
export function readFeatures(bytes: Uint8Array): readonly Feature[] {
  let metadata: ReadonlyMap<string, string>;
  try {
    metadata = decodeMetadata(bytes);
  } catch {
    throw modelError('model_corrupt', 'not an ONNX file, or a damaged one; export it again');
  }
  return featuresOf(metadata);
}

function featuresOf(metadata: ReadonlyMap<string, string>): readonly Feature[] {
  const features = parseFeatures(metadata.get(FEATURES_KEY));
  if (typeof features === 'string') throw modelError('model_wrong_shape', features);
  return features;
}

/** Where a loaded model takes its input and gives its outputs. */
export interface ModelPorts {
  readonly input: string;
  readonly inputType: 'float32' | 'float64';
  readonly label: string;
  readonly scores: string;
}

/** @throws FleetscoreError `MODEL_WRONG_SHAPE` that says what was found and what is expected */
export function modelPorts(session: InferenceSession, features: number): ModelPorts {
  const { inputMetadata: inputs, outputMetadata: outputs } = session;
  const found = `found input ${describe(inputs)} and output ${describe(outputs)}`;
  const [input] = inputs;
  const problems = [inputProblem(inputs, features)];
  const port = (names: readonly string[], types: readonly string[]): string => {
    const output = outputs.find((candidate) => names.includes(candidate.name));
    problems.push(output ? outputProblem(output, types) : `there is no output named ${names.join(' or ')}`);
    return output?.name ?? '';
  };
  const ports: ModelPorts = {
    input: input?.name ?? '',
    inputType: input?.isTensor && input.type === 'float64' ? 'float64' : 'float32',
    label: port(LABEL_NAMES, LABEL_TYPES),
    scores: port(SCORE_NAMES, SCORE_TYPES),
  };
  const all = problems.filter((problem) => problem !== undefined);
  if (all.length > 0) throw modelError('model_wrong_shape', `${all.join('; ')}; ${found}; ${EXPECTED}`);
  return ports;
}

function inputProblem(inputs: readonly InferenceSession.ValueMetadata[], features: number): string | undefined {
  const [input] = inputs;
  if (inputs.length !== 1 || !input?.isTensor || !INPUT_TYPES.includes(input.type)) return 'the input does not fit';
  const [rows, columns] = input.shape;
  if (input.shape.length !== 2) return `the input has ${input.shape.length} dimensions instead of 2`;
  if (typeof rows === 'number')
    return `the input takes exactly ${rows} rows; export the model with a free first dimension`;
  return typeof columns === 'number' && columns !== features
    ? `the input takes ${columns} features and its metadata_props ${FEATURES_KEY} name ${features} (the window's mean alone where there are none); declare them, such as ["mean","min","max"]`
    : undefined;
}

function outputProblem(output: InferenceSession.ValueMetadata, types: readonly string[]): string | undefined {
  if (!output.isTensor || !types.includes(output.type))
    return `the output ${output.name} is not a tensor of ${types.join(', ')}`;
  const [rows, columns, ...more] = output.shape;
  // A shape that is not declared comes as []: what run() gives is checked in any case.
  return typeof rows === 'number' || more.length > 0 || (typeof columns === 'number' && columns !== 1)
    ? `the output ${output.name} does not have one value for each row`
    : undefined;
}

/** Inputs or outputs that a message shows. */
const SHOWN = 12;

function describe(values: readonly InferenceSession.ValueMetadata[]): string {
  if (values.length === 0) return 'none';
  const more = values.length > SHOWN ? ` and ${values.length - SHOWN} more` : '';
  const shown = values
    .slice(0, SHOWN)
    .map((v) =>
      v.isTensor
        ? `${v.name} ${v.type}[${v.shape.map((d) => (d === '' ? '?' : d)).join(', ')}]`
        : `${v.name} (not a tensor)`,
    )
    .join(' and ');
  return shown + more;
}
