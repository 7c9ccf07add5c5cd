/**
 * A whole stack under real faults: processes killed and frozen, servers stopped and started, a storage account
 * in trouble, poisoned models. After each the checker finds nothing, and what failed is told by name.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScheduleOverlapPolicy } from '@temporalio/client';
import type { Alert } from '../../batches/alerts.ts';
import type { SensorErrorLog } from '../../batches/error-logs.ts';
import { CONTAINERS, errorLogBlob, modelBlob } from '../../domain/blob-names.ts';
import { decided } from '../../domain/outcome.ts';
import { buildId } from '../../version.ts';
import { describeDeployment } from '../../connect/deployment/server.ts';
import { createSchedule } from '../../connect/schedules.ts';
import { poison, slowBytes, svmBytes } from '../scoring/models.ts';
import { putModel } from '../scoring/fleet.ts';
import { processesOf } from '../support/cli.ts';
import { loadFleet, startFaultStack, type FaultStack } from '../support/fault-stack.ts';
import { findings, startBatch, untilDecided, untilEnded, versionsOf } from '../support/run-batch.ts';
import { tempDir } from '../support/temp.ts';

const SENSORS = 26;
const PERIOD = { fromMs: Date.parse('2026-03-02T10:00:00Z'), toMs: Date.parse('2026-03-02T10:02:00Z') };
/** 5 s each, two minutes. */
const WINDOWS = 24;
const MAX_MODEL_BYTES = 1024 * 1024;
const home = tempDir('faults');
let stack: FaultStack;
let webhook: Server;
const alerts: Alert[] = [];
/** Answers of the webhook, first to last; 200 when there is none left. */
const answers: number[] = [];

beforeAll(async () => {
  webhook = createServer((request, response) => {
    let body = '';
    request
      .on('data', (data: Buffer) => (body += data.toString()))
      .on('end', () => {
        const status = answers.shift() ?? 200;
        if (status === 200) alerts.push(JSON.parse(body) as Alert);
        response.writeHead(status).end();
      });
  });
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
  stack = await startFaultStack(home, {
    env: {
      FLEETSCORE_ALERT_URL: `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/hook`,
      FLEETSCORE_ALERT_ANOMALY_RATE: '0.5',
      FLEETSCORE_SCORING_CONCURRENCY: '2',
      FLEETSCORE_SCORING_THREADS: '1',
      FLEETSCORE_MODEL_TIMEOUT: '2s',
      FLEETSCORE_MAX_MODEL_BYTES: String(MAX_MODEL_BYTES),
    },
  });
  await loadFleet(stack.context, SENSORS, PERIOD);
  await stack.addScoring();
}, 180_000);
afterAll(async () => {
  await stack?.stop();
  webhook?.closeAllConnections();
  webhook?.close();
  expect(processesOf(home)).toEqual([]);
}, 120_000);
beforeEach(() => stack.proxy.plan());

/** Slow enough that a fault can meet a batch in its middle. */
const slowly = (ms: number): void => stack.proxy.plan(() => ({ kind: 'slow', ms }));

async function middle(request = {}, ms = 200): Promise<string> {
  slowly(ms);
  const id = await startBatch(stack.context, PERIOD, request);
  const { decided, planned } = await untilDecided(stack.context, id, 3);
  expect(decided).toBeLessThan(planned);
  return id;
}

/** Everything was scored in the end, and the checker has nothing to say. */
async function whole(id: string): Promise<void> {
  const batch = await untilEnded(stack.context, id);
  const { text, report } = await findings(stack.context, id);
  expect(text).toBe('');
  expect(batch).toMatchObject({
    status: 'completed',
    planned: SENSORS,
    counts: { scored: SENSORS, failed: 0, windows: SENSORS * WINDOWS },
  });
  expect(report).toMatchObject({ outcomes: SENSORS, rows: SENSORS * WINDOWS });
}

test('workers and the Temporal server are killed and Blob hangs, all in the middle of one batch', async () => {
  const id = await middle({ sensorsPerChild: 10, sensorsPerActivity: 2 });
  stack.signal('scoring', 'SIGKILL');
  await sleep(300);
  const [control] = stack.pids('control');
  stack.signal('control', 'SIGKILL');
  // The next one comes from the stack, which starts nobody once a server of its own is gone.
  while (!stack.pids('control').some((pid) => pid !== control)) await sleep(20);
  await stack.restartServer('temporal', 500);
  stack.signal('blob', 'SIGSTOP');
  await sleep(2_000);
  stack.signal('blob', 'SIGCONT');
  expect(await untilDecided(stack.context, id, 0)).toMatchObject({ planned: SENSORS });
  expect((await (await stack.context.store()).findBatch(id))?.status).toBe('running');
  stack.proxy.plan();
  await whole(id);
}, 240_000);

test('the storage account refuses, throttles, breaks connections and loses answers', async () => {
  let request = 0;
  const before = new Map(stack.proxy.faults);
  stack.proxy.plan(() => {
    switch (request++ % 8) {
      case 1:
        return { kind: 'status', status: 503 };
      case 3:
        return { kind: 'status', status: 429, retryAfterSeconds: 0 };
      case 4:
        return { kind: 'answer lost' };
      case 6:
        return { kind: 'reset' };
      default:
        return undefined;
    }
  });
  await whole(await startBatch(stack.context, PERIOD));
  const met = [...stack.proxy.faults].filter(([kind, count]) => count > (before.get(kind) ?? 0)).map(([kind]) => kind);
  expect(met.sort()).toEqual(expect.arrayContaining(['429', '503', 'answer lost', 'reset']));
}, 240_000);

test('two batches for one period at once, and a schedule fired twice, never mix', async () => {
  const client = await stack.context.client();
  const store = await stack.context.store();
  const two = [
    await startBatch(stack.context, PERIOD),
    await startBatch(stack.context, PERIOD, { sensorsPerChild: 15, sensorsPerActivity: 5 }),
  ];
  await createSchedule(client, 'twice', {
    everyMs: 120_000,
    request: { period: '2m' },
    overlap: ScheduleOverlapPolicy.SKIP,
    catchupWindowMs: 60_000,
    paused: true,
  });
  const schedule = client.schedule.getHandle('twice');
  // The same moment of the past, twice.
  const at = { start: new Date(PERIOD.toMs), end: new Date(PERIOD.toMs), overlap: ScheduleOverlapPolicy.ALLOW_ALL };
  await Promise.all([schedule.backfill(at), schedule.backfill(at)]);
  await Promise.all(two.map(whole));
  let fired = await store.listBatches({ schedule: 'twice' });
  for (let i = 0; i < 1_200 && fired.length < 1; i++) {
    await sleep(100);
    fired = await store.listBatches({ schedule: 'twice' });
  }
  await Promise.all(fired.map(({ id }) => whole(id)));
  const ids = [...two, ...fired.map(({ id }) => id)];
  const files = (await Promise.all(ids.map((id) => store.listFiles(id)))).flat().map((file) => file.blob);
  expect(new Set(files).size).toBe(files.length);
}, 240_000);

test(
  'a batch ends on the version it started on, new ones start on the newer; ' +
    'a version that is gone leaves its batches to `workers move`',
  async () => {
    const { context } = stack;
    const old = await middle();
    await stack.addControl('next');
    expect(await versionsOf(stack.context, old)).toEqual([buildId()]);
    const young = await startBatch(context, PERIOD);
    stack.proxy.plan();
    await Promise.all([whole(old), whole(young)]);
    expect(await versionsOf(stack.context, old)).toEqual([buildId()]);
    expect(await versionsOf(stack.context, young)).toEqual(['next']);

    const stranded = await middle();
    await stack.endControl('next');
    // The older version does not take them by itself: it may not know what the newer one did.
    const client = await context.client();
    const workersOf = async (buildId: string): Promise<number | undefined> =>
      (await describeDeployment(client, Date.now()))?.versions.find((version) => version.buildId === buildId)?.workers;
    for (let i = 0; i < 800 && (await workersOf('next')) !== 0; i++) await sleep(250);
    expect(await stack.cli('workers', 'promote', buildId())).toMatchObject({
      stderr: '',
      stdout: expect.stringContaining(`New batches start on version ${buildId()}. Before it was next`),
    });
    const status = await stack.cli('workers', 'status', '--json');
    expect(status.json()).toMatchObject({
      current: buildId(),
      scoring: [{ version: buildId(), workers: 1 }],
      versions: [
        { version: 'next', workers: 0, batches: 1 },
        { version: buildId(), state: 'current', workers: 1, batches: 0 },
      ],
    });
    expect((await stack.cli('workers', 'promote', 'next')).stderr).toMatch(/no worker of version next runs/);
    const moved = await stack.cli('workers', 'move', 'next');
    expect(moved.stdout).toMatch(
      /^[1-9]\d* running workflows? \(batches and their children\) moved from version next to /,
    );
    stack.proxy.plan();
    await whole(stranded);
    expect(await versionsOf(stack.context, stranded)).toContain(buildId());
  },
  240_000,
);

test('a batch that is cancelled in the middle ends whole, every sensor scored or cancelled', async () => {
  const id = await middle({}, 1_500);
  const client = await stack.context.client();
  const running = (await (await stack.context.store()).findBatch(id))!;
  await client.workflow.getHandle(running.workflowId).cancel();
  const batch = await untilEnded(stack.context, id);
  expect(batch).toMatchObject({ status: 'cancelled', planned: SENSORS });
  expect(batch.counts.cancelled).toBeGreaterThan(0);
  expect(decided(batch.counts)).toBe(SENSORS);
  expect((await findings(stack.context, id)).text).toBe('');
}, 240_000);

test('poisoned models fail alone, each with its class; the batch is told, logged and alerted', async () => {
  const { context } = stack;
  const store = await context.store();
  const blobs = context.blobs();
  const sensors = await store.listSensors();
  const bad = {
    ...poison(MAX_MODEL_BYTES),
    'takes too long': { bytes: slowBytes(2_000_000_000, 5), class: 'timeout' },
  };
  const classes = new Map<number, string>();
  const models: { sensorId: number; model: string }[] = [];
  for (const [i, { bytes, class: failure }] of Object.values(bad).entries()) {
    models.push({ sensorId: sensors[i]!.id, model: await putModel(blobs, bytes) });
    classes.set(sensors[i]!.id, failure);
  }
  // One was good when it was published, then someone wrote over it; one was deleted.
  const [overwritten, deleted, good] = await Promise.all(
    [77, 78, 79].map((center) => putModel(blobs, svmBytes(center))),
  );
  await blobs.put(CONTAINERS.models, modelBlob(overwritten!), svmBytes(5), 'application/octet-stream');
  await blobs.delete(CONTAINERS.models, modelBlob(deleted!));
  for (const [model, failure] of [
    [overwritten!, 'model_corrupt'],
    [deleted!, 'model_missing'],
  ] as const) {
    classes.set(sensors[models.length]!.id, failure);
    models.push({ sensorId: sensors[models.length]!.id, model });
  }
  for (const { id } of sensors.slice(models.length)) models.push({ sensorId: id, model: good! });
  const infos = [...new Set(models.map(({ model }) => model))].map((model) => ({
    model,
    bytes: 1,
    kind: 'onnx',
    features: ['mean'],
  }));
  await store.createRelease('poisoned', Date.now(), models, infos);

  alerts.length = 0;
  answers.push(503, 429);
  const id = await startBatch(context, PERIOD, {
    release: 'poisoned',
    sensorsPerChild: SENSORS,
    sensorsPerActivity: SENSORS,
  });
  const batch = await untilEnded(context, id);
  const failed = await store.listOutcomes(id, { status: 'failed' });
  expect(new Map(failed.map((outcome) => [outcome.sensorId, outcome.class]))).toEqual(classes);
  expect(batch).toMatchObject({
    status: 'failed',
    counts: { scored: SENSORS - classes.size, failed: classes.size },
    message: expect.stringMatching(/sensors failed, more than the tolerated 10 %: \d+ x model_/),
  });
  expect(await findings(context, id)).toMatchObject({ text: '', report: { notes: [] } });

  const shown = await stack.cli('batch', 'show', id);
  expect(shown.code).toBe(1);
  for (const { device, sensor } of failed) expect(shown.stdout).toMatch(new RegExp(`${device}/${sensor}`));
  const log = JSON.parse(
    Buffer.from(await blobs.get(CONTAINERS.logs, errorLogBlob(id, failed[0]!))).toString(),
  ) as SensorErrorLog;
  expect(log).toMatchObject({
    batch: id,
    device: failed[0]!.device,
    sensor: failed[0]!.sensor,
    class: failed[0]!.class,
    message: failed[0]!.message,
    model: failed[0]!.model,
    worker: expect.stringMatching(/^scoring@.+#\d+$/),
  });

  for (let i = 0; i < 1_800 && alerts.length < 2; i++) await sleep(100);
  expect(alerts.map(({ event, batch }) => [event, batch])).toEqual([
    ['batch_failed', id],
    ['anomaly_rate', id],
  ]);
  expect(alerts[0]).toMatchObject({
    status: 'failed',
    text: expect.stringMatching(/^fleetscore: batch \S+ failed\. \d+ of 26 sensors failed/),
    counts: batch.counts,
  });

  const verified = await stack.cli('verify', id, '--json');
  expect(verified.json()).toMatchObject({ ok: true, planned: SENSORS });
  expect(verified.code).toBe(0);
}, 240_000);
