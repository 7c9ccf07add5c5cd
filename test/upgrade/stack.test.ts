/**
 * The home of 0.1.0 with its Temporal server under the stack of this version: its schedule and the batch in flight go
 * on.
 */
import { expect, test } from '@jest/globals';
import { join } from 'node:path';
import { openContext } from '../../cli/frame/context.ts';
import { loadConfig } from '../../config.ts';
import { startStack } from '../../local/stack.ts';
import { cleanEnv, processesOf, runCli, TOOLS } from '../support/cli.ts';
import { findings, untilEnded } from '../support/run-batch.ts';
import { tempDir } from '../support/temp.ts';
import { unpackHome } from './homes.ts';

test('a batch that 0.1.0 left half-way ends under this version, and its schedule is there', async () => {
  const home = join(tempDir('upgrade-stack'), 'home');
  const { paused } = unpackHome('schema-4', home);
  const ports = ['TEMPORAL', 'UI', 'BLOB', 'EVENT_HUBS'].map((part) => [`FLEETSCORE_${part}_PORT`, 'auto'] as const);
  const env = { ...cleanEnv(), FLEETSCORE_HOME: home, FLEETSCORE_TOOLS_DIR: TOOLS, ...Object.fromEntries(ports) };
  const stack = await startStack({ config: loadConfig(env), env, log: () => {}, scoringWorkers: 1 });
  const context = openContext({ home }, cleanEnv());
  try {
    expect((await runCli(home, ['schedule', 'list'])).stdout).toContain('nightly');
    // Taken over half a minute after nobody of its version is there; then it does as it is told again.
    for (let code: number | null = 1, i = 0; code !== 0 && i < 60; i++) {
      ({ code } = await runCli(home, ['batch', 'resume', paused]));
      if (code !== 0) await new Promise((resolve) => setTimeout(resolve, 2_000));
    }
    const batch = await untilEnded(context, paused);
    expect(batch).toMatchObject({ status: 'completed', planned: 6, counts: { scored: 5, skipped: 1 } });
    expect((await findings(context, paused)).text).toBe('');
  } finally {
    await context.close();
    await stack.stop();
  }
  expect(processesOf(home)).toEqual([]);
}, 300_000);
