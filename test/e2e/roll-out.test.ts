/**
 * A roll-out and a rollback with batches in flight, each version with workflows of its own: every batch ends on the
 * code that it began with, or goes on by `patched` on code that knows both.
 */
import { expect, test } from '@jest/globals';
import { join } from 'node:path';
import { describeDeployment } from '../../connect/deployment/server.ts';
import { isoTime } from '../../domain/time.ts';
import { startChild, untilReady, type StackChild } from '../../local/child.ts';
import { buildId } from '../../version.ts';
import { useStack } from '../support/local-stack.ts';
import { otherCode, type OtherCode } from '../support/other-code.ts';
import { findings, startBatch, untilEnded, versionsOf } from '../support/run-batch.ts';
import { modelsOf, PERIOD, readingsOf } from '../support/small-fleet.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/until.ts';

const SENSORS = 2;
const stack = useStack('roll-out', { scoringWorkers: 1 });
const dir = tempDir('other-code');
const PLAN = '  return planBatch.';
const NAP = { file: 'workflows/begin-batch.ts', from: PLAN };
const next = otherCode(join(dir, 'next'), [{ ...NAP, to: `  await sleep(5);\n${PLAN}` }]);
/** Knows what {@link next} did; what it does new is guarded. */
const after = otherCode(join(dir, 'after'), [
  { ...NAP, to: `  await sleep(5);\n  if (patched('second nap')) await sleep(5);\n${PLAN}` },
]);
const started: StackChild[] = [];

async function startControl(code: OtherCode): Promise<StackChild> {
  const child = startChild({
    name: 'control worker',
    file: code.program('workers/control'),
    env: stack.stack.env,
    logFile: join(stack.home, 'logs', `${code.buildId}.log`),
  });
  started.push(child);
  await untilReady(child, 120_000);
  return child;
}

const current = async (): Promise<string | undefined> =>
  (await describeDeployment(await stack.context.client(), Date.now()))?.current;

/** Waits for the readings of its period, which nobody has sent. */
async function inFlight(): Promise<string> {
  const id = await startBatch(stack.context, PERIOD, { waitForReadings: '3650d' });
  const store = await stack.context.store();
  await until(async () => (await store.findBatch(id)) !== undefined);
  return id;
}

async function send(file: string, fromMs: number, toMs: number): Promise<void> {
  const csv = readingsOf(SENSORS, join(stack.home, file), isoTime(fromMs), isoTime(toMs));
  expect(await stack.cli('send', csv, '--wait')).toMatchObject({ code: 0 });
}

async function whole(id: string): Promise<void> {
  expect(await untilEnded(stack.context, id)).toMatchObject({ status: 'completed', counts: { scored: SENSORS } });
  expect((await findings(stack.context, id)).text).toBe('');
}

test('batches end on the code they began with, forward and back, or go on by `patched`', async () => {
  try {
    await rollOut();
  } finally {
    await Promise.all(started.map((child) => child.stop()));
  }
}, 300_000);

async function rollOut(): Promise<void> {
  const own = buildId();
  expect(new Set([own, next.buildId, after.buildId]).size).toBe(3);
  await stack.cli('models', 'publish', modelsOf(SENSORS, join(stack.home, 'models')));
  // A hub without any reading is not waited for.
  await send('earlier.csv', PERIOD.fromMs - 60_000, PERIOD.fromMs);
  const before = await inFlight();

  // The roll-out: a worker of the next version takes the new batches by itself.
  const nextWorker = await startControl(next);
  await until(async () => (await current()) === next.buildId);
  const between = await inFlight();
  expect(await (await stack.context.store()).findBatch(between)).toMatchObject({ codeVersion: next.buildId });

  // The rollback: its worker is gone for good, and new batches start on the version from before.
  process.kill(nextWorker.pid, 'SIGKILL');
  expect((await stack.cli('workers', 'promote', own)).stdout).toContain(
    `start on version ${own}. Before it was ${next.buildId}`,
  );
  const back = await inFlight();
  await send('readings.csv', PERIOD.fromMs, PERIOD.toMs + 60_000);
  for (const id of [before, back]) {
    await whole(id);
    expect(await versionsOf(stack.context, id)).toEqual([own]);
  }
  // Code that does not know what it began with has left it alone.
  const waiting = await (await stack.context.store()).findBatch(between);
  expect(['waiting', 'running']).toContain(waiting?.status);
  // The server takes a worker for alive until its last report is old.
  const waits = `1 batch waits for a worker of version ${next.buildId}.`;
  await until(async () => (await stack.cli('workers', 'status')).stdout.includes(waits));

  // The version after knows both: half a minute without a worker of that version, and it takes the batch over.
  await startControl(after);
  await whole(between);
  expect(await versionsOf(stack.context, between)).toEqual(expect.arrayContaining([after.buildId]));
  expect(await versionsOf(stack.context, between)).not.toContain(own);
}
