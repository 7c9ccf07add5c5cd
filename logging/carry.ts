/**
 * Runs a worker as a child and carries what it writes, on both streams, to our own streams and, where there is a sink,
 * to Blob. So a worker's last words arrive also when it dies without a word of its own: by a signal, out of memory, in
 * native code. Signals go on to it; its end is our end.
 */
import { fork } from 'node:child_process';
import { hostname } from 'node:os';
import { secretsOf, type Env } from '../config.ts';
import { plainJson } from '../domain/plain-text.ts';
import { createRedactor, redactLine } from '../domain/redact.ts';
import { splitLines } from './lines.ts';
import { workerName } from '../domain/worker.ts';
import { createLogShipper, LEVEL, type LogShipper, type LogSink } from './shipper.ts';

export interface CarriedWorker {
  readonly role: string;
  /** The worker's program. */
  readonly file: string;
  readonly env: Env;
  /** Absent: to our own streams only. */
  readonly sink?: LogSink;
  /** What it tells who started it: `{ ready: true }`, or why it dies. */
  readonly onMessage?: (message: WorkerMessage) => void;
}

/** From a worker process to the one that started it (workers/lifecycle.ts). */
export interface WorkerMessage {
  readonly ready?: boolean;
  readonly error?: string;
  readonly code?: string;
}

/** Lines of a process go to the log that has its name. */
export function shipperFor(role: string, pid: number, env: Env, sink: LogSink): LogShipper {
  return createLogShipper({
    worker: workerName({ role, node: env.FLEETSCORE_NODE, host: hostname(), pid }),
    sink,
    redact: redactorOf(env),
    base: { role, pid },
  });
}

/** Masks the secrets of these variables in a line. */
function redactorOf(env: Env): (line: string) => string {
  const mask = createRedactor(secretsOf(env));
  return (line) => redactLine(line, mask);
}

/** How a process ended, as a line of its log. */
export function noteEnd(shipper: LogShipper, code: number | null, signal: string | null): void {
  if (code === 0) shipper.note(LEVEL.info, 'the process ended');
  else
    shipper.note(
      LEVEL.fatal,
      signal === null ? `the process ended with exit code ${code}` : `the process was ended by ${signal}`,
    );
}

/** What a signal adds to the exit code of who was ended by it. */
const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

/** Resolves with the exit code to end with, once the worker has ended and its lines are stored (or given up). */
export async function carryWorker({ role, file, env, sink, onMessage }: CarriedWorker): Promise<number> {
  // A log driver that is gone, or a full disk, must not end the worker with it, whatever it means to other commands.
  for (const stream of ['stdout', 'stderr'] as const) process[stream].removeAllListeners('error').on('error', () => {});
  const child = fork(file, [], {
    env: env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: process.execArgv,
  });
  if (onMessage) child.on('message', onMessage);
  const shipper = sink && shipperFor(role, child.pid ?? 0, env, sink);
  const redact = redactorOf(env);
  for (const stream of ['stdout', 'stderr'] as const) {
    // Whole lines: a secret must not pass in two halves.
    const lines = splitLines();
    const pass = (some: readonly string[]): void => {
      for (const line of some) process[stream].write(`${plainJson(redact(line))}\n`);
    };
    child[stream]!.on('data', (chunk: Buffer) => {
      pass(lines.push(chunk));
      shipper?.take(stream, chunk);
    });
    child[stream]!.on('end', () => pass(lines.end()));
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => child.kill(signal));
  const { code, signal } = await new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit, by) => resolve({ code: exit, signal: by }));
  });
  if (shipper) noteEnd(shipper, code, signal);
  await shipper?.close();
  return code ?? 128 + (SIGNALS[signal ?? ''] ?? 0);
}
