/**
 * The code of a scoring thread. It keeps what it loaded in a cache bounded in bytes, runs one job at a time,
 * and turns whatever a model does wrong into a problem of that model alone.
 */
import { readFileSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { LRUCache } from 'lru-cache';
import { messageOf } from '../domain/errors.ts';
import { cutMessage } from '../domain/limits.ts';
import { NO_LABEL_REMEDY } from './model-ports.ts';
import { modelError, modelProblem } from './model-problem.ts';
import { tryProvider } from './onnx-session.ts';
import { type LoadedPack, loadPack } from './pack-session.ts';
import { fromSent } from './sent-names.ts';
import { type LoadedModel, loadModel } from './session.ts';
import {
  type CheckJob,
  type EncodeJob,
  MARK,
  type ModelFile,
  type ModelsJob,
  type PackJob,
  STATE,
  type ThreadJob,
  type ThreadProblem,
  type ThreadReply,
  type ThreadSettings,
} from './thread-protocol.ts';
import { sha256Of } from '../domain/sha256.ts';

const settings = workerData as ThreadSettings;

/** What a small session takes beside the bytes of its file. */
const SESSION_BYTES = 64 * 1024;

interface Loaded<T> {
  readonly it: T;
  /** Of memory. */
  readonly bytes: number;
}

/** Models and packs by kind and SHA-256, least recently used out first. */
const cache = new LRUCache<string, Loaded<LoadedModel | LoadedPack>>({
  maxSize: settings.maxCacheBytes,
  sizeCalculation: ({ bytes }) => bytes,
  dispose: ({ it }) => void it.release().catch(() => undefined),
});

/** The file's bytes are not what its name says, or gone: worth fetching again. */
const stale = new WeakSet<Error>();

function readBytes({ sha256, path, bytes: checked }: ModelFile): Uint8Array {
  if (checked) return checked;
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path!);
  } catch (error) {
    const problem = modelError('model_missing', `the cached file cannot be read: ${messageOf(error)}`);
    stale.add(problem);
    throw problem;
  }
  const found = sha256Of(bytes);
  if (found === sha256) return bytes;
  const problem = modelError(
    'model_corrupt',
    `its bytes have SHA-256 ${found} instead of ${sha256}; publish the models again`,
  );
  stale.add(problem);
  throw problem;
}

/** Of this process where it runs models alone; 0 in the worker, whose other threads come and go in it. */
const residentBytes = (): number => (settings.progressFd === undefined ? 0 : process.memoryUsage.rss());

/** Uses what is loaded or loads it; what does not fit the cache is released after use. */
async function using<T extends LoadedModel | LoadedPack>(
  kind: 'model' | 'pack',
  file: ModelFile,
  load: (bytes: Uint8Array) => Promise<T>,
  use: (it: T) => Promise<void>,
): Promise<void> {
  const key = `${kind}:${file.sha256}`;
  // Under this key only what this kind's `load` gave.
  let loaded = cache.get(key) as Loaded<T> | undefined;
  if (!loaded) {
    const bytes = readBytes(file);
    const before = residentBytes();
    const it = await load(bytes);
    // The graph is held twice: as it was read, and as it runs. A forest alone takes ten times its file.
    const known = ('heldBytes' in it ? it.heldBytes : undefined) ?? 2 * bytes.byteLength;
    const held = Math.max(known + SESSION_BYTES, residentBytes() - before);
    loaded = { it, bytes: held };
    cache.set(key, loaded);
  }
  try {
    await use(loaded.it);
  } finally {
    // What is larger than the whole cache was not taken in.
    if (!cache.has(key)) await loaded.it.release().catch(() => undefined);
  }
}

function problemOf(error: unknown): ThreadProblem {
  const problem = modelProblem(error) ?? { class: 'model_failed' as const, message: cutMessage(messageOf(error)) };
  return error instanceof Error && stale.has(error) ? { ...problem, stale: true } : problem;
}

function mark(marks: Int32Array, current: number): void {
  Atomics.store(marks, MARK.current, current);
  Atomics.add(marks, MARK.ticks, 1);
  if (settings.progressFd !== undefined) writeSync(settings.progressFd, new Uint8Array(Int32Array.of(current).buffer));
}

const isStopped = (marks: Int32Array): boolean => Atomics.load(marks, MARK.stop) !== 0;

async function runModels(job: ModelsJob): Promise<ThreadReply> {
  const problems: Record<number, ThreadProblem> = {};
  for (const [i, slice] of job.models.entries()) {
    if (isStopped(job.marks)) break;
    if (slice.skip) continue;
    mark(job.marks, i + 1);
    try {
      await using(
        'model',
        slice.file,
        (bytes) => loadModel(bytes, settings.maxModelBytes, settings.executionProvider),
        (model) => {
          if (model.features !== slice.features)
            throw modelError('model_wrong_shape', `it takes ${model.features} features, not ${slice.features}`);
          if (!model.labels && !slice.hasThreshold)
            throw modelError(
              'model_wrong_shape',
              `it gives no label, and its sensor has no threshold; ${NO_LABEL_REMEDY}`,
            );
          return model.run(job.values.subarray(slice.value, slice.value + slice.rows * slice.features), slice.rows, {
            anomaly: job.anomaly.subarray(slice.row, slice.row + slice.rows),
            score: job.score.subarray(slice.row, slice.row + slice.rows),
          });
        },
      );
      Atomics.store(job.states, i, STATE.done);
    } catch (error) {
      problems[i] = problemOf(error);
      Atomics.store(job.states, i, STATE.failed);
    }
  }
  return { type: 'models', problems };
}

async function runPack(job: PackJob): Promise<ThreadReply> {
  mark(job.marks, 1);
  try {
    await using(
      'pack',
      job.file,
      (bytes) => loadPack(bytes, settings.executionProvider),
      (pack) =>
        pack.run(job.index, job.values, job, () => {
          mark(job.marks, 1);
          if (isStopped(job.marks)) throw modelError('timeout', 'it was given up');
        }),
    );
    return { type: 'pack' };
  } catch (error) {
    return { type: 'pack', problem: problemOf(error) };
  }
}

/** What checks models and what writes files is loaded by the threads that do it: it takes as long as to score. */
async function runChecks(job: CheckJob): Promise<ThreadReply> {
  const { checkModelFile } = await import('./check-model.ts');
  const results = [];
  for (const [i, file] of job.files.entries()) {
    if (isStopped(job.marks)) break;
    mark(job.marks, i + 1);
    results.push(await checkModelFile(file, settings));
  }
  return { type: 'check', results };
}

async function runEncode({ format, marks, sensors, series, result }: EncodeJob): Promise<ThreadReply> {
  mark(marks, 1);
  const { encodePredictions } = await import('./predictions-file.ts');
  return { type: 'encode', ...encodePredictions(format, fromSent(sensors), series, result) };
}

function runJob(job: ThreadJob): Promise<ThreadReply> {
  switch (job.type) {
    case 'models':
      return runModels(job);
    case 'pack':
      return runPack(job);
    case 'check':
      return runChecks(job);
    case 'encode':
      return runEncode(job);
    case 'provider':
      mark(job.marks, 1);
      return tryProvider(settings.executionProvider).then((tried) => ({ type: 'provider', ...tried }));
  }
}

// One job at a time: the next comes after the answer. What is thrown here is a bug and ends the thread.
parentPort!.on(
  'message',
  (job: ThreadJob) => void runJob(job).then((reply) => parentPort!.postMessage(reply, handedOver(reply))),
);

/** Bytes that need no copy. Small buffers share their memory with others and are copied. */
function handedOver(reply: ThreadReply): ArrayBuffer[] {
  if (reply.type !== 'encode' || reply.bytes.byteLength < Buffer.poolSize) return [];
  return [reply.bytes.buffer as ArrayBuffer];
}
