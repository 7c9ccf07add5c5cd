/**
 * One scoring thread in a process of its own, behind the same face as a thread of ours. What is foreign runs there:
 * it has no environment, none of our memory, can be killed at any moment, and a crash or a lack of memory there does
 * not take down the worker. Features go over and results come back by value; which model runs is told through a pipe
 * that is written before each starts, so that even after a crash it is known.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Thread } from './thread-handle.ts';
import {
  MARK,
  type CheckJob,
  type ModelsJob,
  type ThreadJob,
  type ThreadReply,
  type ThreadSettings,
} from './thread-protocol.ts';

const PROCESS_FILE = new URL(
  import.meta.url.endsWith('.ts') ? './model-process.ts' : './model-process.js',
  import.meta.url,
);
/** File descriptor of the pipe in the child; 3 is its IPC channel. */
export const PROGRESS_FD = 4;
/** Position in the pipe's records that says: killed for its memory. */
export const OUT_OF_MEMORY = -1;
export const RECORD_BYTES = 4;

export interface ProcessSettings extends ThreadSettings {
  /** Memory beyond what the process has at its start and may keep loaded. */
  readonly maxModelMemoryBytes: number;
}

/** A job as it is sent: no shared memory. Paths are absolute: the process runs in a folder of its own. */
export type SentJob =
  | (Pick<ModelsJob, 'type' | 'models'> & {
      readonly values: Float64Array;
      readonly states: Int32Array;
      readonly rows: number;
    })
  | Pick<CheckJob, 'type' | 'files'>;

export interface SentReply {
  readonly reply: ThreadReply;
  readonly anomaly?: Uint8Array;
  readonly score?: Float64Array;
  readonly states?: Int32Array;
}

/** The process took more memory than a model may. */
export class ModelMemoryError extends Error {}

export function startProcess(settings: ProcessSettings): Thread {
  // A name without a folder, in a model or its runtime, finds nothing here. Whoever of the two ends last removes it.
  const cwd = mkdtempSync(join(tmpdir(), 'fleetscore-model-'));
  const child = fork(PROCESS_FILE, [], {
    cwd,
    // No secret: where temporary files go, and what keeps onnxruntime's telemetry off.
    env: {
      ORT_DISABLE_TELEMETRY: process.env.ORT_DISABLE_TELEMETRY ?? '1',
      ...(process.env.TMPDIR ? { TMPDIR: process.env.TMPDIR } : {}),
    },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'],
  });
  const pipe = child.stdio[PROGRESS_FD] as Readable & { ref?(): void; unref?(): void };
  let alive = true;
  let outOfMemory = false;
  let pending: { readonly job: ThreadJob; resolve(reply: ThreadReply): void; reject(error: unknown): void } | undefined;
  const hold = (held: boolean): void => {
    for (const handle of [child, child.channel, pipe] as { ref?(): void; unref?(): void }[])
      handle?.[held ? 'ref' : 'unref']?.();
  };

  let rest = Buffer.alloc(0);
  pipe.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (; rest.length >= RECORD_BYTES; rest = rest.subarray(RECORD_BYTES)) {
      const position = rest.readInt32LE(0);
      if (position === OUT_OF_MEMORY) outOfMemory = true;
      else if (pending) {
        Atomics.store(pending.job.marks, MARK.current, position);
        Atomics.add(pending.job.marks, MARK.ticks, 1);
      }
    }
  });
  pipe.on('error', () => {});
  child.on('message', (message: SentReply) => {
    if (!pending) return;
    const { job, resolve } = pending;
    if (job.type === 'models') take(job, message);
    resolve(message.reply);
  });
  const closed = new Promise<void>((resolve) => {
    const end = (error: Error): void => {
      alive = false;
      pending?.reject(error);
      resolve();
    };
    child.once('error', end);
    // After its last words in the pipe.
    child.once('close', (code, signal) =>
      end(
        outOfMemory
          ? new ModelMemoryError('out of memory')
          : new Error(`its process ended (${signal ?? `exit code ${code}`})`),
      ),
    );
  });
  const gone = closed.then(() => rmdir(cwd).catch(() => undefined));
  const end = async (): Promise<void> => {
    alive = false;
    hold(true);
    child.kill('SIGKILL');
    await gone;
  };
  send(child, { settings });
  hold(false);
  return {
    alive: () => alive,
    run(job) {
      return new Promise<ThreadReply>((resolve, reject) => {
        pending = { job, resolve, reject };
        hold(true);
        send(child, { job: sent(job) });
      }).finally(() => {
        pending = undefined;
        if (alive) hold(false);
      });
    },
    abandon: end,
    end,
  };
}

/** Takes over the rows of the models that ran; those of earlier attempts stay. */
function take(job: ModelsJob, { anomaly, score, states }: SentReply): void {
  if (!anomaly || !score || !states) return;
  for (const [i, { row, rows, skip }] of job.models.entries()) {
    if (skip) continue;
    job.anomaly.set(anomaly.subarray(row, row + rows), row);
    job.score.set(score.subarray(row, row + rows), row);
    Atomics.store(job.states, i, states[i]!);
  }
}

/** A process that is gone says so by its end, not here. */
function send(child: ChildProcess, message: object): void {
  if (child.connected) child.send(message, () => {});
}

function sent(job: ThreadJob): SentJob {
  if (job.type === 'check') return { type: 'check', files: job.files };
  if (job.type !== 'models') throw new TypeError(`a ${job.type} is not for a process`);
  return {
    type: 'models',
    models: job.models,
    values: Float64Array.from(job.values),
    states: Int32Array.from(job.states),
    rows: job.score.length,
  };
}
