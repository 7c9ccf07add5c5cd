/**
 * `{home}/stack.json`: who runs the laptop stack of this folder, and where its parts answer. Written when
 * all is ready, removed at the end; a stack whose process is gone counts as stopped.
 */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Env } from '../config.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { isAlive, refOf, type ProcessRef } from './processes.ts';

export interface StackState {
  readonly supervisor: ProcessRef;
  readonly startedAt: string;
  /** Web UI of Temporal. */
  readonly ui: string;
  /** Variables under which clients find the parts. */
  readonly env: Readonly<Record<string, string>>;
}

const stateFile = (home: string): string => join(home, 'stack.json');
const lockFile = (home: string): string => join(home, 'stack.lock');

/** The running stack of this home, if any. */
export function readStack(home: string): StackState | undefined {
  let state: StackState;
  try {
    state = JSON.parse(readFileSync(stateFile(home), 'utf8')) as StackState;
  } catch {
    return undefined;
  }
  return isAlive(state.supervisor) ? state : undefined;
}

export function writeStack(home: string, state: StackState): void {
  const file = stateFile(home);
  writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/**
 * Takes the home for this process until {@link releaseHome}.
 * @throws FleetscoreError `STACK_RUNNING` when another process has it
 */
export function claimHome(home: string): void {
  mkdirSync(home, { recursive: true });
  const file = lockFile(home);
  for (;;) {
    try {
      const fd = openSync(file, 'wx', 0o600);
      writeFileSync(fd, JSON.stringify(refOf(process.pid)));
      closeSync(fd);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = lockOwner(home);
    if (owner && isAlive(owner))
      throw new FleetscoreError(
        'STACK_RUNNING',
        `a laptop stack already runs in ${dirname(file)} (process ${owner.pid}). Use it, or stop it with \`fleetscore down\`.`,
      );
    rmSync(file, { force: true });
  }
}

/** The process that holds the home, alive or not. */
export function lockOwner(home: string): ProcessRef | undefined {
  try {
    return JSON.parse(readFileSync(lockFile(home), 'utf8')) as ProcessRef;
  } catch {
    return undefined;
  }
}

export function releaseHome(home: string): void {
  rmSync(stateFile(home), { force: true });
  rmSync(lockFile(home), { force: true });
}

/** `env`, with the addresses of a running stack below it: what is set by hand wins. */
export function withStack(env: Env, home: string): Env {
  const stack = readStack(home);
  return stack
    ? {
        ...stack.env,
        ...Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== '')),
      }
    : env;
}
