/**
 * The rows of a job as blocks of models with the same number of rows each, so that a pack gathers the parameters of a
 * model once for all of its rows. A model with fewer rows than its block gets its last row again. Plain loops over flat
 * arrays: an object for each model costs more than to score it.
 */
import { largestSize, paddedSize } from './sizes.ts';

/** Some models with rows that follow each other, `count` of them each; `rows` with the padding. */
export interface Block {
  readonly rows: number;
  /** First row in the job, and number of rows, by model. */
  readonly from: Int32Array;
  readonly count: Int32Array;
  /** Row of the pack's table by model, the last one again up to a multiple that makes whole blocks of rows. */
  readonly models: Int32Array;
  /** Its rows are those of the job from the first one on, without any padding between. */
  readonly isWhole: boolean;
}

/**
 * Together the blocks have every row of `index` once.
 * @param index row of the pack's table, for each row of the job
 * @param mostRows rows of a block, with padding; 48 where it is less, which is a whole multiple for every size
 * @param rowBlock rows of a block are a multiple of it: `mostRows` is one
 */
export function packBlocks(index: Int32Array, mostRows: number, rowBlock: number): Block[] {
  const longest = largestSize(mostRows);
  const bySize = new Map<number, number[]>();
  let same = 0;
  let list: number[] = [];
  for (let from = 0; from < index.length;) {
    const model = index[from]!;
    let to = from + 1;
    while (to < index.length && to - from < longest && index[to] === model) to++;
    // Most models have as many rows as the one before.
    if (to - from !== same) {
      same = to - from;
      const size = paddedSize(same);
      const known = bySize.get(size);
      list = known ?? [];
      if (!known) bySize.set(size, list);
    }
    list.push(from, to - from);
    from = to;
  }
  const blocks: Block[] = [];
  for (const [rows, runs] of bySize) {
    const unit = rowBlock / greatestDivisor(rows, rowBlock);
    const perBlock = Math.max(1, Math.floor(mostRows / rows / unit)) * unit;
    for (let at = 0; at < runs.length; at += 2 * perBlock)
      blocks.push(blockOf(index, rows, runs.slice(at, at + 2 * perBlock), unit));
  }
  return blocks;
}

/** @param runs first row and number of rows of each model, in turn */
function blockOf(index: Int32Array, rows: number, runs: readonly number[], unit: number): Block {
  const length = runs.length / 2;
  const [from, count] = [new Int32Array(length), new Int32Array(length)];
  const models = new Int32Array(Math.ceil(length / unit) * unit);
  let isWhole = true;
  for (let i = 0; i < length; i++) {
    from[i] = runs[2 * i]!;
    count[i] = runs[2 * i + 1]!;
    models[i] = index[from[i]!]!;
    isWhole &&= count[i] === rows && from[i] === from[0]! + i * rows;
  }
  models.fill(models[length - 1]!, length);
  return { rows, from, count, models, isWhole };
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/** Of the rows of one block, used again and again: fresh memory costs more than what is written there. */
let scratch = new Float64Array(0);

/** The rows of a block with their padding, [models, rows, width]. They stand until the next call. */
export function blockValues(block: Block, values: Float64Array, width: number): Float64Array {
  const { rows, from, count, models, isWhole } = block;
  const length = models.length * rows * width;
  if (scratch.length < length) scratch = new Float64Array(length);
  const filled = scratch.subarray(0, length);
  const size = rows * width;
  if (isWhole) filled.set(values.subarray(from[0]! * width, from[0]! * width + from.length * size));
  else
    for (let i = 0; i < from.length; i++) {
      const own = count[i]! * width;
      const start = from[i]! * width;
      for (let at = 0; at < own; at++) filled[i * size + at] = values[start + at]!;
      for (let at = own; at < size; at++) filled[i * size + at] = filled[i * size + at - width]!;
    }
  for (let at = from.length * size; at < filled.length; at++) filled[at] = filled[at - size]!;
  return filled;
}

export interface Found {
  readonly anomaly: Uint8Array;
  readonly score: Float64Array;
}

/**
 * Takes what was found for the rows of a block to their places in the job: both in one loop, in which each array is of
 * one type.
 */
export function fromBlock({ rows, from, count, isWhole }: Block, found: Found, to: Found): void {
  if (isWhole) {
    to.anomaly.set(found.anomaly.subarray(0, from.length * rows), from[0]);
    to.score.set(found.score.subarray(0, from.length * rows), from[0]);
    return;
  }
  const { anomaly, score } = found;
  const { anomaly: anomalies, score: scores } = to;
  for (let i = 0; i < from.length; i++) {
    const own = count[i]!;
    const first = i * rows;
    const start = from[i]!;
    for (let row = 0; row < own; row++) {
      anomalies[start + row] = anomaly[first + row]!;
      scores[start + row] = score[first + row]!;
    }
  }
}
