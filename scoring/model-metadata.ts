/**
 * What a model says of itself in `metadata_props`, and what publishing adds there: everything that cannot be seen in a
 * graph, such as which features its columns are. Whoever loads a published model obeys its metadata and guesses
 * nothing.
 */
import { messageOf } from '../domain/errors.ts';
import { parseDuration } from '../domain/time.ts';
import { type Feature, parseFeatures } from './features.ts';
import { modelError } from './model-problem.ts';
import { encodeMetadata, type OnnxModel } from './onnx-proto.ts';

/** JSON array of the features that the input takes, in order (features.ts). */
export const FEATURES_KEY = 'fleetscore.features';
/** What a label means: `normal=1`, `anomaly=1`, `anomaly=true`, `anomaly=outlier`. */
export const LABEL_KEY = 'fleetscore.label';
/** `least`: the score of a row is the least of its scores, such as the distance to the nearest of several centres. */
export const SCORE_KEY = 'fleetscore.score';

/** Length of the windows that it looks at: `1h`. Absent: the fleet's. */
export const WINDOW_KEY = 'fleetscore.window';

/** What a label of a model means. */
export interface LabelMeaning {
  readonly verdict: 'normal' | 'anomaly';
  /** The label that has this meaning; any other has the opposite one. */
  readonly label: string;
}

export interface ModelMetadata {
  /** Absent: the mean of a window alone. */
  readonly features?: readonly Feature[];
  readonly label?: LabelMeaning;
  readonly leastScore: boolean;
  /** Length of the windows that it looks at, ms; absent: the fleet's. */
  readonly windowMs?: number;
}

/** @throws FleetscoreError `MODEL_WRONG_SHAPE` that names the entry that cannot be read */
export function readMetadata(entries: ReadonlyMap<string, string>): ModelMetadata {
  const features = entries.get(FEATURES_KEY);
  const label = entries.get(LABEL_KEY);
  const score = entries.get(SCORE_KEY);
  if (score !== undefined && score !== 'least')
    throw modelError('model_wrong_shape', `metadata_props ${SCORE_KEY} is ${JSON.stringify(score)}; expected least`);
  return {
    ...(features === undefined ? {} : { features: readFeatureNames(features) }),
    ...(label === undefined ? {} : { label: readLabelMeaning(label) }),
    leastScore: score !== undefined,
    ...readOwnWindow(entries.get(WINDOW_KEY)),
  };
}

function readOwnWindow(text: string | undefined): Pick<ModelMetadata, 'windowMs'> {
  if (text === undefined) return {};
  try {
    return { windowMs: parseDuration(text, `metadata_props ${WINDOW_KEY}`) };
  } catch (error) {
    throw modelError('model_wrong_shape', messageOf(error).replace(/\.$/, ''));
  }
}

/** Entries of a model; of a key that is there twice the last counts. */
export const metadataOf = ({ metadataProps = [] }: OnnxModel): ReadonlyMap<string, string> =>
  new Map(metadataProps.map((entry) => [entry.key ?? '', entry.value ?? '']));

function readFeatureNames(json: string): readonly Feature[] {
  const features = parseFeatures(json);
  if (typeof features === 'string') throw modelError('model_wrong_shape', features);
  return features;
}

/** @throws FleetscoreError `MODEL_WRONG_SHAPE` */
export function readLabelMeaning(text: string): LabelMeaning {
  const [, verdict, label] = /^\s*(normal|anomaly)\s*=\s*(\S.{0,62}?)\s*$/.exec(text) ?? [];
  if (verdict === undefined || label === undefined)
    throw modelError(
      'model_wrong_shape',
      `the meaning of its label is ${JSON.stringify(text.slice(0, 80))} (${LABEL_KEY}); ` +
        'expected anomaly=1, normal=1, or another label after the sign, such as anomaly=true or normal=inlier',
    );
  return { verdict: verdict as LabelMeaning['verdict'], label };
}

/**
 * Whether a label is a normal one. Without a meaning 1 is, as in scikit-learn. With `anomaly=1` (or `true`) 0 alone is
 * normal: a third label is nothing to rely on.
 */
export function normalLabels(meaning: LabelMeaning | undefined): (label: unknown) => boolean {
  if (meaning === undefined) return (label) => Number(label) === 1;
  const { verdict, label: text } = meaning;
  const number = numberOf(text);
  const isThat = (label: unknown): boolean => (typeof label === 'string' ? label === text : Number(label) === number);
  if (verdict === 'normal') return isThat;
  if (number === 1) return (label) => (typeof label === 'string' ? label !== text : Number(label) === 0);
  return (label) => !isThat(label) && (typeof label === 'string' || !Number.isNaN(Number(label)));
}

/** A label as a number, `True` as Python writes it, too; NaN of a text. */
const numberOf = (text: string): number => ({ true: 1, false: 0 })[text.toLowerCase()] ?? Number(text);

/**
 * Whether a meaning names one of the labels that were seen. Where there is one label alone, another may come with other
 * rows.
 */
export function namesOneOf({ label: text }: LabelMeaning, labels: readonly unknown[]): boolean {
  const isThat = (label: unknown): boolean =>
    typeof label === 'string' ? label === text : Number(label) === numberOf(text);
  const isText = labels.some((label) => typeof label === 'string');
  if (!isText && Number.isNaN(numberOf(text))) return false;
  return new Set(labels.map(String)).size < 2 || labels.some(isThat);
}

/** What whoever publishes says of a model that does not say it itself. */
export interface Declared {
  /** In the order of the model's columns, or of its inputs. */
  readonly features?: readonly string[];
  /** Such as `anomaly=1`. */
  readonly label?: string;
}

/** Adds entries to a model file. The graph's bytes stay as they are: a later field of a message is simply appended. */
export function withMetadata(bytes: Uint8Array, entries: ReadonlyMap<string, string>): Uint8Array {
  return entries.size === 0 ? bytes : Buffer.concat([bytes, encodeMetadata(entries)]);
}
