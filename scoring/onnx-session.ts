/**
 * Sessions of onnxruntime as models and packs run in them. Calls block the thread, so this runs in worker threads only.
 * Rows are handed over in whole blocks (row-block.ts; the last row repeated): onnxruntime computes the tail of an odd
 * number of rows with other instructions, and a score must not depend on the rows beside it.
 */
import ort, { type InferenceSession, type Tensor } from 'onnxruntime-node';
import { messageOf } from '../domain/errors.ts';
import { loadProblem } from './load-problem.ts';
import { modelError } from './model-problem.ts';
import { DATA_TYPE, encodeModel, node, tensorInfo } from './onnx-proto.ts';

/** Most rows of one run(), so that memory stays bounded. */
export const ROWS_PER_RUN = 16_384;

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

/** @throws FleetscoreError `MODEL_CORRUPT` */
export async function createSession(bytes: Uint8Array, executionProvider: string): Promise<InferenceSession> {
  // onnxruntime takes no memory that threads share.
  const own = bytes.buffer instanceof SharedArrayBuffer ? Uint8Array.from(bytes) : bytes;
  try {
    return await ort.InferenceSession.create(own, sessionOptions(executionProvider));
  } catch (error) {
    throw modelError('model_corrupt', loadProblem(messageOf(error)));
  }
}

/** A private copy, filled up with its last row. */
export function padRows(values: Float64Array, rows: number, padded: number, width: number): Float64Array {
  const copy = new Float64Array(padded * width);
  copy.set(values);
  for (let row = rows; row < padded; row++) copy.copyWithin(row * width, (rows - 1) * width, rows * width);
  return copy;
}

/** The outputs of these names. @throws FleetscoreError `MODEL_FAILED` */
export async function runSession(
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

/** An output with one value a row. @throws FleetscoreError `MODEL_WRONG_SHAPE` */
export function column(outputs: InferenceSession.ReturnType, name: string, rows: number): Tensor.DataType {
  const tensor = outputs[name] as Tensor;
  const [first, second = 1, ...more] = tensor.dims;
  if (first !== rows || second !== 1 || more.length > 0)
    throw modelError(
      'model_wrong_shape',
      `the output ${name} has shape [${tensor.dims.join(', ')}] for ${rows} rows; ` +
        `[${rows}] or [${rows}, 1] is expected (a mean or sum over the columns alone: axis 1)`,
    );
  return tensor.data;
}
