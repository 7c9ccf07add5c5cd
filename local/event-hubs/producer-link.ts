/**
 * A link on which a client sends events, to a hub or to one of its partitions. A transfer is accepted after its
 * events are in the log of the partition, all of them or none.
 */
import { Buffer } from 'node:buffer';
import type { EventContext, Receiver } from 'rhea';
import { messageOf } from '../../domain/errors.ts';
import {
  BATCH_FORMAT,
  bytesOf,
  desiredCapabilities,
  forRhea,
  notImplemented,
  tooLarge,
  type AmqpError,
} from './amqp.ts';
import { claimProblem, type Broker } from './broker.ts';
import type { ProducerTarget } from './namespace.ts';
import { MalformedMessage, readBatch, type Batch } from './sections.ts';

const IDEMPOTENT_PRODUCER = 'com.microsoft:idempotent-producer';

/** Answers the attach of a producer link and takes its transfers. */
export function openProducerLink(broker: Broker, link: Receiver): void {
  const address = link.target?.address ?? '';
  const target = broker.namespace.producerTarget(address);
  const problem = 'condition' in target ? target : attachProblem(broker, link, address);
  if (problem !== undefined || 'condition' in target) {
    // Without a terminus, which says that the link is refused (OASIS AMQP 1.0, 2.6.3).
    link.close(forRhea(problem ?? notImplemented(address)));
    return;
  }
  link.set_source({ address: link.source?.address ?? '' });
  link.set_target({ address });
  link.on('message', (context: EventContext) => {
    const error = broker.faults.takeSendError() ?? take(broker, target, context);
    if (error === undefined) context.delivery?.accept();
    else {
      broker.stats.rejected += 1;
      context.delivery?.reject(forRhea(error));
    }
  });
}

function attachProblem(broker: Broker, link: Receiver, address: string): AmqpError | undefined {
  if (desiredCapabilities(link).includes(IDEMPOTENT_PRODUCER)) {
    return notImplemented('The emulator does not offer idempotent publishing. Leave enableIdempotentRetries off.');
  }
  return claimProblem(broker, link.connection, address);
}

/** Appends the events of a transfer, or says why not. */
function take(broker: Broker, { hub, partition }: ProducerTarget, context: EventContext): AmqpError | undefined {
  try {
    const bytes = bytesOf(context);
    if (bytes.length > broker.maxMessageBytes) return tooLarge(bytes.length, broker.maxMessageBytes);
    const batch = context.delivery?.format === BATCH_FORMAT ? readBatch(bytes) : single(bytes);
    const destination = partition ?? hub.choosePartition(batch.partitionKey);
    destination.append(batch.events, batch.partitionKeyPair);
    broker.stats.batches += 1;
    broker.stats.events += batch.events.length;
    return undefined;
  } catch (error) {
    if (error instanceof MalformedMessage) return { condition: 'amqp:decode-error', description: error.message };
    return { condition: 'amqp:internal-error', description: `The events could not be stored: ${messageOf(error)}` };
  }
}

/** A plain message (format 0) is one event, with its own annotations. */
function single(bytes: Buffer): Batch {
  const { partitionKey } = readBatch(bytes);
  return partitionKey === undefined ? { events: [bytes] } : { events: [bytes], partitionKey };
}
