/**
 * What is a stack's own: its Temporal server on a machine whose user has settings for another one, its keys, its files.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BlobServiceClient } from '@azure/storage-blob';
import { EventHubProducerClient } from '@azure/event-hubs';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EMULATOR_ACCOUNT } from '../../local/blob-server/server.ts';
import { readStack, withStack } from '../../local/state.ts';
import { connectClient } from '../../connect/temporal.ts';
import { cleanEnv, processesOf, runCli, startCli, TOOLS, type CliResult } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const folder = tempDir('own');
const home = join(folder, 'home');
const user = join(folder, 'user');
const profile = join(user, '.config', 'temporalio', 'temporal.toml');

/** As somebody who works with Temporal Cloud has it: a profile in the default place, and variables. */
const theirs = {
  FLEETSCORE_TOOLS_DIR: TOOLS,
  HOME: user,
  XDG_CONFIG_HOME: '',
  TEMPORAL_CONFIG_FILE: '',
  TEMPORAL_ADDRESS: 'plant.a1b2c.tmprl.invalid:7233',
  TEMPORAL_NAMESPACE: 'plant.a1b2c',
  TEMPORAL_API_KEY: 'not-a-key',
  TEMPORAL_TLS: 'true',
};
let started: CliResult;

beforeAll(async () => {
  mkdirSync(join(profile, '..'), { recursive: true });
  writeFileSync(profile, '[profile.default]\naddress = "plant.a1b2c.tmprl.invalid:7233"\napi_key = "not-a-key"\n');
  started = await runCli(home, ['up', '--detach', '--ports', 'auto'], theirs);
}, 180_000);

afterAll(async () => {
  await runCli(home, ['down'], theirs);
  expect(processesOf(home)).toEqual([]);
}, 120_000);

test('a stack starts beside settings for another Temporal server, and names them', () => {
  expect(started.code).toBe(0);
  expect(started.stderr).toContain(
    'Settings for other Temporal servers are not used here: TEMPORAL_ADDRESS, TEMPORAL_API_KEY, ' +
      `TEMPORAL_NAMESPACE, TEMPORAL_TLS, ${profile}.`,
  );
});

test('its commands ask its own server', async () => {
  const doctor = await runCli(home, ['doctor'], theirs);
  expect(doctor.stdout).toMatch(/^ok +Temporal +127\.0\.0\.1:\d+, namespace default, 1 control worker/m);
  // It says how much room there is, and writes a blob before it calls Blob well.
  expect(doctor.stdout).toMatch(/^ok +Laptop stack +up since .* free on its disk$/m);
  expect(doctor.stdout).toMatch(/^ok +Blob storage +answers and takes what is written, .* free on its disk$/m);
  expect((await runCli(home, ['schedule', 'list'], theirs)).code).toBe(0);
}, 60_000);

test('its files are for its user only', () => {
  const rights = (path: string): string => (statSync(path).mode & 0o777).toString(8);
  for (const dir of [home, join(home, 'data'), join(home, 'logs')]) expect([dir, rights(dir)]).toEqual([dir, '700']);
  const files = ['stack.json', 'temporal.toml', join('data', 'keys.json'), join('data', 'fleet.db')];
  files.push(...readdirSync(join(home, 'logs')).map((name) => join('logs', name)));
  for (const file of files) expect([file, rights(join(home, file))]).toEqual([file, '600']);
});

test('its keys are its own: the well-known ones of emulators open nothing', async () => {
  const { env } = readStack(home)!;
  const blob = env.FLEETSCORE_BLOB_CONNECTION_STRING!;
  const hub = env.FLEETSCORE_EVENT_HUBS_CONNECTION_STRING!;
  const { blob: key, eventHubs } = JSON.parse(readFileSync(join(home, 'data', 'keys.json'), 'utf8')) as {
    blob: string;
    eventHubs: string;
  };
  expect(blob).toContain(`AccountKey=${key};`);
  const containers = (connection: string): Promise<unknown> =>
    BlobServiceClient.fromConnectionString(connection).listContainers().next();
  await containers(blob);
  await expect(containers(blob.replace(key, EMULATOR_ACCOUNT.key))).rejects.toMatchObject({ statusCode: 403 });
  const partitions = async (connection: string): Promise<unknown> => {
    const producer = new EventHubProducerClient(connection, 'readings', { retryOptions: { maxRetries: 0 } });
    try {
      return await producer.getPartitionIds();
    } finally {
      await producer.close();
    }
  };
  expect(await partitions(hub)).toHaveLength(4);
  await expect(partitions(hub.replace(eventHubs, 'SAS_KEY_VALUE'))).rejects.toThrow(/signature|unauthorized/i);
}, 60_000);

test('the smoke run of a deployment proves the whole way, and leaves a deployment that has models its own', async () => {
  const smoke = (...args: readonly string[]) =>
    spawnSync(process.execPath, ['deploy/smoke.js', ...args], {
      env: { ...cleanEnv(), FLEETSCORE_HOME: home },
      encoding: 'utf8',
    });
  const first = smoke('--sample');
  expect([first.status, first.stderr]).toEqual([0, '']);
  expect(first.stdout).toMatch(/^ok {2}batch \S+: 60 of 60 sensors scored$/m);
  expect(first.stdout).toMatch(/^ok {2}its manifest, files and outcomes agree$/m);
  const again = smoke('--sample');
  expect([again.status, again.stderr]).toEqual([1, expect.stringContaining('has models already')]);
  const last = smoke();
  expect([last.status, last.stderr]).toEqual([0, '']);
  expect(last.stdout).toMatch(/^ok {2}batch \S+: \d+ of 60 sensors scored$/m);
}, 240_000);

test('another stack runs on its server, in a namespace of its own, and a worker joins that stack', async () => {
  const address = readStack(home)!.env.TEMPORAL_ADDRESS!;
  const other = join(folder, 'other');
  const env = { FLEETSCORE_TOOLS_DIR: TOOLS, TEMPORAL_GRPC_META_PLANT: 'secret-1' };
  const up = (...args: string[]): Promise<CliResult> =>
    runCli(other, ['up', '--detach', '--ports', 'auto', '--scoring-workers', '0', '--temporal', address, ...args], env);

  expect((await up()).stderr).toMatch(/error: control workers take work in namespace default already: control@/);
  expect((await up('--namespace', 'plant')).stderr).toContain(
    'temporal operator namespace create --namespace plant --retention 7d',
  );
  const client = await connectClient(readStack(home)!.env);
  await client.workflowService.registerNamespace({
    namespace: 'plant',
    workflowExecutionRetentionPeriod: { seconds: 43_200 as never },
  });
  await client.connection.close();
  const started = await up('--namespace', 'plant');
  expect([started.code, started.stderr]).toEqual([0, expect.stringMatching(/namespace plant: .+ kept for 12h.+7d/)]);
  try {
    // No server of its own; what it wrote down holds no secret, and commands still send it.
    expect(processesOf(other).filter((line) => line.includes('start-dev'))).toEqual([]);
    expect(readStack(other)).toMatchObject({
      outside: true,
      env: { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'plant' },
    });
    expect(readFileSync(join(other, 'stack.json'), 'utf8')).not.toContain('secret-1');
    expect(withStack(env, other)).toMatchObject({ TEMPORAL_GRPC_META_PLANT: 'secret-1' });

    const worker = startCli(other, ['worker', 'scoring'], env);
    let said = '';
    await new Promise<void>((resolve) => {
      worker.stderr.on('data', (data: Buffer) => {
        said += data.toString();
        if (said.includes('drains it')) resolve();
      });
      worker.once('close', () => resolve());
    });
    expect(said).toContain(`takes work of Temporal ${address}, namespace plant, task queue scoring`);
    worker.kill('SIGTERM');
    expect(await once(worker, 'close')).toEqual([0, null]);
  } finally {
    await runCli(other, ['down'], env);
  }
  expect(processesOf(other)).toEqual([]);
}, 120_000);

test('a worker that lacks what it needs is one line', async () => {
  const alone = join(folder, 'alone');
  const blob = { FLEETSCORE_BLOB_URL: 'https://plant.blob.core.windows.net' };
  const wrong = async (role: string, env: NodeJS.ProcessEnv) => {
    const { code, stderr } = await runCli(alone, ['worker', role], env);
    return [code, stderr.trim().split('\n').at(-1)];
  };
  expect(await wrong('control', {})).toEqual([1, expect.stringMatching(/^error: Blob storage is not configured/)]);
  expect(await wrong('scoring', blob)).toEqual([1, expect.stringMatching(/^error: .+TEMPORAL_ADDRESS/)]);
  expect(await wrong('ingest', blob)).toEqual([1, expect.stringMatching(/^error: .*Event Hubs is not configured/)]);
}, 60_000);
