/** A model loaded into onnxruntime: features in, a verdict and a score a row out. */
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { type InspectedModel, inspectModel } from './model-contract.ts';
import { type FeedsOf, modelFeeds } from './model-feeds.ts';
import { normalLabels } from './model-metadata.ts';
import { modelPorts } from './model-ports.ts';
import { modelError } from './model-problem.ts';
import { column, createSession, padRows, ROWS_PER_RUN, runSession } from './onnx-session.ts';
import { createRowsPerRun } from './rows-per-run.ts';
import { paddedRows } from './row-block.ts';

/** What a run writes, in order of its rows. */
export interface ScoreSink {
  /** 1 anomaly, 0 normal. */
  readonly anomaly: Uint8Array;
  readonly score: Float64Array;
  /** Labels as the model gives them, where they are asked for. */
  readonly labels?: unknown[];
}

export interface LoadedModel {
  readonly features: number;
  /** Whether it says what an anomaly is. Where not, every row is written as normal, and a threshold decides. */
  readonly labels: boolean;
  /**
   * Scores `rows` rows of `values` [rows, features] into `sink` from its first element. @throws FleetscoreError
   * `MODEL_FAILED`, `MODEL_WRONG_SHAPE`
   */
  run(values: Float64Array, rows: number, sink: ScoreSink): Promise<void>;
  release(): Promise<void>;
}

/** @throws FleetscoreError of a {@link ModelProblem} class */
export async function loadModel(bytes: Uint8Array, maxBytes: number, executionProvider: string): Promise<LoadedModel> {
  return loadInspected({ bytes, ...inspectModel(bytes, maxBytes) }, executionProvider);
}

/** The same of a file that was read before. */
export async function loadInspected(
  { bytes, model, metadata, features }: InspectedModel & { readonly bytes: Uint8Array },
  executionProvider: string,
): Promise<LoadedModel> {
  const ports = modelPorts(model, metadata, features);
  const isNormal = normalLabels(metadata.label);
  const width = features.length;
  const feeds = modelFeeds(ports, width);
  const outputs = ports.label === undefined ? [ports.scores] : [ports.label, ports.scores];
  const session = await createSession(bytes, executionProvider);
  const rowsPerRun = createRowsPerRun(ROWS_PER_RUN);
  return {
    features: width,
    labels: ports.label !== undefined,
    async run(values, rows, sink) {
      for (let from = 0, count: number; from < rows; from += count) {
        count = Math.min(rowsPerRun.next(), rows - from);
        const padded = paddedRows(count);
        const slice = padRows(values.subarray(from * width, (from + count) * width), count, padded, width);
        const { results, refused } = await rowsPerRun.run(count, () =>
          runFinite(session, feeds, slice, width, outputs),
        );
        const label = ports.label === undefined ? undefined : column(results, ports.label, padded);
        const score = metadata.leastScore
          ? leastOfRow(results, ports.scores, padded)
          : column(results, ports.scores, padded);
        for (let i = 0; i < count; i++) {
          const isRefused = refused?.has(i) === true;
          const normal = !isRefused && (label === undefined || isNormal(label[i]));
          sink.anomaly[from + i] = normal ? 0 : 1;
          sink.score[from + i] = isRefused ? Number.NaN : Number(score[i]);
          if (sink.labels && label) sink.labels[from + i] = label[i];
        }
      }
    },
    release: () => session.release(),
  };
}

/**
 * Runs a model that may refuse numbers which are not finite, as ONNX's Binarizer does: where it fails on such rows, it
 * runs again with zeros in their place. `refused`: these rows, which are anomalies without a score.
 */
async function runFinite(
  session: InferenceSession,
  feeds: FeedsOf,
  values: Float64Array,
  width: number,
  names: readonly string[],
): Promise<{ readonly results: InferenceSession.ReturnType; readonly refused?: ReadonlySet<number> }> {
  try {
    return { results: await runSession(session, feeds(values), names) };
  } catch (error) {
    if (values.every(Number.isFinite)) throw error;
    const refused = new Set<number>();
    values.forEach((value, at) => {
      if (!Number.isFinite(value)) refused.add(Math.floor(at / width));
    });
    const finite = values.map((value, at) => (refused.has(Math.floor(at / width)) ? 0 : value));
    return { results: await runSession(session, feeds(finite), names), refused };
  }
}

/** Of several scores a row the least. Not a number when one of them is none. */
function leastOfRow(outputs: InferenceSession.ReturnType, name: string, rows: number): Float64Array {
  const { dims, data } = outputs[name] as Tensor;
  const [first, columns = 1, ...more] = dims;
  if (first !== rows || columns < 1 || more.length > 0)
    throw modelError(
      'model_wrong_shape',
      `the output ${name} has shape [${dims.join(', ')}] for ${rows} rows; [${rows}, number of scores] is expected`,
    );
  return Float64Array.from({ length: rows }, (_, row) =>
    Math.min(...Array.from({ length: columns }, (_none, at) => Number(data[row * columns + at]))),
  );
}
