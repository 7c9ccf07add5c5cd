import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { EventHubBufferedProducerClient } from '@azure/event-hubs';
import rhea from 'rhea';
import type { EventContext, SenderOptions } from 'rhea';
import { partitionForKey } from '../../../local/event-hubs/partition-hash.ts';
import { bodies, cleanUp, emulator, numbered, producer, receive, RETRY, sequences } from './support.ts';

afterEach(cleanUp);

const hub = (partitions: number): { hubs: { name: string; partitions: number }[] } => ({
  hubs: [{ name: 'readings', partitions }],
});

test('properties of the hub and its partitions', async () => {
  const emu = await emulator(hub(3));
  const client = producer(emu.connectionString('READINGS'));
  expect(await client.getEventHubProperties()).toMatchObject({ name: 'readings', partitionIds: ['0', '1', '2'] });
  expect(await client.getPartitionProperties('1')).toMatchObject({
    eventHubName: 'readings',
    partitionId: '1',
    isEmpty: true,
    beginningSequenceNumber: 0,
    lastEnqueuedSequenceNumber: -1,
    lastEnqueuedOffset: '-1',
  });
  await client.sendBatch(numbered(3), { partitionId: '1' });
  const before = Date.now();
  const properties = await client.getPartitionProperties('1');
  expect(properties).toMatchObject({ isEmpty: false, beginningSequenceNumber: 0, lastEnqueuedSequenceNumber: 2 });
  expect(Math.abs(properties.lastEnqueuedOnUtc.getTime() - before)).toBeLessThan(60_000);
  await expect(client.getPartitionProperties('7')).rejects.toMatchObject({ code: 'ArgumentOutOfRangeError' });
});

test('a batch arrives whole and in order, with properties, content type and key', async () => {
  const emu = await emulator(hub(4));
  const client = producer(emu.connectionString('readings'));
  const batch = await client.createBatch({ partitionKey: 'pump-1' });
  for (let i = 0; i < 20; i += 1) {
    expect(
      batch.tryAdd({
        body: { i },
        properties: { unit: 'bar', i },
        contentType: 'application/json',
        messageId: `m${i}`,
        correlationId: 'c',
      }),
    ).toBe(true);
  }
  await client.sendBatch(batch);
  const events = await receive(emu.connectionString('readings'), 20, {
    partition: String(partitionForKey('pump-1', 4)),
  });
  expect(bodies(events)).toEqual(Array.from({ length: 20 }, (_, i) => ({ i })));
  expect(sequences(events)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(events[7]).toMatchObject({
    partitionKey: 'pump-1',
    properties: { unit: 'bar', i: 7 },
    contentType: 'application/json',
    messageId: 'm7',
    correlationId: 'c',
  });
  expect(Number(events[1]?.offset)).toBeGreaterThan(Number(events[0]?.offset));
});

test('events without a key go round the partitions', async () => {
  const emu = await emulator(hub(3));
  const client = producer(emu.connectionString('readings'));
  for (let i = 0; i < 6; i += 1) await client.sendBatch(numbered(1, i));
  for (const partition of ['0', '1', '2']) {
    expect((await client.getPartitionProperties(partition)).lastEnqueuedSequenceNumber).toBe(1);
  }
});

test('binary and empty bodies, and keys beyond ASCII', async () => {
  const emu = await emulator(hub(1));
  const client = producer(emu.connectionString('readings'));
  const key = `sensor-ü-${'長'.repeat(100)}`;
  await client.sendBatch([{ body: Buffer.from([0, 255, 1]) }, { body: '' }, { body: null }], { partitionKey: key });
  const events = await receive(emu.connectionString('readings'), 3, { skipParsingBodyAsJson: true });
  expect(events.map((event) => event.partitionKey)).toEqual([key, key, key]);
  expect(Buffer.from(events[0]?.body)).toEqual(Buffer.from([0, 255, 1]));
});

test('the buffered producer puts every key where the broker would', async () => {
  const emu = await emulator(hub(4));
  const failures: unknown[] = [];
  const client = new EventHubBufferedProducerClient(emu.connectionString('readings'), {
    onSendEventsErrorHandler: (context) => void failures.push(context.error),
    ...RETRY,
    maxWaitTimeInMs: 100,
  });
  // Its check for new partitions sleeps ten seconds, which close does not cut short.
  Object.assign(client, { _backgroundManagementInterval: 100 });
  const keys = Array.from({ length: 12 }, (_, i) => `sensor-${i}`);
  for (let i = 0; i < 240; i += 1)
    await client.enqueueEvent({ body: i }, { partitionKey: keys[i % keys.length] ?? '' });
  await client.close({ flush: true });
  expect(failures).toEqual([]);
  expect(emu.stats.events).toBe(240);
  for (let partition = 0; partition < 4; partition += 1) {
    const here = keys.filter((key) => partitionForKey(key, 4) === partition);
    if (here.length === 0) continue;
    const events = await receive(emu.connectionString('readings'), here.length * 20, { partition: String(partition) });
    // The client sends to the partition and leaves the key out, so events are told apart by their number.
    const numbers = bodies(events) as number[];
    for (const key of here) {
      expect(numbers.filter((i) => keys[i % keys.length] === key)).toEqual(
        Array.from({ length: 20 }, (_, i) => i * keys.length + keys.indexOf(key)),
      );
    }
  }
});

test('the limit of 1 MiB holds for an event and for a batch', async () => {
  const emu = await emulator(hub(1));
  const client = producer(emu.connectionString('readings'));
  const batch = await client.createBatch();
  expect(batch.maxSizeInBytes).toBe(1024 * 1024);
  expect(batch.tryAdd({ body: 'x'.repeat(1024 * 1024) })).toBe(false);
  await expect(client.sendBatch([{ body: 'x'.repeat(1024 * 1024) }])).rejects.toMatchObject({
    code: 'MessageTooLargeError',
  });
  const many = Array.from({ length: 12 }, () => ({ body: 'x'.repeat(100_000) }));
  await expect(client.sendBatch(many)).rejects.toMatchObject({ code: 'MessageTooLargeError' });
  await expect(client.createBatch({ maxSizeInBytes: 2 * 1024 * 1024 })).rejects.toThrow('maximum message size');
  await client.sendBatch(many.slice(0, 10));
  expect((await client.getPartitionProperties('0')).lastEnqueuedSequenceNumber).toBe(9);
  expect(emu.stats).toMatchObject({ events: 10, batches: 1, rejected: 2 });
  expect(await receive(emu.connectionString('readings'), 10)).toHaveLength(10);
});

test('a wrong key, an unknown hub and an unknown partition are refused', async () => {
  const emu = await emulator({ ...hub(2), keys: { send: 'secret' } });
  const right = emu.connectionString('readings');
  await producer(right).sendBatch(numbered(1));
  const noRetry = { maxRetries: 0 };
  const wrong = producer(right.replace('secret', 'guess'), noRetry);
  await expect(wrong.sendBatch(numbered(1))).rejects.toMatchObject({ code: 'UnauthorizedError' });
  const stranger = producer(right.replace('SharedAccessKeyName=send', 'SharedAccessKeyName=other'), noRetry);
  await expect(stranger.getEventHubProperties()).rejects.toMatchObject({ code: 'UnauthorizedError' });
  await expect(producer(emu.connectionString('other')).sendBatch(numbered(1))).rejects.toThrow(
    /'other' could not be found/,
  );
  await expect(producer(right).sendBatch(numbered(1), { partitionId: '9' })).rejects.toMatchObject({
    code: 'ArgumentOutOfRangeError',
  });
  expect(emu.stats.events).toBe(1);
});

/** Opens a bare AMQP link and tells with which condition it was refused. */
async function refusalOf(port: number, link: SenderOptions): Promise<unknown> {
  const connection = rhea.create_container().connect({ host: '127.0.0.1', port, reconnect: false });
  const sender = connection.open_sender(link);
  const [{ sender: refused }] = (await once(sender, 'sender_error')) as [EventContext];
  connection.close();
  await once(connection, 'connection_close');
  return refused?.error;
}

test('a link without a token and idempotent publishing are refused, not silently accepted', async () => {
  const emu = await emulator(hub(1));
  expect(await refusalOf(emu.port, { target: { address: 'readings' } })).toMatchObject({
    condition: 'amqp:unauthorized-access',
    description: expect.stringContaining("No put-token for 'readings'"),
  });
  expect(
    await refusalOf(emu.port, {
      target: { address: 'readings' },
      desired_capabilities: 'com.microsoft:idempotent-producer',
    }),
  ).toMatchObject({
    condition: 'amqp:not-implemented',
    description: expect.stringContaining('Leave enableIdempotentRetries off'),
  });
});

test('a fault on sending is retried by the client and nothing arrives twice', async () => {
  const emu = await emulator(hub(1));
  const client = producer(emu.connectionString('readings'));
  emu.faults.failNextSends(2);
  await client.sendBatch(numbered(3));
  expect(emu.stats).toMatchObject({ rejected: 2, events: 3 });
  emu.faults.failNextSends(1, { condition: 'amqp:not-allowed', description: 'no' });
  await expect(client.sendBatch(numbered(1))).rejects.toMatchObject({ code: 'InvalidOperationError' });
});

test('clients come back after their connections are dropped', async () => {
  const emu = await emulator(hub(1));
  // A batch on its way into a connection that is gone is only missed when its time is over.
  const client = producer(emu.connectionString('readings'), { timeoutInMs: 2000 });
  await client.sendBatch(numbered(1));
  expect(emu.faults.dropConnections()).toBe(1);
  await client.sendBatch(numbered(1, 1));
  expect(bodies(await receive(emu.connectionString('readings'), 2))).toEqual([0, 1]);
});
