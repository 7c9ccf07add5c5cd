/**
 * What goes wrong in a fleet: every planned sensor still ends in one outcome, and both views say which failed and why.
 */
import { beforeAll, expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runningBatches } from '../../activities/pool-work.ts';
import { SAMPLE_FLEET } from '../../samples/fleet.ts';
import { cancel } from '../../cli/batch/batch.ts';
import { clientTrouble } from '../../connect/temporal-trouble.ts';
import { processesOf } from '../support/cli.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { useStack } from '../support/local-stack.ts';
import { hasEnded } from '../../storage/store.ts';
import { openButtons } from '../ui/buttons.ts';
import { damageModel, FROM, modelsOf, readingsOf, TO } from '../support/small-fleet.ts';

const stack = useStack('failures');
const PERIOD = ['--from', FROM, '--to', TO] as const;
const [, dataless, corrupt] = SAMPLE_FLEET as unknown as [Name, Name, Name];
const MODELLESS = { device: 'lab', sensor: 'no model/yet' };

interface Name {
  readonly device: string;
  readonly sensor: string;
}
interface Shown {
  readonly id: string;
  readonly status: string;
  readonly planned: number;
  readonly counts: Record<string, number>;
  readonly failed: (Name & { readonly class: string; readonly message: string })[];
  readonly skipped: (Name & { readonly class: string })[];
}

beforeAll(async () => {
  expect((await stack.cli('models', 'publish', modelsOf(3, join(stack.home, 'models')))).code).toBe(0);
  // The readings of the second sensor never come; another sensor has readings and no model.
  const file = readingsOf(3, join(stack.home, 'readings.csv'));
  const kept = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => !line.includes(`,${dataless.device},${dataless.sensor},`));
  writeFileSync(file, [...kept.slice(0, -1), `${FROM},${MODELLESS.device},${MODELLESS.sensor},1.5`, ''].join('\n'));
  expect((await stack.cli('send', file, '--wait')).code).toBe(0);

  await damageModel(stack.context, corrupt);
}, 240_000);

test('no model, no data, a corrupt model: each has its own outcome, the others are scored', async () => {
  const run = await stack.cli('batch', 'run', ...PERIOD, '--tolerated-failure-percentage', '50', '--wait', '--json');
  const batch = run.json() as Shown;
  expect(batch).toMatchObject({
    status: 'completed',
    planned: 4,
    counts: { scored: 1, skipped: 2, failed: 1, cancelled: 0 },
  });
  expect(batch.failed).toEqual([
    expect.objectContaining({
      device: corrupt.device,
      sensor: corrupt.sensor,
      class: 'model_corrupt',
      worker: expect.stringMatching(/^scoring@.+#\d+$/),
    }),
  ]);
  expect(batch.skipped.map(({ device, sensor, class: why }) => [device, sensor, why]).sort()).toEqual(
    [
      [dataless.device, dataless.sensor, 'no_data'],
      [MODELLESS.device, MODELLESS.sensor, 'no_model'],
    ].sort(),
  );
  const outcomes = await (await stack.context.store()).listOutcomes(batch.id, { limit: 100 });
  expect(new Set(outcomes.map((o) => o.sensorId)).size).toBe(4);
  expect(outcomes).toHaveLength(4);

  // For people: the terminal, and the child of the sensor in the Web UI.
  const shown = await stack.cli('batch', 'show', batch.id);
  expect(shown.stdout).toMatch(/failed +model_corrupt/);
  const { child, message } = await failedChild(batch.id);
  expect(child).toBe(`${batch.id}/${corrupt.device}/${corrupt.sensor}`);
  expect(message).toContain('model_corrupt');
});

test('the status page names the failure, the batch, and that every part answers', async () => {
  const text = await stack.cli('status');
  expect(text).toMatchObject({ code: 0, stderr: '' });
  expect(text.stdout).toContain('Temporal ok   SQL ok   Blob ok   Event Hubs ok\n');
  expect(text.stdout).toMatch(new RegExp(`${corrupt.device}/${corrupt.sensor} +model_corrupt`));
  const data = (await stack.cli('--json', 'status')).json();
  expect(data).toMatchObject({
    sensors: 4,
    workers: { control: expect.any(Number), scoring: 1 },
    schedules: [],
    running: [],
    pools: [{ name: 'scoring', problem: null, mode: null }],
    ingest: { lagEvents: 0 },
    failures: [{ device: corrupt.device, sensor: corrupt.sensor, class: 'model_corrupt' }],
    last: [{ status: 'completed', planned: 4, scored: 1, failed: 1 }],
  });
});

test('past the tolerated failures the batch fails, and says why, after everything is recorded', async () => {
  const run = await stack.cli('batch', 'run', ...PERIOD, '--tolerated-failure-count', '0', '--wait', '--json');
  expect(run.code).toBe(1);
  const batch = run.json() as Shown & { message: string; manifest: string };
  expect(batch).toMatchObject({ status: 'failed', counts: { scored: 1, failed: 1 } });
  expect(batch.message).toMatch(/1 of 4 sensors failed, more than the tolerated 0 sensors: 1 x model_corrupt/);
  expect(batch.manifest).toContain(batch.id);
});

test('a redrive scores only what failed, with the models mended meanwhile', async () => {
  const [before] = (await stack.cli('batch', 'list', '--json')).json() as Shown[];
  // `models publish` finds the stored blob damaged and puts it right.
  expect((await stack.cli('models', 'publish', modelsOf(3, join(stack.home, 'models')))).code).toBe(0);
  const run = await stack.cli('batch', 'redrive', before!.id, '--wait', '--json');
  expect(run.json()).toMatchObject({
    kind: 'redrive',
    supersedes: before!.id,
    planned: 1,
    counts: { scored: 1, failed: 0 },
  });

  // Or what is asked for, whatever became of it.
  const [first] = SAMPLE_FLEET;
  const chosen = await stack.cli(
    'batch',
    'redrive',
    before!.id,
    '--sensor',
    `${first!.device}/${first!.sensor}`,
    `${MODELLESS.device}/no%20model%2Fyet`,
    '--wait',
    '--json',
  );
  expect(chosen.json()).toMatchObject({
    kind: 'redrive',
    supersedes: before!.id,
    planned: 2,
    counts: { scored: 1, skipped: 1 },
  });
  const ids = [run, chosen].map((redrive) => (redrive.json() as Shown).id);
  expect((await stack.cli('batch', 'show', before!.id, '--json')).json()).toMatchObject({ supersededBy: ids });
  expect((await stack.cli('batch', 'redrive', before!.id, '--sensor', 'nobody/here', '--wait')).stderr).toMatch(
    /there is no sensor "here" of a device "nobody"/,
  );
});

test('a redrive from the web application is the same, and in its log', async () => {
  const store = await stack.context.store();
  const failed = (await store.listBatches({ limit: 20 })).filter(
    ({ kind, counts }) => kind === 'score' && counts.failed > 0,
  );
  const before = failed.at(-1)!;
  const buttons = await openButtons(stack);
  try {
    const page = `/batches/${before.id}`;
    const said = await buttons.press(page, `${page}/redrive`);
    const [, id] = /^Done: redrive of 1 sensor started: batch (\S+)$/.exec(said) ?? [];
    let redrive = await store.findBatch(id!);
    while (!redrive || !hasEnded(redrive)) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      redrive = await store.findBatch(id!);
    }
    expect(redrive).toMatchObject({
      kind: 'redrive',
      supersedes: before.id,
      status: 'completed',
      counts: { scored: 1 },
    });
    expect(await (await fetch(`${buttons.url}${page}`)).text()).toContain(`/batches/${id}`);
    expect((await store.listAudit({ target: before.id }))[0]).toMatchObject({
      action: 'batch.redrive',
      by: 'ann@desk',
      result: 'done',
    });
  } finally {
    await buttons.close();
  }
});

test('a scoring worker that is killed in mid-batch costs a retry, no outcome', async () => {
  const worker = processesOf(stack.home).find((line) => line.includes('workers/scoring'))!;
  const pid = Number(worker.split(' ')[0]);
  process.kill(pid, 'SIGSTOP'); // it holds its tasks, and does nothing with them
  const started = (await stack.cli('batch', 'run', ...PERIOD, '--json')).json() as {
    batch: string;
    workflowId: string;
  };
  const client = await stack.context.client();
  await waitFor(
    async () =>
      (await client.workflow.count(`WorkflowType = 'scoreSensors' AND WorkflowId STARTS_WITH '${started.batch}/'`))
        .count > 0,
  );
  process.kill(pid, 'SIGKILL');
  await client.workflow.getHandle(started.workflowId).result();
  const shown = (await stack.cli('batch', 'show', started.batch, '--json')).json();
  expect(shown).toMatchObject({ status: 'completed', planned: 4, counts: { scored: 2, skipped: 2, failed: 0 } });
  expect(processesOf(stack.home).some((line) => line.includes('workers/scoring'))).toBe(true);
}, 180_000);

test('a batch that waits for its readings, and one whose workflow was terminated, can be cancelled', async () => {
  const future = ['batch', 'run', '--from', FROM, '--to', '2100-01-01'];
  const refused = await stack.cli(...future);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/--to .* future.*--wait-until-then/)]);
  const waiting = (await stack.cli(...future, '--wait-until-then', '--json')).json() as { batch: string };
  const client = await stack.context.client();
  await waitFor(async () => (await client.workflow.count(`FleetscoreBatch = '${waiting.batch}'`)).count > 0);
  const store = await stack.context.store();
  await waitFor(async () => (await store.findBatch(waiting.batch)) !== undefined);
  expect((await stack.cli('batch', 'list', '--status', 'waiting')).stdout).toContain(waiting.batch);
  const shown = (await stack.cli('batch', 'show', waiting.batch, '--json')).json();
  expect(shown).toMatchObject({ status: 'waiting', phase: 'waiting for the end of its period' });
  expect((await stack.cli('status')).stdout).toMatch(new RegExp(`${waiting.batch} +waiting for the end of its period`));
  // Nobody works for it until then.
  const pool = { name: 'scoring', taskQueue: 'scoring' };
  expect(await runningBatches(client, store, pool, 4, Date.now())).toEqual([]);
  expect(await runningBatches(client, store, pool, 4, Date.parse('2100-01-01') + 1)).toEqual([
    expect.objectContaining({ id: waiting.batch, sensorsToGo: 4, queued: false }),
  ]);
  expect((await stack.cli('batch', 'cancel', waiting.batch)).stdout).toMatch(/Status: +cancelled/);
  expect(await store.findBatch(waiting.batch)).toMatchObject({ status: 'cancelled', planned: 0 });

  const period = { fromMs: Date.parse(FROM), toMs: Date.parse(TO) };
  const gone = await client.workflow.start('scoreBatch', { taskQueue: 'nobody', workflowId: 'gone', args: [] });
  const batch = await store.createBatch({
    id: 'gone-batch',
    workflowId: 'gone',
    runId: gone.firstExecutionRunId,
    kind: 'score',
    release: (await store.currentRelease())!,
    ...period,
    codeVersion: 'test',
    startedAtMs: Date.now(),
  });
  // While Temporal does not say that its workflow has ended, nobody closes the record.
  const proxy = await startTcpProxy(Number(stack.stack.env.TEMPORAL_ADDRESS!.split(':').at(-1)));
  const { TEMPORAL_NAMESPACE: namespace = 'default' } = stack.stack.env;
  // Without retries: one of the SDK on a connection that was closed throws where nobody catches.
  const connection = await Connection.connect({ address: `127.0.0.1:${proxy.port}`, interceptors: [] });
  const byProxy = new Client({ connection, namespace });
  const asked = cancel({ ...stack.context, client: async () => byProxy }, {}, batch.id).then(
    () => 'closed',
    (error: unknown) => clientTrouble(error)?.code,
  );
  await waitFor(async () =>
    ((await gone.fetchHistory()).events ?? []).some((event) => event.workflowExecutionCancelRequestedEventAttributes),
  );
  await proxy.fault('refused');
  expect(await asked).toBe('TEMPORAL_UNAVAILABLE');
  expect(await store.findBatch(batch.id)).toMatchObject({ status: 'running' });
  await connection.close();
  await proxy.stop();

  await gone.terminate('by hand');
  // The record says that it runs, until a control worker closes it: what is so is asked of Temporal.
  const open = await stack.cli('batch', 'show', batch.id);
  expect(open.stdout).toMatch(/Status: +running on record; its workflow is terminated, and nothing goes on with it\./);
  expect((await stack.cli('batch', 'show', batch.id, '--json')).json()).toMatchObject({
    status: 'running',
    lost: expect.stringContaining('terminated'),
  });
  const listed = await stack.cli('batch', 'list', '--limit', '1');
  expect(listed.stdout).toMatch(
    new RegExp(`${batch.id} .* lost +0.*\n${batch.id} is lost: its workflow is terminated`, 's'),
  );
  expect(listed.stdout).not.toContain('running');
  expect((await stack.cli('batch', 'list', '--limit', '1', '--json')).json()).toMatchObject([
    { id: batch.id, status: 'running', lost: expect.stringContaining('terminated') },
  ]);
  expect((await stack.cli('status')).stdout).toMatch(new RegExp(`${batch.id} +lost \\(terminated\\)`));
  const site = await openButtons(stack);
  for (const path of ['/', '/batches', `/batches/${batch.id}`]) {
    const page = await (await fetch(site.url + path)).text();
    expect([path, page.includes('<span class="chip failed">lost</span>')]).toEqual([path, true]);
    expect([path, /<progress|chip running/.test(page)]).toEqual([path, false]);
  }
  await site.close();
  const redriven = await stack.cli('batch', 'redrive', batch.id);
  expect([redriven.code, redriven.stderr]).toEqual([1, expect.stringContaining('its workflow is terminated')]);
  const paused = await stack.cli('batch', 'pause', batch.id);
  expect([paused.code, paused.stderr]).toEqual([1, expect.stringContaining('closes it within')]);
  const cancelled = await stack.cli('batch', 'cancel', batch.id, '--json');
  expect(cancelled.json()).toMatchObject({ status: 'cancelled', planned: 4, counts: { cancelled: 4, scored: 0 } });
}, 120_000);

test('a schedule that somebody deletes meanwhile is told as that by its button', async () => {
  await stack.cli('schedule', 'create', 'gone', '--every', '1h', '--paused');
  const buttons = await openButtons(stack);
  const [page, trigger] = ['/batches', '/schedules/gone/trigger'];
  try {
    await waitFor(async () => (await (await fetch(buttons.url + page)).text()).includes(trigger));
    const said = await buttons.press(page, trigger, {}, () => stack.cli('schedule', 'delete', 'gone'));
    expect(said).toBe('Not done: there is no schedule &quot;gone&quot;: it was deleted.');
  } finally {
    await buttons.close();
  }
}, 60_000);

test('an empty period: every sensor is skipped, nothing fails', async () => {
  const run = await stack.cli('batch', 'run', '--from', '2001-01-01', '--to', '2001-01-02', '--wait', '--json');
  expect(run.json()).toMatchObject({ status: 'completed', counts: { scored: 0, skipped: 4, failed: 0 } });
  expect(existsSync(join(stack.home, 'stack.json'))).toBe(true);
});

async function failedChild(batchId: string): Promise<{ child: string; message: string }> {
  const client = await stack.context.client();
  const query = `WorkflowType = 'scoreSensors' AND ExecutionStatus = 'Failed' AND WorkflowId STARTS_WITH '${batchId}/'`;
  const found: string[] = [];
  await waitFor(async () => {
    found.length = 0;
    for await (const execution of client.workflow.list({ query })) found.push(execution.workflowId);
    return found.length > 0;
  });
  const error = await client.workflow
    .getHandle(found[0]!)
    .result()
    .then(
      () => undefined,
      (e: Error) => e,
    );
  return { child: found[0]!, message: String((error?.cause as Error | undefined)?.message) };
}

async function waitFor(look: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await look()) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('it did not happen within a minute');
}
