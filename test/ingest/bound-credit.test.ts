import { earliestEventPosition, EventHubConsumerClient, EventHubProducerClient } from '@azure/event-hubs';
import { boundReceiverCredit } from '../../ingest/bound-credit.ts';
import { startEventHubsEmulator } from '../../local/event-hubs/emulator.ts';
import { until } from '../support/ingest-servers.ts';

test('after a trickle of events, a burst waits in the service while the handler is busy', async () => {
  expect(boundReceiverCredit()).toBe(true);
  const emulator = await startEventHubsEmulator({ hubs: [{ name: 'h', partitions: 1 }] });
  const consumer = new EventHubConsumerClient('$Default', emulator.connectionString(), 'h');
  const producer = new EventHubProducerClient(emulator.connectionString(), 'h');
  let seen = 0;
  let holding = false;
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const subscription = consumer.subscribe(
    {
      async processEvents(events) {
        seen += events.length;
        if (!holding) return;
        held.resolve();
        await release.promise;
      },
      async processError() {},
    },
    { maxBatchSize: 10, prefetchCount: 10, startPosition: earliestEventPosition, skipParsingBodyAsJson: true },
  );
  try {
    const event = { body: Buffer.alloc(10) };
    for (let i = 1; i <= 30; i++) {
      await producer.sendBatch([event]);
      await until(() => seen >= i);
    }
    holding = true;
    for (let i = 0; i < 5; i++) await producer.sendBatch(Array.from({ length: 100 }, () => event));
    await held.promise;
    // Anything the service may send has been sent once it has answered another request on the connection.
    await consumer.getPartitionProperties('0');
    const delivered = emulator.stats.delivered;
    expect(delivered).toBeGreaterThan(30);
    expect(delivered).toBeLessThanOrEqual(30 + 2 * 10);
    release.resolve();
    await until(() => seen === 530);
  } finally {
    release.resolve();
    await subscription.close();
    await consumer.close();
    await producer.close();
    await emulator.stop();
  }
});
