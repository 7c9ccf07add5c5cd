/**
 * Events that come together are handed over as one, and are those that the client makes of each by itself, in their
 * order; readers that know nothing of it, and a client that counts otherwise, get each by itself.
 */
import { earliestEventPosition, EventHubConsumerClient, EventHubProducerClient } from '@azure/event-hubs';
import { expect, test } from '@jest/globals';
import { movedAsCounted, type Book } from '../../ingest/amqp/counts.ts';
import { eventsOf, gatherEvents } from '../../ingest/amqp/gather.ts';
import { guardDecoding } from '../../ingest/amqp/guard-decoding.ts';
import { askForSettled } from '../../ingest/amqp/presettled.ts';
import { boundReceiverCredit } from '../../ingest/bound-credit.ts';
import { toIngestEvent, type IngestEvent } from '../../ingest/event.ts';
import { startEventHubsEmulator } from '../../local/event-hubs/emulator.ts';
import { until } from '../support/until.ts';

test('events that come together are those that come one by one, odd ones among them', async () => {
  // As an ingest worker does (hub-client.ts).
  for (const extend of [boundReceiverCredit, askForSettled, guardDecoding, gatherEvents]) expect(extend()).toBe(true);
  expect(gatherEvents()).toBe(true);
  const emulator = await startEventHubsEmulator({ hubs: [{ name: 'h', partitions: 1 }] });
  const producer = new EventHubProducerClient(emulator.connectionString(), 'h');
  const consumer = () => new EventHubConsumerClient('$Default', emulator.connectionString(), 'h');
  const options = {
    startPosition: earliestEventPosition,
    maxBatchSize: 100,
    prefetchCount: 100,
    maxWaitTimeInSeconds: 1,
    skipParsingBodyAsJson: true,
  };
  const gathered: IngestEvent[] = [];
  const alone: IngestEvent[] = [];
  let handedOver = 0;
  const gathering = consumer();
  const subscription = gathering.subscribe(
    '0',
    {
      async processEvents(received) {
        handedOver += received.length;
        gathered.push(...eventsOf(received));
      },
      async processError() {},
    },
    options,
  );
  const ordinary = consumer();
  const other = ordinary.subscribe(
    '0',
    { processEvents: async (received) => void alone.push(...received.map(toIngestEvent)), async processError() {} },
    options,
  );
  try {
    const body = Buffer.from('{"value":1}');
    const usual = { body, contentType: 'application/json', properties: { site: 'a', line: 4, on: true } };
    const numbered = (i: number) => ({ ...usual, messageId: `m${i}`, properties: { i: String(i) } });
    // Bytes among the properties, a value instead of a body of bytes, a time: all left to the client.
    const odd = [{ ...usual, properties: { raw: Buffer.from('x') } }, { body: { value: 2 } }, { body: 'text' }];
    let sent = 0;
    while (sent < 1_800) {
      const events = Array.from({ length: 90 }, (_, i) => (i % 40 === 7 ? odd[i % 3]! : i % 2 ? usual : numbered(i)));
      await producer.sendBatch(events);
      sent += events.length;
      await until(() => gathered.length === sent);
    }
    await until(() => alone.length === sent);
    expect(gathered).toEqual(alone);
    expect(gathered.map(({ seq }) => seq)).toEqual(Array.from({ length: sent }, (_, seq) => seq));
    expect(handedOver).toBeLessThan(sent / 2);
  } finally {
    await Promise.all([subscription.close(), other.close()]);
    await Promise.all([gathering.close(), ordinary.close(), producer.close()]);
    await emulator.stop();
  }
});

test('a client that counts more, or otherwise, is not counted for', () => {
  const book = (): Book & { readonly link: { seen?: number } } => ({
    incoming: { next_transfer_id: 5, next_delivery_id: 3, on_transfer: () => {} },
    link: { credit: 10, delivery_count: 3, connection: { _register: () => {} }, is_remote_open: () => true },
  });
  const own = ({ incoming, link }: Book): void => {
    incoming.next_transfer_id++;
    incoming.next_delivery_id!++;
    link.credit--;
    link.delivery_count++;
  };
  const moved = (work: (one: ReturnType<typeof book>) => void): boolean => {
    const one = book();
    return movedAsCounted(one, () => work(one));
  };
  expect(moved(own)).toBe(true);
  expect(moved((one) => [own(one), (one.link.seen = 1)])).toBe(false);
  expect(moved((one) => [own(one), one.link.credit--])).toBe(false);
  expect(moved(() => {})).toBe(false);
  const first = book();
  delete first.incoming.next_delivery_id;
  expect(movedAsCounted(first, () => (first.incoming.next_delivery_id = 4))).toBe(false);
});
