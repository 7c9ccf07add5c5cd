/**
 * One process of the laptop stack: its output goes to a log file, it is told to end through its IPC channel
 * or SIGTERM, and it never outlives us. A log that cannot be written costs its lines, never the stack.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Env } from '../config.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { redactLine } from '../domain/redact.ts';
import { splitLines } from '../logging/lines.ts';
import { folderProblem, makeFolder, PRIVATE } from '../storage/folders.ts';

export interface StackChild {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Size of the log before this process wrote into it, bytes. */
  readonly logFrom: number;
  /** Resolves with a description of how it ended. */
  readonly ended: Promise<string>;
  /** Asks it to end and waits; kills it, and what it started, when it does not within the grace. */
  stop(graceMs?: number): Promise<void>;
}

export interface ChildOptions {
  readonly name: string;
  /** A module of ours, run by this Node. */
  readonly file: string;
  readonly args?: readonly string[];
  readonly env: Env;
  readonly logFile: string;
  /** Also told what it writes. Its output then goes through us: `ended` waits for the last of it. */
  readonly onOutput?: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void;
  /** Options of Node for it, beside those that all have. */
  readonly nodeArgs?: readonly string[];
  /** Told once when its log takes no more. */
  readonly onLogLost?: (problem: string) => void;
}

/**
 * Node sizes the space for new objects by the memory of the machine: 192 MiB of each process where there are 24 GiB.
 * Workers that mostly wait for others need a quarter of it: 320 instead of 410 MiB resident for ingest, 310 instead of
 * 500 for control, under the load of `npm run chaos -- --outages`. 16 MiB is what Node takes where there is little
 * memory.
 */
export const LEAN: readonly string[] = ['--max-semi-space-size=16'];

/**
 * Half of that for a scoring worker, whose rows live for a moment: 20 MiB less resident at 100,000 sensors for the same
 * CPU.
 */
const LEAN_SCORING: readonly string[] = ['--max-semi-space-size=8'];

/** Options of Node for a worker. */
export const leanOf = (role: string): readonly string[] => (role === 'scoring' ? LEAN_SCORING : LEAN);

/**
 * The allocator of glibc gives every thread a heap of its own and keeps what is freed in it: with two heaps a scoring
 * worker holds 60 MiB less. Blocks from 1 MiB on (columns and files of chunks) go back to the system at once: by itself
 * glibc raises that bound with the first of them, and their holes cost 20 MiB more.
 */
export const FEW_HEAPS = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '1048576' } as const;

const GUARD = join(dirname(fileURLToPath(import.meta.url)), 'guard.js');

/** A program that is not ours, under a guard that ends it when we are gone. */
export function guarded(
  options: Omit<ChildOptions, 'file' | 'args'> & { readonly command: string; readonly args: readonly string[] },
): ChildOptions {
  const { command, args, ...rest } = options;
  return { ...rest, file: GUARD, args: [command, ...args] };
}

/** @throws FleetscoreError `FOLDER`, `DISK_FULL` when its log cannot be opened */
export function startChild(options: ChildOptions): StackChild & { readonly process: ChildProcess } {
  const { onOutput, logFile } = options;
  const log = openLog(logFile);
  const logFrom = sizeOf(logFile);
  // A group of its own: Ctrl-C reaches only us, and we end the parts in the right order.
  const child = fork(options.file, options.args ?? [], {
    env: options.env,
    stdio: onOutput ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', log, log, 'ipc'],
    detached: true,
    execArgv: ['--disable-warning=ExperimentalWarning', ...(options.nodeArgs ?? [])],
  });
  const keep = keeper(log, options);
  if (onOutput)
    for (const stream of ['stdout', 'stderr'] as const) {
      // Whole lines, masked: what a library writes as it dies may hold what it was given.
      const lines = splitLines();
      child[stream]!.on('data', (chunk: Buffer) => {
        keep(lines.push(chunk));
        onOutput(stream, chunk);
      });
      child[stream]!.on('end', () => keep(lines.end()));
    }
  if (!onOutput) closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once(onOutput ? 'close' : 'exit', (code: number | null, signal: string | null) => {
      if (onOutput) closeSync(log);
      resolve(signal ? `killed by ${signal}` : `exit code ${code}`);
    });
  });
  return {
    name: options.name,
    pid: child.pid ?? -1,
    logFile,
    logFrom,
    ended,
    process: child,
    async stop(graceMs = 30_000) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const killer = setTimeout(() => killGroup(child), graceMs);
      await ended;
      clearTimeout(killer);
    },
  };
}

/** A guard alone would leave its server behind. */
function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

function openLog(file: string): number {
  makeFolder(dirname(file), PRIVATE);
  try {
    const log = openSync(file, 'a', 0o600);
    endCutLine(file, log);
    return log;
  } catch (error) {
    throw folderProblem(file, error);
  }
}

/** A disk that was full may have cut the last line of the process before: what comes now begins on its own. */
function endCutLine(file: string, log: number): void {
  const size = sizeOf(file);
  if (size === 0 || readFrom(file, size - 1) === '\n') return;
  try {
    writeSync(log, '\n');
  } catch {
    // Still full: it is told with the first line that is lost.
  }
}

/** Writes into the log; the first time it cannot it says so, and goes on. */
function keeper(log: number, { name, logFile, onLogLost }: ChildOptions): (lines: readonly string[]) => void {
  let lost = false;
  /** A line on a full disk may end anywhere: the next one begins on its own. */
  let cut = false;
  const write = (line: string): void => {
    const bytes = Buffer.from(`${cut ? '\n' : ''}${line}\n`);
    let at = 0;
    try {
      while (at < bytes.byteLength) at += writeSync(log, bytes, at);
      cut = false;
    } catch (error) {
      cut ||= at > 0;
      throw error;
    }
  };
  return (lines) => {
    try {
      for (const line of lines) write(redactLine(line));
      lost = false;
    } catch (error) {
      if (!lost) onLogLost?.(`the log of the ${name} takes no more: ${messageOf(folderProblem(logFile, error))}`);
      lost = true;
    }
  };
}

/** Waits for the `{ ready: true }` of one of our processes. @throws FleetscoreError `START_FAILED` */
export async function untilReady(child: ReturnType<typeof startChild>, timeoutMs: number): Promise<void> {
  let problem: string | undefined;
  const ready = new Promise<boolean>((resolve) => {
    child.process.on('message', (message: { ready?: boolean; error?: string }) => {
      if (message.ready) resolve(true);
      if (message.error) problem = message.error;
    });
  });
  await orFail(child, ready, timeoutMs, () => problem);
}

/** Waits until `probe` answers. @throws FleetscoreError `START_FAILED` */
export async function untilAnswers(child: StackChild, probe: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  let stop = false;
  const answered = (async () => {
    while (!stop) {
      if (await probe().catch(() => false)) return true;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return false;
  })();
  try {
    await orFail(child, answered, timeoutMs, () => undefined);
  } finally {
    stop = true;
  }
}

async function orFail(
  child: StackChild,
  ready: Promise<boolean>,
  timeoutMs: number,
  problem: () => string | undefined,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`it was not ready within ${timeoutMs / 1000} s`), timeoutMs);
  });
  const outcome = await Promise.race([ready.then(() => undefined), child.ended, late]);
  clearTimeout(timer);
  if (outcome === undefined) return;
  const said = problem();
  const why = (said ?? outcome).replace(/\.$/, '');
  // One of ours has said why; of another program the log says it.
  const cause = said === undefined ? causeIn(child) : undefined;
  throw new FleetscoreError(
    'START_FAILED',
    `${child.name} did not start: ${why}. Its log: ${child.logFile}${cause === undefined ? '' : ` (${cause})`}`,
  );
}

const MOST_LOG_BYTES = 64 * 1024;

/** The line of this start's log that says most: the first of an error, else the last. */
function causeIn({ logFile, logFrom }: StackChild): string | undefined {
  const lines = readFrom(logFile, logFrom)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const error = lines.findLast((line) => /\b\w*Error\b\s*:|^error\b|\bENOSPC\b/i.test(line) && !line.startsWith('at '));
  return (error ?? lines.at(-1))?.slice(0, 300);
}

function readFrom(file: string, from: number): string {
  try {
    const buffer = Buffer.alloc(Math.min(MOST_LOG_BYTES, Math.max(0, sizeOf(file) - from)));
    const fd = openSync(file, 'r');
    try {
      return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, from));
    } finally {
      closeSync(fd);
    }
  } catch {
    return '';
  }
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
}
