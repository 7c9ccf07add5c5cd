/**
 * `{home}/stack.json`: who runs the laptop stack of this folder, and where its parts answer. Written when
 * all is ready, removed when it begins to stop; a stack whose process is gone counts as stopped.
 */
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseSync as DatabaseSyncType } from 'node:sqlite';
import type { Env } from '../config.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { checkFormat, FORMATS } from '../domain/format.ts';
import { folderProblem, makeFolder, PRIVATE } from '../storage/folders.ts';
import { recordHome } from './own-home.ts';
import { temporalSecrets, withoutTemporal } from './own-temporal.ts';
import { isAlive, refOf, type ProcessRef } from '../connect/processes.ts';
import { writeWholeSync } from '../storage/whole-file.ts';

export interface StackState {
  /** Version of this form; absent before there were any. */
  readonly format?: number;
  readonly supervisor: ProcessRef;
  readonly startedAt: string;
  /** Web UI of Temporal; absent where somebody else runs it and nobody said. */
  readonly ui?: string;
  /** Address of the web application; absent where it does not run. */
  readonly app?: string;
  /** Variables under which clients find the parts. */
  readonly env: Readonly<Record<string, string>>;
  /** True: its Temporal server is one that somebody else runs. */
  readonly outside?: boolean;
}

const stateFile = (home: string): string => join(home, 'stack.json');
const lockFile = (home: string): string => join(home, 'stack.lock');

/**
 * The running stack of this home, if any.
 * @throws FleetscoreError `FORMAT_TOO_NEW`; `FOLDER` when it is another user's
 */
export function readStack(home: string): StackState | undefined {
  let state: StackState | null;
  try {
    state = JSON.parse(readFileSync(stateFile(home), 'utf8')) as StackState | null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') return undefined;
    throw new FleetscoreError(
      'FOLDER',
      `${home} is of another user: this one may not read what lies there (${code}). Run the command as the user that ` +
        'started the stack, or name a home of your own with --home.',
    );
  }
  // A damaged file is that of no stack that runs.
  if (typeof state?.supervisor?.pid !== 'number' || !isAlive(state.supervisor)) return undefined;
  checkFormat('stack', state.format, `the running stack that ${stateFile(home)} describes`);
  return state;
}

export function writeStack(home: string, state: StackState): void {
  writePrivate(stateFile(home), `${JSON.stringify({ format: FORMATS.stack, ...state }, null, 2)}\n`);
}

/** Held for as long as its process lives: the system lets go of it, however the process ends. */
interface HomeLock {
  readonly close: () => void;
}
const held = new Map<string, HomeLock>();

/** Longest wait for a stack that is stopping: its workers drain, then its servers end. */
const LEAVING_MS = 90_000;

/** What the lock says of its owner. */
interface LockOwner extends ProcessRef {
  /** Its stack is stopping: there is nothing to use any more, and the home is free in a moment. */
  readonly ending?: boolean;
}

/**
 * Takes the home for this process until {@link releaseHome}, after a stack that is stopping. The lock is one of the
 * system, on a file that is never removed: there is nothing stale to take over, so of any number that try at once one
 * has it.
 * @throws FleetscoreError `STACK_RUNNING` when another process has it; `FOLDER`, `DISK_FULL`
 */
export async function claimHome(home: string, log: (line: string) => void = () => {}): Promise<void> {
  makeFolder(home, PRIVATE);
  const leaves = (): number | undefined => {
    const owner = lockOwner(home);
    return owner?.ending && owner.pid !== process.pid && isAlive(owner) ? owner.pid : undefined;
  };
  const before = leaves();
  if (before !== undefined) log(`Waiting for the stack before this one, which is stopping (process ${before}) ...`);
  for (const until = Date.now() + LEAVING_MS; leaves() !== undefined && Date.now() < until;) await sleep(50);
  const lock = await lockFileOf(home);
  const owner = lockOwner(home);
  // Versions before this one go by stack.lock alone.
  if (!lock || (owner && owner.pid !== process.pid && isAlive(owner))) {
    lock?.close();
    throw new FleetscoreError(
      'STACK_RUNNING',
      `a laptop stack already runs in ${home}${owner && isAlive(owner) ? ` (process ${owner.pid})` : ''}. Use it, or stop it with \`fleetscore down\`.`,
    );
  }
  try {
    writePrivate(lockFile(home), JSON.stringify(refOf(process.pid) ?? null));
  } catch (error) {
    lock.close();
    throw error;
  }
  // Whoever starts a stack in a home that is not of this machine has named it.
  recordHome(home);
  held.set(home, lock);
}

/** An exclusive lock of SQLite is one of the system on every platform it runs on; undefined when another has it. */
async function lockFileOf(home: string): Promise<HomeLock | undefined> {
  const { DatabaseSync } = await import('node:sqlite');
  const file = join(home, 'lock.db');
  let db: DatabaseSyncType | undefined;
  try {
    // Two that meet at the same moment are told apart within the timeout.
    db = new DatabaseSync(file, { timeout: 500 });
    db.exec('BEGIN EXCLUSIVE');
    return { close: () => db?.close() };
  } catch (error) {
    db?.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    // SQLite says no more than that it cannot open the file.
    accessible(file);
    throw folderProblem(file, error);
  }
}

const SQLITE_BUSY = 5;

function accessible(file: string): void {
  try {
    closeSync(openSync(file, 'a', 0o600));
  } catch (error) {
    throw folderProblem(file, error);
  }
}

/** Written whole, or not at all; read by this user only. */
function writePrivate(file: string, text: string): void {
  try {
    writeWholeSync(file, text, 0o600);
  } catch (error) {
    throw folderProblem(file, error);
  }
}

/** The process that holds the home, alive or not. */
export function lockOwner(home: string): LockOwner | undefined {
  try {
    return (JSON.parse(readFileSync(lockFile(home), 'utf8')) as LockOwner | null) ?? undefined;
  } catch {
    return undefined;
  }
}

/**
 * The stack of a home that {@link claimHome} took begins to stop: from here on commands do not find it, and who starts
 * one waits for its end.
 */
export function leaveHome(home: string): void {
  if (!held.has(home)) return;
  rmSync(stateFile(home), { force: true });
  try {
    writePrivate(lockFile(home), JSON.stringify({ ...refOf(process.pid), ending: true }));
  } catch {
    // On a full disk the next start is told that this one runs, and is tried again by hand.
  }
}

/** Lets go of a home that {@link claimHome} took. */
export function releaseHome(home: string): void {
  const lock = held.get(home);
  if (!lock) return;
  held.delete(home);
  rmSync(stateFile(home), { force: true });
  rmSync(lockFile(home), { force: true });
  lock.close();
}

/**
 * `env`, with the addresses of a running stack below it: what is set by hand wins, except settings of Temporal's
 * clients, which are for other servers; secrets for the server of somebody else come from there.
 */
export function withStack(env: Env, home: string): Env {
  const stack = readStack(home);
  if (!stack) return env;
  const byHand = Object.entries(withoutTemporal(env)).filter(([, value]) => value !== undefined && value !== '');
  return { ...stack.env, ...Object.fromEntries(byHand), ...(stack.outside ? temporalSecrets(env) : {}) };
}
