/**
 * The scoring threads: for packs, which we build, in this process; for models of others in processes of their own.
 * Each has a queue of its own, so that a model goes where it is already loaded, and runs
 * one job at a time. A job that makes no progress for the time limit is given up and a new thread takes over.
 * The old one is left to return by itself: a thread that is terminated inside of onnxruntime takes the whole
 * process down. One that never returns keeps a core busy until the process ends.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { defined } from '../domain/defined.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import type { ModelProblem } from './model-problem.ts';
import { ModelMemoryError, startProcess } from './process-handle.ts';
import { startThread, type Thread } from './thread-handle.ts';
import { MARK, type ReplyOf, type ThreadJob, type ThreadReply, type ThreadSettings } from './thread-protocol.ts';
import { MODEL_LIMITS } from '../domain/model-limits.ts';

/** What became of a job: an answer, or the model it stopped at, from 0. */
export type JobEnd<Reply extends ThreadReply = ThreadReply> =
  | { readonly type: 'reply'; readonly reply: Reply }
  | { readonly type: 'timeout' | 'crash' | 'memory'; readonly at: number; readonly message: string };

/** Time that models may take together beyond what a quick one takes; goes down as they take it. */
export interface SlowShare {
  leftMs: number;
}

export interface Threads {
  readonly count: number;
  /**
   * Runs a job in the thread that `affinity` (a SHA-256) belongs to, or in the least busy one; a pack in the first only
   * while no other is less busy.
   * @param share of the jobs that belong together: when it is used up, each of their models gets a second and no more,
   *   so that slow ones do not keep the others from being scored
   * @throws FleetscoreError `SCORING_CLOSED`, `SCORING_THREAD_FAILED` (both retryable)
   */
  run<Job extends ThreadJob>(job: Job, affinity?: string, share?: SlowShare): Promise<JobEnd<ReplyOf<Job>>>;
  /** Threads that were given up and have not returned yet. */
  stuck(): number;
  /** Lets running models return, then ends the threads. Jobs that run or wait fail. */
  close(): Promise<void>;
}

export interface ThreadsOptions extends ThreadSettings {
  /** Default: one per core. */
  readonly threads?: number;
  /** A job that makes no progress for so long is given up. */
  readonly timeoutMs: number;
  /** A model of others that takes more memory is given up. Default that of {@link MODEL_LIMITS}. */
  readonly maxModelMemoryBytes?: number;
}

/** A new thread loads onnxruntime before it takes its job: that is not the model's time. */
const START_LIMIT_MS = 60_000;
const MiB = 1024 * 1024;
/** How long closing waits for threads that were given up. */
const STUCK_GRACE_MS = 5_000;

interface Lane {
  readonly start: () => Thread;
  thread: Thread | undefined;
  /** Jobs that run or wait. */
  jobs: number;
  running: ThreadJob | undefined;
  tail: Promise<unknown>;
}

export function createThreads(options: ThreadsOptions): Threads {
  const count = options.threads ?? availableParallelism();
  const { maxModelBytes, executionProvider, maxModelMemoryBytes = MODEL_LIMITS.memoryBytes } = options;
  const settings: ThreadSettings = {
    maxModelBytes,
    executionProvider,
    maxCacheBytes: Math.max(1, Math.floor(options.maxCacheBytes / count)),
  };
  const ours = lanesOf(count, () => startThread(settings));
  const foreign = lanesOf(count, () => startProcess({ ...settings, maxModelMemoryBytes }));
  const lanes = [...ours, ...foreign];
  const abandoned = createAbandoned();
  const life = { closed: false };

  const pickLane = (type: ThreadJob['type'], affinity: string | undefined): Lane => {
    const fitting = type === 'models' || type === 'check' ? foreign : ours;
    const own = affinity === undefined ? undefined : fitting[laneOf(affinity, count)]!;
    // A pack may be large enough to keep all threads busy, and is worth loading in each then.
    if (own && type !== 'pack') return own;
    return fitting.reduce((best, lane) => (lane.jobs < best.jobs ? lane : best), own ?? fitting[0]!);
  };

  return {
    count,
    run(job, affinity, share) {
      const lane = pickLane(job.type, affinity);
      lane.jobs++;
      const limits = { timeoutMs: options.timeoutMs, maxModelMemoryBytes, ...defined({ share }) };
      const result = lane.tail.then(() => runOn(lane, job, limits, life, abandoned)).finally(() => lane.jobs--);
      lane.tail = result.catch(() => undefined);
      return result;
    },
    stuck: () => abandoned.count(),
    async close() {
      life.closed = true;
      // What runs in a process can be stopped at once.
      await Promise.all(foreign.map(async (lane) => lane.thread?.end()));
      for (const { running } of lanes) if (running) Atomics.store(running.marks, MARK.stop, 1);
      await Promise.all(lanes.map((lane) => lane.tail));
      await Promise.all(lanes.map(async (lane) => lane.thread?.end()));
      await abandoned.returned();
    },
  };
}

function lanesOf(count: number, start: () => Thread): Lane[] {
  return Array.from({ length: count }, () => ({
    start,
    thread: undefined,
    jobs: 0,
    running: undefined,
    tail: Promise.resolve(),
  }));
}

interface JobLimits {
  readonly timeoutMs: number;
  readonly share?: SlowShare;
  readonly maxModelMemoryBytes: number;
}

async function runOn<Job extends ThreadJob>(
  lane: Lane,
  job: Job,
  limits: JobLimits,
  life: { readonly closed: boolean },
  abandoned: Abandoned,
): Promise<JobEnd<ReplyOf<Job>>> {
  if (life.closed) throw closedError();
  if (!lane.thread?.alive()) lane.thread = lane.start();
  const { thread } = lane;
  const watch = watchProgress(job, limits);
  lane.running = job;
  let reply: ThreadReply | undefined;
  try {
    reply = await Promise.race([thread.run(job), watch.timedOut]);
  } catch (error) {
    if (life.closed) throw closedError();
    return crashOf(job, error, limits);
  } finally {
    lane.running = undefined;
    watch.stop();
  }
  if (life.closed) throw closedError();
  if (reply) {
    if (!answers(reply, job)) throw threadError(`it answered a job ${job.type} with ${reply.type}`);
    return { type: 'reply', reply };
  }
  Atomics.store(job.marks, MARK.stop, 1);
  lane.thread = undefined;
  abandoned.add(thread);
  const at = positionOf(job);
  if (at < 0) throw threadError('it did not start in time');
  const limitMs = watch.limitMs();
  const why = limitMs < limits.timeoutMs ? ': slow models of its chunk have used up the time that they share' : '';
  return { type: 'timeout', at, message: `it did not return within ${limitMs} ms${why}` };
}

const answers = <Job extends ThreadJob>(reply: ThreadReply, job: Job): reply is ReplyOf<Job> => reply.type === job.type;

/** Which of its models a job is at, from 0; below, it has not begun. */
const positionOf = (job: ThreadJob): number => Atomics.load(job.marks, MARK.current) - 1;

function crashOf(
  job: ThreadJob,
  error: unknown,
  { maxModelMemoryBytes }: JobLimits,
): Exclude<JobEnd, { readonly type: 'reply' }> {
  const at = positionOf(job);
  if (at < 0) throw threadError(messageOf(error), error);
  if (!(error instanceof ModelMemoryError)) return { type: 'crash', at, message: messageOf(error) };
  const mib = Math.round(maxModelMemoryBytes / MiB);
  return {
    type: 'memory',
    at,
    message: `it took more than ${mib} MiB of memory; use a smaller model or raise FLEETSCORE_MODEL_MEMORY_BYTES`,
  };
}

/** Threads that were given up and have not returned yet. */
interface Abandoned {
  count(): number;
  add(thread: Thread): void;
  /** Waits a while for them to return. */
  returned(): Promise<void>;
}

function createAbandoned(): Abandoned {
  const stuck = new Set<Promise<unknown>>();
  /** The process cannot end while one of its threads is inside of onnxruntime, unless it is killed. */
  const killSelf = (): void => void process.kill(process.pid, 'SIGKILL');
  return {
    count: () => stuck.size,
    add(thread) {
      if (stuck.size === 0) process.on('exit', killSelf);
      const returned = thread.abandon().finally(() => {
        stuck.delete(returned);
        if (stuck.size === 0) process.off('exit', killSelf);
      });
      stuck.add(returned);
    },
    async returned() {
      if (stuck.size === 0) return;
      const grace = new AbortController();
      await Promise.race([
        Promise.all(stuck).then(() => grace.abort()),
        sleep(STUCK_GRACE_MS, undefined, { signal: grace.signal }).catch(() => undefined),
      ]);
    },
  };
}

/** What it means for the model at which a job stopped. */
export function problemOfEnd(end: Exclude<JobEnd, { readonly type: 'reply' }>): ModelProblem {
  const classes = { timeout: 'timeout', memory: 'model_too_large', crash: 'model_failed' } as const;
  return { class: classes[end.type], message: end.message };
}

/** Which of `count` threads a model belongs to. */
export function laneOf(sha256: string, count: number): number {
  return Number.parseInt(sha256.slice(0, 8), 16) % count;
}

/**
 * What a quick model takes at the most: it is not taken off the share of the slow ones, and each gets it in any case.
 */
const QUICK_MS = 1_000;

interface Watch {
  /** Resolves (to undefined) when the marks of a job stand still for too long. */
  readonly timedOut: Promise<undefined>;
  /** What the model that runs now may take, or might when it was given up. */
  limitMs(): number;
  stop(): void;
}

function watchProgress(job: ThreadJob, { timeoutMs, share }: JobLimits): Watch {
  let ticks = Atomics.load(job.marks, MARK.ticks);
  let running = false;
  let since = performance.now();
  let timer: NodeJS.Timeout | undefined;
  let limit = timeoutMs;
  const taken = (): void => {
    if (share && running) share.leftMs -= Math.max(0, performance.now() - since - QUICK_MS);
  };
  const timedOut = new Promise<undefined>((resolve) => {
    timer = setInterval(
      () => {
        const now = Atomics.load(job.marks, MARK.ticks);
        if (now !== ticks) {
          taken();
          ticks = now;
          running = Atomics.load(job.marks, MARK.current) > 0;
          since = performance.now();
          return;
        }
        limit = Math.round(Math.min(timeoutMs, QUICK_MS + Math.max(0, share?.leftMs ?? Infinity)));
        const mayTake = running ? limit : Math.max(timeoutMs, START_LIMIT_MS);
        if (performance.now() - since > mayTake) resolve(undefined);
      },
      Math.min(250, Math.max(10, timeoutMs / 4)),
    );
  });
  return {
    timedOut,
    limitMs: () => limit,
    stop() {
      clearInterval(timer);
      taken();
    },
  };
}

function threadError(what: string, cause?: unknown): FleetscoreError {
  return new FleetscoreError('SCORING_THREAD_FAILED', `a scoring thread cannot run: ${what}`, {
    retryable: true,
    cause,
  });
}

function closedError(): FleetscoreError {
  return new FleetscoreError('SCORING_CLOSED', 'the scoring engine is closed', { retryable: true });
}
