/** Who reads a partition: a worker, nobody, or a stranger; and what the metrics and `status` make of it. */
import { createStrangers, holdersOf } from '../../ingest/holders.ts';
import { hubMetrics, openHubLook } from '../../workers/hub-metrics.ts';

const owned = (partitionId: string, ownerId: string, lastModifiedTimeInMs: number) => ({
  fullyQualifiedNamespace: 'ns',
  eventHubName: 'hub',
  consumerGroup: '$Default',
  partitionId,
  ownerId,
  lastModifiedTimeInMs,
});

test('a partition is held by whoever wrote its ownership lately', () => {
  const found = holdersOf(
    ['0', '1', '2', '3', '4'],
    [owned('0', 'a', 90_000), owned('1', 'a', 60_000), owned('2', '', 100_000), owned('4', 'a', 99_000)],
    { nowMs: 100_000, ownershipTimeoutMs: 30_000, strangers: new Set(['4']) },
  );
  expect(Object.fromEntries(found)).toEqual({ 0: 'worker', 1: 'nobody', 2: 'nobody', 3: 'nobody', 4: 'stranger' });
});

test('a partition that another worker took is not a stranger, and a stranger is told once and forgotten when it is gone', async () => {
  let owner = 'me';
  let now = 0;
  const told: string[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (fields: object) => void told.push(JSON.stringify(fields)) };
  const strangers = createStrangers({
    identifier: 'me',
    owners: async () => [owned('0', owner, 0)],
    ownershipTimeoutMs: 30_000,
    log,
    now: () => now,
  });
  owner = 'another worker';
  await strangers.lost('0');
  expect([...strangers.now()]).toEqual([]);
  owner = 'me';
  // Taken again and lost again, all the while.
  for (; now < 150_000; now += 30_000) await strangers.lost('0');
  expect([...strangers.now()]).toEqual(['0']);
  expect(told).toHaveLength(1);
  now += 60_001;
  expect([...strangers.now()]).toEqual([]);
});

test('the lag of the whole hub is told by a worker that reads a part of it, asked for now and then only', async () => {
  let asked = 0;
  const progress = (partition: string, appliedSeq: number, problem?: string) => ({
    source: 's',
    partition,
    appliedSeq,
    capturedSeq: -1,
    watermarkMs: 0,
    readings: 0,
    late: 0,
    dead: 0,
    updatedAtMs: 0,
    ...(problem === undefined ? {} : { problem }),
  });
  const look = openHubLook({
    worker: { holders: async (all) => new Map(all.map((one) => [one, one === '2' ? 'nobody' : 'worker'] as const)) },
    store: { listProgress: async () => [progress('0', 9), progress('1', 4, 'it was made anew')] },
    hub: {
      source: 's',
      ends: async (partitions) => {
        expect(partitions).toBeUndefined();
        asked++;
        return ['0', '1', '2'].map((partition) => ({ partition, empty: false, firstSeq: 0, lastSeq: 9 }));
      },
    },
    log: { debug() {} } as never,
  });
  await look();
  const found = hubMetrics(await look(), { hub: 'h' });
  expect(asked).toBe(1);
  const samples = (name: string) =>
    Object.fromEntries(
      found
        .find((metric) => metric.name === `fleetscore_ingest_${name}`)!
        .samples.map(({ labels, value }) => [labels!['partition'] ?? labels!['held_by'], value]),
    );
  expect(samples('hub_lag_events')).toEqual({ 0: 0, 1: 10, 2: 10 });
  expect(samples('hub_partitions')).toEqual({ worker: 2, nobody: 1, stranger: 0 });
  expect(samples('partition_problem')).toEqual({ 0: 0, 1: 1, 2: 0 });
});

test('a hub that does not answer tells nothing of its partitions', async () => {
  const look = openHubLook({
    worker: { holders: async () => new Map() },
    store: { listProgress: async () => [] },
    hub: { source: 's', ends: () => Promise.reject(new Error('no answer')) },
    log: { debug() {} } as never,
  });
  expect(hubMetrics(await look(), {})).toEqual([]);
});
