/** The same hub, or another: told by creation, epoch and the last event, on a real store. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { createHubCheck, type HubCheck, type HubCheckDeps, type OnNewHub } from '../../ingest/hub-check.ts';
import { identify, type HubPartition } from '../../ingest/hub-identity.ts';
import { openStore } from '../../storage/open-store.ts';
import type { PartitionProgress, Store } from '../../storage/store.ts';
import { tempDir } from '../support/temp.ts';

const CREATED = Date.UTC(2026, 0, 1);
const READ_MS = Date.UTC(2026, 5, 1);
const SOURCE = 'ns/hub/$default';

/** Events up to 99 were read; the hub has up to 149, none of them expired. */
const hub: HubPartition = {
  createdMs: CREATED,
  firstSeq: 0,
  lastSeq: 149,
  lastOffset: '1:9000:149',
  lastEnqueuedMs: READ_MS + 50_000,
  empty: false,
};
const progress: PartitionProgress = {
  source: SOURCE,
  partition: '0',
  appliedSeq: 99,
  capturedSeq: 99,
  watermarkMs: 0,
  readings: 0,
  late: 0,
  dead: 0,
  updatedAtMs: READ_MS,
  hubCreatedMs: CREATED,
  last: { offset: '1:6000:99', enqueuedMs: READ_MS },
};

test.each<[string, string, Partial<HubPartition>, Partial<PartitionProgress>?]>([
  ['went on', 'same', {}],
  ['is where it was', 'same', { lastSeq: 99, lastEnqueuedMs: READ_MS, lastOffset: '1:6000:99' }],
  ['expired all', 'same', { empty: true, firstSeq: 150 }],
  ['was read by a version that kept no identity', 'same', {}, { hubCreatedMs: undefined!, last: undefined! }],
  ['was never read', 'same', { createdMs: CREATED + 1 }, { appliedSeq: -1 }],
  ['is shorter than what was read', 'other', { lastSeq: 98 }],
  ['is made anew and longer', 'look', { createdMs: CREATED + 1 }],
  ['is made anew, and the event to compare has expired', 'other', { createdMs: CREATED + 1, firstSeq: 100 }],
  ['is made anew, and was read by a version without events', 'other', { createdMs: CREATED + 1 }, { last: undefined! }],
  ['ends at the same number with another event', 'other', { lastSeq: 99, lastEnqueuedMs: READ_MS + 1 }],
  ['failed over', 'look', { lastOffset: '2:9000:149' }],
  ['has epochs since now', 'look', {}, { last: { offset: '6000', enqueuedMs: READ_MS } }],
])('a hub that %s: %s', (_, kind, now, stored = {}) => {
  expect(identify({ ...progress, ...stored }, { ...hub, ...now }).kind).toBe(kind);
});

test('a position that the service refuses proves nothing but by the event', () => {
  expect(identify(progress, hub, true)).toMatchObject({ kind: 'look', seq: 99 });
});

const dir = tempDir('hub-identity');
let store: Store;
beforeAll(async () => {
  store = await openStore(`sqlite:${join(dir, 'store.db')}`);
  await store.migrate();
});
afterAll(() => store?.close());

let partitions = 0;

/** A partition read up to 99, and a service that answers for it. */
async function onHub(
  onNewHub: OnNewHub,
  event: Awaited<ReturnType<HubCheckDeps['eventAt']>>,
): Promise<{
  check: () => HubCheck;
  partition: string;
  now: { -readonly [K in keyof HubPartition]: HubPartition[K] };
  told: string[];
  dropped: string[];
  stored(): Promise<PartitionProgress>;
}> {
  const partition = String(partitions++);
  const now = { ...hub };
  const told: string[] = [];
  const dropped: string[] = [];
  await store.commitReadings({
    source: SOURCE,
    partition,
    expectedSeq: -1,
    throughSeq: 99,
    last: progress.last!,
    watermarkMs: 0,
    updates: [],
    readings: 0,
    late: 0,
    dead: 0,
  });
  const note = (fields: object, message: string): void => void told.push(`${JSON.stringify(fields)} ${message}`);
  const deps: HubCheckDeps = {
    client: {
      getEventHubProperties: async () => ({
        name: 'hub',
        createdOn: new Date(now.createdMs),
        partitionIds: [partition],
        isGeoDrEnabled: false,
      }),
      getPartitionProperties: async () => ({
        eventHubName: 'hub',
        partitionId: partition,
        beginningSequenceNumber: now.firstSeq,
        lastEnqueuedSequenceNumber: now.lastSeq,
        lastEnqueuedOffset: now.lastOffset,
        lastEnqueuedOnUtc: new Date(now.lastEnqueuedMs),
        isEmpty: now.empty,
      }),
    },
    store,
    source: SOURCE,
    onNewHub,
    log: { debug: note, info: note, warn: note, error: note },
    eventAt: async () => event,
    dropCheckpoint: async (which) => void dropped.push(which),
  };
  const check = (): HubCheck => createHubCheck(deps);
  await check().admit(partition);
  const stored = async (): Promise<PartitionProgress> =>
    (await store.listProgress(SOURCE)).find((p) => p.partition === partition)!;
  return { check, partition, now, told, dropped, stored };
}

const OTHER_EVENT = { seq: 99, offset: '2:1:99', enqueuedMs: READ_MS + 1 };
const SAME_EVENT = { seq: 99, offset: '2:6000:99', enqueuedMs: READ_MS };

test('a failover that lost events stops the partition, across restarts, and says how many events wait', async () => {
  const { check, partition, now, told, stored } = await onHub('stop', OTHER_EVENT);
  const worker = check();
  expect(await worker.admit(partition)).toBe(true);
  await worker.hold(partition, '1:7000:120');
  now.lastOffset = '2:9000:149';
  worker.doubtAll();
  await expect(worker.hold(partition)).rejects.toMatchObject({ code: 'HUB_RECREATED' });
  expect(await worker.admit(partition)).toBe(false);
  expect(told.at(-1)).toMatch(/"waiting":150.*stands still.*event 99 that was read came to the hub/);
  now.lastSeq = 100_000;
  expect(await check().admit(partition)).toBe(false);
  expect(await stored()).toMatchObject({ appliedSeq: 99, problem: expect.stringContaining('event 99') });
});

test('a failover that lost nothing goes on, and so does a hub that comes back', async () => {
  const { check, partition, now, stored } = await onHub('stop', SAME_EVENT);
  now.lastOffset = '2:9000:149';
  expect(await check().admit(partition)).toBe(true);
  now.createdMs += 1;
  now.lastSeq = 10;
  expect(await check().admit(partition)).toBe(false);
  expect((await stored()).problem).toBeDefined();
  Object.assign(now, hub);
  expect(await check().admit(partition)).toBe(true);
  expect((await stored()).problem).toBeUndefined();
});

test('an event of another epoch is noticed without a lost connection', async () => {
  const { check, partition, now } = await onHub('stop', OTHER_EVENT);
  const worker = check();
  await worker.admit(partition);
  now.lastOffset = '2:9000:149';
  await expect(worker.hold(partition, '2:8000:130')).rejects.toMatchObject({ code: 'HUB_RECREATED' });
});

test('a refused position is dropped where the event is the same, and stops the partition where it is not', async () => {
  const same = await onHub('stop', SAME_EVENT);
  const worker = same.check();
  worker.doubtPosition(same.partition);
  expect(await worker.admit(same.partition)).toBe(true);
  expect(same.dropped).toEqual([same.partition]);
  const other = await onHub('stop', OTHER_EVENT);
  const stopped = other.check();
  stopped.doubtPosition(other.partition);
  expect(await stopped.admit(other.partition)).toBe(false);
  expect((await other.stored()).problem).toBeDefined();
});

test('a new hub is read from its first event on where that is configured; a worker that holds it lets go first', async () => {
  const { check, partition, now, dropped, stored } = await onHub('read', OTHER_EVENT);
  const worker = check();
  await worker.admit(partition);
  now.createdMs += 1;
  worker.heard(now.createdMs);
  await expect(worker.hold(partition)).rejects.toMatchObject({ code: 'HUB_RECREATED' });
  expect((await stored()).appliedSeq).toBe(99);
  expect(await worker.admit(partition)).toBe(true);
  expect(dropped).toEqual([partition]);
  const begun = await stored();
  expect(begun).toMatchObject({ appliedSeq: -1, capturedSeq: -1, hubCreatedMs: now.createdMs });
  expect([begun.problem, begun.last]).toEqual([undefined, undefined]);
  await worker.hold(partition);
});
