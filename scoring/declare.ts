/**
 * What publishing adds to a model file that does not say it itself: what whoever publishes declares, and what the graph
 * of a known exporter shows. Nothing is added that the file contradicts, and nothing is guessed.
 */
import { DEFAULT_FEATURES, parseFeatures } from './features.ts';
import { checkModelSize, type InspectedModel, inspectedModel, inspectModel } from './model-contract.ts';
import {
  type Declared,
  FEATURES_KEY,
  LABEL_KEY,
  metadataOf,
  readLabelMeaning,
  SCORE_KEY,
  withMetadata,
} from './model-metadata.ts';
import { graphPorts, isClustering, type GraphPorts } from './model-ports.ts';
import { modelError } from './model-problem.ts';
import type { OnnxModel } from './onnx-proto.ts';

/** A model file as it is published, and what is in it: to read a forest takes as long as to score with it. */
export interface DeclaredModel extends InspectedModel {
  readonly bytes: Uint8Array;
}

/** The same bytes where the file says all itself. @throws FleetscoreError of a model problem */
export function declaredModel(bytes: Uint8Array, declared: Declared, maxBytes: number): DeclaredModel {
  const inspected = inspectModel(bytes, maxBytes);
  const added = additions(inspected.model, declared);
  if (added.size === 0) return { bytes, ...inspected };
  const whole = withMetadata(bytes, added);
  checkModelSize(whole.byteLength, maxBytes);
  const entries = [...added].map(([key, value]) => ({ key, value }));
  const { model } = inspected;
  return {
    bytes: whole,
    ...inspectedModel({ ...model, metadataProps: [...(model.metadataProps ?? []), ...entries] }),
  };
}

/**
 * Entries that the metadata of a model lacks. @throws FleetscoreError `MODEL_WRONG_SHAPE` where file and declaration
 * differ
 */
function additions(model: OnnxModel, declared: Declared): ReadonlyMap<string, string> {
  const said = metadataOf(model);
  const added = new Map<string, string>();
  const add = (key: string, value: string | undefined): void => {
    if (value !== undefined && !said.has(key)) added.set(key, value);
  };
  const least = said.has(SCORE_KEY) || isClustering(graphPorts(model, false));
  if (least) add(SCORE_KEY, 'least');
  const ports = graphPorts(model, least);
  requireSame(said, declared);
  add(FEATURES_KEY, declared.features ? JSON.stringify(declared.features) : namedFeatures(ports));
  if (declared.label !== undefined) readLabelMeaning(declared.label);
  add(LABEL_KEY, declared.label ?? (isVerdict(ports) ? 'anomaly=true' : undefined));
  return added;
}

/** ML.NET's `PredictedLabel` of a binary trainer: true is what the model was trained to find. */
const isVerdict = ({ label }: GraphPorts): boolean => label?.type === 'bool' && label.name.startsWith('PredictedLabel');

/** Features that all inputs are named after, unless that is what no declaration means anyway. */
function namedFeatures({ needed }: GraphPorts): string | undefined {
  const names = needed.map(({ name }) => name.toLowerCase());
  const isColumn = needed.every(({ shape = [] }) => shape.length < 2 || shape[1] === 1);
  if (!isColumn || names.join() === DEFAULT_FEATURES[0]!.name) return undefined;
  const json = JSON.stringify(names);
  return names.length > 0 && typeof parseFeatures(json) !== 'string' ? json : undefined;
}

function requireSame(said: ReadonlyMap<string, string>, { features, label }: Declared): void {
  const own = said.get(FEATURES_KEY);
  const parsed = own === undefined ? undefined : parseFeatures(own);
  if (features && typeof parsed === 'object' && parsed.map(({ name }) => name).join() !== features.join())
    throw modelError(
      'model_wrong_shape',
      `its metadata says that it takes ${parsed.map(({ name }) => name).join(', ')}, and ` +
        `${features.join(', ')} ${features.length === 1 ? 'is' : 'are'} declared; ` +
        'leave the declaration out, or export the model again',
    );
  const meaning = said.get(LABEL_KEY);
  if (label !== undefined && meaning !== undefined && meaning.replaceAll(' ', '') !== label.replaceAll(' ', ''))
    throw modelError(
      'model_wrong_shape',
      `its metadata says ${LABEL_KEY} = ${meaning}, and ${label} is declared; ` +
        'leave the declaration out, or export the model again',
    );
}
