/**
 * A model or pack loaded into onnxruntime. Calls block the thread, so this runs in worker threads only.
 * Rows are handed over in multiples of 16 (the last one repeated): onnxruntime computes the tail of an odd
 * number of rows with other instructions, and a score must not depend on the rows beside it.
 */
import ort, { type InferenceSession, type Tensor } from 'onnxruntime-node';
import { messageOf } from '../domain/errors.ts';
import { inspectModel } from './model-contract.ts';
import { type FeedsOf, modelFeeds } from './model-feeds.ts';
import { normalLabels } from './model-metadata.ts';
import { modelPorts } from './model-ports.ts';
import { modelError } from './model-problem.ts';
import { DATA_TYPE, encodeModel, node, tensorInfo } from './onnx-proto.ts';
import { PACK_PORTS, readPackHeader } from './packs/pack-format.ts';

/** Rows are padded to a multiple of this: the widest vector instructions take 16 float32 at a time. */
const ROW_BLOCK = 16;
/** Most rows of one run(), so that memory stays bounded. */
const ROWS_PER_RUN = 16_384;
/** Most doubles of a pack's gathered rows in one run(). */
const PACK_VALUES_PER_RUN = 4 * 1024 * 1024;

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
  /** Scores `rows` rows of `values` [rows, features] into `sink` from its first element. @throws FleetscoreError `MODEL_FAILED`, `MODEL_WRONG_SHAPE` */
  run(values: Float64Array, rows: number, sink: ScoreSink): Promise<void>;
  release(): Promise<void>;
}

export interface LoadedPack {
  readonly features: number;
  /** Scores row i of `values` with the model in row index[i] of the pack. `onSlice` is called after every run(). */
  run(index: Int32Array, values: Float64Array, sink: ScoreSink, onSlice?: () => void): Promise<void>;
  release(): Promise<void>;
}

/**
 * Many small sessions live in one thread: no thread pools of their own, no arenas. Graphs run as they were
 * written: optimizing costs more than a small graph wins, and could change the last bits.
 */
function sessionOptions(executionProvider: string): InferenceSession.SessionOptions {
  return {
    executionProviders: [executionProvider],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'disabled',
    enableCpuMemArena: false,
    enableMemPattern: false,
    logSeverityLevel: 4,
  };
}

/** What this build of onnxruntime offers, and why `provider` does not run, if it does not. */
export async function tryProvider(
  provider: string,
): Promise<{ readonly offered: readonly string[]; readonly problem?: string }> {
  const offered = ort.listSupportedBackends().map(({ name }) => name);
  if (!offered.includes(provider)) return { offered, problem: 'it is not part of this build' };
  try {
    const session = await ort.InferenceSession.create(TRIAL, sessionOptions(provider));
    await session.release();
    return { offered };
  } catch (error) {
    return { offered, problem: messageOf(error) };
  }
}

/** The smallest graph: y = x. */
const TRIAL = encodeModel({
  irVersion: 8,
  opsetImport: [{ version: 17 }],
  graph: {
    name: 'trial',
    node: [node('Identity', ['x'], ['y'])],
    input: [tensorInfo('x', DATA_TYPE.float, ['N'])],
    output: [tensorInfo('y', DATA_TYPE.float, ['N'])],
  },
});

async function createSession(bytes: Uint8Array, executionProvider: string): Promise<InferenceSession> {
  try {
    return await ort.InferenceSession.create(bytes, sessionOptions(executionProvider));
  } catch (error) {
    throw modelError('model_corrupt', `onnxruntime cannot load it: ${messageOf(error)}`);
  }
}

/** @throws FleetscoreError of a {@link ModelProblem} class */
export async function loadModel(bytes: Uint8Array, maxBytes: number, executionProvider: string): Promise<LoadedModel> {
  const { model, metadata, features } = inspectModel(bytes, maxBytes);
  const ports = modelPorts(model, metadata, features);
  const isNormal = normalLabels(metadata.label);
  const width = features.length;
  const feeds = modelFeeds(ports, width);
  const outputs = ports.label === undefined ? [ports.scores] : [ports.label, ports.scores];
  const session = await createSession(bytes, executionProvider);
  return {
    features: width,
    labels: ports.label !== undefined,
    async run(values, rows, sink) {
      for (let from = 0; from < rows; from += ROWS_PER_RUN) {
        const count = Math.min(ROWS_PER_RUN, rows - from);
        const padded = paddedRows(count);
        const slice = padRows(values.subarray(from * width, (from + count) * width), count, padded, width);
        const { results, refused } = await runFinite(session, feeds, slice, width, outputs);
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

/** @throws FleetscoreError of a {@link ModelProblem} class */
export async function loadPack(bytes: Uint8Array, executionProvider: string): Promise<LoadedPack> {
  const header = readPackHeader(bytes);
  const width = header.features.length;
  const perRun = Math.max(ROW_BLOCK, paddedRows(Math.floor(PACK_VALUES_PER_RUN / header.rowWidth)) - ROW_BLOCK);
  const session = await createSession(bytes, executionProvider);
  return {
    features: width,
    async run(index, values, sink, onSlice) {
      // Negative indices wrap silently in Gather and one past the end fails every row: checked before.
      for (const row of index)
        if (!(row >= 0 && row < header.rows))
          throw modelError('model_failed', `the pack has ${header.rows} rows, row ${row} was asked for`);
      const step = Math.min(ROWS_PER_RUN, perRun);
      for (let from = 0; from < index.length; from += step) {
        const count = Math.min(step, index.length - from);
        const padded = paddedRows(count);
        const rows = new Int32Array(padded);
        rows.set(index.subarray(from, from + count));
        rows.fill(rows[count - 1]!, count);
        const slice = padRows(values.subarray(from * width, (from + count) * width), count, padded, width);
        const outputs = await run(
          session,
          {
            [PACK_PORTS.index]: new ort.Tensor('int32', rows, [padded]),
            [PACK_PORTS.features]: new ort.Tensor('float64', slice, [padded, width]),
          },
          [PACK_PORTS.anomaly, PACK_PORTS.scores],
        );
        sink.anomaly.set((column(outputs, PACK_PORTS.anomaly, padded) as Uint8Array).subarray(0, count), from);
        sink.score.set((column(outputs, PACK_PORTS.scores, padded) as Float64Array).subarray(0, count), from);
        onSlice?.();
      }
    },
    release: () => session.release(),
  };
}

const paddedRows = (rows: number): number => Math.ceil(rows / ROW_BLOCK) * ROW_BLOCK;

/** A private copy, filled up with its last row. */
function padRows(values: Float64Array, rows: number, padded: number, width: number): Float64Array {
  const copy = new Float64Array(padded * width);
  copy.set(values);
  for (let row = rows; row < padded; row++) copy.copyWithin(row * width, (rows - 1) * width, rows * width);
  return copy;
}

async function run(
  session: InferenceSession,
  feeds: InferenceSession.FeedsType,
  names: readonly string[],
): Promise<InferenceSession.ReturnType> {
  try {
    return await session.run(feeds, [...names]);
  } catch (error) {
    throw modelError('model_failed', `it fails when it runs: ${messageOf(error)}`);
  }
}

/**
 * Runs a model that may refuse numbers which are not finite, as ONNX's Binarizer does: where it fails on such rows, it runs
 * again with zeros in their place. `refused`: these rows, which are anomalies without a score.
 */
async function runFinite(
  session: InferenceSession,
  feeds: FeedsOf,
  values: Float64Array,
  width: number,
  names: readonly string[],
): Promise<{ readonly results: InferenceSession.ReturnType; readonly refused?: ReadonlySet<number> }> {
  try {
    return { results: await run(session, feeds(values), names) };
  } catch (error) {
    if (values.every(Number.isFinite)) throw error;
    const refused = new Set<number>();
    values.forEach((value, at) => {
      if (!Number.isFinite(value)) refused.add(Math.floor(at / width));
    });
    const finite = values.map((value, at) => (refused.has(Math.floor(at / width)) ? 0 : value));
    return { results: await run(session, feeds(finite), names), refused };
  }
}

function column(outputs: InferenceSession.ReturnType, name: string, rows: number): Tensor.DataType {
  const tensor = outputs[name] as Tensor;
  const [first, second = 1, ...more] = tensor.dims;
  if (first !== rows || second !== 1 || more.length > 0)
    throw modelError(
      'model_wrong_shape',
      `the output ${name} has shape [${tensor.dims.join(', ')}] for ${rows} rows; [${rows}] or [${rows}, 1] is expected`,
    );
  return tensor.data;
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
