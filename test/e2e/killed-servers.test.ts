/**
 * What the README says about kills: each server of the stack is killed in turn, right after a batch, and after the
 * next start everything that SQL has on record is there: `verify` of every batch, and raw capture event by event.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openContext, type Context } from '../../cli/frame/context.ts';
import { parseCaptureName } from '../../ingest/capture.ts';
import { readCapture } from '../../ingest/capture-file.ts';
import { loadConfig } from '../../config.ts';
import { startStack, type Stack } from '../../local/stack.ts';
import { cleanEnv, processesOf, runCli, TOOLS } from '../support/cli.ts';
import { FROM, modelsOf, readingsOf, TO } from '../support/small-fleet.ts';
import { pidsOf, type Part } from '../support/stack-pids.ts';
import { tempDir } from '../support/temp.ts';

const home = tempDir('killed-servers');
const ports = Object.fromEntries(
  ['TEMPORAL', 'UI', 'BLOB', 'EVENT_HUBS'].map((part) => [`FLEETSCORE_${part}_PORT`, 'auto']),
);
const env = {
  ...cleanEnv(),
  FLEETSCORE_HOME: home,
  FLEETSCORE_TOOLS_DIR: TOOLS,
  FLEETSCORE_CAPTURE_INTERVAL: '1s',
  ...ports,
};
const SENSORS = 3;
let stack: Stack;
let context: Context;
const batches: string[] = [];

async function up(): Promise<void> {
  stack = await startStack({ config: loadConfig(env), env, log: () => {} });
  context = openContext({ home }, cleanEnv());
}

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(home, args);
  expect({ args, code, stderr }).toMatchObject({ code: 0 });
  return stdout;
}

/** Events of each partition that raw capture holds, from its files. */
async function captured(): Promise<Map<string, Set<number>>> {
  const found = new Map<string, Set<number>>();
  const blobs = context.blobs();
  for await (const { name } of blobs.list('raw', '')) {
    const { partition } = parseCaptureName(name)!;
    const seen = found.get(partition) ?? new Set<number>();
    for (const event of readCapture(await blobs.get('raw', name), name)) seen.add(event.seq);
    found.set(partition, seen);
  }
  return found;
}

beforeAll(async () => {
  await up();
  await ok('models', 'publish', modelsOf(SENSORS, join(home, 'models')));
}, 240_000);

afterAll(async () => {
  await context?.close();
  await stack?.stop();
  expect(processesOf(home)).toEqual([]);
}, 120_000);

test.each<[Part]>([['blob'], ['temporal'], ['event hubs']])(
  'after a kill -9 of the server %s all that is on record is there',
  async (part) => {
    await ok('send', readingsOf(SENSORS, join(home, 'readings.csv')), '--wait');
    const run = JSON.parse(await ok('batch', 'run', '--from', FROM, '--to', TO, '--wait', '--json')) as { id: string };
    batches.push(run.id);
    // Until raw capture has what was applied: what SQL then says must be in files.
    const store = await context.store();
    for (;;) {
      const progress = await store.listProgress();
      if (progress.every((one) => one.capturedSeq === one.appliedSeq)) break;
      await sleep(50);
    }
    const [pid] = pidsOf(home, part);
    process.kill(pid!, 'SIGKILL');
    await expect(stack.broken).rejects.toMatchObject({ code: 'SERVER_DIED' });
    await context.close();
    await stack.stop();

    await up();
    for (const batch of batches) await ok('verify', batch);
    const files = await captured();
    for (const { partition, capturedSeq } of await (await context.store()).listProgress())
      if (capturedSeq >= 0) expect([partition, files.get(partition)?.size]).toEqual([partition, capturedSeq + 1]);
  },
  240_000,
);
