import { earliestEventPosition, EventHubConsumerClient, EventHubProducerClient } from '@azure/event-hubs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { moduleOfClient } from '../../ingest/amqp/client-parts.ts';
import { guardDecoding } from '../../ingest/amqp/guard-decoding.ts';
import { askForSettled } from '../../ingest/amqp/presettled.ts';
import { BYTES_AHEAD, boundReceiverCredit, missingCredit } from '../../ingest/bound-credit.ts';
import { startEventHubsEmulator } from '../../local/event-hubs/emulator.ts';
import { until } from '../support/until.ts';

/** Counts the messages of a size that the client has taken off the wire. */
function countDecoded(bytes: number): { readonly count: number } {
  const sdk = createRequire(createRequire(import.meta.url).resolve('@azure/event-hubs'));
  const { message } = createRequire(sdk.resolve('rhea-promise'))('rhea') as {
    message: { decode: (bytes: Buffer) => object };
  };
  const { decode } = message;
  const counted = { count: 0 };
  message.decode = Object.assign((raw: Buffer) => {
    if (raw.length >= bytes && raw.length < bytes + 1_000) counted.count++;
    return decode(raw);
  }, decode);
  return counted;
}

test.each([
  // By number: what the SDK asks for at a time, and once more while that is worked on.
  { name: 'by number', ahead: 10, first: 10, bytes: 2_000, trickle: 30, burst: 500, most: 2 * 10 },
  // By the size of those before: a thousand would be allowed.
  {
    name: 'by size',
    ahead: 1_000,
    first: 500_000,
    bytes: 500_000,
    trickle: 30,
    burst: 100,
    most: 2 * (BYTES_AHEAD / 500_000 + 1),
  },
  // A thousand are under way after so many small ones: then the connection is not read on.
  {
    name: 'by the gate',
    ahead: 1_000,
    first: 10,
    bytes: 500_000,
    trickle: 600,
    burst: 180,
    most: (4 * BYTES_AHEAD) / 500_000 + 3,
  },
])('after others, a burst is held back while the handler is busy: $name', async (shape) => {
  expect(boundReceiverCredit()).toBe(true);
  expect(guardDecoding()).toBe(true);
  const taken = countDecoded(shape.bytes);
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
    const small = { body: Buffer.alloc(shape.first) };
    for (let i = 1; i <= 30; i++) {
      await producer.sendBatch([small]);
      await until(() => seen >= i);
    }
    for (let i = 30; i < shape.trickle; i += 190) await producer.sendBatch(Array.from({ length: 190 }, () => small));
    await until(() => seen === shape.trickle);
    holding = true;
    const before = taken.count;
    const event = { body: Buffer.alloc(shape.bytes) };
    const together = Math.max(1, Math.min(100, Math.floor(900_000 / shape.bytes)));
    for (let i = 0; i < shape.burst; i += together)
      await producer.sendBatch(Array.from({ length: together }, () => event));
    await held.promise;
    // Long enough for all of them to come, if they did.
    await sleep(1_000);
    expect(taken.count).toBeGreaterThan(before);
    expect(taken.count - before).toBeLessThanOrEqual(shape.most);
    release.resolve();
    await until(() => seen === shape.trickle + shape.burst);
  } finally {
    release.resolve();
    await subscription.close();
    await consumer.close();
    await producer.close();
    await emulator.stop();
  }
});

test('more may come for as long as there is room, and always one', () => {
  const nothing = { events: 0, bytes: 0, likely: 1_000, most: 1_000 };
  expect(missingCredit(nothing, 0, 1_000_000)).toBe(1_000);
  expect(missingCredit(nothing, 100, 1_000_000)).toBe(900);
  expect(missingCredit({ ...nothing, likely: 100_000 }, 0, 1_000_000)).toBe(10);
  expect(missingCredit({ ...nothing, likely: 5_000_000 }, 0, 1_000_000)).toBe(1);
  const waiting = { events: 1, bytes: 900_000, likely: 900_000, most: 1_000 };
  expect(missingCredit(waiting, 0, 1_000_000)).toBe(0);
  expect(missingCredit({ ...waiting, likely: 10_000 }, 0, 1_000_000)).toBe(10);
  expect(missingCredit({ ...nothing, events: 999, bytes: 999 }, 0, 1_000_000)).toBe(1);
});

test('a new link that has small events gets as many as were asked for while its first batch is at work', async () => {
  expect(boundReceiverCredit()).toBe(true);
  expect(guardDecoding()).toBe(true);
  const bytes = 4_000;
  const taken = countDecoded(bytes);
  const emulator = await startEventHubsEmulator({ hubs: [{ name: 'h', partitions: 1 }] });
  const producer = new EventHubProducerClient(emulator.connectionString(), 'h');
  await producer.sendBatch(Array.from({ length: 150 }, () => ({ body: Buffer.alloc(bytes) })));
  const consumer = new EventHubConsumerClient('$Default', emulator.connectionString(), 'h');
  const release = Promise.withResolvers<void>();
  const subscription = consumer.subscribe(
    { processEvents: () => release.promise, processError: async () => {} },
    { maxBatchSize: 100, prefetchCount: 100, startPosition: earliestEventPosition, skipParsingBodyAsJson: true },
  );
  try {
    // There is room for 32 of the size that is expected at first.
    await until(() => taken.count >= 100);
  } finally {
    release.resolve();
    await subscription.close();
    await consumer.close();
    await producer.close();
    await emulator.stop();
  }
});

interface Opened {
  readonly credit_window?: number;
  on(
    event: 'message',
    listener: (context: { readonly delivery: { readonly remote_settled: boolean } }) => void,
  ): unknown;
}

test('events come settled, so that none is answered; answers of the hub come as ever', async () => {
  expect(askForSettled()).toBe(true);
  expect(askForSettled()).toBe(true);
  const settled = { reader: [] as boolean[], others: [] as boolean[] };
  const { prototype } = (
    moduleOfClient('rhea-promise') as { Session: { prototype: { createReceiver(options?: object): Promise<Opened> } } }
  ).Session;
  const create = prototype.createReceiver;
  prototype.createReceiver = async function (options: { readonly credit_window?: number } = {}) {
    const receiver = await create.call(this, options);
    const seen = options.credit_window === 0 ? settled.reader : settled.others;
    receiver.on('message', ({ delivery }) => void seen.push(delivery.remote_settled));
    return receiver;
  };
  const emulator = await startEventHubsEmulator({ hubs: [{ name: 'h', partitions: 1 }] });
  const consumer = new EventHubConsumerClient('$Default', emulator.connectionString(), 'h');
  const producer = new EventHubProducerClient(emulator.connectionString(), 'h');
  let seen = 0;
  const subscription = consumer.subscribe(
    { processEvents: async (events) => void (seen += events.length), async processError() {} },
    { startPosition: earliestEventPosition },
  );
  try {
    await producer.sendBatch(Array.from({ length: 5 }, (_, body) => ({ body })));
    await until(() => seen === 5);
    expect(settled.reader).toEqual([true, true, true, true, true]);
    expect(settled.others).toContain(false);
  } finally {
    prototype.createReceiver = create;
    await subscription.close();
    await consumer.close();
    await producer.close();
    await emulator.stop();
  }
});
