/** No loop, whatever Temporal is told, gets more nodes than the configuration of the worker that starts them says. */
import { afterEach, beforeEach } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createPoolActivities } from '../../activities/pool.ts';
import { withFallback } from '../../pool/azure-ml/fallback.ts';
import { createAzureMlPool } from '../../pool/azure-ml/pool.ts';
import { withCeiling } from '../../pool/ceiling.ts';
import { isGone, type Pool } from '../../pool/pool.ts';
import { DEFAULT_AZURE_POOL, type PoolSettings } from '../../pool/settings.ts';
import { read } from '../deploy/support.ts';
import { startFakeArm, type FakeArm } from './fake-arm.ts';

let arm: FakeArm;
beforeEach(async () => {
  arm = await startFakeArm({ spinUpMs: 60_000 });
});
afterEach(() => arm.close());

const open = (name: string, cluster: string, priority: 'low-priority' | 'dedicated' = 'dedicated'): Pool =>
  createAzureMlPool({
    name,
    endpoint: arm.url,
    now: () => arm.now(),
    pollMs: 1,
    credential: { getToken: async () => ({ token: 'fake', expiresOnTimestamp: Date.now() + 3_600_000 }) },
    release: async () => {},
    target: {
      subscriptionId: '00000000-0000-0000-0000-000000000001',
      resourceGroup: 'rg',
      workspace: 'ws',
      location: 'westeurope',
      cluster,
      vmSize: 'Standard_D2s_v5',
      priority,
      idleBeforeScaleDown: 'PT2M',
      environmentId: '/environments/worker/versions/1',
      command: 'fleetscore-worker',
      workerEnv: {},
      maxJobTime: 'P1D',
    },
  });
const living = async (pool: Pool): Promise<number> =>
  (await pool.status()).nodes.filter(({ state }) => !isGone(state)).length;
const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

const run = async <A extends unknown[], R>(activity: (...args: A) => Promise<R>, ...args: A): Promise<R> =>
  (await new MockActivityEnvironment().run(activity, ...args)) as R;

/** Settings as somebody hands them to Temporal. */
const told = (name: string): PoolSettings => ({ ...DEFAULT_AZURE_POOL, name, minNodes: 900, maxNodes: 1_000 });

test('activities that are told 1,000 nodes make a cluster of the configured size, and start no more nodes', async () => {
  const pools = new Map([
    ['one', withCeiling(open('one', 'c-one'), 3)],
    ['two', withCeiling(open('two', 'c-two'), 1)],
  ]);
  const activities = createPoolActivities({
    poolOf: ({ name }) => pools.get(name)!,
    now: Date.now,
  } as Parameters<typeof createPoolActivities>[0]);
  for (const [name, most] of [
    ['one', 3],
    ['two', 1],
  ] as const) {
    const notes = await run(activities.preparePool, told(name));
    expect(notes.at(-1)).toMatch(new RegExp(`1000 nodes are more than the ${most} .* FLEETSCORE_POOL_MAX_NODES`));
    expect(arm.cluster(`c-${name}`)).toMatchObject({
      properties: { properties: { scaleSettings: { maxNodeCount: most } } },
    });
    // Several calls at once, and again.
    const results = await Promise.all(
      [0, 1, 2].map((i) =>
        run(activities.actOnPool, { settings: told(name), grow: names(`${name}-${i}`, 4), cancel: [], drain: [] }),
      ),
    );
    expect(results.map(({ problem }) => problem)).toContainEqual(
      expect.stringMatching(`pool ${name} gets no . more nodes: it is configured with ${most} at the most`),
    );
    expect(await living(pools.get(name)!)).toBe(most);
  }
});

test('a fallback cluster counts', async () => {
  const pool = withCeiling(
    withFallback(open('p', 'low', 'low-priority'), open('p', 'high'), {
      lowName: 'low',
      dedicatedName: 'high',
      afterMs: 600_000,
      vmSize: 'Standard_D2s_v5',
      now: () => arm.now(),
    }),
    3,
  );
  await pool.prepare({ maxNodes: 1_000 });
  for (const name of ['low', 'high'])
    expect(arm.cluster(name)).toMatchObject({ properties: { properties: { scaleSettings: { maxNodeCount: 3 } } } });
  arm.setQuota(1, 'low');
  await pool.grow(names('a', 3));
  await pool.status();
  arm.advance(700_000);
  await pool.status(); // two nodes that got no machine are taken back: from here on, dedicated ones
  await expect(pool.grow(names('b', 10))).rejects.toThrow('gets no 8 more nodes');
  expect(await living(pool)).toBe(3);
});

test('what is raised outside changes nothing, and nodes that are known are asked for again', async () => {
  const pool = withCeiling(open('p', 'c'), 2);
  await pool.prepare({ maxNodes: 2 });
  arm.setMaxOutside(50);
  expect(await pool.status()).toMatchObject({ outside: { maxNodes: 2 }, capacity: 2 });
  await pool.grow(['a', 'b']);
  await pool.grow(['a', 'b']);
  expect(await living(pool)).toBe(2);
});

test('a cluster of Bicep takes no right to change it: a lower limit is the pool’s own, a higher one is told', async () => {
  expect(read('deploy/bicep/custom-roles.bicep')).not.toMatch(/computes\/(write|\*|delete)|workspaces\/\*'/);
  expect(read('deploy/bicep/main.bicep').match(/maxNodes: sizes\.maxNodes/g)).toHaveLength(3);
  const pool = open('p', 'c');
  await pool.prepare({ maxNodes: 4 });
  const before = arm.log.length;
  expect(await pool.prepare({ maxNodes: 2 })).toEqual([]);
  expect(arm.log.slice(before).filter((line) => !line.startsWith('GET'))).toEqual([]);
  const refused: Pool = open('p', 'c');
  arm.failWrites(403, 'AuthorizationFailed');
  expect(await refused.prepare({ maxNodes: 6 })).toEqual([
    expect.stringMatching('stays at 4 nodes at the most, not 6'),
  ]);
});
