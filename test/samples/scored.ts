/** Scores values with ONNX files, on onnxruntime itself: no other part of the product is between. */
import { Worker } from 'node:worker_threads';

export interface Scored {
  readonly labels: readonly number[];
  readonly scores: readonly number[];
}

export interface Scorer {
  /** Rows of `features` values each, one after the other. */
  readonly score: (file: URL, values: readonly number[], features?: number) => Promise<Scored>;
  readonly close: () => Promise<void>;
}

/** A scorer in a thread of its own, which keeps every model it has loaded until `close`. */
export function openScorer(): Scorer {
  const worker = new Worker(new URL('./score-thread.ts', import.meta.url));
  const waiting = new Map<
    number,
    { readonly resolve: (scored: Scored) => void; readonly reject: (error: Error) => void }
  >();
  let last = 0;
  worker.on('message', ({ id, scored, error }: { id: number; scored?: Scored; error?: string }) => {
    if (scored) waiting.get(id)!.resolve(scored);
    else waiting.get(id)!.reject(new Error(error));
    waiting.delete(id);
  });
  worker.on('error', (error: Error) => waiting.forEach(({ reject }) => reject(error)));
  return {
    score: (file, values, features = 1) =>
      new Promise((resolve, reject) => {
        last += 1;
        waiting.set(last, { resolve, reject });
        worker.postMessage({ id: last, file: file.href, values: Float64Array.from(values), features });
      }),
    close: async () => void (await worker.terminate()),
  };
}
