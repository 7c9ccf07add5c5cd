/**
 * A pack loaded into onnxruntime. A pack of today takes the rows of a model together; one of format 1, of releases that
 * were published before, takes every row by itself, which costs more where a model has several rows. The trees of
 * forests are walked before their graph runs.
 */
import { defined } from '../domain/defined.ts';
import ort, { type InferenceSession, type Tensor } from 'onnxruntime-node';
import { modelError } from './model-problem.ts';
import { column, createSession, padRows, ROWS_PER_RUN, runSession } from './onnx-session.ts';
import { type Block, blockValues, fromBlock, packBlocks } from './packs/pack-blocks.ts';
import { createForestWalk } from './packs/forest-walk.ts';
import { PACK_PORTS, type PackHeader, readPackHeader } from './packs/pack-format.ts';
import { splitTrees, type TreesHeader } from './packs/packed-trees.ts';
import { paddedRows, ROW_BLOCK } from './row-block.ts';
import type { ScoreSink } from './session.ts';

/** Most doubles that a pack's operators hold for the rows of one run(). */
const PACK_VALUES_PER_RUN = 4 * 1024 * 1024;
const OUTPUTS = [PACK_PORTS.anomaly, PACK_PORTS.scores];

export interface LoadedPack {
  readonly features: number;
  /** Bytes that it holds, as far as they are known. */
  readonly heldBytes?: number;
  /** Scores row i of `values` with the model in row index[i] of the pack. `onSlice` is called after every run(). */
  run(index: Int32Array, values: Float64Array, sink: ScoreSink, onSlice?: () => void): Promise<void>;
  release(): Promise<void>;
}

/** @throws FleetscoreError of a {@link ModelProblem} class */
export async function loadPack(bytes: Uint8Array, executionProvider: string): Promise<LoadedPack> {
  const header = readPackHeader(bytes);
  const { session, feeds, heldBytes } = header.trees
    ? await openTrees(bytes, header.trees, executionProvider)
    : {
        session: await createSession(bytes, executionProvider),
        feeds: featuresOf(header.features.length),
        heldBytes: undefined,
      };
  const mostRows = Math.min(
    ROWS_PER_RUN,
    Math.max(ROW_BLOCK, paddedRows(Math.floor(PACK_VALUES_PER_RUN / header.rowWidth)) - ROW_BLOCK),
  );
  const runAll = header.byModel ? runByModel : runByRow;
  return {
    features: header.features.length,
    ...defined({ heldBytes }),
    async run(index, values, sink, onSlice = () => undefined) {
      // Negative indices wrap silently in Gather and one past the end fails every row: checked before.
      for (let at = 0; at < index.length; at++)
        if (!(index[at]! >= 0 && index[at]! < header.rows))
          throw modelError('model_failed', `the pack has ${header.rows} rows, row ${index[at]} was asked for`);
      await runAll({ session, header, mostRows, feeds }, { index, values, sink }, onSlice);
    },
    release: () => session.release(),
  };
}

/** What the graph takes for a block of rows, beside the rows of the table. */
type FeedsOf = (block: Block, values: Float64Array) => InferenceSession.FeedsType;

const featuresOf =
  (width: number): FeedsOf =>
  (block, values) => ({
    [PACK_PORTS.features]: new ort.Tensor('float64', blockValues(block, values, width), [
      block.models.length,
      block.rows,
      width,
    ]),
  });

/** Trees stay in the bytes of the file: the graph is but the rest of it. */
async function openTrees(
  bytes: Uint8Array,
  header: TreesHeader,
  executionProvider: string,
): Promise<Pick<OpenPack, 'session' | 'feeds'> & { readonly heldBytes: number }> {
  const { graph, trees } = splitTrees(bytes, header);
  const session = await createSession(graph, executionProvider);
  // The depths take nothing, but a graph runs with all of its inputs only.
  const nothing = {
    [PACK_PORTS.index]: new ort.Tensor('int32', Int32Array.of(0), [1]),
    ...sumsOf([1, 1], new Float64Array(1)),
  };
  const { [PACK_PORTS.depths]: depths } = await runSession(session, nothing, [PACK_PORTS.depths]);
  const walk = createForestWalk(header, trees, depths!.data as Float64Array);
  return {
    session,
    heldBytes: bytes.byteLength + 2 * graph.byteLength,
    feeds: (block, values) => {
      const { models, rows } = block;
      return sumsOf([models.length, rows], walk({ models, rows, features: blockValues(block, values, header.width) }));
    },
  };
}

const sumsOf = (dims: readonly number[], sums: Float64Array): InferenceSession.FeedsType => ({
  [PACK_PORTS.sums]: new ort.Tensor('float64', sums, dims),
});

interface OpenPack {
  readonly session: InferenceSession;
  readonly header: PackHeader;
  readonly mostRows: number;
  readonly feeds: FeedsOf;
}

interface PackRows {
  readonly index: Int32Array;
  readonly values: Float64Array;
  readonly sink: ScoreSink;
}

async function runByModel(
  { session, mostRows, feeds }: OpenPack,
  { index, values, sink }: PackRows,
  onSlice: () => void,
): Promise<void> {
  for (const block of packBlocks(index, mostRows, ROW_BLOCK)) {
    const { models, rows } = block;
    const outputs = await runSession(
      session,
      {
        [PACK_PORTS.index]: new ort.Tensor('int32', models, [models.length]),
        ...feeds(block, values),
      },
      OUTPUTS,
    );
    const found = {
      anomaly: blockOf(outputs, PACK_PORTS.anomaly, models.length, rows) as Uint8Array,
      score: blockOf(outputs, PACK_PORTS.scores, models.length, rows) as Float64Array,
    };
    fromBlock(block, found, sink);
    onSlice();
  }
}

function blockOf(outputs: InferenceSession.ReturnType, name: string, models: number, rows: number): Tensor['data'] {
  const { dims, data } = outputs[name] as Tensor;
  if (dims.length !== 2 || dims[0] !== models || dims[1] !== rows)
    throw modelError(
      'model_wrong_shape',
      `the output ${name} has shape [${dims.join(', ')}]; [${models}, ${rows}] is expected`,
    );
  return data;
}

async function runByRow(
  { session, header, mostRows }: OpenPack,
  { index, values, sink }: PackRows,
  onSlice: () => void,
): Promise<void> {
  const width = header.features.length;
  for (let from = 0; from < index.length; from += mostRows) {
    const count = Math.min(mostRows, index.length - from);
    const padded = paddedRows(count);
    const rows = new Int32Array(padded);
    rows.set(index.subarray(from, from + count));
    rows.fill(rows[count - 1]!, count);
    const slice = padRows(values.subarray(from * width, (from + count) * width), count, padded, width);
    const outputs = await runSession(
      session,
      {
        [PACK_PORTS.index]: new ort.Tensor('int32', rows, [padded]),
        [PACK_PORTS.features]: new ort.Tensor('float64', slice, [padded, width]),
      },
      OUTPUTS,
    );
    sink.anomaly.set((column(outputs, PACK_PORTS.anomaly, padded) as Uint8Array).subarray(0, count), from);
    sink.score.set((column(outputs, PACK_PORTS.scores, padded) as Float64Array).subarray(0, count), from);
    onSlice();
  }
}
