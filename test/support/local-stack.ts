/**
 * A whole laptop stack for one test file, on free ports, in a temporary home; stopped at the end, and the
 * test file fails when a process of it is left.
 */
import { afterAll, beforeAll, expect } from '@jest/globals';
import { openContext, type Context } from '../../cli/frame/context.ts';
import { loadConfig, type Env } from '../../config.ts';
import { startStack, type Stack } from '../../local/stack.ts';
import { cleanEnv, processesOf, TOOLS, type CliResult } from './cli.ts';
import { tempDir } from './temp.ts';
import { useWarmCli } from './warm-cli.ts';

export interface TestStack {
  readonly home: string;
  readonly stack: Stack;
  readonly context: Context;
  /** `fleetscore ARGS`, in a process that stays warm. */
  cli(...args: string[]): Promise<CliResult>;
}

/** @param env settings of the stack's processes */
export function useStack(name: string, options: { env?: Env; scoringWorkers?: number | 'pool' } = {}): TestStack {
  const home = tempDir(name);
  const call = useWarmCli();
  let stack: Stack | undefined;
  let context: Context | undefined;
  beforeAll(async () => {
    const ports = Object.fromEntries(
      ['TEMPORAL', 'UI', 'BLOB', 'EVENT_HUBS'].map((part) => [`FLEETSCORE_${part}_PORT`, 'auto']),
    );
    const env = { ...cleanEnv(), FLEETSCORE_HOME: home, FLEETSCORE_TOOLS_DIR: TOOLS, ...ports, ...options.env };
    stack = await startStack({
      config: loadConfig(env),
      env,
      log: () => {},
      ...(options.scoringWorkers === undefined ? {} : { scoringWorkers: options.scoringWorkers }),
    });
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
    cli: (...args) => call(home, args),
  };
}
