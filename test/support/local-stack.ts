/**
 * A whole laptop stack for one test file, on free ports, in a temporary home; stopped at the end, and the
 * test file fails when a process of it is left. Also runs the command line against it, as a user would.
 */
import { afterAll, beforeAll, expect } from '@jest/globals';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openContext, type Context } from '../../cli/context.ts';
import { loadConfig, type Env } from '../../config.ts';
import { startStack, type Stack } from '../../local/stack.ts';
import { tempDir } from './temp.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as JSON. */
  readonly json: () => unknown;
}

/** Runs `fleetscore ARGS` and waits for its end. */
export function runCli(home: string, args: readonly string[], env: Env = {}): Promise<CliResult> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...args], {
    env: { ...cleanEnv(), FLEETSCORE_HOME: home, NO_COLOR: '1', ...env } as NodeJS.ProcessEnv, stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr, json: () => JSON.parse(stdout) as unknown })));
}

/** The environment without settings of the person who runs the tests. */
export function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(FLEETSCORE|TEMPORAL)_/.test(name) || name === 'FLEETSCORE_TEST_SQL_URL'));
}

/** Where downloads of tools are kept between test files. */
export const TOOLS = join(ROOT, '.fleetscore', 'tools');

export interface TestStack {
  readonly home: string;
  readonly stack: Stack;
  readonly context: Context;
  cli(...args: string[]): Promise<CliResult>;
}

/** @param env settings of the stack's processes */
export function useStack(name: string, options: { env?: Env; scoringWorkers?: number } = {}): TestStack {
  const home = tempDir(name);
  let stack: Stack | undefined;
  let context: Context | undefined;
  beforeAll(async () => {
    const ports = Object.fromEntries(['TEMPORAL', 'UI', 'BLOB', 'EVENT_HUBS'].map((part) => [`FLEETSCORE_${part}_PORT`, 'auto']));
    const env = { ...cleanEnv(), FLEETSCORE_HOME: home, FLEETSCORE_TOOLS_DIR: TOOLS, ...ports, ...options.env };
    stack = await startStack({ config: loadConfig(env), env, log: () => {}, ...(options.scoringWorkers === undefined ? {} : { scoringWorkers: options.scoringWorkers }) });
    context = openContext({ home }, cleanEnv());
  }, 180_000);
  afterAll(async () => {
    await context?.close();
    await stack?.stop();
    expect(processesOf(home)).toEqual([]);
  }, 120_000);
  return {
    home,
    get stack() {
      return stack!;
    },
    get context() {
      return context!;
    },
    cli: (...args) => runCli(home, args),
  };
}

/** Processes that were started for a home and still live (Linux). */
export function processesOf(home: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid).flatMap((pid) => {
    try {
      const environ = readFileSync(`/proc/${pid}/environ`, 'utf8');
      return environ.includes(`FLEETSCORE_HOME=${home}\0`) ? [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`] : [];
    } catch {
      return [];
    }
  });
}
