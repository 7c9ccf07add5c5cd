/**
 * Calls of the command line without a new process for each: starting Node and loading the program is most of what a
 * short command costs. For commands that print and end; what starts, stops, watches or is killed takes `runCli`.
 */
import { afterAll } from '@jest/globals';
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Env } from '../../config.ts';
import { cleanEnv, runCli, type CliResult } from './cli.ts';

export interface WarmCall {
  readonly words: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}
export interface WarmResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const PROCESS = fileURLToPath(new URL('./warm-cli-process.ts', import.meta.url));

/** A command line for one test file. Calls that come while it is busy get processes of their own. */
export function useWarmCli(): (home: string, words: readonly string[], env?: Env) => Promise<CliResult> {
  let child: ChildProcess | undefined;
  let busy = false;
  afterAll(async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child!.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  });
  const start = async (): Promise<ChildProcess> => {
    const started = fork(PROCESS, {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: plain({}),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    started.once('exit', () => (child = undefined));
    await answerOf(started);
    return started;
  };
  return async (home, words, env = {}) => {
    if (busy) return runCli(home, words, env);
    busy = true;
    try {
      child ??= await start();
      const answer = answerOf<WarmResult>(child);
      child.send({ words, env: plain({ FLEETSCORE_HOME: home, ...env }) } satisfies WarmCall);
      const result = await answer;
      return { ...result, json: () => JSON.parse(result.stdout) as unknown };
    } finally {
      busy = false;
    }
  };
}

const plain = (env: Env): NodeJS.ProcessEnv => ({ ...cleanEnv(), NO_COLOR: '1', ...env });

function answerOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error('the command line ended without an answer'));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message as T);
    });
  });
}
