/**
 * One process of the laptop stack: its output goes to a log file, it is told to end through its IPC channel
 * or SIGTERM, and it never outlives us.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Env } from '../config.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { redactLine } from '../domain/redact.ts';
import { splitLines } from '../logging/lines.ts';

export interface StackChild {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Resolves with a description of how it ended. */
  readonly ended: Promise<string>;
  /** Asks it to end and waits; kills it when it does not within the grace. */
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
}

const GUARD = join(dirname(fileURLToPath(import.meta.url)), 'guard.js');

/** A program that is not ours, under a guard that ends it when we are gone. */
export function guarded(
  options: Omit<ChildOptions, 'file' | 'args'> & { readonly command: string; readonly args: readonly string[] },
): ChildOptions {
  const { command, args, ...rest } = options;
  return { ...rest, file: GUARD, args: [command, ...args] };
}

export function startChild(options: ChildOptions): StackChild & { readonly process: ChildProcess } {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, 'a', 0o600);
  const { onOutput } = options;
  // A group of its own: Ctrl-C reaches only us, and we end the parts in the right order.
  const child = fork(options.file, options.args ?? [], {
    env: options.env as NodeJS.ProcessEnv,
    stdio: onOutput ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', log, log, 'ipc'],
    detached: true,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  if (onOutput)
    for (const stream of ['stdout', 'stderr'] as const) {
      // Whole lines, masked: what a library writes as it dies may hold what it was given.
      const lines = splitLines();
      const keep = (some: readonly string[]): void => {
        for (const line of some) writeSync(log, `${redactLine(line)}\n`);
      };
      child[stream]!.on('data', (chunk: Buffer) => {
        keep(lines.push(chunk));
        onOutput(stream, chunk);
      });
      child[stream]!.on('end', () => keep(lines.end()));
    }
  else closeSync(log);
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
    logFile: options.logFile,
    ended,
    process: child,
    async stop(graceMs = 30_000) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await ended;
      clearTimeout(killer);
    },
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
  const why = (problem() ?? outcome).replace(/\.$/, '');
  throw new FleetscoreError(
    'START_FAILED',
    `${child.name} did not start: ${why}. Its log: ${child.logFile}${lastLines(child.logFile)}`,
  );
}

function lastLines(file: string): string {
  const lines = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .slice(-5)
    .filter((line) => line !== '');
  return lines.length === 0 ? '' : `\n${lines.map((line) => `    ${line.slice(0, 300)}`).join('\n')}`;
}
