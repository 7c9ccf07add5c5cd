/**
 * Turns sensors with their features into jobs of scoring threads and back: a pack runs once for all of its
 * sensors, every other model in a session of its own. What a model does wrong stays with its sensors: a job
 * that stopped at one model goes on without it.
 */
import type { Threshold } from '../domain/threshold.ts';
import { mapLimit } from './concurrency.ts';
import type { SensorFeatures } from './features.ts';
import { type ModelProblem, orProblem } from './model-problem.ts';
import type { ModelCache } from './model-cache.ts';
import {
  type ModelSlice,
  newMarks,
  type PackJob,
  sharedBytes,
  sharedDoubles,
  sharedInts,
  STATE,
  type ThreadProblem,
} from './thread-protocol.ts';
import { laneOf, problemOfEnd, type SlowShare, type Threads } from './threads.ts';

/** One sensor on its way through a thread. */
export interface SensorTask {
  readonly sensorId: number;
  readonly model: string;
  readonly width: number;
  readonly features: SensorFeatures;
  /** Decides what an anomaly is, instead of the model's label. */
  readonly threshold?: Threshold;
}

/** What models made of the rows of many tasks; those of one task, `features.count` in number, begin at `from`. */
export interface Labels {
  readonly anomaly: Uint8Array;
  readonly score: Float64Array;
  readonly from: number;
}

/** Called for every task once: with its results, or with the problem of its model. */
export type Deliver = (task: SensorTask, result: Labels | ModelProblem) => void;

export interface JobContext {
  readonly threads: Threads;
  readonly cache: ModelCache;
  /** Models that cost a thread during this call: not tried again for other sensors that share them. */
  readonly givenUp: Map<string, ModelProblem>;
  /** Of all models of this call: those of one author must not hold up the sensors of others. */
  readonly slow: SlowShare;
  /** Shared memory that no thread uses any more, for packs to come. */
  readonly spare: SharedArrayBuffer[];
  /** Asked before every job. */
  readonly signal?: AbortSignal;
}

/** Models of one job, so that work that is lost with a thread stays small. */
const MODELS_PER_JOB = 64;
/** Doubles of features in one job of single models. */
const VALUES_PER_JOB = 4 * 1024 * 1024;
const FETCHES = 16;

export interface PackedTask extends SensorTask {
  readonly packRow: number;
}

/** Numbers of the features of a task. */
const valuesOf = ({ features, width }: SensorTask): number => features.count * width;

/** Loops: a call for the few numbers of a sensor costs more than they do. */
function copyValues(task: SensorTask, to: Float64Array, at: number): void {
  const { values, from } = task.features;
  const length = valuesOf(task);
  const first = from * task.width;
  for (let i = 0; i < length; i++) to[at + i] = values[first + i]!;
}

/** Runs one pack over all of its sensors. A problem means that nothing was delivered. */
export async function runPackJob(
  context: JobContext,
  pack: string,
  tasks: readonly PackedTask[],
  deliver: Deliver,
): Promise<ModelProblem | undefined> {
  const { memory, index, ...buffers } = packBuffers(tasks, context.spare);
  const attempt = async (bytes?: Uint8Array): Promise<ThreadProblem | undefined> => {
    const file = bytes ? { sha256: pack, bytes } : await context.cache.file('pack', pack).catch(orProblem);
    if ('class' in file) return file;
    context.signal?.throwIfAborted();
    const end = await context.threads.run({ type: 'pack', file, index, marks: newMarks(), ...buffers }, pack);
    if (end.type !== 'reply') return problemOfEnd(end);
    return end.reply.problem;
  };
  let problem = await attempt();
  if (problem?.stale) {
    const bytes = await context.cache.refetch('pack', pack).catch(orProblem);
    problem = 'class' in bytes ? bytes : await attempt(bytes);
  }
  if (problem) return { class: problem.class, message: problem.message };
  const labels = { anomaly: buffers.anomaly, score: buffers.score, from: 0 };
  for (const task of tasks) {
    deliver(task, labels);
    labels.from += task.features.count;
  }
  // Not where anything went wrong: a thread that was given up may still write there.
  if (context.spare.length < MOST_SPARE && memory.byteLength <= SPARE_BYTES) context.spare.push(memory);
  return undefined;
}

/** Pieces of memory that are kept for the next packs, and the largest. */
const MOST_SPARE = 4;
const SPARE_BYTES = 4 * 1024 * 1024;

interface PackBuffers extends Pick<PackJob, 'values' | 'anomaly' | 'score' | 'index'> {
  readonly memory: SharedArrayBuffer;
}

/** What a pack takes and gives, in one piece of memory that was used before: fresh memory costs more than the rows. */
function packBuffers(tasks: readonly PackedTask[], spare: SharedArrayBuffer[]): PackBuffers {
  const { width } = tasks[0]!;
  let rows = 0;
  for (const { features } of tasks) rows += features.count;
  const bytes = rows * (8 * width + 8 + 4 + 1);
  const kept = spare.findIndex(({ byteLength }) => byteLength >= bytes);
  const memory = kept < 0 ? new SharedArrayBuffer(bytes) : spare.splice(kept, 1)[0]!;
  const buffers = {
    memory,
    values: new Float64Array(memory, 0, rows * width),
    score: new Float64Array(memory, rows * 8 * width, rows),
    index: new Int32Array(memory, rows * 8 * (width + 1), rows),
    anomaly: new Uint8Array(memory, rows * (8 * width + 12), rows),
  };
  let row = 0;
  for (const task of tasks) {
    const { packRow, features } = task;
    copyValues(task, buffers.values, row * width);
    for (const to = row + features.count; row < to; row++) buffers.index[row] = packRow;
  }
  return buffers;
}

/** Runs models in sessions of their own. */
export async function runModelJobs(context: JobContext, tasks: readonly SensorTask[], deliver: Deliver): Promise<void> {
  await Promise.all(jobsOf(tasks, context.threads.count).map((job) => runModels(context, job, deliver)));
}

/** By thread, so that each model is loaded in one thread only; within the bounds of a job. */
function jobsOf(tasks: readonly SensorTask[], threads: number): SensorTask[][] {
  const lanes = new Map<number, SensorTask[]>();
  for (const task of tasks) {
    const lane = laneOf(task.model, threads);
    const list = lanes.get(lane);
    if (list) list.push(task);
    else lanes.set(lane, [task]);
  }
  const jobs: SensorTask[][] = [];
  for (const list of lanes.values()) {
    let job: SensorTask[] = [];
    let values = 0;
    for (const task of list) {
      if (job.length > 0 && (job.length === MODELS_PER_JOB || values + valuesOf(task) > VALUES_PER_JOB)) {
        jobs.push(job);
        job = [];
        values = 0;
      }
      job.push(task);
      values += valuesOf(task);
    }
    jobs.push(job);
  }
  return jobs;
}

async function runModels(context: JobContext, tasks: readonly SensorTask[], deliver: Deliver): Promise<void> {
  const rows = tasks.reduce((sum, task) => sum + task.features.count, 0);
  const values = sharedDoubles(tasks.reduce((sum, task) => sum + valuesOf(task), 0));
  const anomaly = sharedBytes(rows);
  const score = sharedDoubles(rows);
  const states = sharedInts(tasks.length);
  const files = await mapLimit(tasks, FETCHES, (task) => context.cache.file('model', task.model).catch(orProblem));
  let row = 0;
  let value = 0;
  const problems = new Map<number, ModelProblem>();
  const slices = tasks.map((task, i): ModelSlice => {
    let file = files[i]!;
    if ('class' in file) {
      problems.set(i, file);
      file = { sha256: task.model };
    }
    const slice = {
      file,
      features: task.width,
      row,
      rows: task.features.count,
      value,
      ...(task.threshold ? { hasThreshold: true } : {}),
    };
    copyValues(task, values, value);
    row += slice.rows;
    value += valuesOf(task);
    return slice;
  });
  const refetched = new Set<number>();
  const crowded = new Set<string>();
  const open = (): number[] => [...tasks.keys()].filter((i) => states[i] !== STATE.done && !problems.has(i));
  // Every round brings one model on at least: the job ends, or stops at a model, or a file is fetched again.
  for (;;) {
    for (const i of open()) {
      const known = context.givenUp.get(tasks[i]!.model);
      if (known) problems.set(i, known);
    }
    if (open().length === 0) break;
    context.signal?.throwIfAborted();
    const models = slices.map((slice, i) =>
      states[i] === STATE.done || problems.has(i) ? { ...slice, skip: true } : slice,
    );
    const end = await context.threads.run(
      { type: 'models', models, states, values, anomaly, score, marks: newMarks() },
      tasks[0]!.model,
      context.slow,
    );
    if (end.type !== 'reply') {
      const { model } = tasks[end.at]!;
      // The models loaded before it share its process: what ran out of memory gets a fresh one, once.
      if (end.type === 'memory' && !crowded.has(model)) crowded.add(model);
      else context.givenUp.set(model, problemOfEnd(end));
      continue;
    }
    for (const [key, problem] of Object.entries(end.reply.problems)) {
      const i = Number(key);
      if (problem.stale && !refetched.has(i)) {
        refetched.add(i);
        const bytes = await context.cache.refetch('model', tasks[i]!.model).catch(orProblem);
        if ('class' in bytes) problems.set(i, bytes);
        else slices[i] = { ...slices[i]!, file: { sha256: tasks[i]!.model, bytes } };
      } else problems.set(i, { class: problem.class, message: problem.message });
    }
  }
  for (const [i, task] of tasks.entries()) deliver(task, problems.get(i) ?? { anomaly, score, from: slices[i]!.row });
}
