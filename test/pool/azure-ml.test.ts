/** The Azure ML pool against a fake of the management API: the real client, real long-running operations. */
import { afterEach, beforeEach } from '@jest/globals';
import { withFallback } from '../../pool/azure-ml/fallback.ts';
import { createAzureMlPool } from '../../pool/azure-ml/pool.ts';
import type { AzureMlTarget } from '../../pool/azure-ml/target.ts';
import { isGone, type Pool, type PoolStatus } from '../../pool/pool.ts';
import { matches, read } from '../deploy/support.ts';
import { startFakeArm, type FakeArm } from './fake-arm.ts';

const target: AzureMlTarget = {
  subscriptionId: '00000000-0000-0000-0000-000000000001',
  resourceGroup: 'rg',
  workspace: 'ws',
  location: 'westeurope',
  cluster: 'scoring',
  vmSize: 'Standard_D2s_v5',
  priority: 'low-priority',
  idleBeforeScaleDown: 'PT2M',
  subnetId: '/subscriptions/s/subnets/workers',
  identityId: '/subscriptions/s/identities/worker',
  environmentId: '/environments/worker/versions/1',
  command: 'fleetscore-worker',
  workerEnv: { TEMPORAL_ADDRESS: '10.0.0.4:7233' },
  maxJobTime: 'P1D',
};

let arm: FakeArm;
let released: string[];
const open = (part: Partial<AzureMlTarget> = {}, name = 'scoring'): Pool =>
  createAzureMlPool({
    name,
    target: { ...target, ...part },
    endpoint: arm.url,
    now: () => arm.now(),
    pollMs: 1,
    credential: { getToken: async () => ({ token: 'fake', expiresOnTimestamp: Date.now() + 3_600_000 }) },
    release: async (node) => void released.push(node),
  });
const states = async (pool: Pool): Promise<Record<string, string>> =>
  Object.fromEntries((await pool.status()).nodes.map((node) => [node.id, node.state]));

beforeEach(async () => {
  arm = await startFakeArm({ spinUpMs: 237_000 });
  released = [];
});
afterEach(() => arm.close());

test(
  'the cluster is made without a public address, with identity and minimum zero, and later only its scale ' +
    'settings are patched',
  async () => {
    const pool = open();
    expect(await pool.prepare({ maxNodes: 4 })).toEqual([
      'cluster scoring made: 0 to 4 nodes of Standard_D2s_v5, low-priority',
    ]);
    expect(arm.cluster()).toMatchObject({
      identity: { type: 'UserAssigned', userAssignedIdentities: { '/subscriptions/s/identities/worker': {} } },
      properties: {
        disableLocalAuth: true,
        properties: {
          vmPriority: 'LowPriority',
          subnet: { id: '/subscriptions/s/subnets/workers' },
          enableNodePublicIp: false,
          remoteLoginPortPublicAccess: 'Disabled',
          scaleSettings: { minNodeCount: 0, maxNodeCount: 4, nodeIdleTimeBeforeScaleDown: 'PT2M' },
        },
      },
    });
    expect(await pool.prepare({ maxNodes: 4 })).toEqual([]);
    expect(await open({ vmSize: 'Standard_D8s_v5' }).prepare({ maxNodes: 6 })).toEqual([
      expect.stringContaining('cannot be changed'),
      expect.stringContaining('at the most 6'),
    ]);
    expect(arm.log.filter((line) => line.startsWith('PUT'))).toHaveLength(1);
    expect(arm.log.filter((line) => line.startsWith('PATCH'))).toHaveLength(1);
    expect((await pool.status()).outside).toEqual({ maxNodes: 6, minNodes: 0 });
  },
);

test('a node is a job with the id asked for, comes up after the spin-up, and asking again starts nothing twice', async () => {
  const pool = open();
  await pool.prepare({ maxNodes: 4 });
  await pool.grow(['a', 'b', 'c']);
  await pool.grow(['a', 'b', 'c']);
  expect(await states(pool)).toEqual({ a: 'queued', b: 'queued', c: 'queued' }); // two pages of jobs
  arm.advance(3_000);
  expect(await states(pool)).toEqual({ a: 'starting', b: 'starting', c: 'starting' }); // machines come up
  expect(arm.jobs.get('a')!.properties).toMatchObject({
    environmentVariables: { TEMPORAL_ADDRESS: '10.0.0.4:7233', FLEETSCORE_NODE: 'a', FLEETSCORE_POOL: 'scoring' },
    limits: { timeout: 'P1D' },
    identity: { identityType: 'Managed' },
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
  expect(status).toMatchObject({
    capacity: 1,
    notes: [expect.stringContaining('ClusterCoreQuotaReached'), expect.stringContaining('how-to-manage-quotas')],
  });
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
  expect((await pool.status()).nodes.find((node) => node.id === 'a')).toMatchObject({
    state: 'ended',
    endedAtMs: endedAt,
  });
});

test('a job that waits for hours is cancelled at any moment before a machine comes, and costs nothing', async () => {
  const pool = open();
  await pool.prepare({ maxNodes: 4 });
  arm.setQuota(1);
  await pool.grow(['a']);
  arm.advance(240_000);
  await pool.grow(['b', 'c']);
  // The service says Starting, then Preparing, then Queued: nothing of this is a machine.
  for (const [ms, status] of [
    [0, 'Starting'],
    [1_000, 'Preparing'],
    [2_000, 'Queued'],
    [6 * 3_600_000, 'Queued'],
  ] as const) {
    arm.advance(ms);
    expect(arm.jobs.get('b')!.properties.status).toBe(status);
    const node = (await pool.status()).nodes.find(({ id }) => id === 'b')!;
    expect([node.state, node.billedFromMs]).toEqual(['queued', undefined]);
  }
  await pool.grow(['d']);
  expect(arm.jobs.get('d')!.properties.status).toBe('Starting');
  expect(await pool.cancelQueued(['b', 'd'])).toEqual(['b', 'd']);
  // The machine that comes at last is paid for from then on.
  arm.setQuota(2);
  arm.advance(1);
  const allocatedAt = arm.now();
  const coming = (await pool.status()).nodes.find(({ id }) => id === 'c')!;
  expect([coming.state, coming.billedFromMs]).toEqual(['starting', allocatedAt]);
  arm.advance(240_000);
  const ready = (await pool.status()).nodes.find(({ id }) => id === 'c')!;
  expect([ready.state, ready.billedFromMs]).toEqual(['ready', allocatedAt]);
});

test('asking again after the worker variables changed starts nothing twice, and an ended job can be put away', async () => {
  await open().prepare({ maxNodes: 2 });
  await open().grow(['a']);
  await open({ workerEnv: { TEMPORAL_ADDRESS: '10.0.0.5:7233' } }).grow(['a']);
  expect(arm.jobs.get('a')!.properties).toMatchObject({ environmentVariables: { TEMPORAL_ADDRESS: '10.0.0.4:7233' } });
  const pool = open({ workerEnv: { TEMPORAL_ADDRESS: '10.0.0.5:7233' } });
  arm.finish('a');
  await pool.status();
  arm.advance(601_000);
  expect((await pool.status()).notes).toEqual([]);
  expect(await states(pool)).toEqual({});
});

test('no quota at all: said with where to ask for it, and the cluster is made once there is some', async () => {
  const pool = open();
  arm.setQuota(0, 'scoring');
  await expect(pool.prepare({ maxNodes: 2 })).rejects.toMatchObject({
    code: 'POOL_REFUSED',
    message: expect.stringMatching(/total vCPU quota of 0.*how-to-manage-quotas/),
  });
  arm.setQuota(4, 'scoring');
  expect(await pool.prepare({ maxNodes: 2 })).toEqual([expect.stringContaining('cluster scoring made')]);
});

test(
  'the role that Bicep gives the control worker is enough for all that the pool does with the ' +
    'cluster that Bicep made',
  async () => {
    const given = matches(
      read('deploy/bicep/custom-roles.bicep').split("'fleetscore pool operator")[1]!,
      /'(Microsoft\.MachineLearningServices\/[^']+)'/g,
    );
    const pool = open();
    await pool.prepare({ maxNodes: 2 });
    arm.allow(given, []);
    expect(await pool.prepare({ maxNodes: 2 })).toEqual([]);
    await pool.grow(['a', 'b', 'c']);
    await pool.status();
    expect(await pool.cancelQueued(['c'])).toEqual(['c']);
    arm.finish('a');
    await pool.status();
    arm.advance(601_000);
    expect((await pool.status()).notes).toEqual([]);
  },
);

test.each([
  ['Microsoft.MachineLearningServices/workspaces/jobs/*', 'jobs/write'],
  ['Microsoft.MachineLearningServices/workspaces/environments/readSecrets/action', 'readSecrets'],
])('without %s nodes are refused, and the role is named', async (action, named) => {
  await open().prepare({ maxNodes: 2 });
  const all = matches(read('deploy/bicep/custom-roles.bicep'), /'(Microsoft\.MachineLearningServices\/[^']+)'/g);
  expect(all).toContain(action);
  arm.allow(
    all.filter((other) => other !== action),
    [],
  );
  await expect(open().grow(['a'])).rejects.toMatchObject({
    code: 'POOL_REFUSED',
    message: expect.stringMatching(new RegExp(`${named}.*fleetscore pool operator`, 's')),
  });
});

test('a cluster that nobody made: a process without the rights says what is missing on which resource', async () => {
  arm.allow(['*'], []);
  await expect(open().prepare({ maxNodes: 2 })).rejects.toMatchObject({
    message: expect.stringMatching(/LinkedAuthorizationFailed.*Managed Identity Operator.*subnet/s),
  });
  arm.allow(['*/read'], []);
  await expect(open().prepare({ maxNodes: 2 })).rejects.toMatchObject({
    message: expect.stringMatching(/computes\/write.*`azd provision` makes the cluster/s),
  });
});

test('throttled: the wait that Azure asks for is passed on, once, without own retries', async () => {
  const pool = open();
  await pool.prepare({ maxNodes: 2 });
  arm.throttle(1, '17');
  const before = arm.log.length;
  await expect(pool.grow(['a'])).rejects.toMatchObject({
    code: 'POOL_THROTTLED',
    retryable: true,
    cause: { retryAfterMs: 17_000 },
  });
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

describe('a low-priority cluster with a dedicated one behind it', () => {
  const MINUTE = 60_000;
  const behind = (part: { maxNodes?: number } = {}): Pool =>
    withFallback(open(), open({ cluster: 'dedicated', priority: 'dedicated', vmSize: 'Standard_D4s_v5' }), {
      lowName: 'scoring',
      dedicatedName: 'dedicated',
      afterMs: 10 * MINUTE,
      vmSize: 'Standard_D4s_v5',
      now: () => arm.now(),
      ...part,
    });
  /** As the policy does: as many nodes as are wanted and not there yet, at most what is to be had. */
  let asked = 0;
  const want = async (pool: Pool, nodes: number): Promise<PoolStatus> => {
    const status = await pool.status();
    const alive = status.nodes.filter((node) => !isGone(node.state)).length;
    const missing = Math.min(nodes, status.capacity ?? nodes) - alive;
    if (missing > 0) await pool.grow(Array.from({ length: missing }, () => `node-${++asked}`));
    return status;
  };
  const clusterOf = (id: string): string => String(arm.jobs.get(id)!.properties.computeId).split('/').pop()!;

  test('nodes that no low-priority machine comes for are taken back after the time, and dedicated ones asked for', async () => {
    const pool = behind();
    expect(await pool.prepare({ maxNodes: 4 })).toEqual([
      'cluster scoring made: 0 to 4 nodes of Standard_D2s_v5, low-priority',
      'cluster dedicated made: 0 to 4 nodes of Standard_D4s_v5, dedicated',
    ]);
    arm.setQuota(0, 'scoring');
    await want(pool, 2);
    const first = [...arm.jobs.keys()];
    expect(first.map(clusterOf)).toEqual(['scoring', 'scoring']);
    arm.advance(9 * MINUTE);
    expect((await want(pool, 2)).nodes.map((node) => node.state)).toEqual(['queued', 'queued']); // still in time
    arm.advance(MINUTE);
    const turned = await want(pool, 2);
    expect(turned.notes).toContain(
      'cluster scoring gave no low-priority machine within 600 s for 2 of its nodes: asking cluster ' +
        'dedicated for dedicated ones',
    );
    expect(first.map((id) => arm.jobs.get(id)!.properties.status)).toEqual(['Canceled', 'Canceled']);
    arm.advance(4 * MINUTE);
    const nodes = (await want(pool, 2)).nodes.filter((node) => !isGone(node.state));
    expect(nodes.map(({ state, priority, vmSize }) => [state, priority, vmSize])).toEqual([
      ['ready', 'dedicated', 'Standard_D4s_v5'],
      ['ready', 'dedicated', 'Standard_D4s_v5'],
    ]);
    expect(nodes.map(({ id }) => clusterOf(id))).toEqual(['dedicated', 'dedicated']);
    // They are let go like any other.
    await pool.drain(nodes.map(({ id }) => id));
    expect(released).toEqual(nodes.map(({ id }) => id));
  });

  test('after as long again the cheap cluster is tried anew, also by a process that has just started', async () => {
    let pool = behind();
    await pool.prepare({ maxNodes: 4 });
    arm.setQuota(0, 'scoring');
    await want(pool, 1);
    arm.advance(10 * MINUTE);
    await want(pool, 1);
    arm.advance(5 * MINUTE);
    pool = behind(); // the control worker was restarted: the service knows when it asked
    await want(pool, 2);
    expect(clusterOf(`node-${asked}`)).toBe('dedicated');
    arm.setQuota(4, 'scoring');
    arm.advance(6 * MINUTE);
    await want(pool, 3);
    expect(clusterOf(`node-${asked}`)).toBe('scoring');
    arm.advance(4 * MINUTE);
    expect((await pool.status()).nodes.filter((node) => node.state === 'ready')).toHaveLength(3);
  });

  test('a preempted node waits from the moment it lost its machine, and the dedicated cluster has its own limit', async () => {
    const pool = behind({ maxNodes: 1 });
    await pool.prepare({ maxNodes: 4 });
    await want(pool, 2);
    arm.advance(30 * MINUTE);
    const ready = (await want(pool, 2)).nodes.map(({ id }) => id);
    for (const id of ready) arm.preempt(id);
    arm.setQuota(0, 'scoring');
    expect((await want(pool, 2)).nodes.map((node) => node.state)).toEqual(['queued', 'queued']);
    arm.advance(10 * MINUTE);
    await want(pool, 2);
    arm.advance(4 * MINUTE);
    const status = await want(pool, 2);
    // never a stuck batch
    expect(status.nodes.filter((node) => !isGone(node.state)).map((node) => node.state)).toEqual(['ready']);
    expect(status.capacity).toBe(1);
  });

  test('where machines come nothing is asked of the dedicated cluster', async () => {
    const pool = behind();
    await pool.prepare({ maxNodes: 2 });
    await want(pool, 2);
    arm.advance(4 * MINUTE);
    await want(pool, 2);
    arm.advance(60 * MINUTE);
    const status = await want(pool, 2);
    expect(status).toMatchObject({ outside: { maxNodes: 2 }, notes: [] });
    expect([...arm.jobs.keys()].map(clusterOf)).toEqual(['scoring', 'scoring']);
  });
});
