/** Owners of partitions by the clock of Blob, whatever this machine's says. */
import { expect, test } from '@jest/globals';
import type { PartitionOwnership } from '@azure/event-hubs';
import { createStoreClock } from '../../ingest/store-clock.ts';

const warned: object[] = [];
const log = { debug() {}, info() {}, error() {}, warn: (fields: object) => void warned.push(fields) };
const owned = (lastModifiedTimeInMs: number): PartitionOwnership => ({
  fullyQualifiedNamespace: 'ns',
  eventHubName: 'hub',
  consumerGroup: '$Default',
  partitionId: '0',
  ownerId: 'other',
  lastModifiedTimeInMs,
});

test.each([60_000, -600_000, 0])('a clock that is %d ms ahead sees the age that Blob sees', async (aheadMs) => {
  warned.length = 0;
  const storeNow = (): number => Date.now() - aheadMs;
  const container = {
    getProperties: async () => ({ date: new Date(Math.floor(storeNow() / 1000) * 1000) }),
  } as unknown as Parameters<typeof createStoreClock>[0];
  const [one] = await createStoreClock(container, log)([owned(storeNow() - 10_000)]);
  expect(Math.abs(Date.now() - one!.lastModifiedTimeInMs! - 10_000)).toBeLessThan(3_000);
  expect(warned).toHaveLength(aheadMs === 0 ? 0 : 1);
});
