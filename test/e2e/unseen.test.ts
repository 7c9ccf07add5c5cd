/**
 * What used to be seen nowhere, on a whole stack: batches that fail before they are planned, batches that a long name
 * stopped, workflows that do not go on. Each is in `status`, `doctor`, `batch list`, `schedule list` and told to the
 * webhook. The last take a minute to be called lost: a batch is paused and resumed meanwhile.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Worker, bundleWorkflowCode, DefaultLogger, NativeConnection } from '@temporalio/worker';
import { brokenLines, checkSince, type VerifiedSince } from '../../cli/batch/verify-since.ts';
import { stuckWorkflows } from '../../connect/workflow-problems.ts';
import { CONTAINERS } from '../../domain/blob-names.ts';
import type { BatchProgress } from '../../workflows/details.ts';
import type { Alert, StuckAlert } from '../../batches/alerts.ts';
import { CONTROL_QUEUE } from '../../domain/queues.ts';
import { SAMPLE_FLEET } from '../../samples/fleet.ts';
import { useStack } from '../support/local-stack.ts';
import { openButtons } from '../ui/buttons.ts';
import { FROM, modelsOf, readingsOf, TO } from '../support/small-fleet.ts';
import { until } from '../support/until.ts';

const alerts: (Alert | StuckAlert)[] = [];
const webhook: Server = createServer((request, response) => {
  void text(request).then((body) => {
    alerts.push(JSON.parse(body) as Alert);
    response.end();
  });
});
await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
afterAll(() => {
  webhook.closeAllConnections();
  webhook.close();
});
const stack = useStack('unseen', {
  env: {
    FLEETSCORE_ALERT_URL: `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/`,
    FLEETSCORE_WATCH_EVERY: '2s',
  },
});
const PERIOD = ['--from', FROM, '--to', TO] as const;
const bornMs = Date.now();

/** The batch that lost its workflow. */
let terminated: string;
let buggy: { readonly end: () => Promise<void> } | undefined;
/** A minute goes by before either is called lost: both begin first, and are looked for last. */
beforeAll(async () => {
  terminated = await loseWorkflow();
  buggy = await startBuggy();
}, 120_000);

/** A batch that waits for readings of a far future, and whose workflow is then terminated; its id. */
async function loseWorkflow(): Promise<string> {
  const client = await stack.context.client();
  const handle = await client.workflow.start('scoreBatch', {
    taskQueue: CONTROL_QUEUE,
    workflowId: 'terminated',
    args: [{ from: FROM, to: '2100-01-01' }],
  });
  const store = await stack.context.store();
  const { id } = await until(async () =>
    (await store.listBatches({ status: 'waiting' })).find(({ workflowId }) => workflowId === 'terminated'),
  );
  await handle.terminate('by hand');
  return id;
}

/** A version of the workflow with a bug, on a queue of its own, and one that runs. */
async function startBuggy(): Promise<{ readonly end: () => Promise<void> }> {
  const connection = await NativeConnection.connect({ address: stack.stack.env['TEMPORAL_ADDRESS']! });
  const worker = await Worker.create({
    connection,
    taskQueue: 'buggy',
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('./buggy-workflows.ts', import.meta.url)),
      logger: new DefaultLogger('WARN'),
    }),
  });
  const running = worker.run();
  const client = await stack.context.client();
  await client.workflow.start('scoreBatch', { taskQueue: 'buggy', workflowId: 'buggy', args: [] });
  return {
    async end() {
      worker.shutdown();
      await running;
      await connection.close();
    },
  };
}

/** A batch as the stock client starts it, unchecked; its id once it is on record and has ended. */
async function started(workflowId: string, request: object): Promise<string> {
  const client = await stack.context.client();
  const handle = await client.workflow.start('scoreBatch', { taskQueue: CONTROL_QUEUE, workflowId, args: [request] });
  await handle.result().catch(() => {});
  const store = await stack.context.store();
  return until(async () => (await store.listBatches()).find((batch) => batch.workflowId === workflowId)?.id);
}

test('before any model is published: refused by the command, on record and told when started otherwise', async () => {
  const refused = await stack.cli('batch', 'run', ...PERIOD);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/no models are published.*models publish/)]);
  const id = await started('no-models', { from: FROM, to: TO });
  expect((await stack.cli('batch', 'list')).stdout).toMatch(new RegExp(`${id} .*failed .*no_models`));
  const shown = await stack.cli('batch', 'show', id);
  expect(shown.code).toBe(1);
  expect(shown.stdout).toMatch(/Class: +no_models[\s\S]*To mend:\n {2}no_models: publish models/);
  expect((await stack.cli('status')).stdout).toMatch(/Last failures\n[\s\S]*no_models/);
  expect(alerts).toContainEqual(expect.objectContaining({ event: 'batch_failed', batch: id, class: 'no_models' }));
}, 120_000);

test('a wrong request and an unknown release are told with their class', async () => {
  expect((await stack.cli('models', 'publish', modelsOf(2, join(stack.home, 'models')))).code).toBe(0);
  const wrong = await started('wrong', { perod: '15m' });
  expect((await stack.cli('batch', 'show', wrong, '--json')).json()).toMatchObject({
    status: 'failed',
    class: 'invalid_request',
    message: expect.stringContaining('unknown field "perod"'),
  });
  const refused = await stack.cli('batch', 'run', ...PERIOD, '--release', 'nope');
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringMatching(/there is no release "nope".*models list/s),
  ]);
  const nope = await started('nope', { from: FROM, to: TO, release: 'nope' });
  expect((await stack.cli('batch', 'list', '--status', 'failed', '--json')).json()).toContainEqual(
    expect.objectContaining({ id: nope, class: 'release_unknown', release: 'nope' }),
  );
  const redrive = await stack.cli('batch', 'redrive', nope);
  expect([redrive.code, redrive.stderr]).toEqual([2, expect.stringMatching(/before its sensors were planned/)]);
}, 120_000);

test('a schedule whose batches fail is named by doctor, status and schedule list', async () => {
  const client = await stack.context.client();
  await client.schedule.create({
    scheduleId: 'minutely',
    spec: { intervals: [{ every: '1m' }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'scoreBatch',
      taskQueue: CONTROL_QUEUE,
      workflowId: 'minutely',
      args: [{ period: '1m', release: 'nope', waitForReadings: '0s' }],
    },
    state: { paused: true },
  });
  await client.schedule.getHandle('minutely').trigger();
  const store = await stack.context.store();
  const failed = await until(async () => (await store.listBatches({ schedule: 'minutely', status: 'failed' }))[0]);
  const doctor = await stack.cli('doctor');
  expect(doctor.code).toBe(1);
  expect(doctor.stdout).toMatch(
    new RegExp(`schedule minutely: its newest batch ${failed.id} failed \\(release_unknown\\)`),
  );
  expect((await stack.cli('schedule', 'list')).stdout).toMatch(/minutely +paused .*failed: release_unknown/);
  expect((await stack.cli('status', '--json')).json()).toMatchObject({
    schedules: [
      expect.objectContaining({ name: 'minutely', last: expect.objectContaining({ class: 'release_unknown' }) }),
    ],
  });
}, 120_000);

test('two sensors with the longest names of any script are scored like others', async () => {
  const [first] = SAMPLE_FLEET;
  const names = ['\u6e29'.repeat(128), '\u{1f680}'.repeat(64)];
  const lines = names.map((name) => `${FROM},${name},${name},1.5`);
  writeFileSync(join(stack.home, 'long.csv'), `TS,Device,Sensor,Value\n${lines.join('\n')}\n`);
  expect((await stack.cli('send', join(stack.home, 'long.csv'), '--wait')).code).toBe(0);
  expect((await stack.cli('send', readingsOf(1, join(stack.home, 'one.csv')), '--wait')).code).toBe(0);
  // Models for them: copies of the first sensor's.
  const folder = modelsOf(1, join(stack.home, 'long'));
  const file = `model_${first!.device}_${first!.sensor}.onnx`;
  writeFileSync(
    join(folder, 'manifest.csv'),
    `Device,Sensor,Model\n${first!.device},${first!.sensor},${file}\n` +
      `${names.map((name) => `${name},${name},${file}`).join('\n')}\n`,
  );
  const publish = ['models', 'publish', folder, '--release', 'long'];
  expect((await stack.cli(...publish)).stderr).toMatch(/no model for 1 sensor that has one now/);
  expect((await stack.cli(...publish, '--replace')).stdout).toMatch(/1 sensor had a model and has none any more/);
  // Back to a release that lacks them is a loss, too.
  const older = (await (await stack.context.store()).listReleases()).at(-1)!.name;
  expect((await stack.cli('models', 'promote', older)).stderr).toMatch(/no model for 2 sensors .*--replace/);
  const run = await stack.cli('batch', 'run', ...PERIOD, '--wait', '--json');
  const batch = run.json() as { id: string };
  // The sensor that lost its model never had a reading: the batch is not for it.
  expect(batch).toMatchObject({ status: 'completed', planned: 3, counts: { scored: 3, skipped: 0, failed: 0 } });
  expect((await stack.cli('verify', batch.id)).code).toBe(0);
  for (const name of names) {
    const predictions = await stack.cli('predictions', name, name, ...PERIOD, '--json');
    expect(predictions.json()).toHaveLength(1);
  }
}, 180_000);

test('a batch that waits is paused, bounded and resumed by command, and cancelled', async () => {
  const run = ['batch', 'run', '--from', '2099-12-31T23:45', '--to', '2100-01-01', '--wait-until-then', '--json'];
  const { batch, workflowId } = (await stack.cli(...run)).json() as { batch: string; workflowId: string };
  // At once: the next command finds it.
  const steer = async (...args: string[]): Promise<string> => {
    const { stdout, stderr } = await stack.cli('batch', ...args);
    return stdout + stderr;
  };
  const handle = (await stack.context.client()).workflow.getHandle(workflowId);
  const isPaused = async (): Promise<boolean | undefined> => (await handle.query<BatchProgress>('progress')).paused;
  expect(await steer('pause', batch)).toBe(`Batch ${batch}: paused.\n`);
  expect(await isPaused()).toBe(true);
  expect(await steer('concurrency', batch, '--limit', '1')).toBe(`Batch ${batch}: runs at most 1 children at once.\n`);
  expect(await steer('concurrency', batch, '--limit', '0')).toMatch(/^error: .*--limit/);
  expect(await steer('resume', batch)).toBe(`Batch ${batch}: resumed.\n`);
  expect(await isPaused()).toBe(false);
  const updates = ((await handle.fetchHistory()).events ?? []).flatMap(
    ({ workflowExecutionUpdateAcceptedEventAttributes: update }) => update?.acceptedRequest?.input?.name ?? [],
  );
  expect(updates).toEqual(['pause', 'setConcurrency', 'resume']);
  expect((await stack.cli('batch', 'cancel', batch)).code).toBe(0);
  expect(await steer('pause', batch)).toMatch(/^error: batch .* has ended already \(cancelled\)/);
}, 180_000);

test('the buttons of the web application do in Temporal what they say, and each is in the log', async () => {
  const { context } = stack;
  const [store, client] = [await context.store(), await context.client()];
  const buttons = await openButtons(stack);
  const { press } = buttons;
  try {
    const run = ['batch', 'run', '--from', '2098-12-31T23:45', '--to', '2099-01-01', '--wait-until-then', '--json'];
    const { batch, workflowId } = (await stack.cli(...run)).json() as { batch: string; workflowId: string };
    await until(() => store.findBatch(batch));
    const handle = client.workflow.getHandle(workflowId);
    const isPaused = async (): Promise<boolean | undefined> => (await handle.query<BatchProgress>('progress')).paused;
    const page = `/batches/${batch}`;
    expect(await press(page, `${page}/pause`)).toMatch(/starts nothing more until it is resumed/);
    expect(await isPaused()).toBe(true);
    expect(await press(page, `${page}/resume`)).toMatch(/goes on/);
    expect(await isPaused()).toBe(false);
    expect(await press(page, `${page}/cancel`)).toMatch(/^Done: /);
    await handle.result().catch(() => undefined);
    await until(async () => ((await store.findBatch(batch))!.status === 'cancelled' ? true : undefined));
    expect(await press('/batches', '/schedules/minutely/resume')).toMatch(/starts batches again/);
    expect((await client.schedule.getHandle('minutely').describe()).state.paused).toBe(false);
    expect(await press('/batches', '/schedules/minutely/pause', { note: 'night' })).toMatch(/is paused: night/);
    expect((await client.schedule.getHandle('minutely').describe()).state).toMatchObject({
      paused: true,
      note: 'night',
    });
    const scored = await press('/batches', '/score', { from: FROM, to: TO, what: 'rescore' });
    const [, again] = /batch (\S+) started/.exec(scored) ?? [];
    expect(await until(async () => (await store.findBatch(again!))?.finishedAtMs)).toBeGreaterThan(0);
    const log = await store.listAudit({ limit: 20 });
    expect(log.map(({ action, by, result }) => `${action} ${by} ${result}`).slice(0, 6)).toEqual([
      'batch.rescore ann@desk done',
      'schedule.pause ann@desk done',
      'schedule.resume ann@desk done',
      'batch.cancel ann@desk done',
      'batch.resume ann@desk done',
      'batch.pause ann@desk done',
    ]);
    // And the way back: the page of the workflow in Temporal leads to the page of the batch.
    const rescored = (await store.findBatch(again!))!;
    expect(await (await fetch(`${buttons.url}/batches/${again}`)).text()).toContain(rescored.workflowId);
  } finally {
    await buttons.close();
  }
}, 240_000);

test('a batch whose workflow was terminated is closed by the control worker, and told', async () => {
  const store = await stack.context.store();
  const closed = await until(async () =>
    (await store.listBatches({ status: 'failed' })).find(({ id }) => id === terminated),
  );
  expect(closed).toMatchObject({ class: 'workflow_lost', message: expect.stringContaining('terminated') });
  await until(() => alerts.find((alert) => alert.event === 'batch_failed' && alert.batch === terminated));
}, 300_000);

/** `verify --since`: the batches of this file, whatever their end, are whole until a file of one is gone. */
async function everythingAtOnce(): Promise<void> {
  const [store, blobs] = [await stack.context.store(), stack.context.blobs()];
  const since = new Date(bornMs).toISOString();
  const all = await store.listBatches();
  const found = (await stack.cli('verify', '--since', since, '--json')).json() as VerifiedSince;
  expect(found).toMatchObject({ batches: all.length, open: 0, broken: [], undecided: [], ok: false });
  expect(found.stuck).toEqual([expect.objectContaining({ workflowId: 'buggy' })]);
  const { id } = all.find(({ counts }) => counts.scored === 3)!;
  const [file] = await store.listFiles(id, { limit: 1 });
  await blobs.delete(CONTAINERS.predictions, file!.blob);
  expect(brokenLines({ ...found, gaps: [], stuck: [], undecided: [id] })).toEqual([
    `${id}: its alarms were not decided on: fleetscore logs --batch ${id} --worker control`,
  ]);
  const lost = await stack.cli('verify', '--since', since);
  expect(lost.code).toBe(1);
  expect(lost.stdout).toMatch(new RegExp(`^${id}: files: .*${file!.blob}`, 'm'));
  expect(lost.stdout).toMatch(/^workflow buggy does not go on \(WorkflowTaskFailed/m);
  expect(lost.stdout).toMatch(/^1 batch broken, \d+ periods? not scored, 1 workflow stuck\.$/m);
}

test('a workflow that does not go on is found, told once, and named with the remedy', async () => {
  const client = await stack.context.client();
  try {
    const [stuck] = await until(async () => {
      const found = await stuckWorkflows(client);
      return found.length > 0 ? found : undefined;
    });
    expect(stuck).toMatchObject({
      workflowId: 'buggy',
      type: 'scoreBatch',
      problem: expect.stringMatching(/^WorkflowTaskFailed: /),
    });
    expect((await stack.cli('status')).stdout).toMatch(/Problems\n!! workflow buggy: WorkflowTaskFailed/);
    expect((await stack.cli('doctor')).stdout).toMatch(
      /workflow buggy does not go on[\s\S]*fleetscore logs --worker control/,
    );
    await until(() => alerts.find(({ event }) => event === 'workflow_stuck'));
    expect(alerts.filter(({ event }) => event === 'workflow_stuck')).toEqual([
      expect.objectContaining({ workflowId: 'buggy', text: expect.stringContaining('does not go on') }),
    ]);
    await everythingAtOnce();
    await client.workflow.getHandle('buggy').terminate('the test is over');
    expect((await checkSince(stack.context, bornMs)).stuck).toEqual([]);
  } finally {
    await buggy!.end();
  }
}, 400_000);
