/**
 * The contract every model keeps, checked when it is published and again whenever it is loaded:
 * - one ONNX file within the size cap, its weights inside (no external data);
 * - one input [N, F], float32 or float64, N free, F the features declared in `metadata_props` under
 *   `fleetscore.features` (JSON array, see features.ts), or the window's mean alone when nothing is declared;
 * - output `label` (or `output_label`) [N] or [N, 1]: 1 is normal, anything else an anomaly;
 * - output `scores` (or `score`, `decision_function`) [N] or [N, 1], float32 or float64.
 */
import type { InferenceSession } from 'onnxruntime-node';
import { FleetscoreError } from '../domain/errors.ts';
import type { FailureClass } from '../domain/outcome.ts';
import { type Feature, parseFeatures } from './features.ts';
import { decodeMetadata, decodeModel, type OnnxModel } from './onnx-proto.ts';
import { outsideOf } from './onnx-outside.ts';

/** Default of the size cap. */
export const MAX_MODEL_BYTES = 64 * 1024 * 1024;

const FEATURES_KEY = 'fleetscore.features';
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
  return {
    model,
    features: featuresOf(new Map((model.metadataProps ?? []).map((entry) => [entry.key ?? '', entry.value ?? '']))),
  };
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
  const refuse = (what: string): FleetscoreError => modelError('model_wrong_shape', `${what}; ${found}; ${EXPECTED}`);
  const [input] = inputs;
  if (inputs.length !== 1 || !input?.isTensor || !INPUT_TYPES.includes(input.type))
    throw refuse('the input does not fit');
  if (input.shape.length !== 2) throw refuse(`the input has ${input.shape.length} dimensions instead of 2`);
  if (typeof input.shape[0] === 'number')
    throw refuse(`the input takes exactly ${input.shape[0]} rows; export the model with a free first dimension`);
  if (typeof input.shape[1] === 'number' && input.shape[1] !== features)
    throw refuse(
      `the input takes ${input.shape[1]} features and ${features} are declared in metadata_props ${FEATURES_KEY}`,
    );
  const port = (names: readonly string[], types: readonly string[]): string => {
    const output = outputs.find((candidate) => names.includes(candidate.name));
    if (!output) throw refuse(`there is no output named ${names.join(' or ')}`);
    if (!output.isTensor || !types.includes(output.type))
      throw refuse(`the output ${output.name} is not a tensor of ${types.join(', ')}`);
    const [rows, columns, ...more] = output.shape;
    // A shape that is not declared comes as []: what run() gives is checked in any case.
    if (typeof rows === 'number' || more.length > 0 || (typeof columns === 'number' && columns !== 1))
      throw refuse(`the output ${output.name} does not have one value for each row`);
    return output.name;
  };
  return {
    input: input.name,
    inputType: input.type as 'float32' | 'float64',
    label: port(LABEL_NAMES, LABEL_TYPES),
    scores: port(SCORE_NAMES, SCORE_TYPES),
  };
}

function describe(values: readonly InferenceSession.ValueMetadata[]): string {
  if (values.length === 0) return 'none';
  return values
    .slice(0, 6)
    .map((v) =>
      v.isTensor
        ? `${v.name} ${v.type}[${v.shape.map((d) => (d === '' ? '?' : d)).join(', ')}]`
        : `${v.name} (not a tensor)`,
    )
    .join(' and ');
}
