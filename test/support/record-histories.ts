/**
 * Records the histories that `npm test` replays, from real runs on a real stack: `npm run histories:record -- FOLDER`.
 * A history stays as long as a worker of its version may still run; a new behaviour gets a new folder (default: the
 * version of the code, where there is none yet), in which only what it changed needs to stay.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ScheduleOverlapPolicy, type Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { endWithUsage, orUsage } from '../../bench/flags.ts';
import { openContext } from '../../cli/frame/context.ts';
import { loadConfig } from '../../config.ts';
import { startStack } from '../../local/stack.ts';
import { poolWorkflowId } from '../../pool/settings.ts';
import { VERSION } from '../../version.ts';
import { connectClient } from '../../connect/temporal.ts';
import { backfillSchedule, createSchedule } from '../../connect/schedules.ts';
import { DEFAULT_OVERLAP } from '../../domain/overlap.ts';
import { CONTROL_QUEUE } from '../../domain/queues.ts';
import { CONTAINERS, modelBlob, packBlob } from '../../domain/blob-names.ts';
import { SAMPLE_FLEET } from '../../samples/fleet.ts';
import { cleanEnv, processesOf, runCli, TOOLS } from './cli.ts';
import { FROM, modelsOf, PERIOD, readingsOf, TO } from './small-fleet.ts';
import { hasEnded } from '../../storage/store.ts';

const USAGE = 'npm run histories:record -- [FOLDER]';
const [folder = VERSION, ...more] = orUsage(
  USAGE,
  () => parseArgs({ options: {}, allowPositionals: true }).positionals,
);
if (more.length > 0 || !/^[\w.-]+$/.test(folder))
  endWithUsage(`FOLDER is one name below test/histories/, got ${JSON.stringify([folder, ...more].join(' '))}`, USAGE);
const OUT = fileURLToPath(new URL(`../histories/${folder}/`, import.meta.url));
if (existsSync(OUT)) endWithUsage(`${OUT} is there already, and recorded histories stay: name another folder`, USAGE);
const FROZEN = fileURLToPath(new URL('../upgrade/histories.sha256', import.meta.url));
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'fleetscore-histories-'));
const env = {
  ...cleanEnv(),
  FLEETSCORE_HOME: home,
  FLEETSCORE_TOOLS_DIR: TOOLS,
  FLEETSCORE_TEMPORAL_PORT: 'auto',
  FLEETSCORE_UI_PORT: 'auto',
  FLEETSCORE_BLOB_PORT: 'auto',
  FLEETSCORE_EVENT_HUBS_PORT: 'auto',
};
const FIRST = SAMPLE_FLEET[0]!;
const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function cli(...args: string[]): Promise<unknown> {
  const result = await runCli(home, [...args, '--json']);
  if (result.stdout === '') throw new Error(`fleetscore ${args.join(' ')}: ${result.stderr}`);
  return result.json();
}

interface Shown {
  readonly workflowId: string;
  readonly runId: string;
}

async function save(client: Client, name: string, workflowId: string, runId?: string): Promise<void> {
  const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  // What names the machine that ran it is of no use in a replay: the identity, and the paths of stack traces.
  const json = historyToJSON(history)
    .replace(/"identity":\s*"[^"]*"/g, '"identity": "worker"')
    .replaceAll(ROOT, '');
  mkdirSync(OUT, { recursive: true });
  const text = `${JSON.stringify(JSON.parse(json), null, 1)}\n`;
  writeFileSync(join(OUT, `${name}.json`), text);
  // Frozen from here on: test/upgrade/frozen.test.ts.
  const sha256 = createHash('sha256').update(text).digest('hex');
  appendFileSync(FROZEN, `${sha256}  ${basename(OUT)}/${name}.json\n`);
  say(`${name}: ${history.events?.length ?? 0} events`);
}

const pooled = await startStack({ config: loadConfig(env), env, log: say, scoringWorkers: 'pool' });
try {
  const client = await connectClient(pooled.env);
  await cli('models', 'publish', modelsOf(2, join(home, 'models')));
  // From zero to a worker for the batch.
  await cli('batch', 'run', '--from', FROM, '--to', TO, '--wait');
  await save(client, 'pool-from-zero', poolWorkflowId('scoring'));
  await client.connection.close();
} finally {
  await pooled.stop();
}

const stack = await startStack({ config: loadConfig(env), env, log: say });
const context = openContext({ home }, cleanEnv());
try {
  const client = await context.client();
  await cli('models', 'publish', modelsOf(4, join(home, 'models')));
  await cli('send', readingsOf(4, join(home, 'readings.csv')), '--wait');
  const period = ['--from', FROM, '--to', TO];

  const plain = (await cli('batch', 'run', ...period, '--wait')) as Shown & { id: string };
  await save(client, 'batch-of-children', plain.workflowId, plain.runId);
  await save(client, 'child-of-one-sensor', `${plain.id}/${FIRST.device}/${FIRST.sensor}`);

  const grouped = (await cli(
    'batch',
    'run',
    ...period,
    '--sensors-per-child',
    '4',
    '--sensors-per-activity',
    '2',
    '--wait',
  )) as Shown & { id: string };
  await save(client, 'batch-of-groups', grouped.workflowId, grouped.runId);
  await save(client, 'child-of-a-group', (await childrenOf(client, grouped.id))[0]!);

  await createSchedule(client, 'recorded', {
    everyMs: 900_000,
    request: { period: '15m' },
    overlap: DEFAULT_OVERLAP,
    catchupWindowMs: 60_000,
    paused: true,
  });
  await backfillSchedule(client, 'recorded', PERIOD, ScheduleOverlapPolicy.ALLOW_ALL);
  const scheduled = await ended(
    await poll(async () => (await (await context.store()).listBatches({ schedule: 'recorded' }))[0]?.id),
  );
  await save(client, 'started-by-schedule', scheduled.workflowId, scheduled.runId);

  // A reading of the period after all that: the next batch starts another one for it.
  writeFileSync(join(home, 'late.csv'), `TS,Device,Sensor,Value\n${FROM},${FIRST.device},${FIRST.sensor},123\n`);
  await cli('send', join(home, 'late.csv'), '--wait');
  const next = (await cli(
    'batch',
    'run',
    '--from',
    TO,
    '--to',
    new Date(Date.parse(TO) + 5_000).toISOString(),
    '--rescore-late',
    '1d',
    '--wait',
  )) as Shown;
  await save(client, 'batch-with-late-readings', next.workflowId, next.runId);

  // A worker that takes a task and freezes: no heartbeat, so the activity is tried again elsewhere.
  const worker = processesOf(home).find((line) => line.includes('workers/scoring'))!;
  process.kill(Number(worker.split(' ')[0]), 'SIGSTOP');
  const frozen = (await cli('batch', 'run', ...period)) as Shown & { batch: string };
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  process.kill(Number(worker.split(' ')[0]), 'SIGKILL');
  await client.workflow.getHandle(frozen.workflowId).result();
  await save(client, 'child-with-a-retried-activity', `${frozen.batch}/${FIRST.device}/${FIRST.sensor}`);

  // A model that is gone from Blob, and from every cache: its sensor fails, its child with it, the batch goes on.
  const store = await context.store();
  const models = await store.listReleaseModels((await store.currentRelease())!);
  for (const pack of new Set(models.map((model) => model.pack)))
    if (pack) await context.blobs().delete(CONTAINERS.models, packBlob(pack));
  await context.blobs().delete(CONTAINERS.models, modelBlob(models[0]!.model));
  rmSync(context.config.scoring.cacheDir, { recursive: true, force: true });
  process.kill(
    Number(
      processesOf(home)
        .find((line) => line.includes('workers/scoring'))!
        .split(' ')[0],
    ),
    'SIGKILL',
  );
  const failing = (await cli('batch', 'run', ...period, '--wait', '--tolerated-failure-percentage', '50')) as Shown & {
    id: string;
    failed: { class: string }[];
  };
  if (failing.failed[0]?.class !== 'model_missing')
    throw new Error(`expected a missing model: ${JSON.stringify(failing.failed)}`);
  await save(client, 'batch-with-a-failed-sensor', failing.workflowId, failing.runId);
  await save(client, 'child-of-a-failed-sensor', `${failing.id}/${models[0]!.device}/${models[0]!.sensor}`);

  const paused = (await cli('batch', 'run', '--from', FROM, '--to', '2100-01-01', '--wait-until-then')) as Shown & {
    batch: string;
  };
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  const handle = client.workflow.getHandle(paused.workflowId);
  await handle.executeUpdate('pause');
  await handle.executeUpdate('setConcurrency', { args: [3] });
  await handle.cancel();
  await handle.result().catch((error: unknown) => say(`cancelled: ${String(error)}`));
  await save(client, 'waiting-then-cancelled', paused.workflowId);

  // Batches that fail before they are planned: on record, closed, and failed as workflows.
  for (const [name, request] of Object.entries({
    'batch-of-an-unknown-release': { from: FROM, to: TO, release: 'nope', waitForReadings: '0s' },
    'batch-with-a-wrong-request': { perod: '15m' },
  })) {
    const refused = await client.workflow.start('scoreBatch', {
      taskQueue: CONTROL_QUEUE,
      workflowId: name,
      args: [request],
    });
    await refused.result().catch((error: unknown) => say(`refused: ${String(error)}`));
    await save(client, name, name);
  }

  // More children than are asked for at once.
  await cli('models', 'publish', modelsOf(24, join(home, 'many')));
  await cli('send', readingsOf(24, join(home, 'many.csv')), '--wait');
  const many = (await cli('batch', 'run', ...period, '--wait')) as Shown;
  await save(client, 'batch-of-many-children', many.workflowId, many.runId);
} finally {
  await context.close();
  await stack.stop();
  rmSync(home, { recursive: true, force: true });
}

async function childrenOf(client: Client, batchId: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const execution of client.workflow.list({
    query: `WorkflowType = 'scoreSensors' AND WorkflowId STARTS_WITH '${batchId}/'`,
  }))
    ids.push(execution.workflowId);
  return ids;
}

async function poll<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let i = 0; i < 300; i++) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('it did not happen within a minute');
}

async function ended(batchId: string): Promise<{ workflowId: string; runId: string }> {
  const store = await context.store();
  return poll(async () => {
    const batch = await store.findBatch(batchId);
    return batch && hasEnded(batch) ? batch : undefined;
  });
}
