/**
 * The main thread's end of one scoring thread. An idle thread does not keep the process alive, a working one
 * does, an abandoned one does not.
 */
import { Worker } from 'node:worker_threads';
import type { ThreadJob, ThreadReply, ThreadSettings } from './thread-protocol.ts';

export interface Thread {
  alive(): boolean;
  /** One job at a time. Rejects when the thread ends before it answers. */
  run(job: ThreadJob): Promise<ThreadReply>;
  /** Nobody waits for the running job any more; resolves when it returned and the thread ended. */
  abandon(): Promise<void>;
  /** Ends an idle thread. */
  end(): Promise<void>;
}

// The same code runs as .ts from the sources and as .js from the build.
const THREAD_FILE = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url);

/**
 * onnxruntime reports its use to Microsoft unless this says no, and keeps a log of events in the temporary folder:
 * nothing of a fleet leaves by itself, and a session costs a third less CPU. Native code sees only the environment
 * of the process, so it is set here and not in the thread. A value set by hand stays.
 */
process.env.ORT_DISABLE_TELEMETRY ??= '1';

/**
 * Space for new objects, MiB: a thread has arrays outside of it and little else. Node's own measure, of the memory of
 * the machine, is as much again for each thread as the worker needs by itself.
 */
const YOUNG_MIB = 8;

export function startThread(settings: ThreadSettings): Thread {
  // No environment: a thread needs no setting and no secret.
  const worker = new Worker(THREAD_FILE, {
    workerData: settings,
    env: {},
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
  });
  worker.unref();
  let alive = true;
  let pending: { resolve(reply: ThreadReply): void; reject(error: unknown): void } | undefined;
  let running: Promise<unknown> = Promise.resolve();
  worker.on('message', (reply: ThreadReply) => pending?.resolve(reply));
  worker.on('error', (error) => {
    alive = false;
    pending?.reject(error);
  });
  worker.on('exit', (code) => {
    alive = false;
    pending?.reject(new Error(`it exited with code ${code}`));
  });
  const end = async (): Promise<void> => {
    alive = false;
    await worker.terminate();
  };
  return {
    alive: () => alive,
    run(job) {
      const reply = new Promise<ThreadReply>((resolve, reject) => {
        pending = { resolve, reject };
        worker.ref();
        worker.postMessage(job);
      }).finally(() => {
        pending = undefined;
        worker.unref();
      });
      running = reply.catch(() => undefined);
      return reply;
    },
    abandon() {
      worker.unref();
      return running.then(end);
    },
    end,
  };
}
