/** A thread that scores values with ONNX files: onnxruntime needs Node's own globals, which jest hides. */
import { readFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';

const OPTIONS: ort.InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'disabled',
  enableCpuMemArena: false,
  enableMemPattern: false,
};
const sessions = new Map<string, Promise<ort.InferenceSession>>();

async function score(
  file: string,
  values: Float64Array,
  features: number,
): Promise<{ labels: readonly number[]; scores: readonly number[] }> {
  if (!sessions.has(file)) sessions.set(file, ort.InferenceSession.create(readFileSync(new URL(file)), OPTIONS));
  const session = await sessions.get(file)!;
  const output = await session.run({ input: new ort.Tensor('float64', values, [values.length / features, features]) });
  return {
    labels: Array.from(output['label']!.data as BigInt64Array, Number),
    scores: Array.from(output['scores']!.data as Float64Array),
  };
}

parentPort!.on(
  'message',
  ({ id, file, values, features }: { id: number; file: string; values: Float64Array; features: number }) => {
    score(file, values, features).then(
      (scored) => parentPort!.postMessage({ id, scored }),
      (error: unknown) => parentPort!.postMessage({ id, error: String(error) }),
    );
  },
);
