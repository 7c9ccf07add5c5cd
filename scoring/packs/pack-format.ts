/**
 * A pack is an ONNX file whose tables hold the parameters of many models, a row each. It says itself which
 * model is in which row (`metadata_props`), and is named by the SHA-256 of its bytes. The same models in the
 * same order give the same bytes.
 */
import { defined } from '../../domain/defined.ts';
import { messageOf } from '../../domain/errors.ts';
import { checkFormat, FORMATS } from '../../domain/format.ts';
import { type Feature, parseFeatures } from '../features.ts';
import { modelError } from '../model-problem.ts';
import {
  DATA_TYPE,
  decodeMetadata,
  node,
  type OnnxEntry,
  type OnnxGraph,
  type OnnxNode,
  tensorInfo,
} from '../onnx-proto.ts';
import { treesHeader, type TreesHeader } from './packed-trees.ts';

/**
 * A block is some models with as many rows of features each. Inputs `row` int32 [M], the row of the table of each
 * model, and `features` double [M, R, F]; outputs `anomaly` uint8 [M, R] and `scores` double [M, R]. A pack of format 1
 * takes the row of the table with every row of features: [N], [N, F], [N], [N]. A graph of format 3 takes `sums` double
 * [M, R] of the depths of trees in the place of features, and gives the `depths` double [L] of their leaves.
 */
export const PACK_PORTS = {
  index: 'row',
  features: 'features',
  sums: 'sums',
  anomaly: 'anomaly',
  scores: 'scores',
  depths: 'depths',
} as const;

/** The inputs and outputs of the graph of a pack. */
export const packPorts = (width: number): Required<Pick<OnnxGraph, 'input' | 'output'>> => ({
  input: [
    tensorInfo(PACK_PORTS.index, DATA_TYPE.int32, ['M']),
    tensorInfo(PACK_PORTS.features, DATA_TYPE.double, ['M', 'R', width]),
  ],
  output: [
    tensorInfo(PACK_PORTS.anomaly, DATA_TYPE.uint8, ['M', 'R']),
    tensorInfo(PACK_PORTS.scores, DATA_TYPE.double, ['M', 'R']),
  ],
});

/**
 * From `score_column` [M, R, 1] to both outputs, with the constants `axis_2` and `zero`: normal above zero. "Not
 * greater" rather than "less or equal": a score that is not a number is an anomaly.
 * @param axis constant with the axis that is left out, where the scores are not [M, R, 1]
 */
export const normalAboveZero = (axis = 'axis_2'): OnnxNode[] => [
  node('Squeeze', ['score_column', axis], [PACK_PORTS.scores]),
  node('Greater', [PACK_PORTS.scores, 'zero'], ['normal']),
  node('Not', ['normal'], ['not_normal']),
  node('Cast', ['not_normal'], [PACK_PORTS.anomaly], { to: DATA_TYPE.uint8 }),
];

const KEYS = {
  format: 'fleetscore.pack.format',
  kind: 'fleetscore.pack.kind',
  rows: 'fleetscore.pack.rows',
  rowWidth: 'fleetscore.pack.row-width',
  /** Base64 of the SHA-256 digests of the models, 32 bytes a row. */
  models: 'fleetscore.pack.models',
  features: 'fleetscore.features',
  trees: 'fleetscore.pack.trees',
} as const;

/** Packs without trees are written as they were before: who has them need not publish again. */
const FORMAT_WITHOUT_TREES = 2;

const DIGEST_DIGITS = 64;

export interface PackHeader {
  /** Whether it takes the rows of a model together, and gathers its parameters once for all of them. */
  readonly byModel: boolean;
  readonly kind: string;
  readonly features: readonly Feature[];
  readonly rows: number;
  /** Doubles of one row of the table. */
  readonly rowWidth: number;
  /** SHA-256 digests of the models by row, 64 hexadecimal digits each. */
  readonly digests: string;
  /** Trees behind the graph. */
  readonly trees?: TreesHeader;
}

export function packMetadata(
  kind: string,
  features: readonly string[],
  rowWidth: number,
  models: readonly string[],
  trees?: TreesHeader,
): OnnxEntry[] {
  return [
    { key: KEYS.format, value: String(trees ? FORMATS.pack : FORMAT_WITHOUT_TREES) },
    { key: KEYS.kind, value: kind },
    { key: KEYS.rows, value: String(models.length) },
    { key: KEYS.rowWidth, value: String(rowWidth) },
    { key: KEYS.features, value: JSON.stringify(features) },
    { key: KEYS.models, value: Buffer.concat(models.map((sha256) => Buffer.from(sha256, 'hex'))).toString('base64') },
    ...(trees ? [{ key: KEYS.trees, value: JSON.stringify(trees) }] : []),
  ];
}

/**
 * @throws FleetscoreError `MODEL_CORRUPT` when the bytes are not a pack of ours, `MODEL_FAILED` when a newer version
 * made it
 */
export function readPackHeader(bytes: Uint8Array): PackHeader {
  let metadata: ReadonlyMap<string, string>;
  try {
    metadata = decodeMetadata(bytes);
  } catch {
    throw modelError('model_corrupt', 'not a pack: the file is damaged');
  }
  try {
    checkFormat('pack', metadata.get(KEYS.format), 'the pack of its model');
  } catch (error) {
    throw modelError('model_failed', messageOf(error));
  }
  const kind = metadata.get(KEYS.kind);
  const rows = Number(metadata.get(KEYS.rows));
  const rowWidth = Number(metadata.get(KEYS.rowWidth));
  const features = parseFeatures(metadata.get(KEYS.features));
  const digests = Buffer.from(metadata.get(KEYS.models) ?? '', 'base64').toString('hex');
  const trees = metadata.has(KEYS.trees) ? treesHeader(metadata.get(KEYS.trees)!) : undefined;
  if (
    kind === undefined ||
    typeof features === 'string' ||
    !(rows > 0) ||
    !(rowWidth > 0) ||
    digests.length !== rows * DIGEST_DIGITS ||
    (metadata.has(KEYS.trees) && trees?.forests !== rows)
  )
    throw modelError('model_corrupt', 'not a pack: its index of models is missing or damaged');
  const byModel = metadata.get(KEYS.format) !== '1';
  return { byModel, kind, features, rows, rowWidth, digests, ...defined({ trees }) };
}

/** Whether a row holds the model of this SHA-256. Making a text for every sensor of a chunk would cost more. */
export const isModelInRow = ({ digests }: PackHeader, row: number, model: string): boolean =>
  Number.isInteger(row) && row >= 0 && model.length === DIGEST_DIGITS && digests.startsWith(model, row * DIGEST_DIGITS);
