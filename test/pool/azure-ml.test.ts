/** The Azure ML pool against a fake of the management API: the real client, real long-running operations. */
import { afterEach, beforeEach } from '@jest/globals';
import { createAzureMlPool } from '../../pool/azure-ml/pool.ts';
import type { AzureMlTarget } from '../../pool/azure-ml/target.ts';
import type { Pool } from '../../pool/pool.ts';
import { startFakeArm, type FakeArm } from './fake-arm.ts';

const target: AzureMlTarget = {
  subscriptionId: '00000000-0000-0000-0000-000000000001', resourceGroup: 'rg', workspace: 'ws', location: 'westeurope', cluster: 'scoring',
  vmSize: 'Standard_D2s_v5', priority: 'low-priority', idleBeforeScaleDown: 'PT2M', subnetId: '/subscriptions/s/subnets/workers',
  identityId: '/subscriptions/s/identities/worker', environmentId: '/environments/worker/versions/1', command: 'fleetscore-worker',
  workerEnv: { TEMPORAL_ADDRESS: '10.0.0.4:7233' }, maxJobTime: 'P1D',
};

let arm: FakeArm;
let released: string[];
const open = (part: Partial<AzureMlTarget> = {}, name = 'scoring'): Pool => createAzureMlPool({
  name, target: { ...target, ...part }, endpoint: arm.url, now: () => arm.now(), pollMs: 1,
  credential: { getToken: async () => ({ token: 'fake', expiresOnTimestamp: Date.now() + 3_600_000 }) },
  release: async (node) => void released.push(node),
});
const states = async (pool: Pool): Promise<Record<string, string>> => Object.fromEntries((await pool.status()).nodes.map((node) => [node.id, node.state]));

beforeEach(async () => {
  arm = await startFakeArm({ spinUpMs: 240_000 });
  released = [];
});
afterEach(() => arm.close());

test('the cluster is made without a public address, with identity and minimum zero, and later only its scale settings are patched', async () => {
  const pool = open();
  expect(await pool.prepare({ maxNodes: 4 })).toEqual(['cluster scoring made: 0 to 4 nodes of Standard_D2s_v5, low-priority']);
  expect(arm.cluster()).toMatchObject({
    identity: { type: 'UserAssigned', userAssignedIdentities: { '/subscriptions/s/identities/worker': {} } },
    properties: {
      disableLocalAuth: true,
      properties: {
        vmPriority: 'LowPriority', subnet: { id: '/subscriptions/s/subnets/workers' }, enableNodePublicIp: false, remoteLoginPortPublicAccess: 'Disabled',
        scaleSettings: { minNodeCount: 0, maxNodeCount: 4, nodeIdleTimeBeforeScaleDown: 'PT2M' },
      },
    },
  });
  expect(await pool.prepare({ maxNodes: 4 })).toEqual([]);
  expect(await open({ vmSize: 'Standard_D8s_v5' }).prepare({ maxNodes: 6 })).toEqual([expect.stringContaining('cannot be changed'), expect.stringContaining('at the most 6')]);
  expect(arm.log.filter((line) => line.startsWith('PUT'))).toHaveLength(1);
  expect(arm.log.filter((line) => line.startsWith('PATCH'))).toHaveLength(1);
  expect((await pool.status()).outside).toEqual({ maxNodes: 6, minNodes: 0 });
});

test('a node is a job with the id asked for, comes up after the spin-up, and asking again starts nothing twice', async () => {
  const pool = open();
  await pool.prepare({ maxNodes: 4 });
  await pool.grow(['a', 'b', 'c']);
  await pool.grow(['a', 'b', 'c']);
  expect(await states(pool)).toEqual({ a: 'starting', b: 'starting', c: 'starting' }); // two pages of jobs
  expect(arm.jobs.get('a')!.properties).toMatchObject({
    environmentVariables: { TEMPORAL_ADDRESS: '10.0.0.4:7233', FLEETSCORE_NODE: 'a', FLEETSCORE_POOL: 'scoring' }, limits: { timeout: 'P1D' }, identity: { identityType: 'Managed' },
  });
  arm.advance(240_000);
  expect(await states(pool)).toEqual({ a: 'ready', b: 'ready', c: 'ready' });
  // Another pool of the same workspace does not see them.
  expect(await states(open({}, 'big'))).toEqual({});
});

test('quota reached: shown, capacity told, the queued job stays and starts when there is room', async () => {
  const pool = open();
  await pool.prepare({ maxNodes: 4 });
  arm.setQuota(1);
  await pool.grow(['a', 'b']);
  arm.advance(240_000);
  const status = await pool.status();
  expect(status).toMatchObject({ capacity: 1, notes: [expect.stringContaining('ClusterCoreQuotaReached')] });
  expect(await states(pool)).toEqual({ a: 'ready', b: 'queued' });
  arm.setQuota(2);
  arm.advance(1);
  arm.advance(240_000);
  expect(await states(pool)).toEqual({ a: 'ready', b: 'ready' });
  expect((await pool.status()).capacity).toBeUndefined();
});

test('only queued jobs are cancelled; a worker that runs is asked to go, never stopped', async () => {
  const pool = open();
  await pool.prepare({ maxNodes: 1 });
  await pool.grow(['a', 'b']);
  arm.advance(240_000);
  expect(await pool.cancelQueued(['a', 'b', 'unknown'])).toEqual(['b']);
  expect(await states(pool)).toEqual({ a: 'ready', b: 'ended' });
  await pool.drain(['a']);
  expect(released).toEqual(['a']);
  expect(await states(pool)).toMatchObject({ a: 'leaving' });
  expect(arm.log.filter((line) => line.includes('/jobs/a/cancel'))).toEqual([]);
  arm.finish('a');
  const endedAt = arm.now();
  expect((await pool.status()).nodes.find((node) => node.id === 'a')).toMatchObject({ state: 'ended', endedAtMs: endedAt });
});

test('throttled: the wait that Azure asks for is passed on, once, without own retries', async () => {
  const pool = open();
  await pool.prepare({ maxNodes: 2 });
  arm.throttle(1, '17');
  const before = arm.log.length;
  await expect(pool.grow(['a'])).rejects.toMatchObject({ code: 'POOL_THROTTLED', retryable: true, cause: { retryAfterMs: 17_000 } });
  expect(arm.log).toHaveLength(before + 1);
  await pool.grow(['a']);
  expect(Object.keys(await states(pool))).toEqual(['a']);
});

test('trouble is told apart: the service is down, or it refuses', async () => {
  const pool = open();
  await pool.prepare({ maxNodes: 2 });
  arm.fail(1, 503, 'ServiceUnavailable');
  await expect(pool.status()).rejects.toMatchObject({ code: 'POOL_UNAVAILABLE', retryable: true });
  arm.fail(1, 403, 'AuthorizationFailed');
  await expect(pool.grow(['a'])).rejects.toMatchObject({ code: 'POOL_REFUSED', retryable: false });
});

test('a preempted node waits for a machine again, and it is said', async () => {
  const pool = open();
  await pool.prepare({ maxNodes: 2 });
  await pool.grow(['a']);
  arm.advance(240_000);
  expect(await states(pool)).toEqual({ a: 'ready' });
  arm.preempt('a');
  arm.setQuota(0);
  const status = await pool.status();
  expect(status.nodes[0]!.state).toBe('queued');
  expect(status.notes).toContainEqual(expect.stringContaining('taken away'));
});

test('jobs that ended long ago leave the list that every look pages through', async () => {
  const pool = open();
  await pool.prepare({ maxNodes: 4 });
  await pool.grow(['a', 'b', 'c']);
  arm.advance(240_000);
  arm.finish('a');
  arm.finish('b', 'Failed');
  expect(await states(pool)).toEqual({ a: 'ended', b: 'failed', c: 'ready' });
  arm.advance(601_000);
  await pool.status();
  expect(await states(pool)).toEqual({ b: 'failed', c: 'ready' });
});
