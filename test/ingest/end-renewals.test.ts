/** A client has a timer for the token of each link that it has open, and none of those that were closed or left. */
import { earliestEventPosition } from '@azure/event-hubs';
import { afterEach, expect, test } from '@jest/globals';
import { createProducer, openConsumer } from '../../ingest/connect.ts';
import { startEventHubsEmulator } from '../../local/event-hubs/emulator.ts';
import { until } from '../support/until.ts';

/** Of a token that is made of a shared access key (withAuth.js of the client). */
const RENEWAL_MS = 45 * 60_000;
const own = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
const renewals = new Set<unknown>();
globalThis.setTimeout = Object.assign((work: () => void, ms?: number) => {
  const timer = own.setTimeout(work, ms);
  if (ms === RENEWAL_MS) renewals.add(timer);
  // How long the client waits at most for a session that its other side has closed: no reason to wait for that here.
  else if (ms === 60_000) timer.unref();
  return timer;
}, own.setTimeout);
globalThis.clearTimeout = (timer) => {
  renewals.delete(timer);
  own.clearTimeout(timer);
};
afterEach(() => expect(renewals.size).toBe(0));

const CLOSED = { condition: 'amqp:link:detach-forced', description: 'it was moved' };

test('links that the service closes again and again leave no timers, and reading and sending go on', async () => {
  const emulator = await startEventHubsEmulator({ hubs: [{ name: 'h', partitions: 1 }] });
  const target = { connection: { connectionString: emulator.connectionString() }, hub: 'h' };
  const producer = createProducer(target);
  const consumer = openConsumer({ ...target, consumerGroup: '$Default' });
  const bodies: unknown[] = [];
  const subscription = consumer.subscribe(
    '0',
    {
      processEvents: async (events) => void bodies.push(...events.map(({ body }): unknown => body)),
      async processError() {},
    },
    { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 1 },
  );
  try {
    const numbers = [0, 1, 2, 3, 4, 5];
    for (const n of numbers) {
      await producer.sendBatch([{ body: n }], { partitionId: '0' });
      await until(() => bodies.length > n);
      expect(emulator.faults.endReaders(CLOSED)).toBe(1);
      expect(emulator.faults.endSenders()).toBe(1);
      // An answer over the same connection comes behind the end of the links.
      await Promise.all([producer.getPartitionIds(), consumer.getPartitionIds()]);
      // One of the reader, which opens its link again by itself, and of the questions of each client.
      expect(renewals.size).toBeLessThanOrEqual(3);
    }
    expect(bodies).toEqual(numbers);
  } finally {
    await subscription.close();
    await Promise.all([consumer.close(), producer.close()]);
    await emulator.stop();
  }
});

test('a client that is closed on the way to an answer leaves neither timer nor connection', async () => {
  const emulator = await startEventHubsEmulator({ hubs: [{ name: 'h', partitions: 1 }] });
  const connection = { connectionString: emulator.connectionString() };
  const sockets = (): number => process.getActiveResourcesInfo().filter((what) => what === 'TCPSocketWrap').length;
  const before = sockets();
  try {
    for (let turns = 0; turns < 30; turns++) {
      const client = openConsumer({ connection, hub: 'h', consumerGroup: '$Default' });
      client.getPartitionIds().catch(() => {});
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      await client.close();
    }
    await until(() => sockets() <= before);
  } finally {
    await emulator.stop();
  }
});
