import type { EventPosition, ReceivedEventData } from '@azure/event-hubs';
import { parseSelector } from '../../../local/event-hubs/start-position.ts';
import {
  bodies,
  cleanUp,
  consumer,
  emulator,
  numbered,
  producer,
  receive,
  sequences,
  watch,
  type Watch,
} from './support.ts';

afterEach(cleanUp);

async function filled(): Promise<{ text: string; events: ReceivedEventData[] }> {
  const emu = await emulator();
  const text = emu.connectionString('readings');
  const client = producer(text);
  for (let i = 0; i < 6; i += 1) {
    await client.sendBatch(numbered(1, i), { partitionId: '0' });
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  return { text, events: await receive(text, 6) };
}

test('every start position', async () => {
  const { text, events } = await filled();
  const event = events[2];
  if (event === undefined) throw new Error('no event');
  const cases: readonly (readonly [EventPosition, number[]])[] = [
    [{ offset: '-1' }, [0, 1, 2, 3, 4, 5]],
    [{ offset: event.offset }, [3, 4, 5]],
    [{ offset: event.offset, isInclusive: true }, [2, 3, 4, 5]],
    [{ sequenceNumber: 2 }, [3, 4, 5]],
    [{ sequenceNumber: 2, isInclusive: true }, [2, 3, 4, 5]],
    [{ enqueuedOn: event.enqueuedTimeUtc }, [3, 4, 5]],
    [{ enqueuedOn: event.enqueuedTimeUtc.getTime() - 1 }, [2, 3, 4, 5]],
  ];
  for (const [startPosition, expected] of cases) {
    expect(bodies(await receive(text, expected.length, { startPosition }))).toEqual(expected);
  }
});

test('the latest position gets only what comes afterwards', async () => {
  const { text } = await filled();
  const late = watch(text, { startPosition: { offset: '@latest' } });
  // The link is open for sure when an event has come through it: send until one has.
  const client = producer(text);
  let sent = 6;
  while (late.events.length === 0) {
    await client.sendBatch(numbered(1, sent), { partitionId: '0' });
    sent += 1;
    await new Promise((resolve) => {
      setTimeout(resolve, 30);
    });
  }
  await late.until(({ events }) => events.at(-1)?.body === sent - 1);
  expect(sequences(late.events)[0]).toBeGreaterThanOrEqual(6);
  expect(sequences(late.events)).toEqual(sequences(late.events).map((_, i) => (sequences(late.events)[0] ?? 0) + i));
});

test('selectors are read as the service reads them', () => {
  expect(parseSelector("amqp.annotation.x-opt-enqueued-time >= '1700000000000'")).toEqual({
    kind: 'time',
    value: 1_700_000_000_000,
    inclusive: true,
  });
  expect(parseSelector("amqp.annotation.x-opt-sequence-number > '-1'")).toEqual({
    kind: 'sequence',
    value: -1,
    inclusive: false,
  });
  expect(parseSelector("amqp.annotation.x-opt-offset > '@latest'")).toEqual({ kind: 'latest' });
  expect(parseSelector(undefined)).toEqual({ kind: 'latest' });
  expect(parseSelector("amqp.annotation.x-opt-offset < '5'")).toBeUndefined();
});

test('consumer groups read apart from each other; an unknown one is refused', async () => {
  const { text } = await filled();
  expect(bodies(await receive(text, 6, { group: 'fleetscore' }))).toEqual([0, 1, 2, 3, 4, 5]);
  expect(bodies(await receive(text, 6, { group: '$default' }))).toEqual([0, 1, 2, 3, 4, 5]);
  await expect(receive(text, 1, { group: 'nobody' })).rejects.toThrow(/readings~nobody' could not be found/);
  await expect(receive(text, 1, { partition: '9' })).rejects.toMatchObject({ code: 'ArgumentOutOfRangeError' });
});

const hasEvents = ({ events }: Watch): boolean => events.length >= 6;
const hasErrors = ({ errors }: Watch): boolean => errors.length > 0;

test('a higher owner level cuts off a lower one, and a lower one or none is refused beside it', async () => {
  const { text } = await filled();
  const low = watch(text, { ownerLevel: 1 });
  await low.until(hasEvents);
  const high = watch(text, { ownerLevel: 5 });
  await high.until(hasEvents);
  await low.until(hasErrors);
  expect(low.errors[0]).toBe('ReceiverDisconnectedError');
  await expect(receive(text, 1, { ownerLevel: 4 })).rejects.toMatchObject({
    code: 'ReceiverDisconnectedError',
    message: expect.stringContaining("higher epoch '5'"),
  });
  await expect(receive(text, 1)).rejects.toMatchObject({
    code: 'ReceiverDisconnectedError',
    message: expect.stringContaining('non-epoch receiver is not allowed'),
  });
  // Other groups and partitions are not concerned, and the owner goes on.
  expect(await receive(text, 6, { group: 'fleetscore' })).toHaveLength(6);
  await producer(text).sendBatch(numbered(1, 6), { partitionId: '0' });
  await high.until(({ events }) => events.length === 7);
  expect(high.errors).toEqual([]);
  expect(bodies(low.events)).toEqual([0, 1, 2, 3, 4, 5]);
});

test('at the same owner level the newest wins, and an owner cuts off those that share', async () => {
  const { text } = await filled();
  const shared = watch(text);
  await shared.until(hasEvents);
  const first = watch(text, { ownerLevel: 3 });
  await first.until(hasEvents);
  await shared.until(hasErrors);
  const second = watch(text, { ownerLevel: 3 });
  await second.until(hasEvents);
  await first.until(hasErrors);
  expect([shared.errors[0], first.errors[0]]).toEqual(['ReceiverDisconnectedError', 'ReceiverDisconnectedError']);
  await second.close();
  expect(await receive(text, 6)).toHaveLength(6);
});

test('at most five readers share a partition of a group, and one that leaves makes room', async () => {
  const { text } = await filled();
  const five = Array.from({ length: 5 }, () => watch(text));
  await Promise.all(five.map((reader) => reader.until(hasEvents)));
  await expect(receive(text, 6)).rejects.toMatchObject({ code: 'QuotaExceededError' });
  await five[0]?.close();
  expect(await receive(text, 6)).toHaveLength(6);
});

test('readers of a dropped connection make room at once', async () => {
  const emu = await emulator();
  const text = emu.connectionString('readings');
  await producer(text).sendBatch(numbered(6), { partitionId: '0' });
  const owner = watch(text, { ownerLevel: 9 });
  await owner.until(hasEvents);
  await owner.close();
  emu.faults.dropConnections();
  expect(await receive(text, 6)).toHaveLength(6);
});

test('runtime metrics tell where the partition ends', async () => {
  const emu = await emulator();
  const text = emu.connectionString('readings');
  const client = producer(text);
  await client.sendBatch(numbered(10), { partitionId: '0' });
  const last = await client.getPartitionProperties('0');
  const reader = consumer(text);
  const seen = await new Promise((resolve, reject) => {
    reader.subscribe(
      '0',
      {
        processEvents: async (events, context) => {
          if (events.length > 0) resolve({ ...context.lastEnqueuedEventProperties });
        },
        processError: async (error) => reject(error),
      },
      { startPosition: { offset: '-1' }, maxBatchSize: 3, trackLastEnqueuedEventProperties: true },
    );
  });
  expect(seen).toMatchObject({
    sequenceNumber: 9,
    offset: last.lastEnqueuedOffset,
    enqueuedOn: last.lastEnqueuedOnUtc,
    retrievedOn: expect.any(Date),
  });
});

test('many events go through in order while they are being sent, with small and large credit', async () => {
  const emu = await emulator();
  const text = emu.connectionString('readings');
  const client = producer(text);
  const readers = [1, 50, 3000].map((maxBatchSize) => watch(text, { maxBatchSize, startPosition: { offset: '-1' } }));
  const total = 6000;
  for (let sent = 0; sent < total; sent += 1000) await client.sendBatch(numbered(1000, sent), { partitionId: '0' });
  const [, ...fast] = readers;
  for (const reader of fast) {
    await reader.until(({ events }) => events.length >= total);
    expect(bodies(reader.events)).toEqual(Array.from({ length: total }, (_, i) => i));
  }
  const [slow] = readers;
  expect(bodies(slow?.events ?? [])).toEqual(Array.from({ length: slow?.events.length ?? 0 }, (_, i) => i));
  expect(readers.flatMap((reader) => reader.errors)).toEqual([]);
});
