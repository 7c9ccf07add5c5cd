/**
 * The loop of a pool outlives the stack that started it, and its own first run: a stack whose loop has continued as
 * new starts again, and the limits of that start reach the loop. One that somebody ended comes back by itself.
 */
import { afterAll, expect, test } from '@jest/globals';
import type { Client } from '@temporalio/client';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { withStack } from '../../local/state.ts';
import { keepPoolLoop } from '../../workers/pool-loop.ts';
import { poolWorkflowId } from '../../pool/settings.ts';
import { connectClient } from '../../connect/temporal.ts';
import type { PoolState } from '../../workflows/pool-messages.ts';
import { cleanEnv, processesOf, runCli, TOOLS } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/until.ts';

const home = tempDir('pool-restart');
const LOOP = poolWorkflowId('scoring');

afterAll(async () => {
  await runCli(home, ['down']);
  expect(processesOf(home)).toEqual([]);
}, 120_000);

async function up(maxNodes: number): Promise<void> {
  const started = await runCli(home, ['up', '--detach', '--ports', 'auto'], {
    FLEETSCORE_TOOLS_DIR: TOOLS,
    FLEETSCORE_POOL_MAX_NODES: String(maxNodes),
    FLEETSCORE_WATCH_EVERY: '1s',
  });
  expect(started.stderr).toMatch(/^(Installing the Temporal CLI .*\n)?$/);
  expect(started.code).toBe(0);
}

async function withClient<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connectClient(withStack(cleanEnv(), home));
  try {
    return await work(client);
  } finally {
    await client.connection.close();
  }
}

const stateOf = (client: Client): Promise<PoolState> => client.workflow.getHandle(LOOP).query<PoolState>('pool');

test('a stack starts again after its loop has continued as new, and the new limits arrive', async () => {
  await up(2);
  await withClient(async (client) => {
    const { settings } = await stateOf(client);
    expect(settings.maxNodes).toBe(2);
    await client.workflow.getHandle(LOOP).executeUpdate('configure', { args: [{ ...settings, looks: 2 }] });
    await until(async () => {
      const { raw, runId } = await client.workflow.getHandle(LOOP).describe();
      return raw.workflowExecutionInfo?.firstRunId !== runId;
    }, 'a second run of the loop');
  });
  expect((await runCli(home, ['down'])).code).toBe(0);

  await up(5);
  await withClient(async (client) => {
    await until(async () => (await stateOf(client)).settings.maxNodes === 5, 'the new limit');
    // The control worker on Azure hands its settings the same way; what it cannot hand over is an error each time.
    const { settings } = await stateOf(client);
    const told: string[] = [];
    const log = { info: () => {}, error: (_: object, message: string) => void told.push(message) };
    const ending = new AbortController();
    await keepPoolLoop(client, { ...settings, maxNodes: 7 }, log, ending.signal);
    await until(async () => (await stateOf(client)).settings.maxNodes === 7, 'the limit of a control worker');
    expect(told).toEqual([]);
    const refused = keepPoolLoop(client, { ...settings, maxNodes: -1 }, log, ending.signal);
    await until(async () => told.length > 0, 'the word about settings that are not taken');
    ending.abort();
    await refused;
    expect(told[0]).toMatch(/pool scoring did not take the settings of this worker \(maxNodes must be a whole number/);

    // Somebody ends the loop with the stock command: batches must not wait for ever.
    const { runId } = await client.workflow.getHandle(LOOP).describe();
    await client.workflow.getHandle(LOOP).terminate('by mistake');
    await until(async () => {
      const now = await client.workflow.getHandle(LOOP).describe();
      return now.runId !== runId && now.status.name === 'RUNNING';
    }, 'a loop in place of the one that was terminated');
    await until(async () => (await stateOf(client)).settings.maxNodes === 5, 'the limit of the configuration');
    expect(readFileSync(join(home, 'logs', 'stack.log'), 'utf8')).toMatch(/loop of pool scoring is terminated: it is/);
  });
}, 300_000);
