/**
 * The scoring threads. Each has a queue of its own, so that a model goes where it is already loaded, and runs
 * one job at a time. A job that does not get on for the time limit is given up: its thread is terminated (at
 * once in JavaScript; inside onnxruntime as soon as that call returns) and a new one takes its place.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { MARK, type ThreadJob, type ThreadReply, type ThreadSettings } from './thread-protocol.ts';

/** What became of a job: an answer, or the model it stopped at, from 0. */
export type JobEnd =
  | { readonly type: 'reply'; readonly reply: ThreadReply }
  | { readonly type: 'timeout' | 'crash'; readonly at: number; readonly message: string };

export interface Threads {
  readonly count: number;
  /** Runs a job in the thread that `affinity` (a SHA-256) belongs to, or in the least busy one. */
  run(job: ThreadJob, affinity?: string): Promise<JobEnd>;
  /** Threads that were given up and have not ended yet. */
  stuck(): number;
  /** Terminates the threads. Jobs that run or wait fail. */
  close(): Promise<void>;
}

export interface ThreadsOptions extends ThreadSettings {
  /** Default: one per core. */
  readonly threads?: number;
  /** A job that makes no progress for so long is given up. */
  readonly timeoutMs: number;
}

// The same code runs as .ts from the sources and as .js from the build.
const THREAD_FILE = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url));

/** A new thread loads onnxruntime before it takes its job: that is not the model's time. */
const START_LIMIT_MS = 60_000;

interface Lane {
  pool: Piscina | undefined;
  waiting: number;
  tail: Promise<unknown>;
}

export function createThreads(options: ThreadsOptions): Threads {
  const count = options.threads ?? availableParallelism();
  const { maxModelBytes, executionProvider } = options;
  const settings: ThreadSettings = { maxModelBytes, executionProvider, maxCacheBytes: Math.max(1, Math.floor(options.maxCacheBytes / count)) };
  const lanes: Lane[] = Array.from({ length: count }, () => ({ pool: undefined, waiting: 0, tail: Promise.resolve() }));
  const stuck = new Set<object>();
  let closed = false;

  const poolOf = (lane: Lane): Piscina => {
    lane.pool ??= new Piscina({
      filename: THREAD_FILE,
      name: 'runJob',
      minThreads: 1,
      maxThreads: 1,
      atomics: 'disabled',
      recordTiming: false,
      workerData: settings,
      env: {},
    });
    return lane.pool;
  };

  const pickLane = (affinity: string | undefined): Lane => {
    if (affinity !== undefined) return lanes[Number.parseInt(affinity.slice(0, 8), 16) % count]!;
    return lanes.reduce((best, lane) => (lane.waiting < best.waiting ? lane : best));
  };

  const runOn = async (lane: Lane, job: ThreadJob): Promise<JobEnd> => {
    if (closed) throw closedError();
    const pool = poolOf(lane);
    const abort = new AbortController();
    let ticks = Atomics.load(job.marks, MARK.ticks);
    let since = performance.now();
    const watch = setInterval(() => {
      const now = Atomics.load(job.marks, MARK.ticks);
      if (now !== ticks) {
        ticks = now;
        since = performance.now();
      } else {
        const limit = Atomics.load(job.marks, MARK.current) > 0 ? options.timeoutMs : Math.max(options.timeoutMs, START_LIMIT_MS);
        if (performance.now() - since > limit) abort.abort();
      }
    }, Math.min(250, Math.max(10, options.timeoutMs / 4)));
    // A thread that cannot even start reports to the pool, not to the job.
    let broken: (error: unknown) => void = () => undefined;
    const startFailure = new Promise<never>((_, reject) => {
      broken = reject;
      pool.on('error', reject);
    });
    const [thread] = pool.threads;
    try {
      return { type: 'reply', reply: (await Promise.race([pool.run(job, { signal: abort.signal }), startFailure])) as ThreadReply };
    } catch (error) {
      if (closed) throw closedError();
      const at = Atomics.load(job.marks, MARK.current) - 1;
      if (abort.signal.aborted && thread && thread.threadId !== -1) {
        stuck.add(thread);
        thread.once('exit', () => stuck.delete(thread));
      }
      if (abort.signal.aborted && at >= 0) {
        return { type: 'timeout', at, message: `it did not return within ${options.timeoutMs} ms` };
      }
      if (at < 0)
        throw new FleetscoreError('SCORING_THREAD_FAILED', `a scoring thread cannot run: ${messageOf(error)}`, { retryable: true, cause: error });
      return { type: 'crash', at, message: `its thread ended: ${messageOf(error)}` };
    } finally {
      clearInterval(watch);
      pool.off('error', broken);
    }
  };

  return {
    count,
    run(job, affinity) {
      const lane = pickLane(affinity);
      lane.waiting++;
      const result = lane.tail.then(() => runOn(lane, job)).finally(() => lane.waiting--);
      lane.tail = result.catch(() => undefined);
      return result;
    },
    stuck: () => stuck.size,
    async close() {
      closed = true;
      await Promise.all(lanes.map((lane) => lane.pool?.destroy()));
      await Promise.all(lanes.map((lane) => lane.tail));
    },
  };
}

function closedError(): FleetscoreError {
  return new FleetscoreError('SCORING_CLOSED', 'the scoring engine is closed', { retryable: true });
}
