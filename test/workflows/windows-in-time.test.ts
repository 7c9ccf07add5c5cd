/**
 * What activities of the control worker make of windows in time, on a real store: when readings are complete, and what
 * changed.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { join } from 'node:path';
import { createControlActivities } from '../../activities/control.ts';
import type { ReadingsState } from '../../workflows/activities.ts';
import type { WindowShape } from '../../domain/windowing.ts';
import { claimWindows } from '../../ingest/settings.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { waitPollMs } from '../../workflows/policies.ts';
import { tempDir } from '../support/temp.ts';

const MINUTE = 60_000;
const PERIOD = { fromMs: 100 * MINUTE, toMs: 115 * MINUTE };
const TUMBLING = { windowMs: MINUTE, hopMs: MINUTE };
const HOPPING = { windowMs: MINUTE, hopMs: 10_000 };

/** The refusal is what is looked at: nobody needs its stack. */
const QUIET = new DefaultLogger('ERROR', () => {});

const dir = tempDir('windows-in-time');
let store: Store;
beforeAll(async () => {
  store = await openStore(`sqlite:${join(dir, 'fleet.db')}`);
  await store.migrate();
});
afterAll(() => store.close());

/** Of one second after the period, with a limit of two minutes. */
function ask(windows: WindowShape, nowMs = PERIOD.toMs + 1_000): Promise<ReadingsState> {
  const { readingsReady } = createControlActivities({
    store,
    blobs: {} as BlobStore,
    codeVersion: 'test',
    worker: 'control@test#1',
    now: () => nowMs,
    windows,
  });
  return new MockActivityEnvironment({}, { logger: QUIET }).run(readingsReady, {
    ...PERIOD,
    waitUntilMs: PERIOD.toMs + 2 * MINUTE,
  });
}

let seq = -1;
const reach = (watermarkMs: number): Promise<void> =>
  store.commitReadings({
    source: 's',
    partition: '0',
    expectedSeq: seq,
    throughSeq: ++seq,
    watermarkMs,
    updates: [],
    readings: 0,
    late: 0,
    dead: 0,
  });

test('without any ingest there is nothing to wait for, nor where a hub is known that no event came from', async () => {
  expect(await ask(TUMBLING)).toEqual({ ready: true });
  await store.noteHub('s', '1', 1, undefined);
  expect(await ask(TUMBLING)).toEqual({ ready: true });
});

test('windows that follow each other are complete at the end of the period, overlapping ones when the last has ended', async () => {
  await reach(PERIOD.toMs - 1);
  expect(await ask(TUMBLING)).toEqual({ ready: false, watermarkMs: PERIOD.toMs - 1, neededMs: PERIOD.toMs });
  await reach(PERIOD.toMs);
  expect(await ask(TUMBLING)).toMatchObject({ ready: true });
  expect(await ask(HOPPING)).toEqual({ ready: false, watermarkMs: PERIOD.toMs, neededMs: PERIOD.toMs + 50_000 });
  // The limit counts from there.
  expect(await ask(HOPPING, PERIOD.toMs + 2 * MINUTE)).toMatchObject({ ready: false });
  expect(await ask(HOPPING, PERIOD.toMs + 2 * MINUTE + 50_000)).toMatchObject({ ready: true });
  await reach(PERIOD.toMs + 50_000);
  expect(await ask(HOPPING)).toMatchObject({ ready: true });
});

test('a batch is not planned over windows of another length or hop than the worker is configured for', async () => {
  await claimWindows(store, HOPPING);
  const { planBatch } = createControlActivities({
    store,
    blobs: {} as BlobStore,
    codeVersion: 'test',
    worker: 'control@test#1',
    now: Date.now,
    windows: TUMBLING,
  });
  const planning = new MockActivityEnvironment({}, { logger: QUIET }).run(planBatch, {
    ...PERIOD,
    batchId: 'b',
    workflowId: 'w',
    runId: 'r',
  });
  await expect(planning).rejects.toMatchObject({
    type: 'INTERVAL_CHANGED',
    nonRetryable: true,
    message: expect.stringMatching(
      /windows are configured as 1m, but the store holds windows of 1m every 10s\. Set FLEETSCORE_WINDOW=1m FLEETSCORE_HOP=10s,/,
    ),
  });
});

test('a rescore also takes sensors whose windows before the period changed, as far back as its models look', async () => {
  const control = createControlActivities({
    store,
    // The manifest of the first batch is where SQL says.
    blobs: {
      list: async function* () {
        yield { name: 'm', bytes: 1 };
      },
    } as Partial<BlobStore> as BlobStore,
    codeVersion: 'test',
    worker: 'control@test#1',
    now: Date.now,
    windows: HOPPING,
  });
  const plan = (batchId: string, rescore: boolean) =>
    new MockActivityEnvironment({}, { logger: QUIET }).run(control.planBatch, {
      ...PERIOD,
      batchId,
      workflowId: batchId,
      runId: batchId,
      ...(rescore ? { rescore } : {}),
    });
  const [sensorId] = (await store.registerSensors([{ device: 'd', sensor: 's' }])) as [number];
  const arrive = (startMs: number, value: number): Promise<void> =>
    store.commitReadings({
      source: 's',
      partition: '0',
      expectedSeq: seq,
      throughSeq: ++seq,
      watermarkMs: 0,
      updates: [{ sensorId, startMs, tsMs: [startMs], values: [value] }],
      readings: 1,
      late: 0,
      dead: 0,
    });
  await store.createRelease(
    'looks back',
    0,
    [{ sensorId, model: 'm' }],
    [{ model: 'm', bytes: 1, kind: 'onnx', features: ['mean', 'mean[-3]'] }],
  );
  await store.setCurrentRelease('looks back');
  await arrive(PERIOD.fromMs, 1);
  await plan('first', false);
  const { changeId } = await store.readSeries({ from: sensorId, to: sensorId + 1 }, PERIOD);
  await store.commitChunk({
    batchId: 'first',
    chunk: 'c',
    changeId,
    outcomes: [{ sensorId, status: 'scored', windows: 1, anomalies: 0, attempt: 1, model: 'm' }],
  });
  await store.finishBatch('first', { status: 'completed', manifest: 'm', finishedAtMs: 1 });

  await arrive(PERIOD.fromMs - 4 * HOPPING.hopMs, 1);
  expect(await plan('too far back', true)).toMatchObject({ planned: 0 });
  await arrive(PERIOD.fromMs - 3 * HOPPING.hopMs, 1);
  expect(await plan('looked at', true)).toMatchObject({ planned: 1 });
});

test('looks become rarer the longer a batch waits: three days of them fit into a history many times', () => {
  let looks = 0;
  for (let waited = 0; waited < 3 * 86_400_000; looks++) waited += waitPollMs(waited);
  expect(waitPollMs(0)).toBe(5_000);
  expect(waitPollMs(3_600_000)).toBe(36_000);
  expect(looks).toBeLessThan(1_000);
});
