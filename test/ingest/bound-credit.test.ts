import { earliestEventPosition, EventHubConsumerClient, EventHubProducerClient } from '@azure/event-hubs';
import { BYTES_AHEAD, boundReceiverCredit, missingCredit } from '../../ingest/bound-credit.ts';
import { guardDecoding } from '../../ingest/amqp/guard-decoding.ts';
import { startEventHubsEmulator } from '../../local/event-hubs/emulator.ts';
import { until } from '../support/ingest-servers.ts';

test.each([
  // By number: what the SDK asks for at a time, and once more while that is worked on.
  { ahead: 10, bytes: 10, most: 30 + 2 * 10 },
  // By size: a thousand of these would be allowed.
  { ahead: 1_000, bytes: 500_000, most: 30 + Math.floor(BYTES_AHEAD / 500_000) },
])(
  'after a trickle, a burst of events of $bytes bytes waits in the service while the handler is busy',
  async (shape) => {
    expect(boundReceiverCredit()).toBe(true);
    expect(guardDecoding()).toBe(true);
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
      {
        maxBatchSize: shape.ahead,
        prefetchCount: shape.ahead,
        startPosition: earliestEventPosition,
        skipParsingBodyAsJson: true,
      },
    );
    try {
      const small = { body: Buffer.alloc(10) };
      for (let i = 1; i <= 30; i++) {
        await producer.sendBatch([small]);
        await until(() => seen >= i);
      }
      holding = true;
      const event = { body: Buffer.alloc(shape.bytes) };
      const together = Math.max(1, Math.min(100, Math.floor(900_000 / shape.bytes)));
      const burst = shape.bytes > 1_000 ? 100 : 500;
      for (let i = 0; i < burst; i += together) await producer.sendBatch(Array.from({ length: together }, () => event));
      await held.promise;
      // Anything the service may send has been sent once it has answered another request on the connection.
      await consumer.getPartitionProperties('0');
      const delivered = emulator.stats.delivered;
      expect(delivered).toBeGreaterThan(30);
      expect(delivered).toBeLessThanOrEqual(shape.most);
      release.resolve();
      await until(() => seen === 30 + burst);
    } finally {
      release.resolve();
      await subscription.close();
      await consumer.close();
      await producer.close();
      await emulator.stop();
    }
  },
);

test('more may come for as long as there is room, and always one', () => {
  const nothing = { sizes: [], bytes: 0, likely: 1_000, most: 1_000 };
  expect(missingCredit(nothing, 0, 1_000_000)).toBe(128);
  expect(missingCredit(nothing, 100, 1_000_000)).toBe(28);
  expect(missingCredit({ ...nothing, likely: 100_000 }, 0, 1_000_000)).toBe(10);
  expect(missingCredit({ ...nothing, likely: 5_000_000 }, 0, 1_000_000)).toBe(1);
  const waiting = { sizes: [900_000], bytes: 900_000, likely: 900_000, most: 1_000 };
  expect(missingCredit(waiting, 0, 1_000_000)).toBe(0);
  expect(missingCredit({ ...waiting, likely: 10_000 }, 0, 1_000_000)).toBe(10);
  expect(missingCredit({ ...nothing, sizes: Array<number>(999).fill(1), bytes: 999 }, 0, 1_000_000)).toBe(1);
});
