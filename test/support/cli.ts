/** Runs the command line as a user would, and finds what it left running. Free of jest: recorders use it too. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Env } from '../../config.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as JSON. */
  readonly json: () => unknown;
}

/** Starts `fleetscore ARGS`. */
export function startCli(home: string, args: readonly string[], env: Env = {}) {
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...args], {
    env: { ...cleanEnv(), FLEETSCORE_HOME: home, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs `fleetscore ARGS` and waits for its end. */
export function runCli(home: string, args: readonly string[], env: Env = {}): Promise<CliResult> {
  const child = startCli(home, args, env);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  return new Promise((resolve) =>
    child.on('close', (code) => resolve({ code, stdout, stderr, json: () => JSON.parse(stdout) as unknown })),
  );
}

/** The environment without settings of the person who runs the tests, a temporal.toml included. */
export function cleanEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(FLEETSCORE|TEMPORAL)_/.test(name) || name === 'FLEETSCORE_TEST_SQL_URL',
  );
  return { ...Object.fromEntries(kept), TEMPORAL_CONFIG_FILE: devNull };
}

/** Where downloads of tools are kept between test files. */
export const TOOLS = join(ROOT, '.tools', 'cli');

/** Processes that were started for a home and still live (Linux). */
export function processesOf(home: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .flatMap((pid) => {
      try {
        const environ = readFileSync(`/proc/${pid}/environ`, 'utf8');
        return environ.includes(`FLEETSCORE_HOME=${home}\0`)
          ? [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`]
          : [];
      } catch {
        return [];
      }
    });
}
