/**
 * What models say, each run alone in a thread as scoring runs it: the measure of everything that claims to say the
 * same.
 */
import { newMarks, STATE } from '../../scoring/thread-protocol.ts';
import { createThreads, type Threads } from '../../scoring/threads.ts';
import { sha256Of } from './fleet.ts';

/** One scoring thread; whoever opens it closes it. */
export const oneThread = (): Threads =>
  createThreads({
    threads: 1,
    timeoutMs: 60_000,
    maxCacheBytes: 64 * 1024 * 1024,
    maxModelBytes: 1024 * 1024,
    executionProvider: 'cpu',
  });

export interface Answer {
  readonly anomaly: Uint8Array;
  readonly score: Float64Array;
}

export const sharedDoubles = (values: ArrayLike<number>): Float64Array => {
  const shared = new Float64Array(new SharedArrayBuffer(values.length * 8));
  shared.set(values);
  return shared;
};
export const answer = (rows: number): Answer => ({
  anomaly: new Uint8Array(new SharedArrayBuffer(rows)),
  score: sharedDoubles(new Float64Array(rows)),
});

/** What single models say, each to its own rows of `width` values. */
export async function runSingles(
  threads: Threads,
  models: readonly Uint8Array[],
  values: readonly (readonly number[])[],
  width: number,
): Promise<Answer> {
  const flat = values.flat();
  const result = answer(flat.length / width);
  const states = new Int32Array(new SharedArrayBuffer(models.length * 4));
  let value = 0;
  const slices = models.map((bytes, i) => {
    const rows = values[i]!.length / width;
    const file = { sha256: sha256Of(bytes), bytes };
    // Models without a label are for sensors with a threshold.
    const slice = { file, features: width, row: value / width, rows, value, hasThreshold: true };
    value += values[i]!.length;
    return slice;
  });
  const end = await threads.run({
    type: 'models',
    models: slices,
    states,
    values: sharedDoubles(flat),
    marks: newMarks(),
    ...result,
  });
  expect(end).toMatchObject({ type: 'reply', reply: { problems: {} } });
  expect([...states]).toEqual(models.map(() => STATE.done));
  return result;
}
