/** Alarms as CloudEvents in an event hub of their own, those of a device in order. Opened when there is one to send. */
import type { EventHubProducerClient } from '@azure/event-hubs';
import { cloudEvent } from '../alarms/message.ts';
import type { Send } from '../batches/tell-alarms.ts';
import { createProducer, type EventHubTarget } from '../ingest/connect.ts';

export interface HubSender {
  readonly send: Send;
  close(): Promise<void>;
}

export function hubSender(target: EventHubTarget, appUrl?: string): HubSender {
  let producer: EventHubProducerClient | undefined;
  return {
    async send(message) {
      producer ??= createProducer(target);
      const event = {
        body: JSON.parse(cloudEvent(message, appUrl)) as object,
        contentType: 'application/cloudevents+json',
        messageId: message.id,
      };
      await producer.sendBatch([event], message.about ? { partitionKey: message.about.device } : {});
      return true;
    },
    close: async () => producer?.close(),
  };
}
