/**
 * The contract every model keeps, checked when it is published and again whenever it is loaded:
 * - one ONNX file within the size cap, its weights inside (no external data);
 * - one input [N, F], float32 or float64, N free, F the features declared in `metadata_props` under
 *   `fleetscore.features` (JSON array, see features.ts), or the window's mean alone when nothing is declared;
 * - or one input [N, 1] for each feature, and any others that no result depends on, as ML.NET writes them;
 * - output `label` (or `output_label`, `PredictedLabel.output`) [N] or [N, 1]: 1 is normal, anything else an anomaly,
 *   unless `fleetscore.label` in the metadata says otherwise; it may be left out where a threshold decides
 *   (domain/threshold.ts);
 * - output `scores` (or `score`, `decision_function`, `Score.output`, `score_samples`) [N] or [N, 1], float32 or
 *   float64.
 */
import { DEFAULT_FEATURES, type Feature } from './features.ts';
import { metadataOf, type ModelMetadata, readMetadata } from './model-metadata.ts';
import { modelError } from './model-problem.ts';
import { decodeMetadata, decodeModel, type OnnxModel } from './onnx-proto.ts';
import { outsideOf } from './onnx-outside.ts';

/** @throws FleetscoreError `MODEL_TOO_LARGE`, `MODEL_CORRUPT` when empty */
export function checkModelSize(bytes: number, maxBytes: number): void {
  if (bytes === 0) throw modelError('model_corrupt', 'the file is empty; export the model again');
  if (bytes > maxBytes)
    throw modelError(
      'model_too_large',
      `the file has ${bytes} bytes, at most ${maxBytes} are allowed; ` +
        'export a smaller model or raise FLEETSCORE_MAX_MODEL_BYTES',
    );
}

/** Files that are named as ONNX and are something else: what they begin with, and what to do. */
const OTHER_FILES: readonly { readonly head: readonly number[]; readonly what: string }[] = [
  {
    head: [...Buffer.from('version https://git-lfs')],
    what: 'a pointer of Git LFS, not the model itself; fetch the models with git lfs pull',
  },
  { head: [0x50, 0x4b, 3, 4], what: 'a zip file, not an ONNX file; unpack it and publish the folder' },
  { head: [0x1f, 0x8b], what: 'compressed with gzip; unpack it (gunzip) and publish what comes out' },
  ...[2, 3, 4, 5].map((protocol) => ({
    head: [0x80, protocol],
    what: 'a pickle, not an ONNX file; hand it to fleetscore models convert, and publish what comes out',
  })),
];

export interface InspectedModel {
  readonly model: OnnxModel;
  readonly features: readonly Feature[];
  readonly metadata: ModelMetadata;
}

/**
 * Reads a model file without running it.
 * @throws FleetscoreError `MODEL_TOO_LARGE`, `MODEL_CORRUPT`, `MODEL_WRONG_SHAPE`
 */
export function inspectModel(bytes: Uint8Array, maxBytes: number): InspectedModel {
  checkModelSize(bytes.byteLength, maxBytes);
  const other = OTHER_FILES.find(({ head }) => Buffer.from(bytes.subarray(0, head.length)).equals(Buffer.from(head)));
  if (other) throw modelError('model_corrupt', other.what);
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
      `${outside}; save the model in one file (onnx.save without save_as_external_data, torch.onnx.export with ` +
        'external_data=False), with ONNX 1.23 or older',
    );
  return inspectedModel(model);
}

/** @throws FleetscoreError `MODEL_WRONG_SHAPE` where its metadata cannot be read */
export function inspectedModel(model: OnnxModel): InspectedModel {
  const metadata = readMetadata(metadataOf(model));
  return { model, metadata, features: metadata.features ?? DEFAULT_FEATURES };
}

/** Declared features of a model or pack, without building its graph. @throws as {@link inspectModel} */
export function readFeatures(bytes: Uint8Array): readonly Feature[] {
  let metadata: ReadonlyMap<string, string>;
  try {
    metadata = decodeMetadata(bytes);
  } catch {
    throw modelError('model_corrupt', 'not an ONNX file, or a damaged one; export it again');
  }
  return readMetadata(metadata).features ?? DEFAULT_FEATURES;
}
